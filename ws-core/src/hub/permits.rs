//! Limits on the number of connections: in total, and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address::{AddressOwner, ClientNetwork};
use crate::limits::ServerLimits;
use crate::throttle::LogThrottle;

/// The permits in use.
#[derive(Default)]
pub(super) struct Permits {
    counts: Mutex<PermitCounts>,
    /// Throttles log lines when the server is full.
    server_throttle: LogThrottle,
    /// Throttles log lines when an address has reached its limit.
    client_throttle: LogThrottle,
    /// The same for the address of a trusted proxy.
    proxy_throttle: LogThrottle,
    /// The same for an address that may belong to a proxy that is not configured.
    unknown_throttle: LogThrottle,
}

#[derive(Default)]
struct PermitCounts {
    all: usize,
    by_address: HashMap<ClientNetwork, usize>,
}

/// There is no permit left for another connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoPermit {
    /// The server has as many connections as `max_connections` allows: 503.
    #[error("the server has reached its limit of connections")]
    Server,
    /// The address has as many connections as `per_address` allows: 429.
    #[error("this address has reached its limit of connections")]
    Address,
}

/// The permit for one of the server's connections.
///
/// Admission takes it from the hub after the request has passed every other limit
/// ([`IdentifiedRequest::admit`](crate::admit::IdentifiedRequest::admit)). It has one owner at a
/// time: the [`Admitted`] request, then the connection that waits for its transport, then the
/// connection's task, which drops it when the stream is closed, before `terminate`. A page stream
/// over HTTP shares it with its response, and the last of the two releases it. If the handshake
/// fails, the permit is dropped and so released.
///
/// [`Admitted`]: crate::extract::Admitted
pub struct Permit {
    permits: Arc<Permits>,
    address: Option<ClientNetwork>,
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

impl Permits {
    /// Takes a permit for this address and owner.
    pub(super) fn take(
        permits: &Arc<Self>,
        address: Option<IpAddr>,
        owner: AddressOwner,
        limits: &ServerLimits,
    ) -> Result<Permit, NoPermit> {
        // Without a limit per address, addresses are not stored.
        let client = address.filter(|_| limits.per_address.is_some());
        let address = client.map(ClientNetwork::of);
        let mut counts = permits
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(limit) = limits.max_connections.filter(|limit| counts.all >= *limit) {
            drop(counts);
            permits.log_full_server(limit);
            return Err(NoPermit::Server);
        }
        if let Some(address) = address {
            let count = counts.by_address.get(&address).copied().unwrap_or(0);
            if let Some(limit) = limits.per_address.filter(|limit| count >= *limit) {
                drop(counts);
                permits.log_full_address(client, owner, limit);
                return Err(NoPermit::Address);
            }
            counts.by_address.insert(address, count + 1);
        }
        counts.all += 1;
        drop(counts);
        Ok(Permit {
            permits: permits.clone(),
            address,
        })
    }

    fn log_full_server(&self, limit: usize) {
        match self.server_throttle.count() {
            None => tracing::debug!(limit, "refused a connection: `max_connections` is reached"),
            Some(refused) => tracing::warn!(
                limit,
                refused,
                "connections are refused with 503: the limit `max_connections` is reached"
            ),
        }
    }

    /// Logs a remedy: if a proxy is not configured, or does not forward its clients, all clients
    /// share one address.
    fn log_full_address(&self, address: Option<IpAddr>, owner: AddressOwner, limit: usize) {
        let address = address.map(tracing::field::display);
        let throttle = match owner {
            AddressOwner::Client => &self.client_throttle,
            AddressOwner::Proxy => &self.proxy_throttle,
            AddressOwner::Unknown => &self.unknown_throttle,
        };
        let Some(refused) = throttle.count() else {
            tracing::debug!(
                address,
                limit,
                "refused a connection: `per_address` is reached"
            );
            return;
        };
        match owner {
            AddressOwner::Unknown => tracing::warn!(
                address,
                refused,
                "many connections come from this private address, and more than \
                 `per_address` are refused with 429; if it is a proxy, add it to \
                 `trusted_proxies` and let it send `Forwarded` or `X-Forwarded-For`, so \
                 that its clients are counted one by one"
            ),
            AddressOwner::Proxy => tracing::warn!(
                address,
                refused,
                limit,
                "this trusted proxy does not forward its clients, and has as many connections as the \
                 limit `per_address` allows; more are refused with 429; let it send \
                 `Forwarded` or `X-Forwarded-For`, so that its clients are counted one by one"
            ),
            AddressOwner::Client => tracing::warn!(
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
        let mut counts = self
            .permits
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(address) = self.address
            && let Some(count) = counts.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
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
            max_connections: Some(connections),
            ..ServerLimits::DEFAULT
        }
    }

    fn take(
        permits: &Arc<Permits>,
        address: &str,
        limits: &ServerLimits,
    ) -> Result<Permit, NoPermit> {
        Permits::take(
            permits,
            Some(address.parse().unwrap()),
            AddressOwner::Client,
            limits,
        )
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_their_permits() {
        let permits = Arc::new(Permits::default());
        let limits = limits(1, 10);
        let first = take(&permits, "2001:db8::1", &limits).unwrap();
        let same = take(&permits, "2001:db8::2", &limits);
        assert_eq!(same.unwrap_err(), NoPermit::Address);
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
        assert_eq!(mapped.unwrap_err(), NoPermit::Address);
    }

    #[test]
    fn the_limit_of_the_server_takes_precedence() {
        let permits = Arc::new(Permits::default());
        let limits = limits(1, 1);
        let _only = take(&permits, "192.0.2.1", &limits).unwrap();
        let second = take(&permits, "192.0.2.1", &limits);
        assert_eq!(second.unwrap_err(), NoPermit::Server);
    }
}
