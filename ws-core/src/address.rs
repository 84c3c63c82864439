//! Addresses of clients: which addresses count as one, and which may belong to a proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;

/// The shared address space of carriers (RFC 6598); the load balancers of some clouds use it too.
const CARRIER_GRADE_NAT: (Ipv4Addr, u32) = (Ipv4Addr::new(100, 64, 0, 0), 10);

/// The kind of address that a connection is counted under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressOwner {
    /// The address of a client: its own connection's, or one that a trusted proxy forwarded.
    Client,
    /// The address of a trusted proxy that forwarded no client.
    Proxy,
    /// A private address of the direct peer; it may belong to a proxy that is not configured.
    Unknown,
}

/// Whether the address belongs to a private network, not to the internet.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let (prefix, len) = CARRIER_GRADE_NAT;
            let is_carrier = (v4.to_bits() ^ prefix.to_bits()) >> (32 - len) == 0;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_carrier
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The unit in which addresses are counted: an IPv4 address, or the /64 of an IPv6 subscriber.
///
/// Each connection keeps one, so the type is as small as possible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientNetwork(NonZeroU64);

impl ClientNetwork {
    /// The network of a client's address.
    pub fn of(address: IpAddr) -> Self {
        let bits = match address.to_canonical() {
            // Only the /64 of `::1`, which is 0, begins with 32 zero bits; so IPv4 and IPv6 do not
            // collide.
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        // `0.0.0.0` and `::` belong to no client, and `::1` is this machine, like 127.0.0.1.
        Self(NonZeroU64::new(bits).unwrap_or(Self::LOCALHOST))
    }

    /// The address, or the first one of the /64.
    pub(crate) fn address(self) -> IpAddr {
        let bits = self.0.get();
        match u32::try_from(bits) {
            Ok(bits) => Ipv4Addr::from_bits(bits).into(),
            Err(_) => Ipv6Addr::from_bits(u128::from(bits) << 64).into(),
        }
    }

    /// The network of this machine, 127.0.0.1.
    const LOCALHOST: NonZeroU64 = NonZeroU64::new(0x7f00_0001).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_private_networks_are_private() {
        let private = |address: &str| is_private(address.parse().unwrap());
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.0",
            "100.127.255.255",
            "::ffff:10.0.0.1",
            "::1",
            "fd00::1",
            "fc00::1",
            "fe80::1",
        ] {
            assert!(private(address), "{address}");
        }
        for address in [
            "11.0.0.1",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.0",
            "192.0.2.1",
            "::ffff:192.0.2.1",
            "2001:db8::1",
            "fec0::1",
            "fe00::1",
        ] {
            assert!(!private(address), "{address}");
        }
    }
}
