//! Ids of objects on a server.

use std::fmt;

/// Identifies one connection of one [`Hub`](crate::hub::Hub).
///
/// Ids are assigned in order of arrival and are never reused by one hub, so they are suitable for
/// logs and as keys of maps. They are predictable: do not use them as secrets.
///
/// ```
/// use ws_server::socket::ConnectionId;
///
/// assert_eq!(ConnectionId::new(7).to_string(), "7");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The id with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number of this id.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is at the other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConnectionKind {
    /// A client's socket.
    Socket,
    /// A page's queue, for the handler of a page.
    PageHandler,
}
