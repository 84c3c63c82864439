//! Limits how many sessions one address begins, and remembers the keys that logons have replaced.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::SessionKey;
use crate::address::ClientNetwork;
use crate::limits::Rate;

/// The number of entries above which expired ones are removed.
const MIN_CLEANUP: usize = 1024;

/// Keys, each with the time at which its entry expires.
struct ExpiringMap<K>(Mutex<ExpiringEntries<K>>);

struct ExpiringEntries<K> {
    expiries: HashMap<K, Instant>,
    /// The number of entries at which expired ones are removed next.
    clean_at: usize,
}

impl<K> Default for ExpiringMap<K> {
    fn default() -> Self {
        Self(Mutex::new(ExpiringEntries {
            expiries: HashMap::new(),
            clean_at: MIN_CLEANUP,
        }))
    }
}

impl<K: Eq + std::hash::Hash> ExpiringMap<K> {
    fn entries(&self) -> MutexGuard<'_, ExpiringEntries<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + std::hash::Hash> ExpiringEntries<K> {
    fn insert(&mut self, key: K, expiry: Instant) {
        self.expiries.insert(key, expiry);
        if self.expiries.len() >= self.clean_at {
            let now = Instant::now();
            self.expiries.retain(|_, expiry| *expiry > now);
            // So the cost of cleaning is proportional to the entries added since the last time.
            self.clean_at = (self.expiries.len() * 2).max(MIN_CLEANUP);
        }
    }
}

/// Counts the sessions that each address begins: without a rate, one address could fill the store.
#[derive(Default)]
pub(super) struct BeginRates(ExpiringMap<ClientNetwork>);

impl BeginRates {
    /// Counts one more session of this address. Returns whether the rate allows it. A session
    /// without an address is not counted.
    pub(super) fn allows(&self, address: Option<IpAddr>, rate: Option<Rate>) -> bool {
        let (Some(address), Some(rate)) = (address, rate) else {
            return true;
        };
        let address = ClientNetwork::of(address);
        let mut entries = self.0.entries();
        let used = entries.expiries.get(&address).copied();
        let used = rate.count(used, Instant::now());
        if let Some(used) = used {
            entries.insert(address, used);
        }
        used.is_some()
    }
}

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

    const RATE: Option<Rate> = Some(Rate::new(3, Duration::from_secs(30)));

    #[tokio::test(start_paused = true)]
    async fn the_rate_limits_each_address_separately() {
        let begin_rates = BeginRates::default();
        let allows = |address: &str| begin_rates.allows(address.parse().ok(), RATE);
        let burst: Vec<_> = (0..4).map(|_| allows("203.0.113.7")).collect();
        assert_eq!(burst, [true, true, true, false]);
        assert!(allows("203.0.113.8"));
        // All addresses of one /64 count as one address.
        let net: Vec<_> = (1..=4)
            .map(|host| allows(&format!("2001:db8::{host}")))
            .collect();
        assert_eq!(net, [true, true, true, false]);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(
            [allows("203.0.113.7"), allows("203.0.113.7")],
            [true, false]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_address_or_a_rate_nothing_is_counted() {
        let begin_rates = BeginRates::default();
        for _ in 0..10 {
            assert!(begin_rates.allows(None, RATE));
            assert!(begin_rates.allows("203.0.113.7".parse().ok(), None));
        }
    }

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
