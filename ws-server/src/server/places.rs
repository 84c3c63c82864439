//! The places of HTTP connections: how many there may be, in total and per address, and which of
//! them is evicted if another one needs its place.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use ws_core::address::Network;
use ws_core::limits::ServerLimits;
use ws_core::throttle::LogThrottle;

/// Places for connections that are not, or not yet, WebSocket connections.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_address: Option<usize>,
    taken: Mutex<Taken>,
    /// Logs connections that waited for a place because all were in use.
    waited: LogThrottle,
    /// Logs connections that were refused because their address has reached its limit.
    refused: LogThrottle,
}

#[derive(Debug, Default)]
struct Taken {
    /// An ordered map: hashing would take longer than anything else here.
    by_address: BTreeMap<Network, OfAddress>,
    /// The silent connections, in the order in which they became silent.
    silent: BTreeMap<u64, Silent>,
    /// The key of the next silent connection.
    next: u64,
    /// Whether a connection waits for a place.
    wanted: bool,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct OfAddress {
    /// The number of all of them, including evicted ones that have not ended yet.
    held: usize,
    silent: BTreeSet<u64>,
}

#[derive(Debug)]
struct Silent {
    bell: Arc<Bell>,
    address: Option<Network>,
}

/// The address of a connection has reached its limit.
#[derive(Debug)]
pub(super) struct Full;

/// The place of a connection was needed for another one.
#[derive(Debug)]
pub(super) struct Evicted;

impl Places {
    pub(super) fn new(limits: &ServerLimits) -> Arc<Self> {
        let all = limits.http_connections.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            all: Arc::new(Semaphore::new(all)),
            per_address: limits.http_per_address,
            taken: Mutex::default(),
            waited: LogThrottle::default(),
            refused: LogThrottle::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection from this address; `None` for one that is not counted. If all
    /// places are in use, the connection that has been silent longest is evicted. If none is
    /// silent, this waits for the next that becomes silent or closes.
    pub(super) async fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Full> {
        // Without a limit, addresses need not be stored.
        let counted = address.filter(|_| self.per_address.is_some());
        let mut place = Place {
            address: counted.map(Network::of),
            silence: None,
            permit: None,
            places: self.clone(),
        };
        if let Some(network) = place.address
            && !self.count(network)
        {
            place.address = None;
            self.warn_of_refusal(address);
            return Err(Full);
        }
        place.permit = Some(self.permit().await);
        Ok(place)
    }

    /// Counts one more connection of an address, and evicts a silent one if necessary. Evicted
    /// connections that have not ended yet may at most double the limit.
    fn count(&self, network: Network) -> bool {
        let mut taken = self.lock();
        let of_address = taken.by_address.entry(network).or_default();
        let (held, longest) = (of_address.held, of_address.silent.first().copied());
        if let Some(limit) = self.per_address.filter(|limit| held >= *limit) {
            let Some(longest) = longest.filter(|_| held < limit.saturating_mul(2)) else {
                return false;
            };
            taken.evict(longest);
        }
        taken.by_address.entry(network).or_default().held += 1;
        true
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        if let Ok(permit) = self.all.clone().try_acquire_owned() {
            return permit;
        }
        {
            let mut taken = self.lock();
            if let Some((&longest, _)) = taken.silent.first_key_value() {
                taken.evict(longest);
            }
            // The evicted connection may take long to end: another one that becomes silent may be
            // faster.
            taken.wanted = true;
        }
        if let Some(waited) = self.waited.count() {
            tracing::warn!(
                waited,
                "all places of HTTP connections are in use; new connections wait for one, or take \
                 that of a silent one; the limit is `Server::http_connections`"
            );
        }
        let permit = self.all.clone().acquire_owned().await;
        self.lock().wanted = false;
        permit.expect("the semaphore is never closed")
    }

    fn warn_of_refusal(&self, address: Option<IpAddr>) {
        if let Some(refused) = self.refused.count() {
            tracing::warn!(
                ?address,
                refused,
                "an address has as many HTTP connections as it may, and further ones are refused \
                 with 429; the limit is `Server::http_per_address`; a proxy is exempt if \
                 `Server::trusted_proxies` names it"
            );
        }
    }
}

impl Taken {
    /// Notifies a silent connection that it must end. It counts until its place is dropped.
    fn evict(&mut self, silence: u64) {
        if let Some(silent) = self.end_silence(silence) {
            silent.bell.ring();
        }
    }

    /// Removes a connection from the silent ones; returns `None` if it was not silent.
    fn end_silence(&mut self, silence: u64) -> Option<Silent> {
        let silent = self.silent.remove(&silence)?;
        if let Some(network) = silent.address
            && let Some(of_address) = self.by_address.get_mut(&network)
        {
            of_address.silent.remove(&silence);
        }
        Some(silent)
    }

    /// Counts one connection of an address less.
    fn forget(&mut self, network: Network) {
        if let Entry::Occupied(mut entry) = self.by_address.entry(network) {
            let of_address = entry.get_mut();
            of_address.held -= 1;
            if of_address.held == 0 {
                entry.remove();
            }
        }
    }
}

/// The place of one connection; dropping it releases the place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    /// The address that counts this connection.
    address: Option<Network>,
    /// The key of this connection among the silent ones.
    silence: Option<u64>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Registers the connection as silent. It may then be evicted, which rings the bell.
    ///
    /// # Errors
    ///
    /// Returns [`Evicted`] at once if another connection waits for a place.
    pub(super) fn keep_silent(&mut self, bell: &Arc<Bell>) -> Result<(), Evicted> {
        let mut taken = self.places.lock();
        if taken.wanted {
            taken.wanted = false;
            return Err(Evicted);
        }
        let silence = taken.next;
        taken.next += 1;
        let silent = Silent {
            bell: bell.clone(),
            address: self.address,
        };
        taken.silent.insert(silence, silent);
        if let Some(network) = self.address
            && let Some(of_address) = taken.by_address.get_mut(&network)
        {
            of_address.silent.insert(silence);
        }
        self.silence = Some(silence);
        Ok(())
    }

    /// Ends the silence of the connection.
    ///
    /// # Errors
    ///
    /// Returns [`Evicted`] if the connection was evicted in the meantime.
    pub(super) fn end_silence(&mut self) -> Result<(), Evicted> {
        let Some(silence) = self.silence.take() else {
            return Ok(());
        };
        let ended = self.places.lock().end_silence(silence);
        ended.map(drop).ok_or(Evicted)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The connection ends, even if it was evicted.
        let _ = self.end_silence();
        if let Some(network) = self.address {
            self.places.lock().forget(network);
        }
        drop(self.permit.take());
    }
}

/// Wakes the task of a silent connection when bytes have arrived or the connection is evicted.
///
/// It is the only waker of a silent connection's stream, so that no other event of the task is
/// mistaken for bytes.
#[derive(Debug)]
pub(super) struct Bell {
    task: Waker,
    rung: AtomicBool,
}

impl Bell {
    pub(super) fn new(task: &Waker) -> Arc<Self> {
        Arc::new(Self {
            task: task.clone(),
            rung: AtomicBool::new(false),
        })
    }

    pub(super) fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures::FutureExt;

    use super::*;

    const ADDRESS: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

    fn places(all: usize, per_address: usize) -> Arc<Places> {
        Places::new(
            &ServerLimits::DEFAULT
                .http_connections(all)
                .http_per_address(Some(per_address)),
        )
    }

    async fn silent(places: &Arc<Places>) -> Place {
        let mut place = places.take(ADDRESS).await.unwrap();
        place.keep_silent(&Bell::new(Waker::noop())).unwrap();
        place
    }

    #[tokio::test]
    async fn an_evicted_connection_counts_for_its_address_until_it_has_ended() {
        let places = places(16, 2);
        let mut evicted = Vec::new();
        for _ in 0..4 {
            evicted.push(silent(&places).await);
        }
        assert!(matches!(places.take(ADDRESS).await, Err(Full)));
        assert!(matches!(evicted[0].end_silence(), Err(Evicted)));
        evicted.remove(0);
        evicted.push(silent(&places).await);
        assert!(matches!(places.take(ADDRESS).await, Err(Full)));
        drop(evicted);
        assert!(places.lock().by_address.is_empty());
        assert!(places.lock().silent.is_empty());
    }

    #[tokio::test]
    async fn a_connection_that_becomes_silent_helps_if_the_evicted_one_does_not_end() {
        let places = places(2, 16);
        let _slow = silent(&places).await;
        let mut works = places.take(ADDRESS).await.unwrap();
        let mut waits = std::pin::pin!(places.take(ADDRESS));
        assert!(waits.as_mut().now_or_never().is_none());
        let kept = works.keep_silent(&Bell::new(Waker::noop()));
        assert!(matches!(kept, Err(Evicted)));
        drop(works);
        waits.await.unwrap();
    }
}
