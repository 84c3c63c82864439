//! The interfaces of the store that keeps sessions, and of the source that finds a request's
//! session.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::{Newcomer, SessionGeneration, SessionId, SessionKey, SessionRecord, StoreError};

/// Keeps sessions: by default in memory ([`MemoryStore`](super::MemoryStore)).
///
/// A store is a map from keys to records, each with a time to live. It needs no knowledge of
/// cookies and sees no token: keys are hashes. Each method is atomic: of two concurrent calls, one
/// comes first.
///
/// Several methods name the session that they expect under the key: by its id, or by its
/// [generation](SessionRecord::generation), which is the id and the number of renewals. If the key
/// holds no session or another one, they change nothing. A store in Redis, for example, keeps each
/// record in a hash, and compares and changes it in one script.
///
/// A call that takes longer than `lookup_timeout` is dropped, and the response is 503.
/// The feature `test-kit` has a suite that tests a store (`testkit::stores`).
///
/// ```
/// use std::time::Duration;
/// use ws_server::session::{MemoryStore, SessionRecord, SessionStore, SessionToken};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let (store, hour) = (MemoryStore::new(1_000), Duration::from_secs(3600));
/// let key = SessionToken::new().unwrap().key();
/// let record = SessionRecord::new(Some("ada".to_owned())).unwrap();
/// assert!(store.create(key, record.clone(), hour).await.unwrap());
/// assert!(!store.create(key, record.clone(), hour).await.unwrap());
/// let visits = store.set(key, record.generation(), "visits", Some("1".to_owned()));
/// assert_eq!(visits.await.unwrap(), Some(1));
/// assert_eq!(store.load(key, hour).await.unwrap().unwrap().values["visits"], "1");
/// assert_eq!(store.remove_user("ada").await.unwrap(), [record.id]);
/// assert!(!store.contains(key, record.id).await.unwrap());
/// # });
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// Keeps a new session for `ttl`. If the key is taken, returns false and changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] if there is no room, [`StoreError::Failed`].
    fn create(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Same as [`create`](Self::create), for a visitor without a session. By default the
    /// information about the client is ignored.
    ///
    /// A store with a bound should override this, so that one address cannot fill it: when the
    /// store is full, it evicts an anonymous session of the address that holds the most, but never
    /// the session of a user or one that [has sockets](Newcomer::has_sockets). A fixed bound per
    /// address would lock out the visitors of a large network. A store that wraps another one
    /// passes the call on.
    ///
    /// # Errors
    ///
    /// Same as [`create`](Self::create).
    fn create_for(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
        newcomer: Newcomer<'_>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        let _ = newcomer;
        self.create(key, record, ttl)
    }

    /// Returns the session under this key, with its age. It lives for `ttl` from now.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn load(
        &self,
        key: SessionKey,
        ttl: Duration,
    ) -> impl Future<Output = Result<Option<SessionRecord>, StoreError>> + Send;

    /// Extends the session with this id to `ttl` from now. Returns whether the key holds it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn touch(
        &self,
        key: SessionKey,
        id: SessionId,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether the key holds the session with this id. Does not change its time to live.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn contains(
        &self,
        key: SessionKey,
        id: SessionId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Sets or removes one value. Returns the new version of the values, which each change
    /// increments, or `None` if the key does not hold the session of this generation.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] if there is no room for the value, [`StoreError::Failed`].
    fn set(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
        name: &str,
        value: Option<String>,
    ) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;

    /// Moves a session to a new key for this user and restarts its age, but keeps its id and
    /// values; see [`SessionRecord::renew`]. The move is atomic: at any time exactly one of the
    /// keys is valid. Both keys may be the same. Returns the new record; if the old key does not
    /// hold the session of this generation, returns `None` and changes nothing. So one of several
    /// concurrent renewals succeeds.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn renew(
        &self,
        old: SessionKey,
        generation: SessionGeneration,
        new: SessionKey,
        user: Option<String>,
        ttl: Duration,
    ) -> impl Future<Output = Result<Option<SessionRecord>, StoreError>> + Send;

    /// Removes the session of this generation. Returns whether the key held it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn remove_generation(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes whatever session is under this key. Returns its id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn remove(
        &self,
        key: SessionKey,
    ) -> impl Future<Output = Result<Option<SessionId>, StoreError>> + Send;

    /// Removes every session of this user. Returns their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn remove_user(
        &self,
        user: &str,
    ) -> impl Future<Output = Result<Vec<SessionId>, StoreError>> + Send;

    /// Returns the number of sessions.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn count(&self) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// A store that several [`Sessions`](super::Sessions) share.
impl<S: SessionStore> SessionStore for Arc<S> {
    async fn create(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        S::create(self, key, record, ttl).await
    }

    async fn create_for(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
        newcomer: Newcomer<'_>,
    ) -> Result<bool, StoreError> {
        S::create_for(self, key, record, ttl, newcomer).await
    }

    async fn load(
        &self,
        key: SessionKey,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        S::load(self, key, ttl).await
    }

    async fn touch(
        &self,
        key: SessionKey,
        id: SessionId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        S::touch(self, key, id, ttl).await
    }

    async fn contains(&self, key: SessionKey, id: SessionId) -> Result<bool, StoreError> {
        S::contains(self, key, id).await
    }

    async fn set(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
        name: &str,
        value: Option<String>,
    ) -> Result<Option<u64>, StoreError> {
        S::set(self, key, generation, name, value).await
    }

    async fn renew(
        &self,
        old: SessionKey,
        generation: SessionGeneration,
        new: SessionKey,
        user: Option<String>,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        S::renew(self, old, generation, new, user, ttl).await
    }

    async fn remove_generation(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
    ) -> Result<bool, StoreError> {
        S::remove_generation(self, key, generation).await
    }

    async fn remove(&self, key: SessionKey) -> Result<Option<SessionId>, StoreError> {
        S::remove(self, key).await
    }

    async fn remove_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        S::remove_user(self, user).await
    }

    async fn count(&self) -> Result<usize, StoreError> {
        S::count(self).await
    }
}

/// Maps the sessions that an application already has to sessions of this library.
///
/// Routes keep their `require_session`; it then requires the application's session. Values, pages
/// and sockets belong to this library's session for it, which begins with the first request of the
/// application's session.
///
/// ```
/// use std::collections::HashMap;
/// use http::HeaderMap;
/// use ws_server::session::{ForeignSession, SessionSource, StoreError, cookies};
///
/// /// The application's own: from the value of its cookie `sid` to a user.
/// struct Accounts(HashMap<String, String>);
///
/// impl SessionSource for Accounts {
///     async fn find(&self, headers: &HeaderMap) -> Result<Option<ForeignSession>, StoreError> {
///         let Some(sid) = cookies::value(headers, "sid") else { return Ok(None) };
///         let user = self.0.get(sid);
///         Ok(user.map(|user| ForeignSession::new(sid).user(user)))
///     }
///
///     async fn is_live(&self, sid: &str) -> Result<bool, StoreError> {
///         Ok(self.0.contains_key(sid))
///     }
/// }
/// ```
pub trait SessionSource: Send + Sync + 'static {
    /// Returns the application's session for a request with these headers. If the user is not that
    /// of our session, this is called once more before our session is renewed or ended: the request
    /// may have been overtaken by a logon.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`]: the response is 503.
    fn find(
        &self,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Option<ForeignSession>, StoreError>> + Send;

    /// Whether a session that `find` returned is still live. While the session has open sockets,
    /// this is called four times per idle time; if it returns false, the sockets are closed with
    /// 4401. When an application ends a session, it should not wait for that but call
    /// [`Sessions::end_foreign`](super::Sessions::end_foreign).
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`]: the sockets stay open, and the call is repeated later.
    fn is_live(&self, key: &str) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// A session of the application.
///
/// ```
/// use ws_server::session::ForeignSession;
///
/// let session = ForeignSession::new("4711").user("ada");
/// assert_eq!(session.key(), "4711");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ForeignSession {
    pub(super) key: String,
    pub(super) user: Option<String>,
}

impl ForeignSession {
    /// Creates the session with this name in the application. The name must be unique.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            user: None,
        }
    }

    /// The application's name for the session.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Sets the user who has logged on. Open sockets do not see a logon under the same key. If the
    /// user logs off or changes under it, our session ends and another one begins.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }
}

/// Shows nothing: the key is as secret as the cookie that it was made from.
impl std::fmt::Debug for ForeignSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForeignSession(…)")
    }
}

/// The boxed future of a call.
pub(super) type StoreFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Declares the traits again in a dyn-compatible form, so that a server is compiled once for all of
/// them.
macro_rules! dyn_trait {
    ($(#[$doc:meta])* $dyn:ident of $trait:ident {
        $(fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $output:ty;)*
    }) => {
        $(#[$doc])*
        #[allow(clippy::elidable_lifetime_names, reason = "some methods borrow an argument, too")]
        pub(super) trait $dyn: Send + Sync + 'static {
            $(fn $name<'a>(&'a self $(, $argument: $type)*) -> StoreFuture<'a, $output>;)*
        }

        #[allow(clippy::elidable_lifetime_names, reason = "as above")]
        impl<S: $trait> $dyn for S {
            $(fn $name<'a>(&'a self $(, $argument: $type)*) -> StoreFuture<'a, $output> {
                Box::pin($trait::$name(self $(, $argument)*))
            })*
        }
    };
}

dyn_trait! {
    /// A [`SessionStore`] as an object.
    DynStore of SessionStore {
        fn create(&self, key: SessionKey, record: SessionRecord, ttl: Duration) -> bool;
        fn create_for(&self, key: SessionKey, record: SessionRecord, ttl: Duration,
            newcomer: Newcomer<'a>) -> bool;
        fn load(&self, key: SessionKey, ttl: Duration) -> Option<SessionRecord>;
        fn touch(&self, key: SessionKey, id: SessionId, ttl: Duration) -> bool;
        fn contains(&self, key: SessionKey, id: SessionId) -> bool;
        fn set(&self, key: SessionKey, generation: SessionGeneration, name: &'a str,
            value: Option<String>) -> Option<u64>;
        fn renew(&self, old: SessionKey, generation: SessionGeneration, new: SessionKey,
            user: Option<String>, ttl: Duration) -> Option<SessionRecord>;
        fn remove_generation(&self, key: SessionKey, generation: SessionGeneration) -> bool;
        fn remove(&self, key: SessionKey) -> Option<SessionId>;
        fn remove_user(&self, user: &'a str) -> Vec<SessionId>;
        fn count(&self) -> usize;
    }
}

dyn_trait! {
    /// A [`SessionSource`] as an object.
    DynSource of SessionSource {
        fn find(&self, headers: &'a HeaderMap) -> Option<ForeignSession>;
        fn is_live(&self, key: &'a str) -> bool;
    }
}
