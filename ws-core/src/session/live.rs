//! A session that somebody in this process holds: its values, and its sockets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::backend::Backend;
use super::pages::Lineage;
use super::record::{size_of, size_of_all};
use super::{SessionError, SessionId, SessionKey, SessionRecord};
use crate::error::EncodeError;
use crate::id::ConnectionId;
use crate::limits::later;
use crate::wire::Push;

/// The session of a visitor.
///
/// A hook takes it as an argument on a route that requires a session, and
/// `Option<Session>` on any route; an HTTP handler gets it from `ws.session()`. Cloning is
/// cheap; all clones are one session.
///
/// Values are kept as JSON under names. [`get`](Self::get) reads what was there when the
/// session was last found, with every change that this process made since; a change is in
/// the store when `insert` or `remove` returns.
///
/// A logon gives the visitor a new session with the same values and another
/// [`id`](Self::id). Who holds the session of before keeps what it showed then: it never sees
/// the user, and changes nothing any more.
///
/// ```
/// # use ws_server::session::{Session, SessionError};
/// async fn choose(session: &Session, theme: &str) -> Result<Option<String>, SessionError> {
///     let before = session.get("theme");
///     session.insert("theme", theme).await?;
///     Ok(before)
/// }
/// ```
///
/// Two requests at the same time each see what the other has inserted, or not: what is
/// counted belongs into a store that counts.
#[derive(Clone)]
pub struct Session {
    pub(super) live: Arc<Live>,
}

/// What all holders of a session share.
pub(super) struct Live {
    pub(super) id: SessionId,
    pub(super) renewals: u32,
    pub(super) key: SessionKey,
    /// Where the session is kept now: logons move it.
    pub(super) current: Arc<Mutex<SessionKey>>,
    /// The name of the application for it, where the session is one of its own.
    pub(super) foreign: Option<String>,
    user: Option<Box<str>>,
    page_secret: [u8; 32],
    /// How old the session was when it was found here, and when that was.
    found: (Duration, Instant),
    expires: Instant,
    /// Changes of this process are made one after the other.
    writing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    home: Weak<dyn Home>,
}

#[derive(Default)]
struct State {
    values: BTreeMap<String, String>,
    version: u64,
    sockets: Vec<(ConnectionId, Weak<dyn SessionSocket>)>,
    /// The session is over.
    ended: bool,
    /// A logon has made another one of it.
    renewed: bool,
}

/// The server of a session.
pub(super) trait Home: Send + Sync {
    fn backend(&self) -> &Arc<Backend>;
    /// A session has got a socket: it lives on while that is open.
    fn keep(&self);
    /// The last holder of a session is gone.
    fn forget(&self, id: SessionId, renewals: u32);
}

/// A socket that is closed when its session ends.
pub(crate) trait SessionSocket: Send + Sync {
    /// The session is over.
    fn session_ended(&self);
}

impl Live {
    pub(super) fn new(
        key: SessionKey,
        current: Arc<Mutex<SessionKey>>,
        foreign: Option<String>,
        record: SessionRecord,
        lifetime: Duration,
        home: Weak<dyn Home>,
    ) -> Self {
        let now = Instant::now();
        let left = lifetime.saturating_sub(record.age);
        Self {
            id: record.id,
            renewals: record.renewals,
            key,
            current,
            foreign,
            user: record.user.map(String::into_boxed_str),
            page_secret: record.page_secret,
            found: (record.age, now),
            expires: later(now, left),
            writing: tokio::sync::Mutex::const_new(()),
            state: Mutex::new(State {
                values: record.values,
                version: record.version,
                ..State::default()
            }),
            home,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Takes values over that somebody else has changed.
    pub(super) fn refresh(&self, record: SessionRecord) {
        let mut state = self.state();
        if record.version > state.version && !state.renewed {
            state.version = record.version;
            state.values = record.values;
        }
    }

    pub(super) fn has_sockets(&self) -> bool {
        let state = self.state();
        !state.ended && !state.sockets.is_empty()
    }

    /// Whether a logon has made another session of it.
    pub(super) fn is_renewed(&self) -> bool {
        self.state().renewed
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state().ended
    }

    /// Where the session is kept now.
    pub(super) fn current(&self) -> MutexGuard<'_, SessionKey> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the session be the past of another one. Returns what it was called, where it was
    /// none before.
    pub(super) fn renewed(&self) -> Option<Lineage> {
        let before = std::mem::replace(&mut self.state().renewed, true);
        (!before).then_some(self.lineage())
    }

    fn lineage(&self) -> Lineage {
        Lineage {
            id: self.id,
            renewals: self.renewals,
        }
    }

    /// Ends the session and closes its sockets. Returns whether it had not ended yet.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state();
        let first = !std::mem::replace(&mut state.ended, true);
        let sockets = std::mem::take(&mut state.sockets);
        drop(state);
        for (_, socket) in sockets {
            if let Some(socket) = socket.upgrade() {
                socket.session_ended();
            }
        }
        first
    }

    /// Sets or removes a value, in the store first.
    async fn set(&self, name: &str, value: Option<String>) -> Result<(), SessionError> {
        let home = self.home.upgrade().ok_or(SessionError::Ended)?;
        let backend = home.backend();
        let one_by_one = async { Ok(self.writing.lock().await) };
        let _one_by_one = backend.in_time(one_by_one).await?;
        let size = |value: &String| size_of(name, value);
        let added = value.as_ref().map_or(0, size);
        {
            let state = self.state();
            if state.ended || state.renewed {
                return Err(SessionError::Ended);
            }
            let replaced = state.values.get(name).map_or(0, size);
            let others = size_of_all(&state.values) - replaced;
            let limit = backend.limits.values;
            if added > 0 && others + added > limit {
                return Err(SessionError::TooLarge { limit });
            }
        }
        let set = backend.store.set(self.key, name, value.clone());
        let version = backend.in_time(set).await?.ok_or(SessionError::Ended)?;
        let mut state = self.state();
        // What was found meanwhile has this change, and perhaps later ones.
        if version <= state.version {
            return Ok(());
        }
        // Where others have written too, the next look takes theirs over.
        if version == state.version + 1 {
            state.version = version;
        }
        match value {
            Some(value) => state.values.insert(name.to_owned(), value),
            None => state.values.remove(name),
        };
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.forget(self.id, self.renewals);
        }
    }
}

impl Session {
    /// The public name of the session, good for logs, maps and topics. It is not the cookie.
    pub fn id(&self) -> SessionId {
        let Live {
            id,
            renewals,
            page_secret,
            ..
        } = &*self.live;
        id.after(*renewals, page_secret)
    }

    /// Who has logged on, as the application named it.
    pub fn user(&self) -> Option<&str> {
        self.live.user()
    }

    /// The value of this name; `None` where there is none, or it is no `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        // A copy: to read it may run code of the application, and that may ask again.
        let value = self.live.state().values.get(name)?.clone();
        serde_json::from_str(&value)
            .inspect_err(|_| tracing::debug!(name, "a value of a session is of another type"))
            .ok()
    }

    /// Sets the value of this name.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooLarge`] where all values of the session together would take more
    /// than its limit (64 KiB of JSON), [`SessionError::Encode`], [`SessionError::Ended`], and
    /// what the store may say. Then nothing has changed, as far as is known: a store that does
    /// not answer in time may have done it all the same.
    pub async fn insert<T: Serialize + Sync + ?Sized>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(), SessionError> {
        let value = serde_json::to_string(value).map_err(EncodeError::new)?;
        self.live.set(name, Some(value)).await
    }

    /// Removes the value of this name, if there is one.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub async fn remove(&self, name: &str) -> Result<(), SessionError> {
        self.live.set(name, None).await
    }

    /// Whether the session has neither ended, as far as this process knows, nor become
    /// another one by a logon.
    pub fn is_current(&self) -> bool {
        let state = self.live.state();
        !state.ended && !state.renewed && Instant::now() < self.live.expires
    }

    /// When the session ends, however much it is used.
    pub fn expires_at(&self) -> Instant {
        self.live.expires
    }

    /// Names the session as this logon made it, within this process.
    pub(crate) fn lineage(&self) -> Lineage {
        self.live.lineage()
    }

    /// Whether the session is over, be it by its time. What a logon has made of it may go on.
    pub(crate) fn has_ended(&self) -> bool {
        self.live.is_ended() || Instant::now() >= self.live.expires
    }

    /// Pushes an event to all pages of the session, as [`Page::push`](crate::page::Page::push)
    /// does to one. The session of before a logon has none. Returns how many take it.
    pub fn push<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> usize {
        let Some(push) = Push::event_or_log(event, payload) else {
            return 0;
        };
        let home = self.live.home.upgrade();
        let Some(home) = home.filter(|_| self.is_current()) else {
            return 0;
        };
        let pages = home.backend().pages();
        pages.map(|pages| pages.push(self.lineage(), &push)).sum()
    }

    /// How many logons made the session what it is.
    pub(crate) fn renewals(&self) -> u32 {
        self.live.renewals
    }

    /// What seals the ids of the session's pages.
    pub(crate) fn page_secret(&self) -> &[u8; 32] {
        &self.live.page_secret
    }

    /// How old the session is.
    pub(crate) fn age(&self) -> Duration {
        let (age, at) = self.live.found;
        age + at.elapsed()
    }

    /// How long ids of pages are good; zero where nobody serves the session any more.
    pub(crate) fn page_lifetime(&self) -> Duration {
        let home = self.live.home.upgrade();
        home.map_or(Duration::ZERO, |home| home.backend().limits.page_lifetime)
    }

    /// Counts a socket as one of the session's. It is closed when the session ends, at once
    /// where it has ended already.
    pub(crate) fn attach(&self, id: ConnectionId, socket: Weak<dyn SessionSocket>) -> Attachment {
        let mut state = self.live.state();
        if state.ended {
            drop(state);
            if let Some(socket) = socket.upgrade() {
                socket.session_ended();
            }
        } else {
            state.sockets.push((id, socket));
            drop(state);
            if let Some(home) = self.live.home.upgrade() {
                home.keep();
            }
        }
        Attachment {
            live: self.live.clone(),
            id,
        }
    }
}

impl PartialEq for Session {
    /// Whether both are the same session; before and after a logon it is not.
    fn eq(&self, other: &Self) -> bool {
        (self.live.id, self.live.renewals) == (other.live.id, other.live.renewals)
    }
}

impl Eq for Session {}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// A socket counts as one of its session's until this is dropped.
pub(crate) struct Attachment {
    live: Arc<Live>,
    id: ConnectionId,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut state = self.live.state();
        let Some(at) = state.sockets.iter().position(|(id, _)| *id == self.id) else {
            return;
        };
        state.sockets.swap_remove(at);
        let last = state.sockets.is_empty() && !state.renewed;
        drop(state);
        // The idle time of the session begins now.
        if last && let Some(home) = self.live.home.upgrade() {
            home.backend().touch_later(self.live.key);
        }
    }
}
