//! The origin of a web site (RFC 6454).

use std::fmt;
use std::str::FromStr;

use super::{Host, Scheme};

/// The scheme, host and port of a web site: `https://example.com`.
///
/// Two origins are equal if scheme, host (in any case) and port are equal. The default port of a
/// scheme equals no port.
///
/// ```
/// use ws_core::admit::{Origin, OriginError};
///
/// let origin: Origin = "https://Example.com:443".parse()?;
/// assert_eq!(origin, "https://example.com".parse()?);
/// assert_eq!(origin.to_string(), "https://example.com");
/// assert_eq!("https://example.com/chat".parse::<Origin>(), Err(OriginError));
/// # Ok::<(), OriginError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    scheme: String,
    host: String,
    /// `None` if it is the scheme's default, or if the scheme has none.
    port: Option<u16>,
}

/// A string that is not an origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an origin; write it as in `https://example.com` or `http://localhost:8080`")]
pub struct OriginError;

impl Origin {
    /// The scheme in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host in lower case; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if it is not the scheme's default.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The host with its port, if that is not the scheme's default.
    pub fn to_host(&self) -> Host {
        Host {
            name: self.host.clone(),
            port: self.port,
        }
    }

    /// Whether the other origin differs only by one more label before the host.
    pub(super) fn is_one_label_above(&self, origin: &Self) -> bool {
        let label = origin.host.strip_suffix(&*self.host);
        let label = label.and_then(|label| label.strip_suffix('.'));
        (&self.scheme, self.port) == (&origin.scheme, origin.port)
            && label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
    }

    /// Whether this is the origin of the host. If the scheme of the request is not known, the
    /// request may have come over http or https, and a missing port is the default of the origin's
    /// scheme.
    pub(super) fn is_of(&self, scheme: Option<Scheme>, host: &Host) -> bool {
        let scheme_matches = match scheme {
            Some(known) => self.scheme == known.as_str(),
            None => matches!(&*self.scheme, "http" | "https"),
        };
        let port = host
            .port
            .filter(|port| default_port(&self.scheme) != Some(*port));
        scheme_matches && self.host == host.name && self.port == port
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
        // `file` origins have no host.
        if scheme == "file" && authority.is_empty() {
            let (host, port) = (String::new(), None);
            return Ok(Self { scheme, host, port });
        }
        let Host { name, port } = Host::parse(authority).ok_or(OriginError)?;
        let port = port.filter(|port| default_port(&scheme) != Some(*port));
        Ok(Self {
            scheme,
            host: name,
            port,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}
