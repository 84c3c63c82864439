//! A host with its port, as in `Host`, in an origin and in forwarded headers.

use std::fmt;
use std::net::Ipv6Addr;

/// The name or address of a host, and its port if one is given.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Host {
    pub(super) name: String,
    pub(super) port: Option<u16>,
}

impl Host {
    /// Parses `host` or `host:port`. Returns `None` if the text contains user information or a
    /// character that no host on the web has.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, rest) = if let Some(bracketed) = text.strip_prefix('[') {
            let (address, rest) = bracketed.split_once(']')?;
            (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), rest)
        } else {
            let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if name.is_empty() || !name.bytes().all(plain) {
                return None;
            }
            (name.to_ascii_lowercase(), rest)
        };
        let port = match rest.strip_prefix(':') {
            // The grammar allows an empty port (RFC 3986, section 3.2.3).
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { name, port })
    }

    /// The name in lower case, or the address; an IPv6 address is in brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if one is given.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}
