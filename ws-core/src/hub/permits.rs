//! Limits on the number of connections: in total, and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address::{Holder, Network};
use crate::limits::ServerLimits;
use crate::throttle::LogThrottle;

/// The permits in use.
#[derive(Default)]
pub(super) struct Permits {
    taken: Mutex<PermitCounts>,
    /// Throttles log lines when the server is full.
    full: LogThrottle,
    /// Throttles log lines when an address has reached its limit.
    full_addresses: LogThrottle,
    /// The same for the address of a trusted proxy.
    full_proxies: LogThrottle,
    /// The same for an address that may belong to a proxy that is not configured.
    unnamed: LogThrottle,
}

#[derive(Default)]
struct PermitCounts {
    all: usize,
    by_address: HashMap<Network, usize>,
}

/// There is no permit left for another connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Full {
    /// The server has as many connections as `connections` allows: 503.
    #[error("the server has as many connections as it may")]
    Server,
    /// The address has as many connections as `per_address` allows: 429.
    #[error("this address has as many connections as it may")]
    Address,
}

/// The permit for one of the server's connections.
///
/// Admission takes it from the hub after the request has passed every other limit
/// ([`IdentifiedRequest::admit`](crate::admit::IdentifiedRequest::admit)). It has one owner at a
/// time: the [`Admitted`] request, then the connection that waits for its transport, then the
/// connection's task, which drops it when the stream is closed, before `terminate`. If the
/// handshake fails, the permit is dropped and so released.
///
/// [`Admitted`]: crate::extract::Admitted
pub struct Permit {
    permits: Arc<Permits>,
    address: Option<Network>,
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

impl Permits {
    /// Takes a permit for this address and holder.
    pub(super) fn take(
        permits: &Arc<Self>,
        address: Option<IpAddr>,
        holder: Holder,
        limits: &ServerLimits,
    ) -> Result<Permit, Full> {
        // Without a limit per address, addresses are not stored.
        let client = address.filter(|_| limits.per_address.is_some());
        let address = client.map(Network::of);
        let mut taken = permits.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limit) = limits.connections.filter(|limit| taken.all >= *limit) {
            drop(taken);
            permits.log_full(limit);
            return Err(Full::Server);
        }
        if let Some(address) = address {
            let count = taken.by_address.get(&address).copied().unwrap_or(0);
            if let Some(limit) = limits.per_address.filter(|limit| count >= *limit) {
                drop(taken);
                permits.log_full_address(client, holder, limit);
                return Err(Full::Address);
            }
            taken.by_address.insert(address, count + 1);
        }
        taken.all += 1;
        drop(taken);
        Ok(Permit {
            permits: permits.clone(),
            address,
        })
    }

    fn log_full(&self, limit: usize) {
        match self.full.count() {
            None => tracing::debug!(limit, "no room for another connection"),
            Some(refused) => tracing::warn!(
                limit,
                refused,
                "no room for another connection: the limit `max_connections` is reached, \
                 and more are refused with 503"
            ),
        }
    }

    /// Logs a remedy: if a proxy is not configured, or does not forward its clients, all clients
    /// share one address.
    fn log_full_address(&self, address: Option<IpAddr>, holder: Holder, limit: usize) {
        let address = address.map(tracing::field::display);
        let throttle = match holder {
            Holder::Client => &self.full_addresses,
            Holder::Proxy => &self.full_proxies,
            Holder::Unknown => &self.unnamed,
        };
        let Some(refused) = throttle.count() else {
            tracing::debug!(address, limit, "no room for this address");
            return;
        };
        match holder {
            Holder::Unknown => tracing::warn!(
                address,
                refused,
                "many connections come from this private address, and more than \
                 `per_address` are refused with 429; if it is a proxy, name it in \
                 `trusted_proxies` and let it send `Forwarded` or `X-Forwarded-For`, so \
                 that its clients are counted one by one"
            ),
            Holder::Proxy => tracing::warn!(
                address,
                refused,
                limit,
                "this trusted proxy does not name its clients, and has as many connections as the \
                 limit `per_address` allows; more are refused with 429; let it send \
                 `Forwarded` or `X-Forwarded-For`, so that its clients are counted one by one"
            ),
            Holder::Client => tracing::warn!(
                address,
                refused,
                limit,
                "this address has as many connections as the limit `per_address` allows, \
                 and more are refused with 429"
            ),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self
            .permits
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(address) = self.address
            && let Some(count) = taken.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_address: usize, connections: usize) -> ServerLimits {
        ServerLimits {
            per_address: Some(per_address),
            connections: Some(connections),
            ..ServerLimits::DEFAULT
        }
    }

    fn take(permits: &Arc<Permits>, address: &str, limits: &ServerLimits) -> Result<Permit, Full> {
        Permits::take(
            permits,
            Some(address.parse().unwrap()),
            Holder::Client,
            limits,
        )
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_their_places() {
        let permits = Arc::new(Permits::default());
        let limits = limits(1, 10);
        let first = take(&permits, "2001:db8::1", &limits).unwrap();
        let same = take(&permits, "2001:db8::2", &limits);
        assert_eq!(same.unwrap_err(), Full::Address);
        let _other = take(&permits, "2001:db8:0:1::1", &limits).unwrap();
        drop(first);
        let _again = take(&permits, "2001:db8::2", &limits).unwrap();
    }

    #[test]
    fn a_mapped_ipv4_address_is_the_ipv4_address() {
        let permits = Arc::new(Permits::default());
        let limits = limits(1, 10);
        let _first = take(&permits, "192.0.2.1", &limits).unwrap();
        let mapped = take(&permits, "::ffff:192.0.2.1", &limits);
        assert_eq!(mapped.unwrap_err(), Full::Address);
    }

    #[test]
    fn the_server_is_full_before_the_address_is_looked_at() {
        let permits = Arc::new(Permits::default());
        let limits = limits(1, 1);
        let _only = take(&permits, "192.0.2.1", &limits).unwrap();
        let second = take(&permits, "192.0.2.1", &limits);
        assert_eq!(second.unwrap_err(), Full::Server);
    }
}
