//! Step 3: the origin (RFC 6455, section 10.2; RFC 6454).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use http::header;

use super::{Door, Policy, Request, only};
use crate::error::Refusal;
use crate::route::Origins;

/// Longest name of a site that a log line shows, in characters.
const SHOWN: usize = 120;

/// The scheme, host and port of a web site: `https://example.com`.
///
/// Two origins are equal where scheme, host (letters of any case) and port are, a default
/// port and none being the same.
///
/// ```
/// use ws_core::admit::Origin;
///
/// let origin: Origin = "https://Example.com:443".parse()?;
/// assert_eq!(origin, "https://example.com".parse()?);
/// assert_eq!(origin.to_string(), "https://example.com");
/// assert!("https://example.com/chat".parse::<Origin>().is_err());
/// # Ok::<(), ws_core::admit::OriginError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    scheme: String,
    host: String,
    /// None where it is the scheme's default, or the scheme has none.
    port: Option<u16>,
}

/// A text that is no origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an origin; write it as in `https://example.com` or `http://localhost:8080`")]
pub struct OriginError;

impl Origin {
    /// The scheme in small letters.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host in small letters; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where it is not the scheme's default.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Is this the site that a request with this `Host` was sent to? How the request came
    /// is not known, so the host's missing port is the default of the origin's scheme.
    fn is_of(&self, host: &HostPort) -> bool {
        let port = host
            .port
            .filter(|port| default_port(&self.scheme) != Some(*port));
        matches!(&*self.scheme, "http" | "https") && self.host == host.host && self.port == port
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = text.split_once("://").ok_or(OriginError)?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme {
            return Err(OriginError);
        }
        let scheme = scheme.to_ascii_lowercase();
        let HostPort { host, port } = HostPort::parse(authority).ok_or(OriginError)?;
        let port = port.filter(|port| default_port(&scheme) != Some(*port));
        Ok(Self { scheme, host, port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The origins that may connect, where a route does not say it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AllowedOrigins {
    /// The server's own alone.
    #[default]
    Same,
    /// Every one: the routes do not trust cookies.
    Any,
    /// The server's own and these.
    Listed(Vec<Origin>),
}

/// A host and its port, as they stand in `Host`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct HostPort {
    host: String,
    port: Option<u16>,
}

impl HostPort {
    /// Reads `host` or `host:port`. User information makes it unreadable, as does every
    /// character that no host on the web has.
    fn parse(text: &str) -> Option<Self> {
        let (host, rest) = if let Some(bracketed) = text.strip_prefix('[') {
            let (address, rest) = bracketed.split_once(']')?;
            (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), rest)
        } else {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || !host.bytes().all(plain) {
                return None;
            }
            (host.to_ascii_lowercase(), rest)
        };
        let port = match rest.strip_prefix(':') {
            // The grammar lets a port be empty (RFC 3986, section 3.2.3).
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { host, port })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// Lets a request in whose origin may use the route; one without `Origin` is from no
/// browser and passes.
///
/// # Errors
///
/// 400 without exactly one usable `Host` (RFC 9112, section 3.2); 403 for the origin.
pub(super) fn check(door: Door, request: &Request<'_>, policy: &Policy) -> Result<(), Refusal> {
    let host = host(request)?;
    if !request.headers.contains_key(header::ORIGIN) || allows_any(door, policy) {
        return Ok(());
    }
    let refused = || Refusal::FORBIDDEN.body("connections from this origin are not accepted");
    let value = only(request.headers, &header::ORIGIN).ok().flatten();
    let text = value.and_then(|value| value.to_str().ok());
    let Some(origin) = text.and_then(|text| text.parse::<Origin>().ok()) else {
        // What is no origin may hold anything, a password too: it is not shown.
        let shown = if text == Some("null") {
            "null"
        } else {
            "(unreadable)"
        };
        tracing::debug!(
            route = door.name,
            origin = shown,
            "no origin that could be allowed"
        );
        return Err(refused());
    };
    let same = policy
        .public_url
        .as_ref()
        .map_or_else(|| origin.is_of(&host), |url| origin == *url);
    if same || is_listed(&origin, door, policy) {
        return Ok(());
    }
    log(door, &origin, &host, policy);
    Err(refused())
}

/// The host that the request was sent to.
fn host(request: &Request<'_>) -> Result<HostPort, Refusal> {
    let header = only(request.headers, &header::HOST)
        .map_err(|_| Refusal::BAD_REQUEST.body("the header `Host` stands more than once"))?;
    let text = match (request.uri.authority(), header) {
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(value)) => value.to_str().ok(),
        (None, None) => {
            return Err(Refusal::BAD_REQUEST.body("the header `Host` is missing"));
        }
    };
    let host = text.and_then(HostPort::parse);
    host.ok_or_else(|| Refusal::BAD_REQUEST.body("the header `Host` is no host"))
}

fn allows_any(door: Door, policy: &Policy) -> bool {
    match door.origins {
        Some(own) => own == Origins::Any,
        None => policy.origins == AllowedOrigins::Any,
    }
}

fn is_listed(origin: &Origin, door: Door, policy: &Policy) -> bool {
    match (door.origins, &policy.origins) {
        (Some(Origins::List(own)), _) => own
            .iter()
            .any(|listed| listed.parse().as_ref() == Ok(origin)),
        (None, AllowedOrigins::Listed(listed)) => listed.contains(origin),
        _ => false,
    }
}

/// Whoever runs the server sees both sides and what to write: behind a proxy, a page of
/// the site itself is refused until the server knows its public name.
fn log(door: Door, origin: &Origin, host: &HostPort, policy: &Policy) {
    let origin: String = origin.to_string().chars().take(SHOWN).collect();
    let own = policy
        .public_url
        .as_ref()
        .map_or_else(|| host.host.clone(), Origin::to_string);
    let own: String = own.chars().take(SHOWN).collect();
    let port = host.port.filter(|_| policy.public_url.is_none());
    tracing::warn!(
        route = door.name,
        origin,
        own,
        port,
        "origin refused; if its pages may connect, name it in the route's `origins` or in \
         `Server::origins`; if it is this server behind a proxy, set `Server::public_url`"
    );
}
