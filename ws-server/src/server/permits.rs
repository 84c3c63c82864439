//! The permits of HTTP connections: how many there may be, in total and per address, and which of
//! them is evicted if another one needs its permit.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use ws_core::address::ClientNetwork;
use ws_core::limits::ServerLimits;
use ws_core::throttle::LogThrottle;

/// Permits for connections that are not, or not yet, WebSocket connections.
#[derive(Debug)]
pub(super) struct HttpPermits {
    all: Arc<Semaphore>,
    per_address: Option<usize>,
    table: Mutex<PermitTable>,
    /// Logs connections that waited for a permit because all were in use.
    waiting: LogThrottle,
    /// Logs connections that were refused because their address has reached its limit.
    refused: LogThrottle,
}

#[derive(Debug, Default)]
struct PermitTable {
    /// An ordered map: hashing would take longer than anything else here.
    by_address: BTreeMap<ClientNetwork, AddressUsage>,
    /// The silent connections, in the order in which they became silent.
    silent: BTreeMap<u64, SilentConnection>,
    /// The key of the next silent connection.
    next: u64,
    /// Whether a connection waits for a permit.
    has_waiter: bool,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct AddressUsage {
    /// The number of all of them, including evicted ones that have not ended yet.
    count: usize,
    silent: BTreeSet<u64>,
}

#[derive(Debug)]
struct SilentConnection {
    wake_flag: Arc<WakeFlag>,
    address: Option<ClientNetwork>,
}

/// The address of a connection has reached its limit.
#[derive(Debug)]
pub(super) struct AddressLimitReached;

/// The permit of a connection was needed for another one.
#[derive(Debug)]
pub(super) struct Evicted;

impl HttpPermits {
    pub(super) fn new(limits: &ServerLimits) -> Arc<Self> {
        let all = limits.http_connections.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            all: Arc::new(Semaphore::new(all)),
            per_address: limits.http_per_address,
            table: Mutex::default(),
            waiting: LogThrottle::default(),
            refused: LogThrottle::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, PermitTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a permit for a connection from this address; `None` for one that is not counted. If all
    /// permits are in use, the connection that has been silent longest is evicted. If none is
    /// silent, this waits for the next that becomes silent or closes.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        address: Option<IpAddr>,
    ) -> Result<HttpPermit, AddressLimitReached> {
        // Without a limit, addresses need not be stored.
        let counted = address.filter(|_| self.per_address.is_some());
        let mut permit = HttpPermit {
            address: counted.map(ClientNetwork::of),
            silence: None,
            semaphore_permit: None,
            permits: self.clone(),
        };
        if let Some(network) = permit.address
            && !self.count(network)
        {
            permit.address = None;
            self.warn_of_refusal(address);
            return Err(AddressLimitReached);
        }
        permit.semaphore_permit = Some(self.acquire_semaphore().await);
        Ok(permit)
    }

    /// Counts one more connection of an address, and evicts a silent one if necessary. Evicted
    /// connections that have not ended yet may at most double the limit.
    fn count(&self, network: ClientNetwork) -> bool {
        let mut table = self.lock();
        let usage = table.by_address.entry(network).or_default();
        let (count, longest) = (usage.count, usage.silent.first().copied());
        if let Some(limit) = self.per_address.filter(|limit| count >= *limit) {
            let Some(longest) = longest.filter(|_| count < limit.saturating_mul(2)) else {
                return false;
            };
            table.evict(longest);
        }
        table.by_address.entry(network).or_default().count += 1;
        true
    }

    async fn acquire_semaphore(&self) -> OwnedSemaphorePermit {
        if let Ok(permit) = self.all.clone().try_acquire_owned() {
            return permit;
        }
        {
            let mut table = self.lock();
            if let Some((&longest, _)) = table.silent.first_key_value() {
                table.evict(longest);
            }
            // The evicted connection may take long to end: another one that becomes silent may be
            // faster.
            table.has_waiter = true;
        }
        if let Some(waiting) = self.waiting.count() {
            tracing::warn!(
                waiting,
                "the limit of HTTP connections is reached; a new connection waits, or replaces a \
                 silent one; the limit is `Server::http_connections`"
            );
        }
        let permit = self.all.clone().acquire_owned().await;
        self.lock().has_waiter = false;
        permit.expect("the semaphore is never closed")
    }

    fn warn_of_refusal(&self, address: Option<IpAddr>) {
        if let Some(refused) = self.refused.count() {
            tracing::warn!(
                ?address,
                refused,
                "an address has reached its limit of HTTP connections, and further ones are refused \
                 with 429; the limit is `Server::http_per_address`; a proxy is exempt if \
                 `Server::trusted_proxies` names it"
            );
        }
    }
}

impl PermitTable {
    /// Notifies a silent connection that it must end. It counts until its permit is dropped.
    fn evict(&mut self, silence: u64) {
        if let Some(silent) = self.end_silence(silence) {
            silent.wake_flag.set();
        }
    }

    /// Removes a connection from the silent ones; returns `None` if it was not silent.
    fn end_silence(&mut self, silence: u64) -> Option<SilentConnection> {
        let silent = self.silent.remove(&silence)?;
        if let Some(network) = silent.address
            && let Some(usage) = self.by_address.get_mut(&network)
        {
            usage.silent.remove(&silence);
        }
        Some(silent)
    }

    /// Counts one connection of an address less.
    fn release(&mut self, network: ClientNetwork) {
        if let Entry::Occupied(mut entry) = self.by_address.entry(network) {
            let usage = entry.get_mut();
            usage.count -= 1;
            if usage.count == 0 {
                entry.remove();
            }
        }
    }
}

/// The permit of one connection; dropping it releases the permit.
#[derive(Debug)]
pub(super) struct HttpPermit {
    permits: Arc<HttpPermits>,
    /// The address that counts this connection.
    address: Option<ClientNetwork>,
    /// The key of this connection among the silent ones.
    silence: Option<u64>,
    semaphore_permit: Option<OwnedSemaphorePermit>,
}

impl HttpPermit {
    /// Registers the connection as silent. It may then be evicted, which sets the flag.
    ///
    /// # Errors
    ///
    /// Returns [`Evicted`] at once if another connection waits for a permit.
    pub(super) fn begin_silence(&mut self, wake_flag: &Arc<WakeFlag>) -> Result<(), Evicted> {
        let mut table = self.permits.lock();
        if table.has_waiter {
            table.has_waiter = false;
            return Err(Evicted);
        }
        let silence = table.next;
        table.next += 1;
        let silent = SilentConnection {
            wake_flag: wake_flag.clone(),
            address: self.address,
        };
        table.silent.insert(silence, silent);
        if let Some(network) = self.address
            && let Some(usage) = table.by_address.get_mut(&network)
        {
            usage.silent.insert(silence);
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
        let ended = self.permits.lock().end_silence(silence);
        ended.map(drop).ok_or(Evicted)
    }
}

impl Drop for HttpPermit {
    fn drop(&mut self) {
        // The connection ends, even if it was evicted.
        let _ = self.end_silence();
        if let Some(network) = self.address {
            self.permits.lock().release(network);
        }
        drop(self.semaphore_permit.take());
    }
}

/// Wakes the task of a silent connection when bytes have arrived or the connection is evicted.
///
/// It is the only waker of a silent connection's stream, so that no other event of the task is
/// mistaken for bytes.
#[derive(Debug)]
pub(super) struct WakeFlag {
    task: Waker,
    is_set: AtomicBool,
}

impl WakeFlag {
    pub(super) fn new(task: &Waker) -> Arc<Self> {
        Arc::new(Self {
            task: task.clone(),
            is_set: AtomicBool::new(false),
        })
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    fn set(&self) {
        self.is_set.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.set();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures::FutureExt;

    use super::*;

    const ADDRESS: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

    fn permits(all: usize, per_address: usize) -> Arc<HttpPermits> {
        HttpPermits::new(
            &ServerLimits::DEFAULT
                .http_connections(all)
                .http_per_address(Some(per_address)),
        )
    }

    async fn silent(permits: &Arc<HttpPermits>) -> HttpPermit {
        let mut permit = permits.acquire(ADDRESS).await.unwrap();
        permit.begin_silence(&WakeFlag::new(Waker::noop())).unwrap();
        permit
    }

    #[tokio::test]
    async fn an_evicted_connection_counts_for_its_address_until_it_has_ended() {
        let permits = permits(16, 2);
        let mut evicted = Vec::new();
        for _ in 0..4 {
            evicted.push(silent(&permits).await);
        }
        assert!(matches!(
            permits.acquire(ADDRESS).await,
            Err(AddressLimitReached)
        ));
        assert!(matches!(evicted[0].end_silence(), Err(Evicted)));
        evicted.remove(0);
        evicted.push(silent(&permits).await);
        assert!(matches!(
            permits.acquire(ADDRESS).await,
            Err(AddressLimitReached)
        ));
        drop(evicted);
        assert!(permits.lock().by_address.is_empty());
        assert!(permits.lock().silent.is_empty());
    }

    #[tokio::test]
    async fn a_connection_that_becomes_silent_helps_if_the_evicted_one_does_not_end() {
        let permits = permits(2, 16);
        let _slow = silent(&permits).await;
        let mut works = permits.acquire(ADDRESS).await.unwrap();
        let mut waits = std::pin::pin!(permits.acquire(ADDRESS));
        assert!(waits.as_mut().now_or_never().is_none());
        let kept = works.begin_silence(&WakeFlag::new(Waker::noop()));
        assert!(matches!(kept, Err(Evicted)));
        drop(works);
        waits.await.unwrap();
    }
}
