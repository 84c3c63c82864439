//! Remembers the keys that logons have replaced.

use std::time::Duration;

use tokio::time::Instant;

use super::SessionKey;
use crate::rates::ExpiringMap;

/// The longest time that a request is expected to be in flight.
const MAX_IN_FLIGHT: Duration = Duration::from_secs(60);

/// Keys that logons of this process have replaced within the last minute.
#[derive(Default)]
pub(super) struct ReplacedKeys(ExpiringMap<SessionKey>);

impl ReplacedKeys {
    pub(super) fn insert(&self, key: SessionKey) {
        self.0.entries().insert(key, Instant::now() + MAX_IN_FLIGHT);
    }

    pub(super) fn remove(&self, key: SessionKey) {
        self.0.entries().expiries.remove(&key);
    }

    pub(super) fn contains(&self, key: SessionKey) -> bool {
        let entries = self.0.entries();
        entries
            .expiries
            .get(&key)
            .is_some_and(|expiry| *expiry > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::MIN_CLEANUP;

    #[tokio::test(start_paused = true)]
    async fn expired_entries_are_removed() {
        let replaced_keys = ReplacedKeys::default();
        let key = |number: usize| SessionKey::of_foreign(&number.to_string());
        replaced_keys.insert(key(0));
        assert!(replaced_keys.contains(key(0)));
        tokio::time::advance(MAX_IN_FLIGHT).await;
        assert!(!replaced_keys.contains(key(0)));
        for number in 1..10 * MIN_CLEANUP {
            tokio::time::advance(Duration::from_secs(1)).await;
            replaced_keys.insert(key(number));
        }
        assert!(replaced_keys.0.entries().expiries.len() <= MIN_CLEANUP);
    }
}
