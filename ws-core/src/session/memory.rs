//! The built-in store: sessions of one process, in memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::record::{size_of, size_of_all};
use super::{SessionId, SessionKey, SessionRecord, SessionStore, StoreError};
use crate::limits::later;

#[cfg(test)]
mod tests;

/// What may be left of keys that are gone, beside what there is: past it, queues are
/// cleaned.
const SLACK: usize = 64;

/// Sessions that are looked at for one to give up; the next look goes on from there.
const LOOKS: usize = 256;

/// Keeps sessions in memory, at most so many. They are gone when the process is.
///
/// Where it is full, a new session takes the place of the oldest whose cookie never came
/// back, such as those of clients that keep no cookies; then of the one that was not used
/// for longest, where nobody has logged on in it and half of its time is over. Open sockets
/// use their sessions more often than that, so none with a socket is given up.
///
/// Sessions whose time is over are swept out by whatever call comes next.
///
/// ```
/// use ws_core::session::MemoryStore;
///
/// let store = MemoryStore::new(10_000);
/// ```
pub struct MemoryStore {
    capacity: usize,
    bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<SessionKey, Entry>,
    /// What all values take.
    bytes: usize,
    by_user: HashMap<String, HashSet<SessionKey>>,
    /// When sessions are to be looked at; each has an entry that is not too late.
    due: BinaryHeap<Reverse<(Instant, SessionKey)>>,
    /// In the order of creation; those whose cookie came back are passed over.
    fresh: VecDeque<SessionKey>,
}

struct Entry {
    record: SessionRecord,
    born: Instant,
    expires: Instant,
    /// How long it lives when it is used.
    ttl: Duration,
    /// The cookie came back at least once.
    returned: bool,
}

impl MemoryStore {
    /// A store for so many sessions.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            bytes: usize::MAX,
            kept: Mutex::default(),
        }
    }

    /// Keeps at most so many bytes of values, names included, of all sessions together.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// What is kept now, without what has run out.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.sweep(Instant::now());
        kept
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl Kept {
    fn sweep(&mut self, now: Instant) {
        while let Some(Reverse((at, key))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            match self.sessions.get(&key).map(|entry| entry.expires) {
                Some(expires) if expires <= now => {
                    self.remove(key);
                }
                Some(expires) => self.due.push(Reverse((expires, key))),
                None => {}
            }
        }
    }

    /// The cookie of a session came back: it lives for `ttl` from now.
    fn touch(&mut self, key: SessionKey, ttl: Duration) -> Option<&Entry> {
        let expires = later(Instant::now(), ttl);
        let entry = self.sessions.get_mut(&key)?;
        entry.returned = true;
        entry.ttl = ttl;
        let sooner = expires < entry.expires;
        entry.expires = expires;
        if sooner {
            self.due.push(Reverse((expires, key)));
            self.clean();
        }
        self.sessions.get(&key)
    }

    fn insert(&mut self, key: SessionKey, entry: Entry) {
        if let Some(user) = &entry.record.user {
            self.by_user.entry(user.clone()).or_default().insert(key);
        }
        self.due.push(Reverse((entry.expires, key)));
        self.bytes += size_of_all(&entry.record.values);
        if !entry.returned {
            self.fresh.push_back(key);
        }
        self.sessions.insert(key, entry);
        self.clean();
    }

    fn remove(&mut self, key: SessionKey) -> Option<Entry> {
        let entry = self.sessions.remove(&key)?;
        self.bytes -= size_of_all(&entry.record.values);
        if let Some(user) = &entry.record.user
            && let Some(keys) = self.by_user.get_mut(user)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_user.remove(user);
            }
        }
        Some(entry)
    }

    /// Queues hold keys that are gone; not many more than there are sessions.
    fn clean(&mut self) {
        let most = self.sessions.len() * 2 + SLACK;
        if self.due.len() > most {
            let all = self.sessions.iter();
            self.due = all
                .map(|(key, entry)| Reverse((entry.expires, *key)))
                .collect();
        }
        if self.fresh.len() > most {
            let sessions = &self.sessions;
            self.fresh
                .retain(|key| sessions.get(key).is_some_and(|entry| !entry.returned));
        }
    }

    /// Gives a session up for another one. Returns whether there was any to give up.
    fn evict(&mut self) -> bool {
        while let Some(key) = self.fresh.pop_front() {
            if self.sessions.get(&key).is_some_and(|entry| !entry.returned) {
                self.remove(key);
                return true;
            }
        }
        let unused = self.unused();
        unused.is_some_and(|key| self.remove(key).is_some())
    }

    /// The anonymous session that was not used for longest, where that is half of its time.
    fn unused(&mut self) -> Option<SessionKey> {
        let now = Instant::now();
        let mut passed = Vec::new();
        let mut found = None;
        // The first that is due was not used for longest: all live for about the same time.
        for _ in 0..LOOKS {
            let Some(Reverse((at, key))) = self.due.pop() else {
                break;
            };
            let Some(entry) = self.sessions.get(&key) else {
                continue;
            };
            if entry.expires > at {
                self.due.push(Reverse((entry.expires, key)));
                continue;
            }
            passed.push(Reverse((at, key)));
            if at.saturating_duration_since(now) > entry.ttl / 2 {
                break;
            }
            if entry.record.user.is_none() {
                found = Some(key);
                break;
            }
        }
        self.due.extend(passed);
        found
    }
}

impl SessionStore for MemoryStore {
    async fn create(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        if kept.sessions.contains_key(&key) {
            return Ok(false);
        }
        if kept.sessions.len() >= self.capacity && !kept.evict() {
            return Err(StoreError::Full);
        }
        let now = Instant::now();
        let entry = Entry {
            record,
            born: now,
            expires: later(now, ttl),
            ttl,
            returned: false,
        };
        kept.insert(key, entry);
        Ok(true)
    }

    async fn load(
        &self,
        key: SessionKey,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let mut kept = self.kept();
        let entry = kept.touch(key, ttl);
        Ok(entry.map(|entry| {
            let mut record = entry.record.clone();
            record.age = entry.born.elapsed();
            record
        }))
    }

    async fn touch(&self, key: SessionKey, ttl: Duration) -> Result<bool, StoreError> {
        Ok(self.kept().touch(key, ttl).is_some())
    }

    async fn contains(&self, key: SessionKey) -> Result<bool, StoreError> {
        Ok(self.kept().sessions.contains_key(&key))
    }

    async fn set(
        &self,
        key: SessionKey,
        name: &str,
        value: Option<String>,
    ) -> Result<Option<u64>, StoreError> {
        let mut kept = self.kept();
        let kept = &mut *kept;
        let Some(entry) = kept.sessions.get_mut(&key) else {
            return Ok(None);
        };
        let size = |value: &String| size_of(name, value);
        let before = entry.record.values.get(name).map_or(0, size);
        let after = value.as_ref().map_or(0, size);
        let bytes = kept.bytes - before + after;
        if after > before && bytes > self.bytes {
            return Err(StoreError::Full);
        }
        kept.bytes = bytes;
        Ok(Some(entry.record.set(name, value)))
    }

    async fn renew(
        &self,
        old: SessionKey,
        new: SessionKey,
        user: Option<String>,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let mut kept = self.kept();
        let Some(mut entry) = kept.remove(old) else {
            return Ok(None);
        };
        let now = Instant::now();
        entry.record.renew(user);
        entry.born = now;
        entry.expires = later(now, ttl);
        entry.ttl = ttl;
        // Somebody has just used it.
        entry.returned = true;
        let record = entry.record.clone();
        kept.insert(new, entry);
        Ok(Some(record))
    }

    async fn remove(&self, key: SessionKey) -> Result<Option<SessionId>, StoreError> {
        Ok(self.kept().remove(key).map(|entry| entry.record.id))
    }

    async fn remove_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        let mut kept = self.kept();
        let keys = kept.by_user.get(user).cloned().unwrap_or_default();
        let entries = keys.into_iter().filter_map(|key| kept.remove(key));
        Ok(entries.map(|entry| entry.record.id).collect())
    }

    async fn count(&self) -> Result<usize, StoreError> {
        Ok(self.kept().sessions.len())
    }
}
