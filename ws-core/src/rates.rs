//! Limits how often one address begins something that the server keeps.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::address::ClientNetwork;
use crate::limits::Rate;

/// The number of entries above which expired ones are removed.
pub(crate) const MIN_CLEANUP: usize = 1024;

/// Keys, each with the time at which its entry expires.
pub(crate) struct ExpiringMap<K>(Mutex<ExpiringEntries<K>>);

pub(crate) struct ExpiringEntries<K> {
    pub(crate) expiries: HashMap<K, Instant>,
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

impl<K: Eq + Hash> ExpiringMap<K> {
    pub(crate) fn entries(&self) -> MutexGuard<'_, ExpiringEntries<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> ExpiringEntries<K> {
    pub(crate) fn insert(&mut self, key: K, expiry: Instant) {
        self.expiries.insert(key, expiry);
        if self.expiries.len() >= self.clean_at {
            let now = Instant::now();
            self.expiries.retain(|_, expiry| *expiry > now);
            // So the cost of cleaning is proportional to the entries added since the last time.
            self.clean_at = (self.expiries.len() * 2).max(MIN_CLEANUP);
        }
    }
}

/// Counts what each address begins: without a rate, one address could fill a store.
#[derive(Default)]
pub(crate) struct AddressRates(ExpiringMap<ClientNetwork>);

impl AddressRates {
    /// Counts one more for this address. Returns whether the rate allows it. Without an address,
    /// nothing is counted.
    pub(crate) fn allows(&self, address: Option<IpAddr>, rate: Option<Rate>) -> bool {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Option<Rate> = Some(Rate::new(3, Duration::from_secs(30)));

    #[tokio::test(start_paused = true)]
    async fn the_rate_limits_each_address_separately() {
        let rates = AddressRates::default();
        let allows = |address: &str| rates.allows(address.parse().ok(), RATE);
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
        let rates = AddressRates::default();
        for _ in 0..10 {
            assert!(rates.allows(None, RATE));
            assert!(rates.allows("203.0.113.7".parse().ok(), None));
        }
    }
}
