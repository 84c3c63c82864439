//! The networks of trusted proxies.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// A network, or one address: `10.0.0.0/8`, `192.0.2.7`, `fd00::/8`, `::1`.
///
/// An IPv4-mapped IPv6 network (`::ffff:10.0.0.0/104`) is treated as the IPv4 network. `::/0`
/// contains all of IPv6 and nothing of IPv4.
///
/// ```
/// use ws_core::admit::{Network, NetworkError};
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("192.0.2.7".parse().unwrap()));
/// assert_eq!("proxy.example".parse::<Network>(), Err(NetworkError));
/// # Ok::<(), NetworkError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network(IpNet);

/// A string that is neither a network nor an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a network; write it as in `10.0.0.0/8`, `192.0.2.7` or `fd00::/8`")]
pub struct NetworkError;

/// Bits of an IPv4-mapped IPv6 address before the IPv4 address (RFC 4291, section 2.5.5.2).
const MAPPED: u8 = 96;

impl Network {
    /// Whether the address is in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let network = match text.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_| NetworkError)?),
        };
        let IpNet::V6(v6) = network else {
            return Ok(Self(network.trunc()));
        };
        let Some(v4) = v6.addr().to_ipv4_mapped() else {
            return Ok(Self(network.trunc()));
        };
        let len = v6.prefix_len().checked_sub(MAPPED).ok_or(NetworkError)?;
        let v4 = Ipv4Net::new(v4, len).map_err(|_| NetworkError)?;
        Ok(Self(v4.trunc().into()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The proxies in front of a server. Forwarded headers count only if one of them sent them. By
/// default there are none.
///
/// ```
/// use ws_core::admit::{Network, TrustedProxies};
///
/// let proxies = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse::<Network>().unwrap());
/// let proxies = TrustedProxies::from_iter(proxies);
/// assert!(proxies.contains("10.0.0.7".parse().unwrap()));
/// assert!(!TrustedProxies::default().contains("10.0.0.7".parse().unwrap()));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    without_address: bool,
}

impl TrustedProxies {
    /// Whether this is the address of a trusted proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }

    /// Also trusts peers that have no address: a proxy that connects through a Unix socket.
    pub const fn without_address(mut self) -> Self {
        self.without_address = true;
        self
    }

    /// Whether peers that have no address are trusted.
    pub(super) const fn trust_without_address(&self) -> bool {
        self.without_address
    }
}

impl FromIterator<Network> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            without_address: false,
        }
    }
}
