//! The byte stream of an outbox.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, buf::Limit};

/// The most bytes that are read by way of a buffer of their own.
const MAX_COPIED: usize = 64 * 1024;

/// The byte stream of a connection. No method may block.
///
/// `poll_write_vectored`, `poll_flush` and `resumed` are called under the lock of the connection's
/// outbox. They must not use any socket, topic or hub: publishers lock other state before the
/// outbox.
pub trait Transport: Send + 'static {
    /// Reads into `buf`. Returns 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Reads into the buffer of an unfinished message. Returns 0 at the end of the stream. By
    /// default, the bytes are copied; a stream that can read into the buffer directly should do so.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>> {
        let mut bytes = vec![0; buf.remaining_mut().min(MAX_COPIED)];
        let read = ready!(self.poll_read(cx, &mut bytes))?;
        buf.put_slice(&bytes[..read]);
        Poll::Ready(Ok(read))
    }

    /// Writes at least one byte of the slices.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Flushes and shuts down the writing side.
    ///
    /// # Errors
    ///
    /// Any error of the stream; the connection ends in any case.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Continues to write bytes that the stream has accepted and buffered. A stream without a
    /// buffer is always flushed.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Returns the writing side for use by other tasks, if the stream supports that.
    fn direct(&self) -> Option<Arc<dyn DirectWrite>>;

    /// Whether dropping the stream ends it gracefully, like [`poll_shutdown`](Self::poll_shutdown):
    /// then a connection that has ended needs no shutdown.
    fn ends_on_drop(&self) -> bool {
        false
    }

    /// Notifies the stream that it accepts bytes again, after it was full for this time. The stream
    /// can adapt the size of its buffer to the client's pace.
    fn resumed(&mut self, after: Duration) {
        let _ = after;
    }

    /// Notifies the transport that the connection is closing: the bytes written from now on are the
    /// last. Called before each of these writes. From then on a transport must not make its writer
    /// wait for anything but bytes.
    fn closing(&mut self) {}

    /// Whether the client has made progress since the last call, beyond what the number of written
    /// bytes shows. Called before a connection is closed as stalled.
    fn has_progressed(&mut self) -> bool {
        false
    }
}

/// Writes to the client from any task, without waiting. Called under the lock of the connection's
/// outbox; see [`Transport`].
pub trait DirectWrite: Send + Sync {
    /// Writes as many bytes as the socket accepts now.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if it accepts none; any other error means that the connection
    /// is lost.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// A byte stream that several tasks can share, such as a TCP stream: publishers write to it as well
/// as the connection's own task.
pub trait SharedTransport: DirectWrite + 'static {
    /// Same as [`Transport::poll_read`].
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Same as [`Transport::poll_read_buf`].
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read_buf(
        &self,
        cx: &mut Context<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>>;

    /// Same as [`Transport::poll_write_vectored`].
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Shuts down the writing side.
    ///
    /// # Errors
    ///
    /// Any error of the stream; the connection ends in any case.
    fn shutdown(&self) -> io::Result<()>;

    /// Same as [`Transport::resumed`].
    fn resumed(&self, after: Duration);

    /// Same as [`Transport::ends_on_drop`], for the last handle.
    fn ends_on_drop(&self) -> bool;
}

impl Transport for Arc<dyn SharedTransport> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        (**self).poll_read(cx, buf)
    }

    fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>> {
        (**self).poll_read_buf(cx, buf)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        (**self).poll_write_vectored(cx, slices)
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown())
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        Some(self.clone())
    }

    fn ends_on_drop(&self) -> bool {
        (**self).ends_on_drop()
    }

    fn resumed(&mut self, after: Duration) {
        (**self).resumed(after);
    }
}

/// The stream of one connection, of either kind.
pub enum Io {
    /// A stream that publishers write to as well; all of them share one allocation.
    Shared(Arc<dyn SharedTransport>),
    /// A stream that only the connection's own task uses.
    Own(Box<dyn Transport>),
}

impl Io {
    pub(crate) fn get_mut(&mut self) -> &mut dyn Transport {
        match self {
            Self::Shared(shared) => shared,
            Self::Own(own) => &mut **own,
        }
    }
}

impl<T: Transport> From<Box<T>> for Io {
    fn from(own: Box<T>) -> Self {
        Self::Own(own)
    }
}
