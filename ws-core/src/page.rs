//! Pages: their ids, and the streams that go from the server to the browser and back.
//!
//! The protocol between the two is `PAGE-PROTOCOL.md`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::decode::DecodeError;
use crate::message::Message;
use crate::session::{Session, SessionError};
use crate::wire::{NewPage, Push, json};

mod budget;
mod feed;
mod id;
mod queue;
mod reaper;
mod registry;
mod stream;
mod tag;

pub use id::NoPage;
pub use stream::CapacityFreed;
pub use tag::{StreamClient, StreamTag, StreamUrl};

pub use crate::wire::PAGE_PROTOCOL;

pub(crate) use feed::Feed;
pub(crate) use registry::{OpenError, Pages, TooMany};
pub(crate) use stream::{
    Accepted, AttachError, Claim, Epoch, PageSocket, Position, Progress, Standing, Stream,
    logged_on,
};

use id::PageId;

/// The page that opened a connection, found by the id `z_pid` that was issued to it.
///
/// A hook takes it as an argument on a route that requires a session and a page; an HTTP
/// handler gets one from `ws.page()`. Clones are the same page.
///
/// An id is issued for every rendering of a page, and is good with the session that it was
/// issued to, and with no other, for `page_lifetime` (24 hours). A logon lets the pages of
/// before go on with the session, counted anew, but a second one does not; and they prove no
/// longer that a request from another site is meant. Each id carries its time and a seal
/// (HMAC-SHA-256, 128 bits) under a secret of its session.
///
/// From its rendering on a page has a queue: what is pushed to it waits there until the
/// browser has acknowledged it, be it over one connection or many, on a route to
/// [`PageStream`](crate::stream::PageStream) or to a handler with `attach: page`. A page
/// without a connection ends after [`grace`](crate::limits::PageLimits::grace); then it takes
/// nothing more, and a browser that comes back is told to load its state anew.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use ws_server::Hub;
///
/// let hub = Hub::default();
/// let (session, _cookie) = hub.sessions().begin().await.unwrap();
/// let page = hub.open_page(&session).unwrap();
/// assert_eq!(page.push("count", &1), 1);
/// assert_eq!(session.push("count", &2), 1);
/// assert_eq!(hub.broadcast("count", &3), 1);
/// # });
/// ```
#[derive(Clone)]
pub struct Page {
    id: PageId,
    session: Session,
    pages: Arc<Pages>,
    /// The stream that it was rendered with.
    epoch: Option<u64>,
}

impl Page {
    /// A new page of this session, for a client of this address.
    pub(crate) fn issue(
        pages: &Arc<Pages>,
        session: &Session,
        address: Option<IpAddr>,
    ) -> Result<Self, SessionError> {
        let id = PageId::issue(session)?;
        let epoch = match pages.open(&id.text, session, address) {
            Ok(stream) => Some(stream.epoch()),
            // What is pushed before the browser comes is lost, and it is told so.
            Err(OpenError::TooMany(_) | OpenError::Refused(_)) => None,
            Err(OpenError::Session(error)) => return Err(error),
        };
        Ok(Self {
            id,
            session: session.clone(),
            pages: pages.clone(),
            epoch,
        })
    }

    /// The page of this id, if the id was issued to this session and is still good.
    pub(crate) fn of(pages: &Arc<Pages>, session: &Session, id: &str) -> Result<Self, NoPage> {
        Ok(Self {
            id: PageId::of(session, id)?,
            session: session.clone(),
            pages: pages.clone(),
            epoch: None,
        })
    }

    /// Whether the page was issued before the last logon.
    pub(crate) const fn is_former(&self) -> bool {
        self.id.is_former
    }

    /// The stream of the page for a socket with this claim. If it has none, one begins, for a
    /// client of this address.
    pub(crate) fn open(
        &self,
        address: Option<IpAddr>,
        claim: Claim,
    ) -> Result<Arc<Stream>, OpenError> {
        self.pages
            .open_for(&self.id.text, &self.session, address, claim)
    }

    /// All pages of its server.
    pub(crate) const fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    /// The id of the page, for its HTML: the browser sends it as `?z_pid=…`. It consists of
    /// letters, digits, `-` and `_`.
    pub fn id(&self) -> &str {
        &self.id.text
    }

    /// The epoch of the stream that the page was rendered with, for the page's own client;
    /// [`stream_tag`](Self::stream_tag) contains it. `None` where it has none, as where the
    /// page was not rendered just now.
    pub fn epoch(&self) -> Option<String> {
        self.epoch.map(stream::epoch_text)
    }

    /// The answer to a browser that asks for this new page, as JSON.
    #[doc(hidden)]
    pub fn announcement(&self) -> String {
        let (page, epoch) = (self.id(), self.epoch());
        json(&NewPage { page, epoch })
    }

    /// Pushes an event to the page: `{"event": …, "data": …}`, with the payload as JSON.
    ///
    /// Pushes of one task arrive in the order in which it made them, each once, whatever
    /// becomes of connections. Past the [limits](crate::limits::PageLimits) of the queue all
    /// that waits is dropped, and the page is told to load its state anew. A connection from
    /// before a logon is closed, and what is pushed waits for one of the new session.
    ///
    /// Returns how many pages take it: 1, or 0 where the page has ended. A payload that cannot
    /// be encoded reaches nobody and is logged at `error`.
    pub fn push<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> usize {
        let push = Push::event_or_log(event, payload);
        let taken =
            push.is_some_and(|push| self.pages.push_to(&self.id.text, &self.session, &push));
        usize::from(taken)
    }

    /// The HTML that attaches the page to a route, such as `&Routes::stream()`: one `<script>`
    /// that loads the client and says where to connect to. A typed URL gets the base path of the
    /// server, a text such as `"/websocket"` is taken as it is. There is no inline code, so that a
    /// Content-Security-Policy with `script-src 'self'` and `connect-src 'self'` allows it.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// # let (session, _) = hub.sessions().begin().await.unwrap();
    /// # let page = hub.open_page(&session).unwrap();
    /// let html = page.stream_tag("/websocket").nonce("r4nd0m").to_string();
    /// assert!(html.starts_with("<script type=\"module\" src=\"/ws-server/client.js\""));
    /// assert!(html.contains("data-stream=\"/websocket\""));
    /// # });
    /// ```
    pub fn stream_tag<U: StreamUrl + ?Sized>(&self, url: &U) -> StreamTag {
        let url = url.under(&self.pages.client().base);
        StreamTag::new(self.clone(), url)
    }
}

impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Page {}

/// The id is half of what opens a connection: it is not shown.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page(…)")
    }
}

/// A message of a page to the built-in handler, [`PageStream`](crate::stream::PageStream):
/// see [`Hub::on_page_message`](crate::hub::Hub::on_page_message).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PageMessage {
    /// The page that sent it.
    pub page: Page,
    /// The session of the connection that it came by.
    pub session: Session,
    /// What it sent.
    pub message: Message,
}

impl PageMessage {
    pub(crate) const fn new(page: Page, session: Session, message: Message) -> Self {
        Self {
            page,
            session,
            message,
        }
    }

    /// The message read as JSON.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] where it is binary, or no such value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let text = self.message.as_text().ok_or(DecodeError::ExpectedText)?;
        serde_json::from_str(text).map_err(DecodeError::malformed)
    }
}
