//! The stream of bytes beneath an outbox.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::buf::Limit;

/// The stream of bytes beneath a connection. No method ever blocks.
///
/// `poll_write_vectored`, `poll_flush` and `resumed` are called under the lock of the connection's
/// outbox, and must not use anything that takes it again, such as a socket of the connection or a
/// topic that it subscribes to.
pub trait Transport: Send + 'static {
    /// Reads into `buf`; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Reads straight into the buffer of an unfinished message; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>>;

    /// Writes some bytes of the slices, never none.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Flushes and ends the writing side.
    ///
    /// # Errors
    ///
    /// Any error of the stream; the connection ends in any case.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Goes on writing what the stream has taken and keeps; a stream that keeps nothing is
    /// always flushed.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// The writing side as other tasks may use it, where the stream allows that.
    fn direct(&self) -> Option<Arc<dyn DirectWrite>>;

    /// Whether dropping the stream ends it in order, as [`poll_shutdown`](Self::poll_shutdown)
    /// does: then a connection that is over needs no shutdown.
    fn ends_on_drop(&self) -> bool {
        false
    }

    /// The stream was full, and takes bytes again after so long: what it keeps before it sends
    /// may follow the pace of the client.
    fn resumed(&mut self, after: Duration) {
        let _ = after;
    }

    /// The connection is closing: what is written from now on is the last. Said before each
    /// write of it; a transport that lets its writer wait for something but bytes may not do so
    /// any more.
    fn closing(&mut self) {}

    /// Whether the client has made progress since the last call that the written bytes do not
    /// show. Asked before a connection is closed as stalled.
    fn has_progressed(&mut self) -> bool {
        false
    }
}

/// Writes to the client from any task, without waiting. It is called under the lock of the
/// connection's outbox, as [`Transport`] says.
pub trait DirectWrite: Send + Sync {
    /// Writes what the socket takes now.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] where it takes nothing; any other error means that
    /// the connection is lost.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// A stream of bytes that no task needs for itself, such as a TCP stream: publishers write to it
/// as well as the connection's own task.
pub trait SharedTransport: DirectWrite + 'static {
    /// As [`Transport::poll_read`].
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// As [`Transport::poll_read_buf`].
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read_buf(
        &self,
        cx: &mut Context<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>>;

    /// As [`Transport::poll_write_vectored`].
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Ends the writing side.
    ///
    /// # Errors
    ///
    /// Any error of the stream; the connection ends in any case.
    fn shutdown(&self) -> io::Result<()>;

    /// As [`Transport::resumed`].
    fn resumed(&self, after: Duration);

    /// As [`Transport::ends_on_drop`], of the last handle.
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
    /// One that publishers write to as well; it is one place in memory for all of them.
    Shared(Arc<dyn SharedTransport>),
    /// One that the connection's own task has for itself.
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
