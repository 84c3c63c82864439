//! From an upgraded HTTP connection to the byte stream that a connection's driver uses.

use std::any::Any;
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use bytes::buf::Limit;
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade as auto;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use ws_core::outbox::{DirectWrite, Io, SharedTransport, Transport};

#[cfg(test)]
mod tests;
mod unsent;

#[cfg(feature = "http2")]
use crate::prefixed::Prefixed;
use unsent::ReadSpeed;
pub(crate) use unsent::Unsent;

/// Returns the byte stream of an upgraded connection, and the bytes of it that hyper has read
/// already.
///
/// A TCP stream is unwrapped from hyper's type, so that other tasks can write to it directly.
/// hyper's read buffer keeps 8 KiB alive even if it is empty: its bytes are copied and the buffer
/// is dropped.
///
/// `unsent` bounds the unsent bytes of a TCP stream that the system buffers.
pub(crate) fn open(upgraded: Upgraded, unsent: usize) -> (Io, Bytes) {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(Parts { io, read_buf, .. }) => return tcp_of_other_server(io, &read_buf, unsent),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "http2")]
    let upgraded = match upgraded.downcast::<TokioIo<Prefixed<TcpStream>>>() {
        Ok(Parts { io, read_buf, .. }) => {
            let (tcp, ahead) = io.into_inner().into_parts();
            let early = [&read_buf[..], &ahead].concat();
            return tcp_of_other_server(TokioIo::new(tcp), &early, unsent);
        }
        Err(upgraded) => upgraded,
    };
    match auto::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(auto::Parts { io, read_buf, .. }) => tcp_of_other_server(io, &read_buf, unsent),
        Err(upgraded) => (
            Box::new(IoTransport::new(TokioIo::new(upgraded))).into(),
            Bytes::new(),
        ),
    }
}

/// A TCP stream that another server may have accepted.
fn tcp_of_other_server(io: TokioIo<TcpStream>, early: &[u8], unsent: usize) -> (Io, Bytes) {
    let tcp = io.into_inner();
    send_at_once(&tcp);
    unsent::set_bound(&tcp, unsent);
    // The application of that server may still hold the socket elsewhere.
    shared(TcpTransport::new(tcp, false, unsent), early)
}

/// Returns a stream that the server itself has accepted, and the bytes of it that were read already.
/// `unsent` bounds the unsent bytes of a TCP stream that the system buffers.
pub(crate) fn own<I>(io: I, early: &[u8], unsent: usize) -> (Io, Bytes)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let own_tcp = |tcp, early: &[u8]| shared(TcpTransport::new(tcp, true, unsent), early);
    let io = match cast::<_, TcpStream>(io) {
        Ok(tcp) => return own_tcp(tcp, early),
        Err(io) => io,
    };
    #[cfg(feature = "http2")]
    let io = match cast::<_, Prefixed<TcpStream>>(io) {
        Ok(prefixed) => {
            let (tcp, ahead) = prefixed.into_parts();
            return own_tcp(tcp, &[early, &ahead].concat());
        }
        Err(io) => io,
    };
    let transport = IoTransport::new(io);
    (Box::new(transport).into(), Bytes::copy_from_slice(early))
}

/// Returns the value as a `T`, if it is one. The compiler knows the answer.
fn cast<I: 'static, T: 'static>(io: I) -> Result<T, I> {
    let mut slot = Some(io);
    let found = (&mut slot as &mut dyn Any).downcast_mut::<Option<T>>();
    match found.and_then(Option::take) {
        Some(found) => Ok(found),
        None => Err(slot.expect("only a `T` is taken out")),
    }
}

fn shared(stream: TcpTransport, early: &[u8]) -> (Io, Bytes) {
    (Io::Shared(Arc::new(stream)), Bytes::copy_from_slice(early))
}

/// Disables Nagle's algorithm: each write is a whole burst already, so the system need not wait for
/// more.
pub(crate) fn send_at_once<'s>(socket: impl Into<SockRef<'s>>) {
    if let Err(error) = socket.into().set_tcp_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is not set");
    }
}

/// Sends a response to a connection that is not served, as far as the system accepts the bytes at once. Reads
/// and drops the bytes of the request that have arrived: otherwise the system would reset the
/// connection, and the client might not see the response.
pub(crate) fn refuse(tcp: &TcpStream, response: &[u8]) {
    let mut socket = &*SockRef::from(tcp);
    let read = socket.read(&mut [0; 4096]);
    let sent = SockRef::from(tcp).send_with_flags(response, NO_SIGNAL);
    if let Err(error) = sent {
        tracing::debug!(%error, ?read, "a refused connection got no response");
    }
}

/// A TCP stream that the connection's own task and publishers share.
///
/// It is one allocation, which saves a publisher one memory access for each subscriber.
#[derive(Debug)]
struct TcpTransport {
    tcp: TcpStream,
    /// Bytes that the system may keep unsent, unless the client is fast.
    unsent: u32,
    speed: ReadSpeed,
    /// No other code holds the socket: dropping it ends the stream.
    is_own: bool,
}

impl TcpTransport {
    fn new(tcp: TcpStream, is_own: bool, unsent: usize) -> Self {
        Self {
            tcp,
            unsent: u32::try_from(unsent).unwrap_or(u32::MAX),
            speed: ReadSpeed::default(),
            is_own,
        }
    }

    /// Writes if tokio considers the socket writable since the last attempt.
    fn try_write_ready(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match single_slice(slices) {
            Some(one) => self.tcp.try_write(one),
            None => self.tcp.try_write_vectored(slices),
        }
        .and_then(nonzero)
    }

    /// Reads if tokio considers the socket readable.
    ///
    /// A read that does not fill the buffer has taken all bytes. tokio's readiness is then cleared,
    /// which saves a read that finds nothing.
    fn try_read_ready(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut short = None;
        let read = self.tcp.try_io(Interest::READABLE, || {
            let read = (&*SockRef::from(&self.tcp)).read(buf)?;
            if IS_EDGE_TRIGGERED && (1..buf.len()).contains(&read) {
                short = Some(read);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(read)
        });
        short.map_or(read, Ok)
    }
}

/// Whether the system reports new bytes even if it has already reported earlier ones.
const IS_EDGE_TRIGGERED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// A publisher tries the socket itself and does not ask tokio for its readiness: with many
/// subscribers that memory is not in the processor's cache.
impl DirectWrite for TcpTransport {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket = SockRef::from(&self.tcp);
        match single_slice(slices) {
            Some(one) => socket.send_with_flags(one, NO_SIGNAL),
            None => socket.send_vectored_with_flags(slices, NO_SIGNAL),
        }
        .and_then(nonzero)
    }
}

/// Returns the only non-empty slice: this is the common case, and cheaper for the system.
fn single_slice<'a>(slices: &'a [IoSlice<'_>]) -> Option<&'a [u8]> {
    match slices {
        [one] => Some(one),
        [one, rest] if rest.is_empty() => Some(one),
        _ => None,
    }
}

/// If the client is gone, the write returns an error and the process gets no signal. On systems
/// without this flag, the standard library has configured the sockets so.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const NO_SIGNAL: i32 = 0;

impl SharedTransport for TcpTransport {
    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.tcp.poll_read_ready(cx))?;
            match self.try_read_ready(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_read_buf(
        &self,
        cx: &mut Context<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.tcp.poll_read_ready(cx))?;
            match self.tcp.try_read_buf(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write_ready(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.tcp.poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Closes only the write half: bytes that the client still sends can be read. tokio's own
    /// shutdown needs exclusive access to the stream, but publishers hold it too.
    fn shutdown(&self) -> io::Result<()> {
        match SockRef::from(&self.tcp).shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    fn resumed(&self, after: Duration) {
        self.speed.resumed(&self.tcp, self.unsent, after);
    }

    fn ends_on_drop(&self) -> bool {
        self.is_own
    }
}

/// Any other byte stream: TLS, Unix sockets, pipes in memory.
///
/// Such a stream may buffer bytes until it is flushed, so each write is followed by a flush. A
/// flush that has to wait continues whenever the driver polls anything.
#[derive(Debug)]
struct IoTransport<T> {
    io: T,
    /// Whether bytes have been written and not flushed yet.
    unflushed: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> IoTransport<T> {
    const fn new(io: T) -> Self {
        Self {
            io,
            unflushed: false,
        }
    }

    fn poll_unflushed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Continues a flush as far as possible without waiting.
    fn flush_on(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.poll_unflushed(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for IoTransport<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.flush_on(cx)?;
        poll_read(&mut self.io, cx, buf)
    }

    fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>> {
        self.flush_on(cx)?;
        tokio_util::io::poll_read_buf(Pin::new(&mut self.io), cx, buf)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        self.unflushed = true;
        self.flush_on(cx)?;
        Poll::Ready(nonzero(written))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unflushed(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_unflushed(cx)
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        None
    }
}

/// Reads once; 0 is the end of the stream.
fn poll_read<T: AsyncRead + Unpin>(
    io: &mut T,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buf = ReadBuf::new(buf);
    ready!(Pin::new(io).poll_read(cx, &mut buf))?;
    Poll::Ready(Ok(buf.filled().len()))
}

/// A stream that accepts no bytes never will.
fn nonzero(written: usize) -> io::Result<usize> {
    match written {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}
