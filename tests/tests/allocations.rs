//! Counts the allocations for one echoed message, over a real TCP connection.
//!
//! Server and client share one thread, and the allocator counts per thread. The client uses no
//! heap, so the count is what the server allocates for a message.

use std::io::Write as _;

use allocation_counter::{AllocationInfo, measure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use ws_server::prelude::*;

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "wire/client.rs"]
mod client;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "wire/running.rs"]
mod running;

use client::{BINARY, Client, TEXT, frame};
use running::Running;

/// The number of counted messages; each is sent after the echo of the previous one.
const MESSAGES: u64 = 200;

/// The allocations of a handshake, including those of hyper, tokio and the client's socket.
const HANDSHAKE: u64 = 35;

/// The smallest payload, the edges of the three lengths of a header, and the largest payload that
/// is copied into the thread's buffer.
const SIZES: [usize; 6] = [1, 16, 125, 126, 4096, 16 * 1024];

/// Defines an echo of one payload type, with a plain or an async hook.
macro_rules! echo {
    ($name:ident: $payload:ty) => {
        struct $name;

        #[ws_handler]
        impl $name {
            fn init(_: &Handshake) -> Self {
                $name
            }

            fn message(&mut self, payload: $payload) -> $payload {
                payload
            }
        }
    };
    ($name:ident: async $payload:ty) => {
        struct $name;

        #[ws_handler]
        impl $name {
            fn init(_: &Handshake) -> Self {
                $name
            }

            async fn message(&mut self, payload: $payload) -> $payload {
                payload
            }
        }
    };
}

echo!(PlainBytes: Bytes);
echo!(PlainMessage: Message);
echo!(PlainText: String);
echo!(AsyncBytes: async Bytes);
echo!(AsyncMessage: async Message);
echo!(AsyncText: async String);

dispatch! {
    struct Routes;

    defaults { require_session: false }

    plain_bytes:   "/plain/bytes"   => PlainBytes;
    plain_message: "/plain/message" => PlainMessage;
    plain_text:    "/plain/text"    => PlainText;
    async_bytes:   "/async/bytes"   => AsyncBytes;
    async_message: "/async/message" => AsyncMessage;
    async_text:    "/async/text"    => AsyncText;
}

/// Every payload type, with an opcode that it accepts.
const PAYLOADS: [(&str, u8); 4] = [
    ("bytes", BINARY),
    ("message", BINARY),
    ("message", TEXT),
    ("text", TEXT),
];

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

async fn serve() -> Running {
    let ws = Server::new(Routes::table()).build().unwrap();
    Running::start(ws).await
}

/// A client that sends the same frame repeatedly, with a buffer for its echo.
struct Peer {
    stream: TcpStream,
    frame: Vec<u8>,
    echo: Vec<u8>,
}

impl Peer {
    async fn open(server: &Running, path: &str, opcode: u8, len: usize) -> Self {
        let stream = Client::open(server.address, path).await.stream;
        let frame = frame(opcode, vec![b'x'; len]);
        // The echo has no mask.
        let echo = vec![0; frame.len() - 4];
        Self {
            stream,
            frame,
            echo,
        }
    }

    async fn echo(&mut self, times: u64) {
        for _ in 0..times {
            self.stream.write_all(&self.frame).await.unwrap();
            self.stream.read_exact(&mut self.echo).await.unwrap();
        }
    }
}

/// The allocations of the counted messages, after a warm-up.
fn allocations(path: &str, opcode: u8, len: usize) -> AllocationInfo {
    let runtime = runtime();
    let server = runtime.block_on(serve());
    let mut peer = runtime.block_on(Peer::open(&server, path, opcode, len));
    // More than 64: the first message that is measured allocates the histogram of its route.
    runtime.block_on(peer.echo(100));
    let counted = measure(|| runtime.block_on(peer.echo(MESSAGES)));
    assert!(peer.echo.ends_with(b"x"));
    counted
}

#[test]
fn the_client_of_these_tests_allocates_nothing() {
    let runtime = runtime();
    let (mut peer, mut other) = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (frame, echo) = (vec![b'x'; 100], vec![0; 100]);
        let peer = Peer {
            stream,
            frame,
            echo,
        };
        (peer, listener.accept().await.unwrap().0)
    });
    let mirror = async |other: &mut TcpStream, times| {
        let mut buffer = [0; 100];
        for _ in 0..times {
            other.read_exact(&mut buffer).await.unwrap();
            other.write_all(&buffer).await.unwrap();
        }
    };
    runtime.block_on(async { tokio::join!(peer.echo(10), mirror(&mut other, 10)) });
    let info = measure(|| {
        runtime.block_on(async { tokio::join!(peer.echo(MESSAGES), mirror(&mut other, MESSAGES)) });
    });
    assert_eq!(info.count_total, 0);
}

/// Each message reuses the buffer of the previous one.
#[test]
fn a_plain_hook_that_sends_its_payload_back_allocates_nothing() {
    for (payload, opcode) in PAYLOADS {
        for len in SIZES {
            let path = format!("/plain/{payload}");
            let count = allocations(&path, opcode, len).count_total;
            assert_eq!(count, 0, "{path}, opcode {opcode}, {len} bytes");
        }
    }
}

#[test]
fn an_async_hook_allocates_its_future() {
    for (payload, opcode) in PAYLOADS {
        for len in SIZES {
            let path = format!("/async/{payload}");
            let count = allocations(&path, opcode, len).count_total;
            assert_eq!(count, MESSAGES, "{path}, opcode {opcode}, {len} bytes");
        }
    }
}

/// Sends a handshake and reads the response. It allocates only the client's socket.
async fn shake_hands(server: &Running, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut request = [0; 256];
    let mut left = &mut request[..];
    write!(
        left,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let len = 256 - left.len();
    stream.write_all(&request[..len]).await.unwrap();
    let mut response = [0; 512];
    let mut read = 0;
    while !response[..read].ends_with(b"\r\n\r\n") {
        read += stream.read(&mut response[read..]).await.unwrap();
    }
    assert!(response.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// One of them is the future of `init`; its timeout and panic guards allocate nothing.
#[test]
fn a_handshake_allocates_a_fixed_number_of_times() {
    let runtime = runtime();
    let server = runtime.block_on(serve());
    for path in ["/plain/text", "/async/text"] {
        let first = runtime.block_on(shake_hands(&server, path));
        // Sometimes a map of the server also grows.
        let count = || measure(|| drop(runtime.block_on(shake_hands(&server, path)))).count_total;
        let fewest = (0..5).map(|_| count()).min();
        drop(first);
        assert!(fewest <= Some(HANDSHAKE), "{path}: {fewest:?}");
    }
}

#[test]
fn a_connection_keeps_nothing_of_a_message_that_was_handled() {
    let runtime = runtime();
    let server = runtime.block_on(serve());
    let len = 16 * 1024;
    let mut max_bytes = 0;
    for kind in ["plain", "async"] {
        for (payload, opcode) in PAYLOADS {
            let path = format!("/{kind}/{payload}");
            // The thread's own buffers grow once, for all connections.
            let mut first = runtime.block_on(Peer::open(&server, &path, opcode, len));
            let info = measure(|| runtime.block_on(first.echo(1)));
            max_bytes = max_bytes.max(info.bytes_max);
            let mut idle = runtime.block_on(Peer::open(&server, &path, opcode, len));
            let info = measure(|| runtime.block_on(idle.echo(1)));
            assert_eq!(info.bytes_current, 0, "{path}, opcode {opcode}");
        }
    }
    assert!(max_bytes >= len as u64, "the allocator counts nothing");
}
