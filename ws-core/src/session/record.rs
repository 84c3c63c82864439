//! What a store keeps of a session.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::random;
use super::{SessionError, SessionId};

/// A session as a store keeps it.
///
/// It can be written with serde, all but `age`, which a store fills in when it loads.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionRecord {
    /// Names the session across its logons. [`Session::id`](super::Session::id) begins with
    /// it, and is another one after each.
    pub id: SessionId,
    /// How often its key was renewed.
    pub renewals: u32,
    /// Who has logged on, in the application's own words.
    pub user: Option<String>,
    /// The values, each as JSON.
    pub values: BTreeMap<String, String>,
    /// How often `values` has changed.
    pub version: u64,
    /// What seals the ids of its pages.
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
    /// [`SessionError::Random`] where the operating system has no random numbers.
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

    /// Sets or removes a value, as [`SessionStore::set`](super::SessionStore::set) does.
    /// Returns the version of the values now.
    pub fn set(&mut self, name: &str, value: Option<String>) -> u64 {
        match value {
            Some(value) => self.values.insert(name.to_owned(), value),
            None => self.values.remove(name),
        };
        self.version += 1;
        self.version
    }

    /// Begins anew for this user, with the values of before, as
    /// [`SessionStore::renew`](super::SessionStore::renew) does.
    pub fn renew(&mut self, user: Option<String>) {
        self.user = user;
        self.renewals += 1;
        self.age = Duration::ZERO;
    }
}

/// What a value takes, its name included, in bytes.
pub(super) fn size_of(name: &str, value: &str) -> usize {
    name.len() + value.len()
}

/// What values take together.
pub(super) fn size_of_all(values: &BTreeMap<String, String>) -> usize {
    values
        .iter()
        .map(|(name, value)| size_of(name, value))
        .sum()
}

/// Neither values nor secrets.
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
