//! Each kind of byte stream does what a driver relies on.

use std::collections::VecDeque;
use std::future::poll_fn;

use bytes::BufMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;

use super::*;

/// Buffers written bytes until it is flushed, as TLS may; flushes as configured.
struct Buffering {
    inner: DuplexStream,
    buffer: Vec<u8>,
    /// Whether each of the next flushes succeeds; after them all do.
    flushes: VecDeque<bool>,
}

impl AsyncRead for Buffering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Buffering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.buffer.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.flushes.pop_front() == Some(false) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &buffer))?;
        assert_eq!(written, buffer.len());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

fn buffering(flushes: &[bool]) -> (IoTransport<Buffering>, DuplexStream) {
    let (inner, peer) = duplex(64);
    let flushes = flushes.iter().copied().collect();
    (
        IoTransport::new(Buffering {
            inner,
            buffer: Vec::new(),
            flushes,
        }),
        peer,
    )
}

async fn write(transport: &mut impl Transport, text: &str) -> io::Result<usize> {
    let slices = [IoSlice::new(text.as_bytes())];
    poll_fn(|cx| transport.poll_write_vectored(cx, &slices)).await
}

#[tokio::test]
async fn a_write_is_flushed_at_once() {
    let (mut transport, mut peer) = buffering(&[]);
    assert_eq!(write(&mut transport, "hello").await.unwrap(), 5);
    let mut seen = [0; 5];
    peer.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"hello");
}

#[tokio::test]
async fn a_pending_flush_continues_while_the_driver_reads() {
    let (mut transport, mut peer) = buffering(&[false, false, true]);
    assert_eq!(write(&mut transport, "hello").await.unwrap(), 5);
    let reading = tokio::spawn(async move {
        let mut buf = [0; 8];
        let read = poll_fn(|cx| transport.poll_read(cx, &mut buf))
            .await
            .unwrap();
        buf[..read].to_vec()
    });
    let mut seen = [0; 5];
    peer.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"hello");
    peer.write_all(b"back").await.unwrap();
    assert_eq!(reading.await.unwrap(), b"back");
}

#[tokio::test]
async fn the_end_waits_for_the_last_flush() {
    let (mut transport, mut peer) = buffering(&[false, true]);
    write(&mut transport, "last").await.unwrap();
    poll_fn(|cx| transport.poll_shutdown(cx)).await.unwrap();
    let mut seen = String::new();
    drop(transport);
    peer.read_to_string(&mut seen).await.unwrap();
    assert_eq!(seen, "last");
}

async fn tcp_pair() -> (Arc<dyn SharedTransport>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let (Io::Shared(stream), _) = own(server, b"", 64 * 1024) else {
        panic!("a TCP stream can be shared");
    };
    (stream, client)
}

#[tokio::test]
async fn tcp_is_read_into_a_limited_buffer_and_half_closed() {
    let (mut transport, mut client) = tcp_pair().await;
    client.write_all(b"0123456789").await.unwrap();
    let mut buf = Vec::new();
    let mut limit = (&mut buf).limit(4);
    let read = poll_fn(|cx| transport.poll_read_buf(cx, &mut limit))
        .await
        .unwrap();
    assert_eq!((read, &buf[..]), (4, &b"0123"[..]));
    poll_fn(|cx| transport.poll_shutdown(cx)).await.unwrap();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    let mut rest = [0; 6];
    let read = poll_fn(|cx| transport.poll_read(cx, &mut rest))
        .await
        .unwrap();
    assert_eq!(&rest[..read], b"456789");
}

#[tokio::test]
async fn other_tasks_write_to_a_tcp_stream_until_it_is_full() {
    let (mut transport, mut client) = tcp_pair().await;
    let direct = transport.direct().expect("a TCP stream can be shared");
    let block = vec![7; 64 * 1024];
    let mut sent = 0;
    let full = loop {
        match direct.try_write_vectored(&[IoSlice::new(&block)]) {
            Ok(written) => sent += written,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    poll_fn(|cx| transport.poll_shutdown(cx)).await.unwrap();
    let mut seen = Vec::new();
    assert_eq!(client.read_to_end(&mut seen).await.unwrap(), sent);
}

#[tokio::test]
#[cfg(any(target_os = "android", target_os = "linux"))]
async fn accepted_sockets_inherit_the_bound_on_unsent_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bound = |tcp: &TcpStream| SockRef::from(tcp).tcp_notsent_lowat().unwrap();
    let _early = TcpStream::connect(address).await.unwrap();
    let mut unsent = Unsent::on_listener(Some(&listener), 12_345);
    let _late = TcpStream::connect(address).await.unwrap();
    let (early, _) = listener.accept().await.unwrap();
    assert_ne!(bound(&early), 12_345);
    unsent.on_accepted(&early);
    assert_eq!((bound(&early), unsent.is_inherited()), (12_345, false));
    let (late, _) = listener.accept().await.unwrap();
    assert_eq!(bound(&late), 12_345);
    unsent.on_accepted(&late);
    assert!(unsent.is_inherited());
}

#[tokio::test]
#[cfg(any(target_os = "android", target_os = "linux"))]
async fn a_fast_client_gets_a_larger_bound_until_it_is_slow() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap());
    let tcp = tcp.await.unwrap();
    let speed = ReadSpeed::default();
    let resumed = |millis| {
        speed.resumed(&tcp, 1000, Duration::from_millis(millis));
        SockRef::from(&tcp).tcp_notsent_lowat().unwrap()
    };
    let not_set = resumed(51);
    assert_eq!((0..7).map(resumed).max(), Some(not_set));
    assert_eq!((0..3).map(resumed).collect::<Vec<_>>(), [32_000; 3]);
    assert_eq!(resumed(51), 1000);
    assert_eq!((0..8).map(resumed).last(), Some(32_000));
}

#[test]
fn the_transport_adds_eight_bytes_to_a_tcp_stream() {
    assert_eq!(size_of::<TcpTransport>(), size_of::<TcpStream>() + 8);
}
