//! A listener that speaks TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server;
use tokio_util::task::AbortOnDropHandle;
use ws_core::throttle::LogThrottle;

use super::certificates::Certificates;
use super::error::TlsError;
use crate::listener::{Accepted, Established, Listener};
use crate::prefixed::Prefixed;

/// A listener whose connections are encrypted; see [`Tls::listener`](super::Tls::listener).
///
/// ```no_run
/// use tokio::net::TcpListener;
/// use ws_server::Ws;
/// use ws_server::tls::TlsListener;
///
/// async fn serve(ws: Ws, listener: TlsListener<TcpListener>) {
///     ws.run_listener(listener).await.expect("a listener that accepts");
/// }
/// ```
#[derive(Debug)]
pub struct TlsListener<L> {
    inner: L,
    config: Arc<ServerConfig>,
    /// Whether the protocols of ALPN are the server's, and not the application's.
    chooses_protocols: bool,
    handshake: HandshakeSettings,
    reload: Reload,
}

#[derive(Clone, Debug)]
struct HandshakeSettings {
    timeout: Duration,
    /// Logs clients that speak plain text.
    plain_text: LogThrottle,
}

/// The reloading of certificates. Its task begins with the first `accept`, which runs in a runtime,
/// and ends with the listener.
#[derive(Debug)]
enum Reload {
    Off,
    Waiting(Certificates, Duration),
    Running { _task: AbortOnDropHandle<()> },
}

impl<L: Listener> TlsListener<L> {
    pub(super) fn new(
        inner: L,
        config: Arc<ServerConfig>,
        chooses_protocols: bool,
        timeout: Duration,
        reload: Option<(Certificates, Duration)>,
    ) -> Self {
        Self {
            inner,
            config,
            chooses_protocols,
            handshake: HandshakeSettings {
                timeout,
                plain_text: LogThrottle::default(),
            },
            reload: reload.map_or(Reload::Off, |(certificates, interval)| {
                Reload::Waiting(certificates, interval)
            }),
        }
    }

    fn start_reloading(&mut self) {
        if let Reload::Waiting(certificates, interval) = &self.reload {
            let reloading = tokio::spawn(reload_every(*interval, certificates.clone()));
            self.reload = Reload::Running {
                _task: AbortOnDropHandle::new(reloading),
            };
        }
    }
}

impl<L: Listener> Listener for TlsListener<L> {
    type Io = TlsStream<L::Io>;

    async fn accept(&mut self) -> io::Result<Accepted<Self::Io>> {
        self.start_reloading();
        let Accepted { peer, stage } = self.inner.accept().await?;
        let acceptor = TlsAcceptor::from(self.config.clone());
        let settings = self.handshake.clone();
        let handshake = async move {
            let limit = settings.timeout;
            let handshake = async {
                let io = stage.establish().await?.io;
                shake_hands(acceptor, io, &settings.plain_text).await
            };
            timeout(limit, handshake).await.unwrap_or_else(|_| {
                let error = "the client did not complete the TLS handshake in time";
                Err(io::Error::new(io::ErrorKind::TimedOut, error))
            })
        };
        let accepted = Accepted::after(handshake);
        Ok(Accepted { peer, ..accepted })
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn tcp(&self) -> Option<&TcpListener> {
        self.inner.tcp()
    }

    fn offer_http2(&mut self) {
        if self.chooses_protocols {
            let protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Arc::make_mut(&mut self.config).alpn_protocols = protocols;
        }
    }
}

/// The type of a record that begins a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

async fn shake_hands<I>(
    acceptor: TlsAcceptor,
    io: I,
    plain_text: &LogThrottle,
) -> io::Result<Established<TlsStream<I>>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut io = Prefixed::new(io);
    if io.read_ahead().await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if io.ahead().first() != Some(&HANDSHAKE) {
        if let Some(connections) = plain_text.count() {
            tracing::warn!(connections, "a client spoke plain text on a TLS port");
        }
        answer_plain_text(io.io_mut()).await?;
        let error = "the client spoke plain text on a TLS port";
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    let stream = acceptor.accept(io).await?;
    let (_, connection) = stream.get_ref();
    let is_http2 = connection.alpn_protocol() == Some(b"h2");
    let established = Established::new(TlsStream(stream)).over_tls();
    Ok(if is_http2 {
        established.http2()
    } else {
        established
    })
}

/// The response to a request that is not encrypted.
const PLAIN_TEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 54\r\n\r\n\
    this port speaks TLS: connect with https:// or wss://\n";

/// Sends the response. Reads and drops the bytes of the request that have arrived: otherwise the
/// system would reset the connection, and the client might not see the response.
async fn answer_plain_text<I: AsyncRead + AsyncWrite + Unpin>(io: &mut I) -> io::Result<()> {
    let mut rest = [0; 4096];
    let _ = io.read(&mut rest).now_or_never();
    io.write_all(PLAIN_TEXT).await?;
    io.shutdown().await
}

async fn reload_every(period: Duration, certificates: Certificates) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    // A file that cannot be read is logged once until it can be.
    let mut is_unreadable = false;
    loop {
        ticks.tick().await;
        let certificates = certificates.clone();
        let reloaded = tokio::task::spawn_blocking(move || certificates.reload()).await;
        let Ok(reloaded) = reloaded else {
            return;
        };
        match reloaded {
            Ok(false) => is_unreadable = false,
            Ok(true) => {
                is_unreadable = false;
                tracing::info!("the TLS certificates are reloaded");
            }
            Err(error) => {
                let is_read = matches!(error, TlsError::Read { .. });
                if !(is_read && is_unreadable) {
                    let error = format_args!("{error:#}");
                    tracing::error!(%error, "the TLS certificates are not reloaded; the server keeps the old ones");
                }
                is_unreadable = is_read;
            }
        }
    }
}

/// An encrypted stream of a [`TlsListener`].
///
/// ```
/// use tokio::net::{TcpListener, TcpStream};
/// use ws_server::listener::Listener;
/// use ws_server::tls::{TlsListener, TlsStream};
///
/// fn is_listener<L: Listener<Io = TlsStream<TcpStream>>>() {}
/// is_listener::<TlsListener<TcpListener>>();
/// ```
#[derive(Debug)]
pub struct TlsStream<I>(server::TlsStream<Prefixed<I>>);

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
