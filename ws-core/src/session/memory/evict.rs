//! Chooses the session that a full store evicts for a new one.

use std::cmp::Reverse;

use tokio::time::Instant;

use super::{StoredSession, StoredSessions};
use crate::session::{Newcomer, SessionKey};

/// The maximum number of sessions that one eviction checks; the next one continues from there.
const MAX_SESSION_CHECKS: usize = 256;

/// The maximum number of addresses that one eviction checks.
const MAX_NETWORK_CHECKS: usize = 8;

impl StoredSessions {
    /// Evicts one session for a new one of this client. Returns false if none may be evicted.
    pub(super) fn evict(&mut self, newcomer: &Newcomer<'_>) -> bool {
        let now = Instant::now();
        let left = |entry: &StoredSession| entry.expires.saturating_duration_since(now);
        let found = self
            .oldest_unreturned(newcomer, |entry| left(entry) <= entry.ttl / 2)
            .or_else(|| self.of_largest_address(newcomer))
            .or_else(|| self.oldest_unreturned(newcomer, |_| true))
            .or_else(|| self.least_recently_used(newcomer, now));
        found.is_some_and(|key| self.remove(key).is_some())
    }

    /// The oldest session whose cookie never came back, if it is old enough.
    fn oldest_unreturned(
        &mut self,
        newcomer: &Newcomer<'_>,
        is_old_enough: impl Fn(&StoredSession) -> bool,
    ) -> Option<SessionKey> {
        while let Some(key) = self.unreturned.front().copied() {
            match self.sessions.get(&key) {
                Some(entry) if !entry.returned && entry.may_be_evicted(newcomer) => {
                    return is_old_enough(entry).then_some(key);
                }
                _ => self.unreturned.pop_front(),
            };
        }
        None
    }

    /// The least recently used session of the address that would hold the most with the new one.
    ///
    /// Sessions without an address belong to many visitors: they are not evicted here, and a
    /// newcomer without an address evicts others only if their address holds more.
    fn of_largest_address(&mut self, newcomer: &Newcomer<'_>) -> Option<SessionKey> {
        let own = newcomer.network;
        let own_count = own.map_or(self.without_address, |own| self.anonymous.count(own));
        let larger = self
            .anonymous
            .largest()
            .take_while(|(count, _)| *count > own_count + 1);
        let own = own.filter(|_| own_count > 0).map(|own| (own_count, own));
        let largest: Vec<_> = larger.take(MAX_NETWORK_CHECKS).chain(own).collect();
        let mut checks_left = MAX_SESSION_CHECKS;
        for (count, network) in largest {
            for _ in 0..count {
                checks_left = checks_left.checked_sub(1)?;
                let (position, key) = self.anonymous.least_recent(network)?;
                let entry = self.sessions.get(&key)?;
                if entry.may_be_evicted(newcomer) {
                    return Some(key);
                }
                // An open socket counts as a use.
                self.anonymous.touch(position);
            }
        }
        None
    }

    /// The least recently used anonymous session, if it was idle for at least half of its time to
    /// live.
    fn least_recently_used(&mut self, newcomer: &Newcomer<'_>, now: Instant) -> Option<SessionKey> {
        let mut checked = Vec::new();
        let mut found = None;
        // The first to expire is the least recently used one: all have about the same time to live.
        for _ in 0..MAX_SESSION_CHECKS {
            let Some(Reverse((at, key))) = self.expiry_queue.pop() else {
                break;
            };
            let Some(entry) = self.sessions.get(&key) else {
                continue;
            };
            if entry.expires > at {
                self.expiry_queue.push(Reverse((entry.expires, key)));
                continue;
            }
            checked.push(Reverse((at, key)));
            if at.saturating_duration_since(now) > entry.ttl / 2 {
                break;
            }
            if entry.may_be_evicted(newcomer) {
                found = Some(key);
                break;
            }
        }
        self.expiry_queue.extend(checked);
        found
    }
}

impl StoredSession {
    /// Whether the session is anonymous and has no open socket.
    fn may_be_evicted(&self, newcomer: &Newcomer<'_>) -> bool {
        self.record.user.is_none() && !newcomer.has_sockets(self.record.id)
    }
}
