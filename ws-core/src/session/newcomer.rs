//! A client without a session, as seen by a store.

use std::fmt;
use std::net::IpAddr;

use super::SessionId;
use crate::address::ClientNetwork;

/// Returns whether a session has open sockets.
type HasSockets<'a> = dyn Fn(SessionId) -> bool + Send + Sync + 'a;

/// The client that a session begins for.
///
/// ```
/// use ws_server::session::Newcomer;
///
/// let newcomer = Newcomer::new("2001:db8:1:2:3:4:5:6".parse().ok());
/// assert_eq!(newcomer.network().unwrap().to_string(), "2001:db8:1:2::");
/// ```
#[derive(Clone, Copy)]
pub struct Newcomer<'a> {
    pub(super) network: Option<ClientNetwork>,
    has_sockets: Option<&'a HasSockets<'a>>,
}

impl<'a> Newcomer<'a> {
    /// Creates a client with this address, in a process without sockets. Pass `None` if the address
    /// is not known, or may be that of a proxy, which many visitors share.
    pub fn new(address: Option<IpAddr>) -> Self {
        Self {
            network: address.map(ClientNetwork::of),
            has_sockets: None,
        }
    }

    /// Sets the function that returns whether a session has open sockets.
    pub const fn sockets(mut self, has_sockets: &'a HasSockets<'a>) -> Self {
        self.has_sockets = Some(has_sockets);
        self
    }

    /// The address that the client is counted under: an IPv4 address, or the /64 of an IPv6 address
    /// with the other bits zero. Returns `None` if the address is not known or is private, since
    /// many visitors may share a proxy with a private address.
    pub fn network(&self) -> Option<IpAddr> {
        self.network.map(ClientNetwork::address)
    }

    /// Whether the session with this [`SessionRecord::id`](super::SessionRecord::id) has open
    /// sockets in this process. A store may call this while it holds its own lock.
    pub fn has_sockets(&self, id: SessionId) -> bool {
        self.has_sockets.is_some_and(|has_sockets| has_sockets(id))
    }
}

impl fmt::Debug for Newcomer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newcomer")
            .field("network", &self.network())
            .finish_non_exhaustive()
    }
}
