//! A session that this process holds: its values and its sockets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::backend::Backend;
use super::current_key::CurrentKey;
use super::record::{size_of, size_of_all};
use super::server::{SessionServer, SessionSocket};
use super::{SessionError, SessionGeneration, SessionId, SessionKey, SessionRecord};
use crate::error::EncodeError;
use crate::id::ConnectionId;
use crate::limits::deadline_after;

/// While it is held, no other call of this process changes the session.
pub(super) type WriteGuard = OwnedMutexGuard<()>;

/// The session of a visitor.
///
/// A hook takes it as an argument if its route requires a session, or as `Option<Session>` on any
/// route; an HTTP handler gets it from `ws.session()`. Cloning is cheap, and all clones refer to
/// the same session.
///
/// Values are kept as JSON under names. [`get`](Self::get) returns the value from the last lookup
/// of the session, with every change that this process has made since. When `insert` or `remove`
/// returns, the change is in the store.
///
/// A logon gives the visitor a new session with the same values and another [`id`](Self::id). A
/// handle to the old session keeps the old values: it never sees the user, and its changes fail
/// with [`SessionError::Ended`].
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
/// Concurrent requests may not see each other's changes: keep counters in a store that counts.
#[derive(Clone)]
pub struct Session {
    pub(super) live: Arc<Live>,
}

/// The state that all handles of a session share.
pub(super) struct Live {
    pub(super) id: SessionId,
    pub(super) renewals: u32,
    pub(super) key: SessionKey,
    /// The key under which the store keeps the session now: logons change it.
    pub(super) current_key: Arc<CurrentKey>,
    /// The application's name for the session, if it comes from a `SessionSource`.
    pub(super) foreign: Option<String>,
    user: Option<Box<str>>,
    page_secret: [u8; 32],
    /// The age of the session when it was loaded, and the time of loading.
    loaded: (Duration, Instant),
    expires: Instant,
    /// Serializes the changes of this process.
    write_lock: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<LiveState>,
    pub(super) server: Weak<dyn SessionServer>,
}

#[derive(Default)]
struct LiveState {
    values: BTreeMap<String, String>,
    version: u64,
    sockets: Vec<(ConnectionId, Weak<dyn SessionSocket>)>,
    /// The session has ended.
    ended: bool,
    /// A logon has replaced the session.
    renewed: bool,
}

impl Live {
    pub(super) fn new(
        key: SessionKey,
        current_key: Arc<CurrentKey>,
        foreign: Option<String>,
        record: SessionRecord,
        lifetime: Duration,
        server: Weak<dyn SessionServer>,
    ) -> Self {
        let now = Instant::now();
        let left = lifetime.saturating_sub(record.age);
        Self {
            id: record.id,
            renewals: record.renewals,
            key,
            current_key,
            foreign,
            user: record.user.map(String::into_boxed_str),
            page_secret: record.page_secret,
            loaded: (record.age, now),
            expires: deadline_after(now, left),
            write_lock: Arc::default(),
            state: Mutex::new(LiveState {
                values: record.values,
                version: record.version,
                ..LiveState::default()
            }),
            server,
        }
    }

    fn state(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Takes over the values of a record that was just loaded, if they are newer.
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

    /// Whether a logon has replaced the session.
    pub(super) fn is_renewed(&self) -> bool {
        self.state().renewed
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state().ended
    }

    /// Marks the session as replaced by a logon. Returns its generation if it was not yet marked.
    pub(super) fn mark_renewed(&self) -> Option<SessionGeneration> {
        let was_renewed = std::mem::replace(&mut self.state().renewed, true);
        (!was_renewed).then_some(self.generation())
    }

    pub(super) fn generation(&self) -> SessionGeneration {
        SessionGeneration {
            id: self.id,
            renewals: self.renewals,
        }
    }

    /// Ends the session and closes its sockets. Returns whether it was still live.
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
        if let Some(server) = self.server.upgrade() {
            server.ended(self.generation());
        }
        first
    }

    pub(super) fn is_expired(&self) -> bool {
        Instant::now() >= self.expires
    }

    /// Waits until no other call of this process changes the session.
    pub(super) async fn lock_changes(&self, backend: &Backend) -> Result<WriteGuard, SessionError> {
        let lock = async { Ok(self.write_lock.clone().lock_owned().await) };
        backend.with_timeout(lock).await
    }

    /// Sets or removes a value, first in the store and then here.
    async fn set(&self, name: &str, value: Option<String>) -> Result<(), SessionError> {
        let server = self.server.upgrade().ok_or(SessionError::Ended)?;
        let backend = server.backend();
        let _write_guard = self.lock_changes(backend).await?;
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
        let store = &backend.store;
        let set = store.set(self.key, self.generation(), name, value.clone());
        let version = backend
            .with_timeout(set)
            .await?
            .ok_or(SessionError::Ended)?;
        let mut state = self.state();
        // A lookup in the meantime has loaded this change, and perhaps later ones.
        if version <= state.version {
            return Ok(());
        }
        // If other processes have written too, keep the old version, so that the next lookup adopts
        // their changes.
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
        if let Some(server) = self.server.upgrade() {
            server.forget(self.id, self.renewals);
        }
    }
}

impl Session {
    /// The public id of the session, for logs, maps and topics. It is not the cookie.
    pub fn id(&self) -> SessionId {
        let Live {
            id,
            renewals,
            page_secret,
            ..
        } = &*self.live;
        id.after(*renewals, page_secret)
    }

    /// The user who has logged on, under the application's name for them.
    pub fn user(&self) -> Option<&str> {
        self.live.user()
    }

    /// Returns the value of this name, or `None` if it is missing or cannot be deserialized as `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        // Deserialize a copy without the lock: it may run code of the application, which may call
        // `get` again.
        let value = self.live.state().values.get(name)?.clone();
        serde_json::from_str(&value)
            .inspect_err(|_| {
                tracing::debug!(
                    name,
                    "a session value could not be decoded as the requested type"
                );
            })
            .ok()
    }

    /// Sets the value of this name.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooLarge`] if all values of the session together would exceed their limit
    /// (64 KiB of JSON), [`SessionError::Encode`], [`SessionError::Ended`], and the errors of the
    /// store. On an error, the values in this process are unchanged; if the store timed out, it may
    /// have applied the change.
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
    /// ```
    /// use ws_server::Session;
    /// use ws_server::session::SessionError;
    ///
    /// /// Empties the cart and returns its items.
    /// async fn check_out(session: &Session) -> Result<Vec<u64>, SessionError> {
    ///     let items = session.get("cart").unwrap_or_default();
    ///     session.remove("cart").await?;
    ///     Ok(items)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Same as [`insert`](Self::insert).
    pub async fn remove(&self, name: &str) -> Result<(), SessionError> {
        self.live.set(name, None).await
    }

    /// Whether the session is live: this process does not know that it has ended, and no logon has
    /// replaced it.
    pub fn is_current(&self) -> bool {
        let state = self.live.state();
        !state.ended && !state.renewed && !self.live.is_expired()
    }

    /// The time at which the session ends, even if it is in use.
    pub fn expires_at(&self) -> Instant {
        self.live.expires
    }

    /// Identifies the session between two logons, within this process.
    pub(crate) fn generation(&self) -> SessionGeneration {
        self.live.generation()
    }

    /// Whether the session has ended or expired. Its replacement after a logon may still be live.
    pub(crate) fn has_ended(&self) -> bool {
        self.live.is_ended() || self.live.is_expired()
    }

    /// The number of logons that led to this session.
    pub(crate) fn renewals(&self) -> u32 {
        self.live.renewals
    }

    /// The secret that seals the ids of the session's pages.
    pub(crate) fn page_secret(&self) -> &[u8; 32] {
        &self.live.page_secret
    }

    /// The time since the session was created or renewed.
    pub(crate) fn age(&self) -> Duration {
        let (age, loaded_at) = self.live.loaded;
        age + loaded_at.elapsed()
    }

    /// How long ids of pages are valid; zero if the server of the session has been dropped.
    pub(crate) fn page_lifetime(&self) -> Duration {
        let server = self.live.server.upgrade();
        server.map_or(Duration::ZERO, |server| {
            server.backend().limits.page_lifetime
        })
    }

    /// Registers a socket of the session. It is closed when the session ends, or at once if it has
    /// ended already.
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
            if let Some(server) = self.live.server.upgrade() {
                server.start_keeper();
            }
        }
        Attachment {
            live: self.live.clone(),
            id,
        }
    }
}

impl PartialEq for Session {
    /// Whether both handles refer to the same session. A session differs from its replacement after
    /// a logon.
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

/// Registration of a socket with its session; dropping this unregisters it.
pub(crate) struct Attachment {
    live: Arc<Live>,
    id: ConnectionId,
}

impl Attachment {
    /// The user of the session.
    pub(crate) fn user(&self) -> Option<&str> {
        self.live.user()
    }
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
        // The last socket is closed: the idle time of the session starts now.
        if last && let Some(server) = self.live.server.upgrade() {
            server.backend().touch_later(self.live.key, self.live.id);
        }
    }
}
