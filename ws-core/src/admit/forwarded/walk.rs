//! The values that trusted proxies forwarded with a request.
//!
//! Every hop appends an element at the right, and a client may have written everything to the left
//! of it. So the lists are read from the right, and only as far as trusted proxies wrote them.

use std::collections::VecDeque;
use std::net::SocketAddr;

use http::{HeaderMap, header};

use super::syntax::{self, Element, ForwardedError, Pairs};
use super::{Scheme, TrustedProxies};
use crate::admit::host::Host;

/// The maximum number of elements read from a list, counted from the right: more than the number of
/// proxies in any real chain, and a bound for long lists from a client.
const MAX_ELEMENTS: usize = 64;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";
const X_FORWARDED_HOST: &str = "x-forwarded-host";
const X_FORWARDED_PORT: &str = "x-forwarded-port";

/// The values in the headers of one family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ForwardedValues {
    pub(super) address: SocketAddr,
    pub(super) scheme: Option<Scheme>,
    pub(super) host: Option<Host>,
    pub(super) port: Option<u16>,
}

/// Why the headers do not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unusable {
    /// The two families name different clients.
    Contradiction,
    /// `Forwarded` cannot be parsed.
    Malformed(ForwardedError),
}

impl From<ForwardedError> for Unusable {
    fn from(error: ForwardedError) -> Self {
        Self::Malformed(error)
    }
}

/// The headers of a request that a trusted proxy sent.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) trusted: &'a TrustedProxies,
    pub(super) proxy: SocketAddr,
    pub(super) headers: &'a HeaderMap,
}

impl<'a> Walk<'a> {
    pub(super) fn values(self) -> Result<ForwardedValues, Unusable> {
        if !self.headers.contains_key(header::FORWARDED) {
            return Ok(self.x_forwarded());
        }
        let forwarded = self.forwarded()?;
        if !self.headers.contains_key(X_FORWARDED_FOR) {
            return Ok(forwarded);
        }
        forwarded
            .agreement_with(&self.x_forwarded())
            .ok_or(Unusable::Contradiction)
    }

    /// Reads `Forwarded`.
    fn forwarded(self) -> Result<ForwardedValues, ForwardedError> {
        let mut last: VecDeque<Pairs<'_>> = VecDeque::new();
        for line in self.headers.get_all(header::FORWARDED) {
            // The whole line is parsed: a proxy may have appended to a line that the client began.
            for element in syntax::elements(line.as_bytes()) {
                last.push_front(element?);
                last.truncate(MAX_ELEMENTS);
            }
        }
        let (address, _, element) = self.to_client(last.into_iter().map(Pairs::parse));
        Ok(ForwardedValues {
            address,
            scheme: element.scheme,
            host: element.host,
            port: None,
        })
    }

    /// Reads `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.
    fn x_forwarded(self) -> ForwardedValues {
        let addresses = self.list(X_FORWARDED_FOR).map(|text| Element {
            address: syntax::address(text),
            ..Element::default()
        });
        let (address, position, _) = self.to_client(addresses);
        // Each proxy appends to a list or replaces it. The position is counted from the right, so
        // elements that a client puts at the left do not change it.
        let value = |name| {
            let at_position = self.list(name).nth(position);
            at_position.or_else(|| self.list(name).next())
        };
        ForwardedValues {
            address,
            scheme: value(X_FORWARDED_PROTO).and_then(Scheme::parse),
            host: value(X_FORWARDED_HOST).and_then(syntax::host),
            port: value(X_FORWARDED_PORT).and_then(syntax::port),
        }
    }

    /// The elements of a list without quoted strings, the rightmost first.
    fn list(self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.headers.get_all(name).iter().rev();
        lines
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
            .take(MAX_ELEMENTS)
    }

    /// Returns the client's address, and the position and the element at which the walk ended.
    fn to_client(self, elements: impl Iterator<Item = Element>) -> (SocketAddr, usize, Element) {
        let mut client = (self.proxy, 0, Element::default());
        for (position, element) in elements.enumerate() {
            let address = element.address;
            client = (address.unwrap_or(client.0), position, element);
            if !address.is_some_and(|address| self.trusted.contains(address.ip())) {
                break;
            }
        }
        client
    }
}

impl ForwardedValues {
    /// The values on which both agree; `None` if they name different clients.
    fn agreement_with(self, other: &Self) -> Option<Self> {
        if self.address.ip() != other.address.ip() {
            return None;
        }
        let same_port = self.address.port() == other.address.port();
        let port = if same_port { self.address.port() } else { 0 };
        Some(Self {
            address: SocketAddr::new(self.address.ip(), port),
            scheme: self.scheme.filter(|_| self.scheme == other.scheme),
            host: self.host.filter(|host| other.host.as_ref() == Some(host)),
            // `Forwarded` has no port, so nothing confirms this one.
            port: None,
        })
    }
}
