//! Who the client is, where proxies stand between: `Forwarded` (RFC 7239), and the
//! `X-Forwarded-*` headers that came before it.
//!
//! Every hop adds an element at the right, and a client can have written whatever stands at
//! the left. So the lists are walked from the right, and only as far as trusted proxies
//! have written them.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};

use super::{Host, Policy};
use crate::address::is_private;

mod networks;
mod syntax;

pub use networks::{Network, NetworkError, TrustedProxies};
use syntax::Element;

/// How many elements of a list are looked at, counted from the right: more proxies than any
/// request passes, and a bound for lists that a client made long.
pub(super) const FARTHEST: usize = 64;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";
const X_FORWARDED_HOST: &str = "x-forwarded-host";

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

    /// Reads what proxies write; some say `wss` of a handshake that came over `https`.
    fn read(text: &[u8]) -> Option<Self> {
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

/// Who sent a request, and to which site, as far as it is known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Client {
    /// The address of the client: of the direct peer, unless that is a trusted proxy that
    /// says for whom it asks. A forwarded address without a port has port 0. It is
    /// canonical: an IPv4 address is never in IPv6's clothes.
    pub peer: Option<SocketAddr>,
    /// Whether a trusted proxy said it, and it is not the peer's own.
    pub forwarded: bool,
    /// The scheme of [`Policy::public_url`], else what a trusted proxy says.
    pub scheme: Option<Scheme>,
    /// The host of [`Policy::public_url`], else what a trusted proxy says.
    pub host: Option<Host>,
}

impl Client {
    /// Whether the direct peer may be a proxy that says nothing, or that nobody has named: the
    /// address that counts is its own, and a private one.
    pub fn may_be_proxy(&self) -> bool {
        !self.forwarded && self.address().is_some_and(is_private)
    }

    /// Whether a browser sees this server over TLS, as far as that is known.
    pub fn is_secure(&self) -> bool {
        self.scheme == Some(Scheme::Https)
    }

    /// The client's address without its port.
    pub fn address(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }
}

impl Policy {
    /// Who sent a request with these headers that came from this peer.
    ///
    /// `Forwarded` and `X-Forwarded-For`, `-Proto` and `-Host` count only where the peer is
    /// one of the [trusted proxies](Self::trusted_proxies). The list of addresses is walked
    /// from the right as long as trusted proxies wrote it: the client is the first address
    /// that is none of theirs, or the leftmost of all. An element without a usable address
    /// (`unknown`, `_hidden`, anything malformed) ends the walk, and the client is then the
    /// last address before it. No more than 64 elements are looked at.
    ///
    /// Scheme and host are those of the element where the walk ended. `X-Forwarded-Proto`
    /// and `-Host` count in the same place where their list is as long as that of
    /// `X-Forwarded-For`, and with their last element else; beside `Forwarded` alone they do
    /// not count at all.
    ///
    /// Where `Forwarded` and `X-Forwarded-For` both stand, a proxy may have written one and
    /// passed the client's other one on. Where they name different addresses, neither
    /// counts; where they name the same, port, scheme and host count as far as both say the
    /// same.
    ///
    /// ```
    /// use ws_core::admit::{Network, Policy, Scheme};
    /// # use http::{HeaderMap, HeaderValue};
    ///
    /// let proxy: Network = "10.0.0.0/8".parse()?;
    /// let policy = Policy { trusted_proxies: [proxy].into_iter().collect(), ..Policy::default() };
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.9, 192.0.2.7"));
    /// headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    ///
    /// let client = policy.client("10.0.0.1:4711".parse().ok(), &headers);
    /// assert_eq!(client.peer, "192.0.2.7:0".parse().ok());
    /// assert_eq!(client.scheme, Some(Scheme::Https));
    ///
    /// let client = policy.client("192.0.2.1:4711".parse().ok(), &headers);
    /// assert_eq!(client.peer, "192.0.2.1:4711".parse().ok());
    /// # Ok::<(), ws_core::admit::NetworkError>(())
    /// ```
    pub fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Client {
        self.seen(peer, headers).0
    }

    /// The client; and whether what proxies say contradicts itself, and does not count.
    pub(super) fn seen(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> (Client, bool) {
        let peer = peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        let proxy = peer.filter(|peer| self.trusted_proxies.contains(peer.ip()));
        let mut client = Client {
            peer,
            ..Client::default()
        };
        let walk = proxy.map(|proxy| Walk {
            trusted: &self.trusted_proxies,
            proxy,
            headers,
        });
        let said = walk.map(Walk::said);
        let contradiction = said == Some(Err(Contradiction));
        if let Some(Ok(said)) = said {
            client.forwarded = client.peer != Some(said.address);
            client.peer = Some(said.address);
            client.scheme = said.scheme;
            client.host = said.host;
        }
        if let Some(url) = &self.public_url {
            client.scheme = Scheme::read(url.scheme().as_bytes());
            client.host = Some(url.to_host());
        }
        (client, contradiction)
    }
}

/// What the headers of one family say.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Said {
    address: SocketAddr,
    scheme: Option<Scheme>,
    host: Option<Host>,
}

/// The two families of headers name different clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Contradiction;

/// The headers of a request that a trusted proxy sent.
#[derive(Clone, Copy)]
struct Walk<'a> {
    trusted: &'a TrustedProxies,
    proxy: SocketAddr,
    headers: &'a HeaderMap,
}

impl<'a> Walk<'a> {
    fn said(self) -> Result<Said, Contradiction> {
        if !self.headers.contains_key(header::FORWARDED) {
            return Ok(self.older());
        }
        let forwarded = self.forwarded();
        if !self.headers.contains_key(X_FORWARDED_FOR) {
            return Ok(forwarded);
        }
        forwarded.and(&self.older())
    }

    /// The word of `Forwarded`.
    fn forwarded(self) -> Said {
        let lines = self.headers.get_all(header::FORWARDED).iter().rev();
        let elements = lines
            .flat_map(|line| syntax::from_right(line.as_bytes()))
            .take(FARTHEST)
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
            .map(Element::read);
        let (address, _, last) = self.to_client(elements);
        Said {
            address,
            scheme: last.scheme,
            host: last.host,
        }
    }

    /// The word of `X-Forwarded-For`, `-Proto` and `-Host`.
    fn older(self) -> Said {
        let addresses = self.list(X_FORWARDED_FOR).map(|text| Element {
            address: syntax::address(text),
            ..Element::default()
        });
        let (address, place, _) = self.to_client(addresses);
        let len = self.list(X_FORWARDED_FOR).count();
        let value = |name| {
            let in_step = self.list(name).count() == len;
            self.list(name).nth(if in_step { place } else { 0 })
        };
        Said {
            address,
            scheme: value(X_FORWARDED_PROTO).and_then(Scheme::read),
            host: value(X_FORWARDED_HOST).and_then(syntax::host),
        }
    }

    /// The elements of a list that knows no quotes, the rightmost first.
    fn list(self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.headers.get_all(name).iter().rev();
        lines
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
            .take(FARTHEST)
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// The client's address, and the element where the walk ended with its place.
    fn to_client(self, elements: impl Iterator<Item = Element>) -> (SocketAddr, usize, Element) {
        let mut client = (self.proxy, 0, Element::default());
        for (place, element) in elements.enumerate() {
            let address = element.address;
            client = (address.unwrap_or(client.0), place, element);
            if !address.is_some_and(|address| self.trusted.contains(address.ip())) {
                break;
            }
        }
        client
    }
}

impl Said {
    /// What both say.
    fn and(self, other: &Self) -> Result<Self, Contradiction> {
        if self.address.ip() != other.address.ip() {
            return Err(Contradiction);
        }
        let same_port = self.address.port() == other.address.port();
        let port = if same_port { self.address.port() } else { 0 };
        Ok(Self {
            address: SocketAddr::new(self.address.ip(), port),
            scheme: self.scheme.filter(|_| self.scheme == other.scheme),
            host: self.host.filter(|host| other.host.as_ref() == Some(host)),
        })
    }
}
