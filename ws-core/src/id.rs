//! Identities of what lives on a server.

use std::fmt;

/// Names one connection of one [`Hub`](crate::hub::Hub).
///
/// Ids are given in order of arrival and never used twice by one hub, so they are
/// good for logs and as keys of maps. They say nothing to an outsider and prove
/// nothing: do not use them as secrets.
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
