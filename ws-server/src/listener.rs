//! The sources of a server's connections: TCP, Unix sockets, TLS, and listeners of an application.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::connection::send_at_once;

/// A source of connections for [`Ws::run_listener`](crate::Ws::run_listener),
/// [`Ws::run_until`](crate::Ws::run_until) and [`Ws::serve_service_until`](crate::Ws::serve_service_until).
///
/// It is implemented for tokio's `TcpListener` and `UnixListener`, and with the feature `tls` for
/// `TlsListener`. A `TcpStream` has the fastest path: other tasks write to it directly. Any other
/// stream works too, but its writes and flushes run under a lock of the connection, as
/// [`Ws::service`](crate::Ws::service) describes.
///
/// ```
/// use std::io;
/// use tokio::io::DuplexStream;
/// use tokio::sync::mpsc::Receiver;
/// use ws_server::listener::{Accepted, Listener};
///
/// /// Connections of the same process.
/// struct InMemory(Receiver<DuplexStream>);
///
/// impl Listener for InMemory {
///     type Io = DuplexStream;
///
///     async fn accept(&mut self) -> io::Result<Accepted<DuplexStream>> {
///         match self.0.recv().await {
///             Some(stream) => Ok(Accepted::new(stream)),
///             None => std::future::pending().await,
///         }
///     }
///
///     fn address(&self) -> String {
///         "memory".to_owned()
///     }
/// }
///
/// async fn serve(ws: ws_server::Ws, listener: InMemory) -> Result<(), ws_server::Error> {
///     ws.run_listener(listener).await
/// }
/// ```
pub trait Listener: Send + 'static {
    /// The byte stream of one connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Accepts the next connection. It must not wait for the client: a handshake belongs into
    /// [`Accepted::after`]. The future may be dropped and called again.
    ///
    /// # Errors
    ///
    /// An error does not end the server. An error of one connection, such as
    /// `ConnectionReset`, is skipped; after any other, the server waits before the next attempt.
    fn accept(&mut self) -> impl Future<Output = io::Result<Accepted<Self::Io>>> + Send;

    /// The address, for the log.
    fn address(&self) -> String;

    /// The TCP listener below, if there is one. The server sets options of its sockets, such as
    /// [`Server::unsent`](crate::Server::unsent).
    fn tcp(&self) -> Option<&TcpListener> {
        None
    }

    /// Called once before the first `accept` if the server speaks HTTP/2: a TLS listener then offers
    /// `h2` by ALPN.
    fn offer_http2(&mut self) {}
}

/// A connection that a [`Listener`] has accepted.
///
/// ```
/// use ws_server::listener::Accepted;
///
/// let (stream, _client) = tokio::io::duplex(1024);
/// let accepted = Accepted::new(stream).peer(([192, 0, 2, 1], 4711).into());
/// ```
#[must_use = "the connection is closed if it is dropped"]
pub struct Accepted<I> {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) stage: Stage<I>,
}

/// Whether a connection can be served already.
pub(crate) enum Stage<I> {
    Open(I),
    Handshake(Pin<Box<dyn Future<Output = io::Result<Established<I>>> + Send>>),
}

impl<I> Accepted<I> {
    /// A stream that can be served at once.
    pub const fn new(io: I) -> Self {
        Self {
            peer: None,
            stage: Stage::Open(io),
        }
    }

    /// A stream that can be served when this future is ready, such as a TLS handshake. The server
    /// awaits it in a task of its own; the future must end by itself if the client stalls.
    pub fn after(
        handshake: impl Future<Output = io::Result<Established<I>>> + Send + 'static,
    ) -> Self {
        Self {
            peer: None,
            stage: Stage::Handshake(Box::pin(handshake)),
        }
    }

    /// Sets the address of the client. Without one, as on a Unix socket, the limits per address have
    /// no effect, and [`Server::trusted_proxies`](crate::Server::trusted_proxies) with `"unix:"`
    /// trusts the forwarded address.
    pub const fn peer(mut self, address: SocketAddr) -> Self {
        self.peer = Some(address);
        self
    }
}

#[cfg(feature = "tls")]
impl<I> Stage<I> {
    /// Waits until the connection can be served.
    pub(crate) async fn establish(self) -> io::Result<Established<I>> {
        match self {
            Self::Open(io) => Ok(Established::new(io)),
            Self::Handshake(handshake) => handshake.await,
        }
    }
}

impl<I> fmt::Debug for Accepted<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// A stream after its handshake.
///
/// ```
/// use ws_server::listener::{Accepted, Established};
///
/// let (stream, _client) = tokio::io::duplex(1024);
/// let accepted = Accepted::after(async move { Ok(Established::new(stream).over_tls()) });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Established<I> {
    pub(crate) io: I,
    pub(crate) over_tls: bool,
    pub(crate) http2: bool,
}

impl<I> Established<I> {
    /// A plain stream that speaks HTTP/1.1.
    pub const fn new(io: I) -> Self {
        Self {
            io,
            over_tls: false,
            http2: false,
        }
    }

    /// The stream is encrypted: cookies are `Secure`, and the server's own origin is of `https`.
    pub const fn over_tls(mut self) -> Self {
        self.over_tls = true;
        self
    }

    /// The client has chosen HTTP/2. Without the feature `http2`, the connection is closed.
    pub const fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<Accepted<TcpStream>> {
        let (stream, peer) = Self::accept(self).await?;
        send_at_once(&stream);
        Ok(Accepted::new(stream).peer(peer))
    }

    fn address(&self) -> String {
        self.local_addr()
            .map_or_else(|_| "unknown".to_owned(), |address| address.to_string())
    }

    fn tcp(&self) -> Option<&TcpListener> {
        Some(self)
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Io = UnixStream;

    async fn accept(&mut self) -> io::Result<Accepted<UnixStream>> {
        let (stream, _) = Self::accept(self).await?;
        Ok(Accepted::new(stream))
    }

    fn address(&self) -> String {
        let address = self.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname());
        path.map_or_else(
            || "unix:".to_owned(),
            |path| format!("unix:{}", path.display()),
        )
    }
}

/// The TCP stream, if this is one.
pub(crate) fn as_tcp<I: 'static>(io: &I) -> Option<&TcpStream> {
    (io as &dyn Any).downcast_ref()
}
