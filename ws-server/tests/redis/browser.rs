//! A client over TCP, with just enough of RFC 6455.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

/// A connected client.
pub(crate) struct Client {
    stream: BufStream<TcpStream>,
}

impl Client {
    /// Connects to a path of a server on this port.
    pub(crate) async fn connect(port: u16, path: &str) -> Self {
        Self::connect_with(port, path, "").await
    }

    /// Connects as a page.
    pub(crate) async fn connect_page(port: u16, path: &str) -> Self {
        Self::connect_with(port, path, "Sec-WebSocket-Protocol: page.v1\r\n").await
    }

    async fn connect_with(port: u16, path: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut stream = BufStream::new(stream);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101 "),
            "{}",
            head.escape_ascii()
        );
        Self { stream }
    }

    /// Sends a text of less than 126 bytes.
    pub(crate) async fn send(&mut self, text: &str) {
        self.try_send(text).await.unwrap();
    }

    /// The same on a connection that may have ended.
    pub(crate) async fn try_send(&mut self, text: &str) -> io::Result<()> {
        let len = u8::try_from(text.len()).unwrap();
        assert!(len < 126);
        // A mask of zeros changes nothing.
        let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame).await?;
        self.stream.flush().await
    }

    /// The next text; `None` if the connection has ended.
    pub(crate) async fn text(&mut self) -> Option<String> {
        let first = self.stream.read_u8().await.ok()?;
        let len = match self.stream.read_u8().await.ok()? {
            126 => self.stream.read_u16().await.ok()?.into(),
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).await.ok()?;
        assert_eq!(first, 0x81, "a whole text: {}", payload.escape_ascii());
        Some(String::from_utf8(payload).unwrap())
    }
}
