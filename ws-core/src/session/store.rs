//! Where sessions are kept, and where a request's session comes from.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::HeaderMap;

use super::{Newcomer, SessionId, SessionKey, SessionRecord, StoreError};

/// Keeps sessions: by default in memory ([`MemoryStore`](super::MemoryStore)).
///
/// A store is a map from keys to records, each with a time to live. It need not know what
/// a cookie is, and it sees no token: keys are hashes. Each method is one step: of two
/// calls at the same time one comes first.
///
/// A call that takes longer than `lookup_timeout` is dropped, and its request answered
/// with 503. The feature `test-kit` has a suite that a store can be run through
/// (`testkit::stores`).
pub trait SessionStore: Send + Sync + 'static {
    /// Keeps a new session for `ttl`. Returns false, and changes nothing, where the key is
    /// taken.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] where there is no room, [`StoreError::Failed`].
    fn create(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// As [`create`](Self::create), for a client that is not known yet: a visitor without a
    /// session. By default the store learns nothing of the client.
    ///
    /// A store with a bound should override this, so that one address cannot hold all of it:
    /// when it is full, it evicts an anonymous session of the address that holds most, never
    /// the session of a user or one that [has sockets](Newcomer::has_sockets). A bound for each
    /// address would lock out the visitors of a large network. A store that wraps another one
    /// passes the call on.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
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

    /// The session under this key, with its age. It lives for `ttl` from now.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn load(
        &self,
        key: SessionKey,
        ttl: Duration,
    ) -> impl Future<Output = Result<Option<SessionRecord>, StoreError>> + Send;

    /// Lets the session live for `ttl` from now. Returns whether there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn touch(
        &self,
        key: SessionKey,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether there is such a session. Its time stays what it was.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn contains(&self, key: SessionKey) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Sets one value, or removes it. Returns the version of the values afterwards, each
    /// change one higher; `None` where there is no such session.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] where there is no room for the value, [`StoreError::Failed`].
    fn set(
        &self,
        key: SessionKey,
        name: &str,
        value: Option<String>,
    ) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;

    /// Moves a session to a new key, for this user, as new as if it were created now, with
    /// the id and the values of before: [`SessionRecord::renew`]. In one step, so that at no
    /// time both keys are good, or neither. Both may be the same. Returns what is there now;
    /// `None`, and nothing changes, where there is no session under the old key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn renew(
        &self,
        old: SessionKey,
        new: SessionKey,
        user: Option<String>,
        ttl: Duration,
    ) -> impl Future<Output = Result<Option<SessionRecord>, StoreError>> + Send;

    /// Forgets the session under this key. Returns the id of what it was.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn remove(
        &self,
        key: SessionKey,
    ) -> impl Future<Output = Result<Option<SessionId>, StoreError>> + Send;

    /// Forgets every session of this user. Returns their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn remove_user(
        &self,
        user: &str,
    ) -> impl Future<Output = Result<Vec<SessionId>, StoreError>> + Send;

    /// How many sessions there are.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    fn count(&self) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// Maps the sessions that an application has already to ours.
///
/// Routes keep their `require_session`; what it asks for is then the application's
/// session. Values, pages and sockets hang on our own session of it, which begins with
/// the first request that names the application's.
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
    /// The session of the application that a request with these headers belongs to.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`]: the request is answered with 503.
    fn find(
        &self,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Option<ForeignSession>, StoreError>> + Send;

    /// Whether a session that `find` gave is still good. It is asked four times in each idle
    /// time while sockets are open; they are closed with 4401 where it is not. An application
    /// that ends a session should not wait for that, but say so:
    /// [`Sessions::end_foreign`](super::Sessions::end_foreign).
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`]: the sockets stay open, and it is asked again later.
    fn is_live(&self, key: &str) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// A session of the application.
#[derive(Clone)]
pub struct ForeignSession {
    pub(super) key: String,
    pub(super) user: Option<String>,
}

impl ForeignSession {
    /// The session that the application knows by this text; no two have the same.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            user: None,
        }
    }

    /// The text that the application knows the session by.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Who has logged on. A logon under the same key is not seen by open sockets; where the
    /// user logs off or changes under it, our session ends, and another one begins.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }
}

/// The key is as good as the cookie that it was made of.
impl std::fmt::Debug for ForeignSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForeignSession(…)")
    }
}

/// The future of a call, boxed.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Declares the traits again as objects, so that a server is compiled once for all of them.
macro_rules! object {
    ($(#[$doc:meta])* $object:ident of $of:ident {
        $(fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $output:ty;)*
    }) => {
        $(#[$doc])*
        #[allow(clippy::elidable_lifetime_names, reason = "some methods borrow an argument, too")]
        pub(super) trait $object: Send + Sync + 'static {
            $(fn $name<'a>(&'a self $(, $argument: $type)*) -> Boxed<'a, $output>;)*
        }

        #[allow(clippy::elidable_lifetime_names, reason = "as above")]
        impl<S: $of> $object for S {
            $(fn $name<'a>(&'a self $(, $argument: $type)*) -> Boxed<'a, $output> {
                Box::pin($of::$name(self $(, $argument)*))
            })*
        }
    };
}

object! {
    /// A [`SessionStore`] as an object.
    DynStore of SessionStore {
        fn create(&self, key: SessionKey, record: SessionRecord, ttl: Duration) -> bool;
        fn create_for(&self, key: SessionKey, record: SessionRecord, ttl: Duration,
            newcomer: Newcomer<'a>) -> bool;
        fn load(&self, key: SessionKey, ttl: Duration) -> Option<SessionRecord>;
        fn touch(&self, key: SessionKey, ttl: Duration) -> bool;
        fn contains(&self, key: SessionKey) -> bool;
        fn set(&self, key: SessionKey, name: &'a str, value: Option<String>) -> Option<u64>;
        fn renew(&self, old: SessionKey, new: SessionKey, user: Option<String>, ttl: Duration)
            -> Option<SessionRecord>;
        fn remove(&self, key: SessionKey) -> Option<SessionId>;
        fn remove_user(&self, user: &'a str) -> Vec<SessionId>;
        fn count(&self) -> usize;
    }
}

object! {
    /// A [`SessionSource`] as an object.
    DynSource of SessionSource {
        fn find(&self, headers: &'a HeaderMap) -> Option<ForeignSession>;
        fn is_live(&self, key: &'a str) -> bool;
    }
}
