//! The listener of a server.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs, lookup_host};

use crate::failure::Error;

/// Connections that may wait to be accepted: as many as the system allows, which takes its own
/// maximum for this (Linux: `net.core.somaxconn`).
const BACKLOG: u32 = i32::MAX.unsigned_abs();

/// Listens on the first of these addresses that is free.
pub(super) async fn bind(address: impl ToSocketAddrs + Display) -> Result<TcpListener, Error> {
    first_free(&address).await.map_err(|source| Error::Bind {
        address: address.to_string(),
        source,
    })
}

async fn first_free(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
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

/// As `TcpListener::bind`, whose queue has 128 places.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server does not wait for the connections of the one before. On Windows this
    // would let another process take the address over.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
