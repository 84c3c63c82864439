//! Pages: opening them, pushing to them, and handling their messages.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;

use super::Hub;
use crate::error::Refusal;
use crate::page::{BrowserClientPaths, FreshPage, NoPage, Page, PageMessage, Pages, PushTo};
use crate::reply::{Reply, ReplyOrNever};
use crate::session::{Session, SessionError, SessionId};
use crate::topic::{AsTopic, FromTopic, PublishError, Pushed};
use crate::wire::Push;

/// The application's function for messages of pages.
pub(crate) type PageMessageHandler = dyn Fn(&PageMessage, &Hub) -> Reply + Send + Sync;

/// The current function, if one is set.
#[derive(Default)]
pub(super) struct PageHook(RwLock<Option<Arc<PageMessageHandler>>>);

impl Hub {
    /// Issues a page of this session, to be rendered now. In an HTTP handler, `ws.page()` and
    /// `Visit::open_page` do this.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// let (session, _cookie) = hub.sessions().begin().await.unwrap();
    /// let page = hub.open_page(&session).unwrap();
    /// assert_eq!(page.push("news", &"hello"), 1);
    /// assert_eq!(hub.page_count(), 1);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] if the session is not current, and [`SessionError::Random`] if the
    /// operating system has no random numbers.
    pub fn open_page(&self, session: &Session) -> Result<Page, SessionError> {
        self.open_page_for(session, None)
    }

    /// Same as [`open_page`](Self::open_page), for a client with this address, which may have
    /// [`PageLimits::per_address`](crate::limits::PageLimits::per_address) pages. Past this limit
    /// the page is issued without a queue: a push before its browser connects is lost, and the
    /// browser gets a reset. Do not pass an address that many visitors share, such as a proxy's.
    ///
    /// ```
    /// use ws_server::{Hub, Page, Session, SessionError};
    /// use ws_server::extract::Handshake;
    ///
    /// fn open(hub: &Hub, session: &Session, request: &Handshake) -> Result<Page, SessionError> {
    ///     hub.open_page_for(session, request.peer_addr().map(|address| address.ip()))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Same as [`open_page`](Self::open_page).
    pub fn open_page_for(
        &self,
        session: &Session,
        address: Option<IpAddr>,
    ) -> Result<Page, SessionError> {
        if !session.is_current() {
            return Err(SessionError::Ended);
        }
        Page::issue(&self.inner.pages, session, address)
    }

    /// Returns the page with this id if it was issued to this session and has not expired: for an
    /// HTTP handler that receives the id from a page.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// let (mine, _) = hub.sessions().begin().await.unwrap();
    /// let (yours, _) = hub.sessions().begin().await.unwrap();
    /// let page = hub.open_page(&mine).unwrap();
    /// assert_eq!(hub.find_page(&mine, page.id()), Some(page.clone()));
    /// assert_eq!(hub.find_page(&yours, page.id()), None);
    /// # });
    /// ```
    pub fn find_page(&self, session: &Session, id: &str) -> Option<Page> {
        self.identify_page(session, id).ok()
    }

    /// Returns the page with this id, or why it does not belong to this session.
    pub(crate) fn identify_page(&self, session: &Session, id: &str) -> Result<Page, NoPage> {
        Page::of(&self.inner.pages, session, id)
    }

    /// Returns the page without a session that has this id, such as the one that a device has
    /// received in its `welcome`. Returns `None` if the id is not valid, or is of a page of a
    /// session, for which there is [`find_page`](Self::find_page).
    ///
    /// The page may have ended meanwhile: then a push reaches 0 pages.
    ///
    /// ```
    /// use ws_server::Hub;
    ///
    /// /// Switches a lamp, which has reported the id of its page when it was installed.
    /// fn switch(hub: &Hub, lamp: &str, is_on: bool) -> bool {
    ///     hub.page(lamp).is_some_and(|page| page.push("switch", &is_on) == 1)
    /// }
    /// # assert!(!switch(&Hub::default(), "no id", true));
    /// ```
    pub fn page(&self, id: &str) -> Option<Page> {
        self.identify_anonymous_page(id).ok()
    }

    /// Returns the page without a session that has this id, or why it is not valid.
    pub(crate) fn identify_anonymous_page(&self, id: &str) -> Result<Page, NoPage> {
        let lifetime = self.sessions().limits().page_lifetime;
        Page::of_anonymous(&self.inner.pages, id, lifetime)
    }

    /// Issues a page without a session to a client of this address, in its handshake.
    pub(crate) fn issue_anonymous_page(
        &self,
        address: Option<IpAddr>,
        fresh: FreshPage,
    ) -> Result<Page, Refusal> {
        let pages = &self.inner.pages;
        Page::issue_anonymous(pages, address, fresh).map_err(|error| pages.refuse(error))
    }

    /// All pages of a user, in all of the user's current sessions.
    ///
    /// ```
    /// use ws_server::Hub;
    ///
    /// let hub = Hub::default();
    /// assert_eq!(hub.user("ada").push("mail", &1), 0);
    /// ```
    pub fn user<'h>(&'h self, user: &'h str) -> PagesOf<'h> {
        self.pages_of(PushTo::User(user))
    }

    /// The page with this id, for code that has no [`Page`], such as a job of another server.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// let (session, _cookie) = hub.sessions().begin().await.unwrap();
    /// let page = hub.open_page(&session).unwrap();
    /// assert_eq!(hub.page_by_id(page.id()).push("report", &"ready"), 1);
    /// assert_eq!(hub.page_by_id("unknown").push("report", &"ready"), 0);
    /// # });
    /// ```
    pub fn page_by_id<'h>(&'h self, id: &'h str) -> PagesOf<'h> {
        self.pages_of(PushTo::Page(id))
    }

    /// All pages of the session with this public id: [`Session::id`].
    ///
    /// ```
    /// use ws_server::Hub;
    /// use ws_server::session::SessionId;
    ///
    /// let hub = Hub::default();
    /// let unknown = SessionId::from_bytes([0; 16]);
    /// assert_eq!(hub.session(unknown).push("cart", &3), 0);
    /// ```
    pub fn session(&self, id: SessionId) -> PagesOf<'_> {
        self.pages_of(PushTo::Session(id))
    }

    /// All pages.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// let (session, _cookie) = hub.sessions().begin().await.unwrap();
    /// let _page = hub.open_page(&session).unwrap();
    /// assert_eq!(hub.everyone().send("maintenance", &"at ten o'clock").await, Ok(1));
    /// # });
    /// ```
    pub fn everyone(&self) -> PagesOf<'_> {
        self.pages_of(PushTo::All)
    }

    fn pages_of<'h>(&'h self, to: PushTo<'h>) -> PagesOf<'h> {
        PagesOf {
            pages: &self.inner.pages,
            to,
        }
    }

    /// Pushes an event to every page, as [`Page::push`] does to one. Returns how many accept it.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// let (session, _cookie) = hub.sessions().begin().await.unwrap();
    /// let _page = hub.open_page(&session).unwrap();
    /// assert_eq!(hub.broadcast("maintenance", &"at ten o'clock"), 1);
    /// # });
    /// ```
    pub fn broadcast<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> usize {
        self.everyone().push(event, payload)
    }

    /// The number of pages, including those in their grace period.
    pub fn page_count(&self) -> usize {
        self.inner.pages.count()
    }

    /// The bytes queued for all pages together, at most
    /// [`PageLimits::all_bytes`](crate::limits::PageLimits::all_bytes).
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// let (session, _) = hub.sessions().begin().await.unwrap();
    /// let page = hub.open_page(&session).unwrap();
    /// page.push("news", &"x".repeat(1000));
    /// assert!((1000..1200).contains(&hub.page_bytes()));
    /// # });
    /// ```
    pub fn page_bytes(&self) -> usize {
        self.inner.pages.bytes()
    }

    /// Sets the function that handles every message that a page sends on a route to
    /// [`PageStream`](crate::stream::PageStream). It replaces any previous function.
    ///
    /// The function runs in the task of the page's connection; messages of one page are handled one
    /// after the other. Its return value is sent to the page, like the return value of a hook; for
    /// slow work, start a task that pushes the result. A function that blocks occupies one worker
    /// thread. Further messages of the page, also from another socket, wait for it without
    /// occupying a thread, for at most `hook_timeout`. A panic closes the connection with 1011.
    /// While no function is set, messages are refused with 1003.
    ///
    /// ```
    /// use ws_server::Hub;
    ///
    /// let hub = Hub::default();
    /// hub.on_page_message(|sent, _hub| {
    ///     tracing::debug!(bytes = sent.message.len(), "received a message of a page");
    ///     sent.page.push("received", &true);
    /// });
    /// ```
    pub fn on_page_message<F, R>(&self, handler: F)
    where
        F: Fn(&PageMessage, &Hub) -> R + Send + Sync + 'static,
        R: ReplyOrNever,
    {
        let handler = move |message: &PageMessage, hub: &Hub| handler(message, hub).reply();
        let PageHook(hook) = &self.inner.page_hook;
        let mut hook = hook.write().unwrap_or_else(PoisonError::into_inner);
        let previous = hook.replace(Arc::new(handler));
        drop(hook);
        // Dropping the captured values may use the hub, so the lock is released first.
        drop(previous);
    }

    /// Publishes every message that a page sends on a route to
    /// [`PageStream`](crate::stream::PageStream) to a topic. The message is decoded by
    /// [`FromTopic`]: a `String` is the text of the message, any other `T` is decoded from JSON. If
    /// a message does not decode, the page's connection is closed with 1007; if it is of the wrong
    /// kind, with 1003. This replaces the function of [`on_page_message`](Self::on_page_message).
    ///
    /// ```
    /// use ws_server::{Hub, Topic};
    ///
    /// let hub = Hub::default();
    /// let lines: Topic<String> = Topic::local("lines");
    /// hub.publish_page_messages(lines);
    /// ```
    pub fn publish_page_messages<T: FromTopic>(
        &self,
        topic: impl AsTopic<Value = T> + Send + Sync + 'static,
    ) {
        self.on_page_message(move |sent, hub| match T::from_topic(sent.message.clone()) {
            Ok(value) => {
                hub.publish(&topic, &value);
                Reply::NONE
            }
            Err(error) => Reply::undecodable(error.into()),
        });
    }

    #[cfg(feature = "test-kit")]
    pub(crate) fn pages(&self) -> &Arc<Pages> {
        &self.inner.pages
    }

    /// The application's function for messages of pages, if one is set.
    pub(crate) fn page_message_handler(&self) -> Option<Arc<PageMessageHandler>> {
        let PageHook(hook) = &self.inner.page_hook;
        hook.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl BrowserClientPaths {
    /// Makes the script tags of this hub's pages refer to this client. A server calls it once.
    pub fn install(self, hub: &Hub) {
        hub.inner.pages.set_client_paths(self);
    }
}

/// The pages that get a push: those of a user, of a session, one, or all. See [`Hub::user`],
/// [`Hub::session`], [`Hub::page_by_id`] and [`Hub::everyone`].
///
/// If several servers share a log, they are the pages on all of them. Pushes of one task arrive in
/// order, also if they have different addressees.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// # let hub = ws_server::Hub::default();
/// let (visitor, _cookie) = hub.sessions().begin().await.unwrap();
/// let (ada, _cookie) = hub.sessions().renew(&visitor, Some("ada".to_owned())).await.unwrap();
/// let _page = hub.open_page(&ada).unwrap();
/// assert_eq!(hub.user("ada").count(), 1);
/// assert_eq!(hub.user("ada").push("mail", &"one new letter"), 1);
/// # });
/// ```
#[derive(Clone, Copy)]
#[must_use = "it does nothing before something is pushed"]
pub struct PagesOf<'h> {
    pages: &'h Pages,
    to: PushTo<'h>,
}

impl PagesOf<'_> {
    /// Pushes an event to all of them, as [`Page::push`] does to one. Returns how many pages of this
    /// server accept it.
    pub fn push<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> usize {
        let push = Push::event_or_log(event, payload);
        push.map_or(0, |push| self.pages.push(self.to, &push).reached())
    }

    /// Same as [`push`](Self::push), but also waits until the event is in the log that several servers
    /// share, and the queues of this server's pages have it.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if it cannot be encoded or was not logged.
    pub fn send<T: Serialize + ?Sized>(
        &self,
        event: &str,
        payload: &T,
    ) -> impl Future<Output = Result<usize, PublishError>> + Send + use<T> {
        let pushed = Push::encode(event, payload).map(|push| self.pages.push(self.to, &push));
        async { pushed.map(Pushed::confirmed)?.await }
    }

    /// The number of these pages on this server.
    pub fn count(&self) -> usize {
        self.pages.count_of(self.to)
    }
}

impl std::fmt::Debug for PagesOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PagesOf").finish_non_exhaustive()
    }
}
