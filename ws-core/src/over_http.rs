//! Page streams over HTTP, for networks that block WebSockets.
//!
//! One POST opens the stream: its response has no end, and carries one message per line to the
//! page. The messages of the page are the lines in the bodies of further POSTs. Each of these names
//! the *attachment*, a secret that the first line of the response contains.
//!
//! Between the two, a connection runs that is the same as over a WebSocket: `HttpTransport`
//! converts lines into the frames of a client, and the frames of the server into lines. So limits,
//! the takeover of a page, pings and drains need no second implementation.
//!
//! A POST that reaches another server than its stream is passed on through the log that both share
//! (`elsewhere`).

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tokio::sync::{Notify, Semaphore};

use crate::extract::Visitor;
use crate::hub::{Hub, Permit};
use crate::outbox::Io;
use crate::page::Page;
use crate::route::Route;
use crate::session::{Session, SessionId};

#[cfg(not(feature = "cluster"))]
mod alone;
#[cfg(feature = "cluster")]
mod elsewhere;
mod pipe;
mod response;
#[cfg(test)]
mod tests;
mod transport;
mod up;

pub use crate::hub::PostError;
#[cfg(not(feature = "cluster"))]
use alone as elsewhere;
pub use elsewhere::PostElsewhere;
pub use response::ResponseLines;

use crate::wire::{OverHttp, json};
use pipe::Pipe;
use transport::HttpTransport;

/// The media type of the POSTs of a page stream, and of the response that opens one. No form can
/// send it, and a page of another origin only after a preflight request.
pub const PAGE_POST_TYPE: &str = "application/vnd.ws-server.page.v1";

/// The query parameter of the attachment, in a POST with messages.
pub const ATTACHMENT_PARAMETER: &str = "attachment";

/// The query parameter of the number of a POST with messages.
pub const NUMBER_PARAMETER: &str = "post";

/// The number of a POST among those of its attachment, given by the client.
pub type PostNumber = NonZeroU64;

/// The maximum number of POSTs of one attachment at a time: one whose messages are being read, and
/// the one that a page sends when it is closed.
const MAX_POSTS: usize = 2;

/// The owner of an attachment. A POST with the attachment must have the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Owner {
    page: String,
    session: SessionId,
    /// The pattern of the route.
    route: String,
}

impl Owner {
    /// The owner of an attachment of this visitor at this route; `None` if the visitor has no page.
    pub fn of(visitor: &Visitor, route: &Route) -> Option<Self> {
        Some(Self {
            page: visitor.page.as_ref().map(Page::id)?.to_owned(),
            session: visitor.session.as_ref().map(Session::id)?,
            route: route.path.clone(),
        })
    }
}

/// Shows no id of a page: it proves the intent of its visitor.
impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// The attachments of a server: its page streams over HTTP. There is one for each running
/// connection, so the limits of connections apply to it.
#[derive(Default)]
pub struct Attachments {
    by_token: Mutex<HashMap<String, Arc<Attachment>>>,
    /// Notified when the last one has ended.
    emptied: Notify,
}

impl fmt::Debug for Attachments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachments").finish_non_exhaustive()
    }
}

impl Attachments {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Attachment>>> {
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of attachments.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Waits until there is no attachment.
    pub async fn all_ended(&self) {
        loop {
            let mut emptied = pin!(self.emptied.notified());
            // Before the check: the last one may end meanwhile.
            emptied.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Creates an attachment: the transport of its connection, and the lines of its response.
    /// `limit` is the largest body of a POST with messages, in bytes; the page gets to know it, or
    /// what other servers pass on if that is less. Both the transport and the lines keep the permit
    /// until they are dropped.
    pub fn attach(
        self: &Arc<Self>,
        hub: &Hub,
        owner: Owner,
        limit: usize,
        permit: Permit,
    ) -> (Io, ResponseLines) {
        let token = elsewhere::token(hub, &owner).unwrap_or_else(token);
        let permit = Arc::new(permit);
        let pipe = Arc::new(Pipe::default());
        pipe.push_line(&json(&OverHttp::Open {
            attachment: &token,
            limit: elsewhere::largest_everywhere(hub, limit),
        }));
        let attachment = Arc::new(Attachment {
            owner,
            pipe: pipe.clone(),
            posts: Semaphore::new(MAX_POSTS),
            turn: Semaphore::new(1),
            last_number: AtomicU64::new(0),
        });
        let hosted = elsewhere::host(hub, &token, &attachment);
        self.lock().insert(token.clone(), attachment);
        let registered = Registration {
            attachments: self.clone(),
            token,
            _hosted: hosted,
        };
        let transport = HttpTransport::new(pipe.clone(), registered, permit.clone());
        (Box::new(transport).into(), ResponseLines::new(pipe, permit))
    }

    /// Finds the attachment with this token, if it has this owner.
    pub fn find(&self, token: &str, owner: &Owner) -> Option<Arc<Attachment>> {
        let found = self.lock().get(token).cloned()?;
        (found.owner == *owner).then_some(found)
    }
}

/// Checks that the frames of a body contain its lines and nothing else.
#[cfg(fuzzing)]
pub fn check_frames(body: &[u8]) {
    up::check_frames(body);
}

/// A secret that nothing else contains.
///
/// # Panics
///
/// Panics if the operating system provides no random numbers; hash maps with random keys do not
/// work without them either.
fn token() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system provides random numbers");
    BASE64.encode(bytes)
}

/// The entry of a connection among the attachments. It is removed when this is dropped.
struct Registration {
    attachments: Arc<Attachments>,
    token: String,
    _hosted: elsewhere::Hosted,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let (removed, is_empty) = {
            let mut attachments = self.attachments.lock();
            (attachments.remove(&self.token), attachments.is_empty())
        };
        drop(removed);
        if is_empty {
            self.attachments.emptied.notify_waiters();
        }
    }
}

/// One page stream over HTTP.
pub struct Attachment {
    owner: Owner,
    pipe: Arc<Pipe>,
    /// Permits for POSTs.
    posts: Semaphore,
    /// The permit of the POST whose messages are read. It is fair, so POSTs are read in the order of their arrival.
    turn: Semaphore,
    /// The highest number of a POST whose frames the connection has got; it changes in a turn.
    last_number: AtomicU64,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// The turn of one POST.
#[derive(Debug)]
pub struct PostTurn<'a> {
    attachment: &'a Attachment,
    _permits: [tokio::sync::SemaphorePermit<'a>; 2],
}

impl Attachment {
    /// Waits until earlier POSTs of the attachment are done.
    ///
    /// # Errors
    ///
    /// [`PostError::Busy`] if another one waits already.
    pub async fn turn(&self) -> Result<PostTurn<'_>, PostError> {
        let slot = self.posts.try_acquire().map_err(|_| PostError::Busy)?;
        let turn = self.turn.acquire().await.map_err(|_| PostError::Ended)?;
        Ok(PostTurn {
            attachment: self,
            _permits: [slot, turn],
        })
    }
}

impl PostTurn<'_> {
    /// Passes the lines of a body to the connection, and waits until it has read them. The wait is
    /// back-pressure: a connection reads no further than its limits allow. A POST whose number is not
    /// higher than that of an earlier one repeats it, and only waits.
    ///
    /// # Errors
    ///
    /// [`PostError::Ended`] if the connection ends before it has read them all.
    pub async fn send(self, number: Option<PostNumber>, body: &[u8]) -> Result<(), PostError> {
        let Attachment {
            pipe, last_number, ..
        } = self.attachment;
        pipe.read_by_connection().await?;
        let is_new = number.is_none_or(|number| {
            last_number.fetch_max(number.get(), Ordering::Relaxed) < number.get()
        });
        if is_new {
            pipe.push_frames(&up::frames(body));
        }
        pipe.read_by_connection().await
    }
}
