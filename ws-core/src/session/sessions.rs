//! The sessions of one server: finds, begins, renews and ends them.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use super::backend::Backend;
use super::notice::EndedSession;
use super::options::SessionOptions;
use super::pages::SessionPages;
use super::shared::SharedSessions;
#[cfg(test)]
use super::store::DynStore;
use super::{
    CookieOptions, Newcomer, Session, SessionError, SessionId, SessionKey, SessionRecord,
    SessionToken,
};
use crate::limits::SessionLimits;

mod foreign;
mod lookup;
#[cfg(feature = "cluster")]
mod remote;
mod renewal;

pub use lookup::NoSession;
use renewal::Renewal;

/// The sessions of one server. All clones share them; each hub has its own.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use ws_server::Hub;
///
/// let hub = Hub::default();
/// let (session, _cookie) = hub.sessions().begin().await.unwrap();
/// session.insert("visits", &1).await.unwrap();
/// let (session, _cookie) = hub.sessions().renew(&session, Some("ada".to_owned())).await.unwrap();
/// assert_eq!((session.user(), session.get("visits")), (Some("ada"), Some(1)));
/// assert_eq!(hub.sessions().end_user("ada").await.unwrap(), 1);
/// assert!(!session.is_current());
/// # });
/// ```
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<SharedSessions>,
}

impl Sessions {
    /// Creates sessions with these options.
    pub fn new(options: SessionOptions) -> Self {
        Self {
            inner: SharedSessions::new(options),
        }
    }

    /// The limits of the sessions.
    pub fn limits(&self) -> &SessionLimits {
        &self.inner.backend.limits
    }

    /// The name of the cookie that holds the session's token, over TLS or plain HTTP.
    pub fn session_cookie(&self, secure: bool) -> &str {
        &self.inner.session_cookies[usize::from(secure)]
    }

    /// The name of the cookie that holds the page's id, over TLS or plain HTTP.
    pub fn page_cookie(&self, secure: bool) -> &str {
        &self.inner.page_cookies[usize::from(secure)]
    }

    /// The attributes of the cookies.
    pub fn cookies(&self) -> &CookieOptions {
        &self.inner.cookies
    }

    /// The name of the query parameter that holds the page's id.
    pub fn page_parameter(&self) -> &str {
        &self.inner.page_cookies[0]
    }

    /// Whether sessions come from the application's [`SessionSource`](super::SessionSource).
    pub fn are_foreign(&self) -> bool {
        self.inner.backend.source.is_some()
    }

    /// Begins a session. Set the token as the visitor's cookie.
    ///
    /// ```
    /// use ws_server::session::Sessions;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let sessions = Sessions::default();
    /// let (session, token) = sessions.begin().await.unwrap();
    /// let cookie = format!("{}={}; Path=/", sessions.session_cookie(false), token.cookie_value());
    /// assert!(cookie.starts_with("z_sid="));
    /// assert!(session.is_current());
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::Foreign`], [`SessionError::Full`], [`SessionError::Random`], and the errors
    /// of the store.
    pub async fn begin(&self) -> Result<(Session, SessionToken), SessionError> {
        self.begin_at(None).await
    }

    async fn begin_at(
        &self,
        address: Option<IpAddr>,
    ) -> Result<(Session, SessionToken), SessionError> {
        if self.are_foreign() {
            return Err(SessionError::Foreign);
        }
        let (token, record) = (SessionToken::new()?, SessionRecord::new(None)?);
        let first = self.inner.backend.limits.first_idle;
        let has_sockets = |id| self.inner.registry.has_sockets(id);
        let newcomer = Newcomer::new(address).sockets(&has_sockets);
        let store = &self.inner.backend.store;
        let created = store.create_for(token.key(), record.clone(), first, newcomer);
        if !self.inner.backend.with_timeout(created).await? {
            // Two tokens of 256 bits are equal: the random numbers are not random.
            return Err(SessionError::Random);
        }
        Ok((self.inner.acquire(token.key(), None, record).session, token))
    }

    /// Begins a session for a client of this address. The number of sessions per address is limited
    /// by a rate, and when the store is full, it evicts sessions of this address first
    /// ([`SessionStore::create_for`](super::SessionStore::create_for)). Pass `None` if the address
    /// may be that of a proxy, which all visitors share.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::limits::{Rate, SessionLimits};
    /// use ws_server::session::{SessionError, SessionOptions, Sessions};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let rate = Rate::new(1, Duration::from_secs(60));
    /// let limits = SessionLimits::DEFAULT.begin_rate(Some(rate));
    /// let sessions = Sessions::new(SessionOptions::new(limits));
    /// let address = "203.0.113.7".parse().ok();
    /// let (session, _cookie) = sessions.begin_for(address).await.unwrap();
    /// assert!(session.is_current());
    /// assert!(matches!(sessions.begin_for(address).await, Err(SessionError::TooMany)));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionError::TooMany`] if [`SessionLimits::begin_rate`] is exceeded, and the errors of
    /// [`begin`](Self::begin).
    pub async fn begin_for(
        &self,
        address: Option<IpAddr>,
    ) -> Result<(Session, SessionToken), SessionError> {
        let rate = self.inner.backend.limits.begin_rate;
        if self.inner.begin_rates.allows(address, rate) {
            self.begin_at(address).await
        } else {
            Err(SessionError::TooMany)
        }
    }

    /// Loads the session under this key.
    async fn load(
        &self,
        key: SessionKey,
        foreign: Option<String>,
    ) -> Result<Option<Session>, SessionError> {
        let Backend { store, limits, .. } = &*self.inner.backend;
        let found = self
            .inner
            .backend
            .with_timeout(store.load(key, limits.idle))
            .await?;
        let Some(record) = found else {
            return Ok(None);
        };
        let generation = record.generation();
        // Another session may begin under the key meanwhile, so only this one is removed.
        let remove = async || {
            let removed = store.remove_generation(key, generation);
            self.inner.backend.with_timeout(removed).await
        };
        if record.age >= limits.lifetime {
            remove().await?;
            return Ok(None);
        }
        let acquired = self.inner.acquire(key, foreign, record);
        let session = acquired.session;
        if session.live.is_ended() {
            // Its end has not reached the store yet.
            remove().await?;
            return Ok(None);
        }
        // If another call ended the session between the load and `acquire`, it found no handle to
        // end, so ask the store once more. If there was a handle already, that call has ended it.
        if acquired.is_first {
            let contains = store.contains(key, generation.id);
            if !self.inner.backend.with_timeout(contains).await? {
                self.inner.registry.close_lost(&session.live);
            }
        }
        Ok(session.is_current().then_some(session))
    }

    /// Gives the visitor a new session for this user, with a new token and the same values. Call it
    /// at logon, so that the old token, which an attacker may know, gains nothing.
    ///
    /// Open sockets stay open until the session ends. They hold the old session, which does not
    /// know the user.
    ///
    /// If this future is dropped before it returns, for example because the client has gone, or if
    /// it fails, the visitor keeps the session and the cookie from before: a task undoes a logon
    /// that the store has made nevertheless. The handle `session` may not be current afterwards;
    /// the next request gets a new one.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] if the session is not current, [`SessionError::Foreign`], and the
    /// errors of the store.
    pub async fn renew(
        &self,
        session: &Session,
        user: Option<String>,
    ) -> Result<(Session, SessionToken), SessionError> {
        if self.are_foreign() {
            return Err(SessionError::Foreign);
        }
        // One logon at a time: one that finds no session must not revoke the key that another has
        // replaced.
        let write_guard = session.live.lock_changes(&self.inner.backend).await?;
        if !session.is_current() {
            return Err(SessionError::Ended);
        }
        let token = SessionToken::new()?;
        let renewal = Renewal::begin(&self.inner, session, token.key(), user, write_guard);
        Ok((renewal.finish().await?, token))
    }

    /// Ends a session: requests no longer find it, and its sockets are closed with 4401, including
    /// those from before a logon. Sockets of this process are closed at once, and so are those of
    /// other servers that share the log. If another process shares only the store, its sockets are
    /// closed within a quarter of the idle time. Returns whether there was a
    /// session to end: false if it has ended already, or if a logon has replaced it, since only a
    /// handle to the new session can end that one.
    ///
    /// A hook that ends the session of its own connection cannot send anything after that: its
    /// reply would come after the Close.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let sessions = ws_server::session::Sessions::default();
    /// let (session, _cookie) = sessions.begin().await.unwrap();
    /// assert!(sessions.end(&session).await.unwrap());
    /// assert!(!session.is_current());
    /// assert_eq!(sessions.count().await.unwrap(), 0);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of the store. The sockets are closed nevertheless; call it again.
    pub async fn end(&self, session: &Session) -> Result<bool, SessionError> {
        let live = &session.live;
        if live.is_renewed() {
            return Ok(false);
        }
        self.inner.registry.close_lost(live);
        // Remove it even if it has ended in this process already: the store may still have it.
        let store = &self.inner.backend.store;
        let removed = store.remove_generation(live.key, live.generation());
        let removed = self.inner.backend.with_timeout(removed).await;
        if !matches!(removed, Ok(false)) {
            self.inner.announce_ends(&[live.generation().into()]);
        }
        let removed = removed?;
        // A request that loaded the session before the removal may hold a handle by now.
        self.inner.registry.close_lost(live);
        Ok(removed)
    }

    /// Ends every session of this user; see [`end`](Self::end). Returns the number of sessions
    /// ended.
    ///
    /// # Errors
    ///
    /// The errors of the store. The sockets are closed nevertheless; call it again.
    pub async fn end_user(&self, user: &str) -> Result<usize, SessionError> {
        self.inner
            .registry
            .close_matching(|live| live.user() == Some(user));
        let removed = self.inner.backend.store.remove_user(user);
        let removed = self.inner.backend.with_timeout(removed).await?;
        for id in &removed {
            self.inner.registry.close(*id);
        }
        let ended: Vec<_> = removed
            .iter()
            .map(|id| EndedSession::entirely(*id))
            .collect();
        self.inner.announce_ends(&ended);
        Ok(removed.len())
    }

    /// Ends our session for one that the application has ended, and closes its sockets with 4401.
    /// Returns whether there was one.
    ///
    /// ```
    /// use ws_server::{SessionError, Ws};
    ///
    /// /// Called when the application has ended its session `key`.
    /// async fn logged_off(ws: &Ws, key: &str) -> Result<(), SessionError> {
    ///     let had_sockets = ws.hub().sessions().end_foreign(key).await?;
    ///     tracing::debug!(had_sockets, "a session has ended");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of the store. The sockets are closed nevertheless; call it again.
    pub async fn end_foreign(&self, key: &str) -> Result<bool, SessionError> {
        let name = SessionKey::of_foreign(key);
        let mut closed = self.inner.registry.close_matching(|live| live.key == name);
        let removed = self
            .inner
            .backend
            .with_timeout(self.inner.backend.store.remove(name))
            .await?;
        if let Some(id) = removed {
            closed |= self.inner.registry.close(id);
            self.inner.announce_ends(&[EndedSession::entirely(id)]);
        }
        Ok(closed || removed.is_some())
    }

    /// Registers the pages of a server, so that sessions push to them.
    pub(crate) fn add_pages(&self, pages: Weak<dyn SessionPages>) {
        self.inner.backend.add_pages(pages);
    }

    #[cfg(test)]
    pub(super) fn store(&self) -> &dyn DynStore {
        &*self.inner.backend.store
    }

    /// The number of sessions with a handle in this process.
    /// Checks that the store answers, by looking up a session that does not exist.
    ///
    /// # Errors
    ///
    /// The error of the store, or [`SessionError::TimedOut`].
    pub async fn check_store(&self) -> Result<(), SessionError> {
        let backend = &self.inner.backend;
        let (key, id) = (SessionKey::of_nobody(), SessionId::from_bytes([0; 16]));
        let found = backend.store.contains(key, id);
        backend.with_timeout(found).await.map(drop)
    }

    pub(crate) fn handle_count(&self) -> usize {
        self.inner.registry.handle_count()
    }

    /// The number of sessions in the store.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn count(&self) -> Result<usize, SessionError> {
        self.inner
            .backend
            .with_timeout(self.inner.backend.store.count())
            .await
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new(SessionOptions::default())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("limits", &self.inner.backend.limits)
            .finish_non_exhaustive()
    }
}
