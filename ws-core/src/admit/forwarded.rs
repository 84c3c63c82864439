//! The client behind proxies: `Forwarded` (RFC 7239), and the older `X-Forwarded-*` headers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::HeaderMap;

use super::{AdmissionPolicy, Host};
use crate::address::{AddressOwner, is_private};

mod networks;
mod syntax;
mod walk;

pub use networks::{Network, NetworkError, TrustedProxies};
pub use syntax::ForwardedError;
use walk::{Unusable, Walk};

/// The scheme under which a browser sees this server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// `http`, and `ws`.
    Http,
    /// `https`, and `wss`.
    Https,
}

impl Scheme {
    /// The scheme of a page's address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Parses the scheme that a proxy wrote; some proxies write `wss` for a handshake over `https`.
    fn parse(text: &[u8]) -> Option<Self> {
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        if is("http") || is("ws") {
            Some(Self::Http)
        } else if is("https") || is("wss") {
            Some(Self::Https)
        } else {
            None
        }
    }
}

/// Whether the `X-Forwarded-Port` header of trusted proxies is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ForwardedPort {
    /// The header is ignored.
    #[default]
    Ignored,
    /// The header gives the port of the server's own origin if neither `X-Forwarded-Host` nor
    /// `Host` has one.
    Read,
}

/// The sender of a request, and the site that it was sent to, as far as both are known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Client {
    /// The address of the client: that of the direct peer, unless the peer is a trusted proxy
    /// that names its client. A forwarded address without a port has port 0. The address is
    /// canonical: never an IPv4 address mapped into IPv6.
    pub peer: Option<SocketAddr>,
    /// Whether a trusted proxy forwarded the address, so it is not the peer's own.
    pub forwarded: bool,
    /// Whether the address belongs to a trusted proxy: no proxy forwarded a client behind it.
    pub is_proxy: bool,
    /// The scheme of [`AdmissionPolicy::public_url`], or else the one that a trusted proxy
    /// forwarded.
    pub scheme: Option<Scheme>,
    /// The host of [`AdmissionPolicy::public_url`], or else the one that a trusted proxy forwarded.
    pub host: Option<Host>,
    /// The port that a trusted proxy forwarded in `X-Forwarded-Port`, if
    /// [`AdmissionPolicy::forwarded_port`] allows it.
    pub port: Option<u16>,
}

impl Client {
    /// The owner of the address, as far as it is known.
    pub fn owner(&self) -> AddressOwner {
        if self.is_proxy {
            AddressOwner::Proxy
        } else if !self.forwarded && self.address().is_some_and(is_private) {
            AddressOwner::Unknown
        } else {
            AddressOwner::Client
        }
    }

    /// Whether the address may belong to a proxy that is not configured: it is private, and it is
    /// the direct peer's.
    pub fn may_be_proxy(&self) -> bool {
        self.owner() == AddressOwner::Unknown
    }

    /// Whether the browser uses TLS, as far as that is known.
    pub fn is_secure(&self) -> bool {
        self.scheme == Some(Scheme::Https)
    }

    /// The client's address without its port.
    pub fn address(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }

    /// The address for limits that must not lock out all visitors behind a proxy that is not
    /// configured: `None` if this address [may be such a proxy](Self::may_be_proxy). The address of
    /// a configured proxy counts.
    pub fn counted_address(&self) -> Option<IpAddr> {
        self.address().filter(|_| !self.may_be_proxy())
    }
}

/// Represents a trusted proxy without an address. No client has this one.
const NO_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl AdmissionPolicy {
    /// Returns the client of a request with these headers from this peer.
    ///
    /// `Forwarded` and `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` count only if the peer is
    /// one of the [trusted proxies](Self::trusted_proxies). The list of addresses is read from the
    /// right as long as trusted proxies wrote it: the client is the first address that does not
    /// belong to one, or the leftmost if all do. An element without a usable address (`unknown`,
    /// `_hidden`) ends the walk, and the client is then the last address before it. At most 64
    /// elements are read.
    ///
    /// The scheme and the host come from the element at which the walk ended. Of
    /// `X-Forwarded-Proto`, `-Host` and `-Port`, the element at the same position from the right
    /// counts, or the last one if the list is too short. If only `Forwarded` is present, they
    /// do not count.
    ///
    /// If both `Forwarded` and `X-Forwarded-For` are present, a proxy may have written one and
    /// passed on the other from the client. If they name different addresses, neither counts, and
    /// the client is the proxy itself; if they name the same one, port, scheme and host count if
    /// both agree.
    ///
    /// ```
    /// use ws_core::admit::{AdmissionPolicy, Network, Scheme};
    /// # use http::{HeaderMap, HeaderValue};
    ///
    /// let proxy: Network = "10.0.0.0/8".parse()?;
    /// let policy = AdmissionPolicy {
    ///     trusted_proxies: [proxy].into_iter().collect(),
    ///     ..AdmissionPolicy::default()
    /// };
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.9, 192.0.2.7"));
    /// headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    ///
    /// let client = policy.client("10.0.0.1:4711".parse().ok(), &headers)?;
    /// assert_eq!(client.peer, "192.0.2.7:0".parse().ok());
    /// assert_eq!(client.scheme, Some(Scheme::Https));
    ///
    /// let client = policy.client("192.0.2.1:4711".parse().ok(), &headers)?;
    /// assert_eq!(client.peer, "192.0.2.1:4711".parse().ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ForwardedError`] if a trusted proxy sent a malformed `Forwarded`: the client may have
    /// written the start of the line, so the start of the proxy's element is unknown.
    pub fn client(
        &self,
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
    ) -> Result<Client, ForwardedError> {
        Ok(self.resolve_client(peer, headers)?.0)
    }

    /// Returns the client, and whether the two families of headers contradict each other, so that
    /// neither counts.
    pub(super) fn resolve_client(
        &self,
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
    ) -> Result<(Client, bool), ForwardedError> {
        let peer = peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        let trusted = &self.trusted_proxies;
        let proxy = match peer {
            Some(peer) => Some(peer).filter(|peer| trusted.contains(peer.ip())),
            None => trusted.trust_without_address().then_some(NO_ADDRESS),
        };
        let mut client = Client {
            peer,
            is_proxy: proxy.is_some(),
            ..Client::default()
        };
        let walk = proxy.map(|proxy| Walk {
            trusted: &self.trusted_proxies,
            proxy,
            headers,
        });
        let mut contradiction = false;
        match walk.map(Walk::values) {
            None => {}
            Some(Ok(values)) => {
                let address = Some(values.address).filter(|address| *address != NO_ADDRESS);
                client.forwarded = peer != address;
                client.is_proxy = address.is_none_or(|address| trusted.contains(address.ip()));
                client.peer = address;
                client.scheme = values.scheme;
                client.host = values.host;
                client.port = values
                    .port
                    .filter(|_| self.forwarded_port == ForwardedPort::Read);
            }
            Some(Err(Unusable::Contradiction)) => contradiction = true,
            Some(Err(Unusable::Malformed(error))) => return Err(error),
        }
        if let Some(url) = &self.public_url {
            client.scheme = Scheme::parse(url.scheme().as_bytes());
            client.host = Some(url.to_host());
            client.port = None;
        }
        Ok((client, contradiction))
    }
}
