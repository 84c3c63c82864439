//! The address of a client, as far as the server that accepts its connection reports it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::Extensions;

/// The address of the client, as an extension of a request.
///
/// The server's own accept loop sets it. If another loop drives [`Ws::service`](crate::Ws::service)
/// or [`Ws::filter`](crate::Ws::filter), set it there, or set
/// [`Server::peer_addr`](crate::Server::peer_addr). Without an address, the limits per address have
/// no effect.
///
/// ```
/// use std::net::SocketAddr;
/// use ws_server::PeerAddr;
///
/// /// Called by an accept loop of your own for each request.
/// fn accepted<B>(mut request: http::Request<B>, client: SocketAddr) -> http::Request<B> {
///     request.extensions_mut().insert(PeerAddr(client));
///     request
/// }
/// # let client = ([192, 0, 2, 1], 80).into();
/// # let request = accepted(http::Request::new(()), client);
/// # assert_eq!(request.extensions().get(), Some(&PeerAddr(client)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is a name for its one field")]
pub struct PeerAddr(pub SocketAddr);

/// The connection of a request is encrypted, as an extension of the request.
///
/// The server's own accept loop sets it for encrypted listeners. If another loop drives
/// [`Ws::service`](crate::Ws::service) or [`Ws::filter`](crate::Ws::filter) over TLS, set it there:
/// cookies are then `Secure`, and the server's own origin is of `https`. A forwarded client of a
/// [trusted proxy](crate::Server::trusted_proxies) has the scheme that the proxy forwards.
///
/// ```
/// use ws_server::OverTls;
///
/// /// Called by an accept loop of your own for each request.
/// fn accepted<B>(mut request: http::Request<B>) -> http::Request<B> {
///     request.extensions_mut().insert(OverTls);
///     request
/// }
/// # let request = accepted(http::Request::new(()));
/// # assert_eq!(request.extensions().get(), Some(&OverTls));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is a name for a fact")]
pub struct OverTls;

/// The other end of a connection that the server has accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// `None` on a Unix socket.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) over_tls: bool,
}

impl Peer {
    /// Sets the extensions of a request from it.
    pub(crate) fn extend(self, extensions: &mut Extensions) {
        if let Some(address) = self.address {
            extensions.insert(PeerAddr(address));
        }
        if self.over_tls {
            extensions.insert(OverTls);
        }
    }
}

/// Finds the address in the extensions that another server has set.
#[derive(Clone, Default)]
pub(crate) struct PeerSource(Option<Arc<ReadPeer>>);

type ReadPeer = dyn Fn(&Extensions) -> Option<SocketAddr> + Send + Sync;

impl PeerSource {
    pub(crate) fn new(
        read: impl Fn(&Extensions) -> Option<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(read)))
    }

    /// Whether the application has set no function.
    pub(crate) const fn is_unset(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the address from our extension, or else from the application's function.
    pub(crate) fn read(&self, extensions: &Extensions) -> Option<SocketAddr> {
        let ours = extensions.get().map(|PeerAddr(address)| *address);
        let address = ours.or_else(|| self.0.as_ref().and_then(|read| read(extensions)));
        address.map(canonical)
    }
}

impl fmt::Debug for PeerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSource")
            .field("is_unset", &self.is_unset())
            .finish()
    }
}

/// Maps an IPv4-mapped IPv6 address back to IPv4: otherwise all IPv4 clients of an IPv6 listener
/// would share one /64.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_extension_precedes_that_of_another_server() {
        let mut extensions = Extensions::new();
        let other: SocketAddr = "192.0.2.7:80".parse().unwrap();
        extensions.insert(other);
        assert_eq!(PeerSource::default().read(&extensions), None);
        let source = PeerSource::new(|extensions| extensions.get().copied());
        assert_eq!(source.read(&extensions), Some(other));
        extensions.insert(PeerAddr("[::ffff:192.0.2.1]:81".parse().unwrap()));
        let ours = "192.0.2.1:81".parse().unwrap();
        assert_eq!(source.read(&extensions), Some(ours));
        assert_eq!(PeerSource::default().read(&extensions), Some(ours));
    }
}
