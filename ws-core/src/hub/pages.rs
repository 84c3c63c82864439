//! Pages: opened, pushed to, and heard.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;

use super::Hub;
use crate::page::{NoPage, Page, PageMessage, Pages, StreamClient};
use crate::reply::{Reply, ReplyOrNever};
use crate::session::{Session, SessionError};
use crate::topic::{AsTopic, FromTopic};
use crate::wire::Push;

/// What an application does with a message of a page.
type OnMessage = dyn Fn(&PageMessage, &Hub) -> Reply + Send + Sync;

/// The place of it, empty at first.
#[derive(Default)]
pub(super) struct PageHook(RwLock<Option<Arc<OnMessage>>>);

impl Hub {
    /// Issues a page of this session, to be rendered now. `ws.page()` and `Visit::open_page`
    /// do it in an HTTP handler.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] where the session is not current, and
    /// [`SessionError::Random`] where the operating system has no random numbers.
    pub fn open_page(&self, session: &Session) -> Result<Page, SessionError> {
        self.open_page_for(session, None)
    }

    /// As [`open_page`](Self::open_page), for a client of this address, which may have
    /// [`PageLimits::per_address`](crate::limits::PageLimits::per_address) pages. Past this
    /// limit the page is issued without a queue: a push before its browser connects is lost, and
    /// the browser gets a reset. Give no address that many visitors share, such as that of a proxy.
    ///
    /// # Errors
    ///
    /// As [`open_page`](Self::open_page).
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

    /// The page of this id, where it was issued to this session and is still good: for an HTTP
    /// handler that a page sends its id to.
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

    /// The page of this id, or why it is none of this session.
    pub(crate) fn identify_page(&self, session: &Session, id: &str) -> Result<Page, NoPage> {
        Page::of(&self.inner.pages, session, id)
    }

    /// All pages of a user, in all sessions of theirs that are current.
    ///
    /// ```
    /// use ws_server::Hub;
    ///
    /// let hub = Hub::default();
    /// assert_eq!(hub.user("ada").push("mail", &1), 0);
    /// ```
    pub fn user<'h>(&'h self, user: &'h str) -> UserPages<'h> {
        UserPages {
            pages: &self.inner.pages,
            user,
        }
    }

    /// Pushes an event to every page, as [`Page::push`] does to one. Returns how many take it.
    pub fn broadcast<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> usize {
        let push = Push::event_or_log(event, payload);
        push.map_or(0, |push| self.inner.pages.push_to_all(&push))
    }

    /// How many pages there are, those included that are in their grace time.
    pub fn page_count(&self) -> usize {
        self.inner.pages.count()
    }

    /// Bytes that wait for all pages together, up to
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

    /// Hands every message that a page sends on a route to
    /// [`PageStream`](crate::stream::PageStream) to this function. It replaces an earlier one.
    ///
    /// The function runs in the task of the page's connection; messages of one page come one
    /// after the other. What it returns goes to the page, as what a hook returns; for work that
    /// takes time it starts a task, which pushes. A function that blocks holds one worker thread;
    /// further messages of the page wait for it without a thread, also those of another socket,
    /// for at most `hook_timeout`. A panic closes the connection with 1011. As
    /// long as there is no function, messages are refused with 1003.
    ///
    /// ```
    /// use ws_server::Hub;
    ///
    /// let hub = Hub::default();
    /// hub.on_page_message(|sent, _hub| {
    ///     tracing::debug!(bytes = sent.message.len(), "a page says something");
    ///     sent.page.push("heard", &true);
    /// });
    /// ```
    pub fn on_page_message<F, R>(&self, hear: F)
    where
        F: Fn(&PageMessage, &Hub) -> R + Send + Sync + 'static,
        R: ReplyOrNever,
    {
        let hear = move |message: &PageMessage, hub: &Hub| hear(message, hub).reply();
        let PageHook(hook) = &self.inner.page_hook;
        let mut hook = hook.write().unwrap_or_else(PoisonError::into_inner);
        let earlier = hook.replace(Arc::new(hear));
        drop(hook);
        // What it holds may use the hub when it is dropped.
        drop(earlier);
    }

    /// Publishes every message that a page sends on a route to
    /// [`PageStream`](crate::stream::PageStream) to a topic, read as
    /// [`FromTopic`] reads it: a `String` is the text of the message, any other `T` is read from
    /// JSON. A message that is no `T` closes the page's connection with 1007, one of the wrong
    /// kind with 1003. It takes the place of [`on_page_message`](Self::on_page_message).
    pub fn publish_page_messages<T: FromTopic>(
        &self,
        topic: impl AsTopic<Value = T> + Send + Sync + 'static,
    ) {
        self.on_page_message(move |sent, hub| match T::from_topic(sent.message.clone()) {
            Ok(value) => {
                hub.publish(topic.as_topic(), &value);
                Reply::NONE
            }
            Err(error) => Reply::undecodable(error.into()),
        });
    }

    #[cfg(feature = "test-kit")]
    pub(crate) fn pages(&self) -> &Arc<Pages> {
        &self.inner.pages
    }

    /// Hands a message of a page over, where anybody takes it.
    pub(crate) fn hear(&self, message: &PageMessage) -> Option<Reply> {
        let PageHook(hook) = &self.inner.page_hook;
        let hear = hook.read().unwrap_or_else(PoisonError::into_inner).clone();
        hear.map(|hear| hear(message, self))
    }
}

impl StreamClient {
    /// Lets the tags of this hub's pages name this client. A server sets it once.
    pub fn install(self, hub: &Hub) {
        hub.inner.pages.set_client(self);
    }
}

/// All pages of one user: what [`Hub::user`] returns.
#[must_use = "it does nothing before something is pushed"]
pub struct UserPages<'h> {
    pages: &'h Pages,
    user: &'h str,
}

impl UserPages<'_> {
    /// Pushes an event to all of them, as [`Page::push`] does to one. Returns how many take it.
    pub fn push<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> usize {
        let push = Push::event_or_log(event, payload);
        push.map_or(0, |push| self.pages.push_to_user(self.user, &push))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pages.count_of_user(self.user)
    }
}

impl std::fmt::Debug for UserPages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserPages").finish_non_exhaustive()
    }
}
