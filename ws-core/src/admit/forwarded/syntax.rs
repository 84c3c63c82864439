//! The syntax of `Forwarded` (RFC 7239, section 4), and of the addresses in it.
//!
//! Values without quotes may hold more than the grammar lets them, `host=a.example:8080` for
//! one, because proxies write such. Everything else is taken by the letter: a client may
//! have begun the list, and an unfinished quote of its own must not swallow what a proxy
//! added behind it and still be read.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{FARTHEST, Scheme};
use crate::admit::host::Host;
use crate::fields::{self, Quotes};

/// What one proxy says of whom it serves. Where it is malformed, nothing of it counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Element {
    /// None for `unknown`, for a hidden name such as `_proxy7`, and for what is no address.
    pub(super) address: Option<SocketAddr>,
    pub(super) scheme: Option<Scheme>,
    pub(super) host: Option<Host>,
}

impl Element {
    pub(super) fn read(text: &[u8]) -> Self {
        Self::pairs(text).unwrap_or_default()
    }

    /// `for=192.0.2.43;proto=https`; `None` where it is malformed.
    fn pairs(text: &[u8]) -> Option<Self> {
        let [mut node, mut proto, mut host] = [None, None, None];
        let mut quotes = Quotes::default();
        for pair in text.split(|byte| quotes.parts_at(*byte, b';')) {
            let pair = pair.trim_ascii();
            if pair.is_empty() {
                continue;
            }
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&pair[..at], fields::value(&pair[at + 1..])?);
            let place = match name {
                name if name.eq_ignore_ascii_case(b"for") => &mut node,
                name if name.eq_ignore_ascii_case(b"proto") => &mut proto,
                name if name.eq_ignore_ascii_case(b"host") => &mut host,
                _ => continue,
            };
            // None may stand twice.
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(Self {
            address: node.and_then(|node| address(&node)),
            scheme: proto.and_then(|proto| Scheme::read(&proto)),
            host: host.and_then(|host| self::host(&host)),
        })
    }
}

/// The last elements of one header line, the rightmost first. A comma in quotes parts none.
pub(super) fn from_right(line: &[u8]) -> VecDeque<&[u8]> {
    let mut elements = VecDeque::new();
    let mut quotes = Quotes::default();
    for element in line.split(|byte| quotes.parts_at(*byte, b',')) {
        elements.push_front(element);
        elements.truncate(FARTHEST);
    }
    elements
}

/// A host of `Host`'s form.
pub(super) fn host(text: &[u8]) -> Option<Host> {
    Host::parse(std::str::from_utf8(text).ok()?)
}

/// `192.0.2.7`, `192.0.2.7:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, `2001:db8::1`. A port
/// that is not there, or hidden (`:_x`), is 0.
pub(super) fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.parse::<IpAddr>().ok().map(|address| (address, ""));
    let (address, rest): (IpAddr, _) = match (bare, text.strip_prefix('[')) {
        (Some(bare), _) => bare,
        (None, Some(bracketed)) => {
            let (address, rest) = bracketed.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.into(), rest)
        }
        (None, None) => {
            let (address, rest) = text.split_at(text.find(':')?);
            (address.parse::<Ipv4Addr>().ok()?.into(), rest)
        }
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => 0,
        Some(port) if is_hidden(port) => 0,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    Some(SocketAddr::new(address.to_canonical(), port))
}

/// A name that says nothing: `_secret` (RFC 7239, section 6.3).
fn is_hidden(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() > 1 && text.starts_with('_') && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_line_no_more_is_kept_than_is_looked_at() {
        let line = [b"for=192.0.2.1,".repeat(10_000).as_slice(), b"for=\"a,b\""].concat();
        let elements = from_right(&line);
        assert_eq!(elements.len(), FARTHEST);
        assert_eq!(elements.front(), Some(&&b"for=\"a,b\""[..]));
    }
}
