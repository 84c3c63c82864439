//! Pages: their ids, and the streams between the server and the browser.
//!
//! `PAGE-PROTOCOL.md` describes the protocol of a stream.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::decode::DecodeError;
use crate::message::Message;
use crate::session::{Session, SessionError};
use crate::topic::{PublishError, Pushed};
use crate::wire::{NewPage, Push, json};

mod anonymous;
mod base;
mod budget;
mod credentials;
mod ending;
mod feed;
mod id;
mod queue;
mod reaper;
mod registry;
mod resumed;
mod stream;
mod subscriptions;
mod tag;

pub use id::NoPage;
pub use resumed::{Resumable, ResumeReason, Resumed};
pub use stream::CapacityFreed;
pub use subscriptions::PageSubscribeError;
pub use tag::{BrowserClientPaths, StreamTag, StreamUrl};

pub use crate::wire::PAGE_PROTOCOL;

pub(crate) use credentials::Credentials;
pub(crate) use feed::Feed;
#[cfg(feature = "cluster")]
pub(crate) use registry::Unclaimed;
pub(crate) use registry::{OpenError, OpenedCursor, Pages, PushTo, RefusedCursor};
pub(crate) use resumed::{PageResume, PageReturn};
pub(crate) use stream::{
    Accepted, AttachError, AttachRequest, Epoch, InitClient, PageReport, PageSocket, PongSent,
    Position, Progress, RestoredBy, Stream, logon_close,
};

use anonymous::AnonymousId;
#[cfg(fuzzing)]
pub use anonymous::check_forgery;
pub(crate) use anonymous::{FormOfId, form_of};
use id::PageId;

/// The page that opened a connection, identified by the id `z_pid` that was issued to it.
///
/// A hook takes it as an argument if its route requires a session and a page, or has `attach: page`;
/// an HTTP handler gets one from `ws.page()`. Clones refer to the same page.
///
/// On a route with `attach: page` and `require_session: false`, a client without cookies gets a page
/// without a session. Its id is sealed with the [secret](crate::session::Secrets) of the server, and
/// [`Hub::page`](crate::hub::Hub::page) finds it. The following paragraphs are about the ids of
/// rendered pages.
///
/// An id is issued for every rendering of a page. It is valid for `page_lifetime` (24 hours), and
/// only with the session that it was issued to. After a logon, earlier pages stay valid with the
/// renewed session, and their lifetime starts again; a second logon invalidates them. A page from
/// before a logon no longer proves that a request from another site is intended. Each id contains
/// its time and a seal (HMAC-SHA-256, 128 bits) under a secret of its session.
///
/// A page has a queue from its rendering on: pushed messages wait there until the browser has
/// acknowledged them, over any number of connections, on a route to
/// [`PageStream`](crate::stream::PageStream) or to a handler with `attach: page`. A page without a
/// connection ends after [`grace`](crate::limits::PageLimits::grace); it then accepts no more
/// messages, and if its browser reconnects, it receives a reset and must load its state again.
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
    /// The stream that the page was rendered with.
    rendered: Option<Arc<Rendered>>,
    /// The id was issued in the handshake of the page.
    fresh: Option<FreshPage>,
}

/// Why a page without a session begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreshPage {
    /// Its client has no id yet.
    First,
    /// The id of its client is not valid.
    Replacement,
}

/// What a page's client needs to know of the stream that the page was rendered with.
struct Rendered {
    epoch: u64,
    base: String,
}

impl Page {
    /// Milliseconds within which the pages of this server return after an abrupt end of it.
    pub(crate) fn spread(&self) -> Option<u32> {
        self.pages.spread()
    }

    /// Issues a new page of this session, for a client of this address.
    pub(crate) fn issue(
        pages: &Arc<Pages>,
        session: &Session,
        address: Option<IpAddr>,
    ) -> Result<Self, SessionError> {
        let id = PageId::issue(session)?;
        let rendered = match pages.open(&id.text, session, address) {
            Ok(stream) => Some(Arc::new(Rendered {
                epoch: stream.epoch(),
                base: stream.base(),
            })),
            // Pushes before the browser connects are lost; it then receives a reset.
            Err(OpenError::TooMany(_) | OpenError::Refused(_)) => None,
            Err(OpenError::Session(error)) => return Err(error),
        };
        Ok(Self {
            id,
            session: session.clone(),
            pages: pages.clone(),
            rendered,
            fresh: None,
        })
    }

    /// Returns the page with this id, if the id was issued to this session and is still valid.
    pub(crate) fn of(pages: &Arc<Pages>, session: &Session, id: &str) -> Result<Self, NoPage> {
        Ok(Self {
            id: PageId::of(session, id)?,
            session: session.clone(),
            pages: pages.clone(),
            rendered: None,
            fresh: None,
        })
    }

    /// Issues a new page without a session, for a client of this address. It has no stream before
    /// its socket attaches.
    pub(crate) fn issue_anonymous(
        pages: &Arc<Pages>,
        address: Option<IpAddr>,
        fresh: FreshPage,
    ) -> Result<Self, OpenError> {
        let id = pages.issue_anonymous(address)?;
        Ok(Self::anonymous(pages, id, Some(fresh)))
    }

    /// Returns the page without a session that has this id, if it is valid: for this time after it
    /// was issued, and as long as the page is alive.
    pub(crate) fn of_anonymous(
        pages: &Arc<Pages>,
        id: &str,
        lifetime: Duration,
    ) -> Result<Self, NoPage> {
        let id = pages.identify_anonymous(id, lifetime)?;
        Ok(Self::anonymous(pages, id, None))
    }

    fn anonymous(pages: &Arc<Pages>, id: AnonymousId, fresh: Option<FreshPage>) -> Self {
        Self {
            id: PageId::anonymous(id.text),
            session: Session::of_page(id.session),
            pages: pages.clone(),
            rendered: None,
            fresh,
        }
    }

    /// The session that owns the page: that of its visitor, or a private one.
    pub(crate) const fn owner(&self) -> &Session {
        &self.session
    }

    /// Why the id was issued in the handshake of the page, if it was.
    pub(crate) const fn fresh(&self) -> Option<FreshPage> {
        self.fresh
    }

    /// Whether the page was issued before the last logon.
    pub(crate) const fn predates_logon(&self) -> bool {
        self.id.predates_logon
    }

    /// The stream of the page, for a socket with this request. If the page has none, a new one
    /// begins, for a client of this address.
    pub(crate) fn open(
        &self,
        address: Option<IpAddr>,
        request: AttachRequest,
    ) -> Result<Arc<Stream>, OpenError> {
        let stream = self
            .pages
            .open_for(&self.id.text, &self.session, address, request)?;
        if self.fresh.is_some() {
            stream.require_id();
            #[cfg(feature = "cluster")]
            stream.own();
        }
        Ok(stream)
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
    /// [`stream_tag`](Self::stream_tag) contains it. Returns `None` if there is none, for example
    /// if this page was found by a request and not rendered just now.
    pub fn epoch(&self) -> Option<String> {
        let rendered = self.rendered.as_ref();
        rendered.map(|rendered| stream::epoch_text(rendered.epoch))
    }

    /// The sealed base of the cursor with which the page returns, for the page's own client;
    /// [`stream_tag`](Self::stream_tag) contains it. Returns `None` if [`epoch`](Self::epoch) does.
    pub fn base(&self) -> Option<&str> {
        self.rendered
            .as_ref()
            .map(|rendered| rendered.base.as_str())
    }

    /// Opens the cursor of the page: its sealed base, and the places of the messages that it has
    /// received since. Returns `None` if it is of an earlier process or session.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(
            clippy::unused_async,
            reason = "only a log that several servers share needs it"
        )
    )]
    pub(crate) async fn open_cursor(
        &self,
        base: &str,
        places: &str,
    ) -> Result<Option<OpenedCursor>, RefusedCursor> {
        let session = self.session.generation();
        #[cfg(feature = "cluster")]
        self.pages.reach(self.id(), session, base, places).await;
        self.pages.open_cursor(self.id(), session, base, places)
    }

    /// The JSON response to a browser that requests this new page.
    #[doc(hidden)]
    pub fn announcement(&self) -> String {
        let (page, epoch, base) = (self.id(), self.epoch(), self.base().map(str::to_owned));
        json(&NewPage { page, epoch, base })
    }

    /// Pushes an event to the page: `{"event": …, "data": …}`, with the payload as JSON.
    ///
    /// Pushes of one task arrive in order and exactly once, even if connections fail. If the queue
    /// exceeds its [limits](crate::limits::PageLimits), all of it is dropped, and the page receives
    /// a reset and must load its state again. A connection from before a logon is closed, and the
    /// push waits for a connection of the new session.
    ///
    /// Returns the number of pages that accepted it: 1, or 0 if the page has ended. If several
    /// servers share a log, the page may be on another one: then the number is 0 too. If the payload
    /// cannot be encoded, nothing is sent, and the error is logged at `error`.
    pub fn push<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> usize {
        let push = Push::event_or_log(event, payload);
        push.map_or(0, |push| self.push_encoded(&push).reached())
    }

    fn push_encoded(&self, push: &Push) -> Pushed {
        self.pages.push_to(&self.id.text, &self.session, push)
    }

    /// Same as [`push`](Self::push), and waits until the event is in the log that several servers
    /// share. The returned number counts only the pages of this server.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// # let (session, _) = hub.sessions().begin().await.unwrap();
    /// # let page = hub.open_page(&session).unwrap();
    /// assert_eq!(page.send("count", &1).await, Ok(1));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError`] if it cannot be encoded or was not logged.
    pub fn send<T: Serialize + ?Sized>(
        &self,
        event: &str,
        payload: &T,
    ) -> impl Future<Output = Result<usize, PublishError>> + Send + use<T> {
        let pushed = Push::encode(event, payload).map(|push| self.push_encoded(&push));
        async { pushed.map(Pushed::confirmed)?.await }
    }

    /// Returns the HTML that attaches the page to a route, such as `&Routes::stream()`: one
    /// `<script>` that loads the client, with the URL to connect to. The base path of the server is
    /// added to a typed URL; a text such as `"/websocket"` is used unchanged. The tag has no inline
    /// code, so a Content-Security-Policy with `script-src 'self'` and `connect-src 'self'` allows
    /// it.
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
        let url = url.with_base(&self.pages.client_paths().base_path);
        StreamTag::new(self.clone(), url)
    }
}

impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Page {}

/// Does not show the id: it is half of the credentials for a connection.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page(…)")
    }
}

/// A message of a page to the built-in handler, [`PageStream`](crate::stream::PageStream):
/// see [`Hub::on_page_message`](crate::hub::Hub::on_page_message).
///
/// ```
/// use serde::Deserialize;
/// use ws_server::Hub;
/// use ws_server::decode::DecodeError;
/// use ws_server::page::PageMessage;
///
/// #[derive(Deserialize)]
/// struct Say { text: String }
///
/// /// Shows a line to all pages of the visitor.
/// fn show(sent: &PageMessage, _: &Hub) -> Result<(), DecodeError> {
///     let say: Say = sent.json()?;
///     match &sent.session {
///         Some(session) => session.push("said", &say.text),
///         None => sent.page.push("said", &say.text),
///     };
///     Ok(())
/// }
///
/// Hub::default().on_page_message(show);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PageMessage {
    /// The page that sent it.
    pub page: Page,
    /// The session of the connection on which it arrived; `None` if its route does not require one
    /// and the page has none.
    pub session: Option<Session>,
    /// The message itself.
    pub message: Message,
}

impl PageMessage {
    pub(crate) const fn new(page: Page, session: Option<Session>, message: Message) -> Self {
        Self {
            page,
            session,
            message,
        }
    }

    /// Deserializes the message as JSON.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is binary, or cannot be deserialized as `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let text = self.message.as_text().ok_or(DecodeError::ExpectedText)?;
        serde_json::from_str(text).map_err(DecodeError::malformed)
    }
}
