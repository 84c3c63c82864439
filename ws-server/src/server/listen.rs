//! The listener of a server.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs, lookup_host};

use crate::failure::Error;

/// The maximum number of connections that wait to be accepted: as many as the system allows. The
/// system lowers this value to its own maximum (Linux: `net.core.somaxconn`).
const BACKLOG: u32 = i32::MAX.unsigned_abs();

/// Listens on the first of these addresses that is available.
pub(super) async fn bind(address: impl ToSocketAddrs + Display) -> Result<TcpListener, Error> {
    bind_first(&address).await.map_err(|source| Error::Bind {
        address: address.to_string(),
        source,
    })
}

async fn bind_first(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let none = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    let mut error = none;
    for address in lookup_host(address).await? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(failed) => error = failed,
        }
    }
    Err(error)
}

/// Like `TcpListener::bind`, which has a backlog of only 128.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server does not wait until the connections of the previous process are gone. On
    // Windows this would let another process take over the address.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
