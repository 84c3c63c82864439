//! A stream whose first bytes were read to see what the client speaks.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// The maximum number of bytes that are read ahead: the preface of HTTP/2.
const CAPACITY: usize = 24;

/// A stream, and the bytes of it that were read ahead; they are read again first.
#[derive(Debug)]
pub(crate) struct Prefixed<I> {
    prefix: [u8; CAPACITY],
    /// The part of `prefix` that was read ahead, and not read again yet.
    start: usize,
    end: usize,
    io: I,
}

impl<I: AsyncRead + Unpin> Prefixed<I> {
    pub(crate) const fn new(io: I) -> Self {
        Self {
            prefix: [0; CAPACITY],
            start: 0,
            end: 0,
            io,
        }
    }

    /// Reads more bytes ahead. Returns their number; 0 is the end of the stream.
    pub(crate) async fn read_ahead(&mut self) -> io::Result<usize> {
        let read = self.io.read(&mut self.prefix[self.end..]).await?;
        self.end += read;
        Ok(read)
    }

    /// The bytes that were read ahead.
    pub(crate) fn ahead(&self) -> &[u8] {
        &self.prefix[self.start..self.end]
    }

    /// The stream behind them.
    #[cfg(feature = "tls")]
    pub(crate) const fn io_mut(&mut self) -> &mut I {
        &mut self.io
    }

    /// The stream, and the bytes that were not read again.
    #[cfg(feature = "http2")]
    pub(crate) fn into_parts(self) -> (I, Vec<u8>) {
        let ahead = self.ahead().to_vec();
        (self.io, ahead)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Prefixed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start == self.end {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let bytes = buf.remaining().min(self.end - self.start);
        buf.put_slice(&self.prefix[self.start..self.start + bytes]);
        self.start += bytes;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Prefixed<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn bytes_that_were_read_ahead_are_read_again() {
        let (mut client, server) = tokio::io::duplex(1024);
        client
            .write_all(b"GET / HTTP/1.1\r\n\r\nthe rest")
            .await
            .unwrap();
        drop(client);
        let mut stream = Prefixed::new(server);
        assert_eq!(stream.read_ahead().await.unwrap(), CAPACITY);
        assert_eq!(stream.ahead(), b"GET / HTTP/1.1\r\n\r\nthe re");
        // No more fits.
        assert_eq!(stream.read_ahead().await.unwrap(), 0);
        let mut first = [0; 5];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"GET /");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, " HTTP/1.1\r\n\r\nthe rest");
    }
}
