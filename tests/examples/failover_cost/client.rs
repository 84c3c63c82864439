//! A client over TCP, with just enough of RFC 6455.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The longest payload whose length is in the second byte of a frame.
const SHORT: usize = 125;

/// A connection to a server.
pub(crate) struct Connection(BufReader<TcpStream>);

/// A handshake was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: String,
    pub(crate) retry_after: Duration,
}

impl Connection {
    /// Sends a handshake with these further header lines.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the response is not 101.
    pub(crate) async fn open(port: u16, path: &str, headers: &str) -> Result<Self, Refused> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let stream = stream.expect("the server accepts connections");
        stream.set_nodelay(true).expect("a TCP stream");
        // Ten thousand of them: the default buffer is large.
        let mut stream = BufReader::with_capacity(1_024, stream);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("the server reads");
        let (mut status, mut retry_after) = (String::new(), 0);
        loop {
            let mut line = String::new();
            let len = stream.read_line(&mut line).await.expect("a response");
            assert_ne!(len, 0, "the server closes after {status:?}");
            let line = line.trim_end();
            if status.is_empty() {
                line.clone_into(&mut status);
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("retry-after")
            {
                retry_after = value.parse().expect("seconds");
            }
            if line.is_empty() {
                break;
            }
        }
        if status.starts_with("HTTP/1.1 101 ") {
            return Ok(Self(stream));
        }
        Err(Refused {
            status,
            retry_after: Duration::from_secs(retry_after),
        })
    }

    /// Sends a short text.
    pub(crate) async fn send(&mut self, text: &str) -> io::Result<()> {
        let len = u8::try_from(text.len()).expect("a short text");
        assert!(text.len() <= SHORT);
        // A mask of zeros changes nothing.
        let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.0.write_all(&frame).await
    }

    /// The next text; `None` if the connection is lost.
    pub(crate) async fn text(&mut self) -> Option<String> {
        let first = self.0.read_u8().await.ok()?;
        let len = match self.0.read_u8().await.ok()? {
            126 => self.0.read_u16().await.ok()?.into(),
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.0.read_exact(&mut payload).await.ok()?;
        assert_eq!(first, 0x81, "a whole text: {}", payload.escape_ascii());
        Some(String::from_utf8(payload).expect("text"))
    }
}
