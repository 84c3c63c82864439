//! A client that writes bytes. It parses HTTP heads and WebSocket frames, but enforces no rules: it
//! can send invalid data, and it never answers by itself.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
pub(crate) use ws_tests::within;

/// The mask of every frame; its value does not matter.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The key of RFC 6455, section 1.3.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// Waits for a condition that has no event.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// The head of an HTTP response.
#[derive(Debug)]
pub(crate) struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Self {
            status: status.unwrap_or_else(|| panic!("no status line: {first:?}")),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
        }
    }

    /// The values of all lines of a header. The name is in lower case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let all = self.headers.iter().filter(|(known, _)| known == name);
        all.map(|(_, value)| &**value).collect()
    }

    /// The value of a header. The name is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(known, _)| known == name);
        let value = all.next().map(|(_, value)| &**value);
        assert!(all.next().is_none(), "`{name}` appears twice: {self:?}");
        value
    }
}

/// One frame from the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub fin: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn whole(opcode: u8, payload: &[u8]) -> Self {
        Self {
            fin: true,
            opcode,
            payload: payload.to_vec(),
        }
    }
}

/// A frame of a client. `first` is the first byte, with FIN and the reserved bits.
pub(crate) fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len());
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

/// The header of a client's frame, with its mask, that declares this payload length.
pub(crate) fn header(first: u8, len: usize) -> Vec<u8> {
    let mut head = vec![first];
    match len {
        0..=125 => head.push(0x80 | u8::try_from(len).unwrap()),
        126..=0xffff => {
            head.push(0xfe);
            head.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        _ => {
            head.push(0xff);
            head.extend((len as u64).to_be_bytes());
        }
    }
    head.extend(MASK);
    head
}

/// A whole message or a control frame, in one frame.
pub(crate) fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    raw(0x80 | opcode, payload.as_ref())
}

/// A Close with a code.
pub(crate) fn close(code: u16, text: &str) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(text.as_bytes());
    frame(CLOSE, body)
}

/// The request of an opening handshake, with more header lines.
pub(crate) fn upgrade(path: &str, more: &[&str]) -> String {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    for line in more {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request + "\r\n"
}

/// One connection to a server, over TCP or anything else.
#[derive(Debug)]
pub(crate) struct Client<S = TcpStream> {
    pub stream: S,
    read: Vec<u8>,
}

impl Client {
    /// Connects without a handshake.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within("connect", TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|error| panic!("cannot connect: {error}"));
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Connects and does the handshake.
    pub(crate) async fn open(address: SocketAddr, path: &str) -> Self {
        let mut client = Self::connect(address).await;
        client.upgrade(path).await;
        client
    }

    /// The response to one request: head and body.
    pub(crate) async fn ask(address: SocketAddr, request: &str) -> (Head, String) {
        let mut client = Self::connect(address).await;
        client.send(request).await;
        client.response().await
    }

    /// Resets the connection: the server sees an error instead of an end.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn upgrade(&mut self, path: &str) {
        self.send(upgrade(path, &[])).await;
        let head = self.head().await;
        assert_eq!(head.status, 101, "{head:?}");
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("send", self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// Sends a text message.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send(frame(TEXT, text)).await;
    }

    /// Ends the client's half of the stream.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads more. Returns the number of bytes; 0 is the end of the stream.
    async fn read_more(&mut self) -> io::Result<usize> {
        let read = self.stream.read_buf(&mut self.read);
        within("bytes from the server", read).await
    }

    /// Reads this many bytes, at most `step` of them after each pause, and keeps them.
    pub(crate) async fn read_slowly(&mut self, bytes: usize, step: usize, pause: Duration) {
        let mut buffer = vec![0; step];
        while self.read.len() < bytes {
            tokio::time::sleep(pause).await;
            let read = within("bytes from the server", self.stream.read(&mut buffer)).await;
            let read = read.unwrap_or_else(|error| panic!("cannot read: {error}"));
            assert!(read > 0, "the stream ended after {} bytes", self.read.len());
            self.read.extend_from_slice(&buffer[..read]);
        }
    }

    async fn fill(&mut self, bytes: usize) {
        while self.read.len() < bytes {
            match self.read_more().await {
                Ok(0) => panic!("the stream ended early, after {:?}", self.read),
                Ok(_) => {}
                Err(error) => panic!("{error}, behind {:?}", self.read),
            }
        }
    }

    pub(crate) async fn head(&mut self) -> Head {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                return Head::parse(std::str::from_utf8(&head).expect("a head of text"));
            }
            self.fill(self.read.len() + 1).await;
        }
    }

    pub(crate) async fn response(&mut self) -> (Head, String) {
        let (head, body) = self.response_bytes().await;
        (head, String::from_utf8(body).expect("a body of text"))
    }

    /// A response with any body. The response to a HEAD has none.
    pub(crate) async fn response_bytes(&mut self) -> (Head, Vec<u8>) {
        let head = self.head().await;
        let len = head
            .header("content-length")
            .map_or(0, |len| len.parse().unwrap());
        self.fill(len).await;
        let body = self.read.drain(..len).collect();
        (head, body)
    }

    /// The next frame, if no extension is negotiated.
    pub(crate) async fn frame(&mut self) -> Frame {
        let (first, payload) = self.raw_frame().await;
        assert_eq!(first & 0x70, 0, "no reserved bit is set");
        Frame {
            fin: first & 0x80 != 0,
            opcode: first & 0x0f,
            payload,
        }
    }

    /// The first byte of the next frame, and its payload. A server must not mask (RFC 6455, section
    /// 5.1).
    pub(crate) async fn raw_frame(&mut self) -> (u8, Vec<u8>) {
        self.fill(2).await;
        let (first, second) = (self.read[0], self.read[1]);
        assert_eq!(second & 0x80, 0, "no frame is masked");
        let (len, start) = match second {
            126 => {
                self.fill(4).await;
                (
                    usize::from(u16::from_be_bytes([self.read[2], self.read[3]])),
                    4,
                )
            }
            127 => {
                self.fill(10).await;
                let len = u64::from_be_bytes(self.read[2..10].try_into().unwrap());
                (usize::try_from(len).unwrap(), 10)
            }
            short => (usize::from(short), 2),
        };
        self.fill(start + len).await;
        let payload = self.read[start..start + len].to_vec();
        self.read.drain(..start + len);
        (first, payload)
    }

    /// The next frame, which is a text message.
    pub(crate) async fn text(&mut self) -> String {
        let frame = self.frame().await;
        assert_eq!((frame.fin, frame.opcode), (true, TEXT), "{frame:?}");
        String::from_utf8(frame.payload).expect("text is UTF-8")
    }

    /// The next frame, which is a Close: its code, or 0 if it has none.
    pub(crate) async fn close_frame(&mut self) -> (u16, String) {
        let frame = self.frame().await;
        assert_eq!((frame.fin, frame.opcode), (true, CLOSE), "{frame:?}");
        match *frame.payload {
            [] => (0, String::new()),
            [high, low, ref text @ ..] => (
                u16::from_be_bytes([high, low]),
                String::from_utf8(text.to_vec()).expect("the text of a Close is UTF-8"),
            ),
            [_] => panic!("a Close of one byte"),
        }
    }

    /// All frames until the Close, and its code.
    pub(crate) async fn until_close(&mut self) -> (Vec<Frame>, u16) {
        let mut before = Vec::new();
        loop {
            let frame = self.frame().await;
            if frame.opcode == CLOSE {
                return (
                    before,
                    u16::from_be_bytes([frame.payload[0], frame.payload[1]]),
                );
            }
            before.push(frame);
        }
    }

    /// Waits for the end of the stream; no byte may precede it.
    pub(crate) async fn end(&mut self) {
        let read = self.read_more().await;
        assert!(matches!(read, Ok(0)), "{read:?}: {:?}", self.read);
    }

    /// Waits for the end of the stream or an error, and ignores all bytes before it.
    pub(crate) async fn gone(&mut self) {
        while matches!(self.read_more().await, Ok(1..)) {
            self.read.clear();
        }
    }
}
