//! The data of a session in a store.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::random;
use super::{SessionError, SessionId};

/// Identifies a session between two logons.
///
/// A store compares it with that of the record under a key, so that a call for a session that has
/// been replaced in the meantime changes nothing.
///
/// ```
/// use ws_server::session::SessionRecord;
///
/// let mut record = SessionRecord::new(None).unwrap();
/// let before = record.generation();
/// record.renew(Some("ada".to_owned()));
/// assert_eq!((before.id, before.renewals), (record.id, 0));
/// assert_ne!(record.generation(), before);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct SessionGeneration {
    /// The id of the session: [`SessionRecord::id`].
    pub id: SessionId,
    /// How often the session was renewed.
    pub renewals: u32,
}

impl SessionGeneration {
    /// The generation after one more renewal.
    pub(super) const fn next(self) -> Self {
        Self {
            id: self.id,
            renewals: self.renewals + 1,
        }
    }
}

/// A session as a store keeps it.
///
/// Serde serializes every field except `age`, which a store sets when it loads the record.
///
/// ```
/// use ws_server::session::SessionRecord;
///
/// let mut record = SessionRecord::new(None).unwrap();
/// assert_eq!(record.set("visits", Some("1".to_owned())), 1);
/// record.renew(Some("ada".to_owned()));
/// assert_eq!((record.renewals, record.user.as_deref()), (1, Some("ada")));
/// assert_eq!(record.values["visits"], "1");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionRecord {
    /// Identifies the session across its logons. [`Session::id`](super::Session::id) equals it at
    /// first, and changes with each logon.
    pub id: SessionId,
    /// How often the session was renewed.
    pub renewals: u32,
    /// The user who has logged on, under the application's name for them.
    pub user: Option<String>,
    /// The values, each as JSON.
    pub values: BTreeMap<String, String>,
    /// How often `values` has changed.
    pub version: u64,
    /// The secret that seals the ids of its pages.
    pub page_secret: [u8; 32],
    /// How long ago the session was created or last renewed.
    #[serde(skip)]
    pub age: Duration,
}

impl SessionRecord {
    /// A new session, without values.
    ///
    /// # Errors
    ///
    /// [`SessionError::Random`] if the operating system provides no random numbers.
    pub fn new(user: Option<String>) -> Result<Self, SessionError> {
        Ok(Self {
            id: SessionId::new()?,
            renewals: 0,
            user,
            values: BTreeMap::new(),
            version: 0,
            page_secret: random()?,
            age: Duration::ZERO,
        })
    }

    /// Identifies the session until it is renewed.
    pub const fn generation(&self) -> SessionGeneration {
        SessionGeneration {
            id: self.id,
            renewals: self.renewals,
        }
    }

    /// Sets or removes a value; used to implement [`SessionStore::set`](super::SessionStore::set).
    /// Returns the new version of the values.
    pub fn set(&mut self, name: &str, value: Option<String>) -> u64 {
        match value {
            Some(value) => self.values.insert(name.to_owned(), value),
            None => self.values.remove(name),
        };
        self.version += 1;
        self.version
    }

    /// Renews the session for this user and keeps the values; used to implement
    /// [`SessionStore::renew`](super::SessionStore::renew).
    pub fn renew(&mut self, user: Option<String>) {
        self.user = user;
        self.renewals += 1;
        self.age = Duration::ZERO;
    }
}

/// The size of a value and its name, in bytes.
pub(super) fn size_of(name: &str, value: &str) -> usize {
    name.len() + value.len()
}

/// The size of all values together.
pub(super) fn size_of_all(values: &BTreeMap<String, String>) -> usize {
    values
        .iter()
        .map(|(name, value)| size_of(name, value))
        .sum()
}

/// Shows neither values nor secrets.
impl fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRecord")
            .field("id", &self.id)
            .field("renewals", &self.renewals)
            .field("version", &self.version)
            .field("age", &self.age)
            .finish_non_exhaustive()
    }
}
