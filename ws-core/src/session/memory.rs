//! The built-in store: keeps the sessions of one process in memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::record::{size_of, size_of_all};
use super::{
    Newcomer, SessionGeneration, SessionId, SessionKey, SessionRecord, SessionStore, StoreError,
};
use crate::address::ClientNetwork;
use crate::limits::deadline_after;

mod anonymous;
mod evict;
#[cfg(test)]
mod tests;

use anonymous::{AnonymousSessions, ListPosition};

/// How many stale keys the queues may hold beyond the live ones before they are cleaned.
const MAX_STALE_KEYS: usize = 64;

/// Keeps sessions in memory, up to a fixed number. They are lost when the process ends.
///
/// When the store is full, it evicts a session for each new one. It never evicts the session of a
/// user or a session with an open socket. It evicts the first match of:
///
/// 1. the oldest session whose cookie did not come back within half of its time, such as one
///    of a client that keeps no cookies;
/// 2. the least recently used session of the address that would hold the most anonymous
///    sessions together with the new one, if that is more than one: an address that fills the
///    store pays for it alone. Addresses that may be those of a proxy are not counted;
/// 3. the oldest session whose cookie has not come back yet;
/// 4. the least recently used session, if half of its time is over.
///
/// Otherwise [`SessionStore::create`] returns [`StoreError::Full`].
///
/// Expired sessions are removed by the next call of any method.
///
/// ```
/// use ws_server::session::MemoryStore;
///
/// let store = MemoryStore::new(10_000);
/// ```
pub struct MemoryStore {
    capacity: usize,
    bytes: usize,
    stored: Mutex<StoredSessions>,
}

#[derive(Default)]
struct StoredSessions {
    sessions: HashMap<SessionKey, StoredSession>,
    /// The size of all values together.
    bytes: usize,
    by_user: HashMap<String, HashSet<SessionKey>>,
    /// When to check each session for expiry; each session has an entry no later than its expiry.
    expiry_queue: BinaryHeap<Reverse<(Instant, SessionKey)>>,
    /// In the order of creation; an entry is skipped if its cookie has come back.
    unreturned: VecDeque<SessionKey>,
    /// Anonymous sessions by address.
    anonymous: AnonymousSessions,
    /// Anonymous sessions without an address.
    without_address: u32,
}

struct StoredSession {
    record: SessionRecord,
    created: Instant,
    expires: Instant,
    /// The time to live that each use of the session grants.
    ttl: Duration,
    /// Whether the cookie has come back at least once.
    returned: bool,
    /// The address that the session began from.
    network: Option<ClientNetwork>,
    /// Set while the session is anonymous and has an address.
    position: Option<ListPosition>,
}

impl MemoryStore {
    /// Creates a store for at most this number of sessions.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            bytes: usize::MAX,
            stored: Mutex::default(),
        }
    }

    /// Limits the size of the values of all sessions together, names included, in bytes.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Locks the sessions and removes those that have expired.
    fn stored(&self) -> MutexGuard<'_, StoredSessions> {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.sweep(Instant::now());
        stored
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl StoredSessions {
    fn sweep(&mut self, now: Instant) {
        while let Some(Reverse((at, key))) = self.expiry_queue.peek().copied()
            && at <= now
        {
            self.expiry_queue.pop();
            match self.sessions.get(&key).map(|entry| entry.expires) {
                Some(expires) if expires <= now => {
                    self.remove(key);
                }
                Some(expires) => self.expiry_queue.push(Reverse((expires, key))),
                None => {}
            }
        }
    }

    /// Whether the key holds the session with this id.
    fn holds_id(&self, key: SessionKey, id: SessionId) -> bool {
        let entry = self.sessions.get(&key);
        entry.is_some_and(|entry| entry.record.id == id)
    }

    /// Whether the key holds the session of this generation.
    fn holds(&self, key: SessionKey, generation: SessionGeneration) -> bool {
        let entry = self.sessions.get(&key);
        entry.is_some_and(|entry| entry.record.generation() == generation)
    }

    /// Extends a session whose cookie came back: it lives for `ttl` from now.
    fn touch(&mut self, key: SessionKey, ttl: Duration) -> Option<&StoredSession> {
        let expires = deadline_after(Instant::now(), ttl);
        let entry = self.sessions.get_mut(&key)?;
        if let Some(position) = entry.position {
            self.anonymous.touch(position);
        }
        entry.returned = true;
        entry.ttl = ttl;
        let is_earlier = expires < entry.expires;
        entry.expires = expires;
        if is_earlier {
            self.expiry_queue.push(Reverse((expires, key)));
            self.rebuild_stale_queues();
        }
        self.sessions.get(&key)
    }

    fn insert(&mut self, key: SessionKey, mut entry: StoredSession) {
        if let Some(user) = &entry.record.user {
            self.by_user.entry(user.clone()).or_default().insert(key);
        } else {
            let listed = entry
                .network
                .and_then(|network| self.anonymous.insert(network, key));
            entry.position = listed;
            self.without_address += u32::from(listed.is_none());
        }
        self.expiry_queue.push(Reverse((entry.expires, key)));
        self.bytes += size_of_all(&entry.record.values);
        if !entry.returned && entry.record.user.is_none() {
            self.unreturned.push_back(key);
        }
        self.sessions.insert(key, entry);
        self.rebuild_stale_queues();
    }

    fn remove(&mut self, key: SessionKey) -> Option<StoredSession> {
        let mut entry = self.sessions.remove(&key)?;
        self.bytes -= size_of_all(&entry.record.values);
        match (&entry.record.user, entry.position.take()) {
            (Some(user), _) => self.remove_from_user(user, key),
            (None, Some(position)) => self.anonymous.remove(position),
            (None, None) => self.without_address -= 1,
        }
        Some(entry)
    }

    fn remove_from_user(&mut self, user: &str, key: SessionKey) {
        if let Some(keys) = self.by_user.get_mut(user) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_user.remove(user);
            }
        }
    }

    /// Rebuilds a queue if most of its keys are stale.
    fn rebuild_stale_queues(&mut self) {
        let max_len = self.sessions.len() * 2 + MAX_STALE_KEYS;
        if self.expiry_queue.len() > max_len {
            let all = self.sessions.iter();
            self.expiry_queue = all
                .map(|(key, entry)| Reverse((entry.expires, *key)))
                .collect();
        }
        if self.unreturned.len() > max_len {
            let sessions = &self.sessions;
            self.unreturned
                .retain(|key| sessions.get(key).is_some_and(|entry| !entry.returned));
        }
    }
}

impl SessionStore for MemoryStore {
    async fn create(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.create_for(key, record, ttl, Newcomer::new(None)).await
    }

    async fn create_for(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
        newcomer: Newcomer<'_>,
    ) -> Result<bool, StoreError> {
        let mut stored = self.stored();
        if stored.sessions.contains_key(&key) {
            return Ok(false);
        }
        if stored.sessions.len() >= self.capacity && !stored.evict(&newcomer) {
            return Err(StoreError::Full);
        }
        let now = Instant::now();
        let entry = StoredSession {
            record,
            created: now,
            expires: deadline_after(now, ttl),
            ttl,
            returned: false,
            network: newcomer.network,
            position: None,
        };
        stored.insert(key, entry);
        Ok(true)
    }

    async fn load(
        &self,
        key: SessionKey,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let mut stored = self.stored();
        let entry = stored.touch(key, ttl);
        Ok(entry.map(|entry| {
            let mut record = entry.record.clone();
            record.age = entry.created.elapsed();
            record
        }))
    }

    async fn touch(
        &self,
        key: SessionKey,
        id: SessionId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let mut stored = self.stored();
        Ok(stored.holds_id(key, id) && stored.touch(key, ttl).is_some())
    }

    async fn contains(&self, key: SessionKey, id: SessionId) -> Result<bool, StoreError> {
        Ok(self.stored().holds_id(key, id))
    }

    async fn set(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
        name: &str,
        value: Option<String>,
    ) -> Result<Option<u64>, StoreError> {
        let mut stored = self.stored();
        let stored = &mut *stored;
        let entry = stored.sessions.get_mut(&key);
        let Some(entry) = entry.filter(|entry| entry.record.generation() == generation) else {
            return Ok(None);
        };
        let size = |value: &String| size_of(name, value);
        let before = entry.record.values.get(name).map_or(0, size);
        let after = value.as_ref().map_or(0, size);
        let bytes = stored.bytes - before + after;
        if after > before && bytes > self.bytes {
            return Err(StoreError::Full);
        }
        stored.bytes = bytes;
        Ok(Some(entry.record.set(name, value)))
    }

    async fn renew(
        &self,
        old: SessionKey,
        generation: SessionGeneration,
        new: SessionKey,
        user: Option<String>,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let mut stored = self.stored();
        if !stored.holds(old, generation) {
            return Ok(None);
        }
        let Some(mut entry) = stored.remove(old) else {
            return Ok(None);
        };
        let now = Instant::now();
        entry.record.renew(user);
        entry.created = now;
        entry.expires = deadline_after(now, ttl);
        entry.ttl = ttl;
        // A request has just used it.
        entry.returned = true;
        let record = entry.record.clone();
        stored.insert(new, entry);
        Ok(Some(record))
    }

    async fn remove_generation(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
    ) -> Result<bool, StoreError> {
        let mut stored = self.stored();
        Ok(stored.holds(key, generation) && stored.remove(key).is_some())
    }

    async fn remove(&self, key: SessionKey) -> Result<Option<SessionId>, StoreError> {
        Ok(self.stored().remove(key).map(|entry| entry.record.id))
    }

    async fn remove_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        let mut stored = self.stored();
        let keys = stored.by_user.get(user).cloned().unwrap_or_default();
        let entries = keys.into_iter().filter_map(|key| stored.remove(key));
        Ok(entries.map(|entry| entry.record.id).collect())
    }

    async fn count(&self) -> Result<usize, StoreError> {
        Ok(self.stored().sessions.len())
    }
}
