//! Addresses of clients: what counts as one of them, and what may be a proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Shared by the carriers' customers (RFC 6598), and by the load balancers of some clouds.
const SHARED: (Ipv4Addr, u32) = (Ipv4Addr::new(100, 64, 0, 0), 10);

/// Is this the address of a neighbour, and not of somebody on the internet?
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let (shared, len) = SHARED;
            let is_shared = (v4.to_bits() ^ shared.to_bits()) >> (32 - len) == 0;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What counts as one address: an IPv4 address, or the /64 that an IPv6 subscriber has.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let high = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(high))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}
