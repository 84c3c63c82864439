//! A client of HTTP/2 that writes frames and enforces no rules (RFC 9113, section 4).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::within;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Error codes (section 7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame of the server.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of a `RST_STREAM` or a `GOAWAY`.
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Headers as literals that are not indexed (RFC 7541, section 6.2.2).
pub(crate) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            block.push(
                u8::try_from(text.len())
                    .ok()
                    .filter(|len| *len < 127)
                    .unwrap(),
            );
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The headers of an extended CONNECT.
pub(crate) const CONNECT: &[(&str, &str)] = &[
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":path", "/echo"),
    (":authority", "example.com"),
    ("sec-websocket-version", "13"),
];

/// The headers of a request with this method and path.
pub(crate) fn request<'t>(method: &'t str, path: &'t str) -> [(&'t str, &'t str); 4] {
    [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "example.com"),
    ]
}

/// A connection to a server, with prior knowledge.
pub(crate) struct Http2Client {
    stream: TcpStream,
    read: Vec<u8>,
    /// A server ends a connection gracefully only when the client has answered its ping.
    pub answers_pings: bool,
}

impl Http2Client {
    /// Connects, and sends the preface with these settings.
    pub(crate) async fn with_settings(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self {
            stream,
            read: Vec::new(),
            answers_pings: true,
        };
        let mut payload = Vec::new();
        for (setting, value) in settings {
            payload.extend(setting.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        client.send(PREFACE).await;
        client.send(frame(SETTINGS, 0, 0, &payload)).await;
        client
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::with_settings(address, &[]).await
    }

    /// Sends bytes. A server that has closed the connection does not read them.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within("send", self.stream.write_all(bytes.as_ref())).await;
    }

    pub(crate) async fn headers(&mut self, flags: u8, stream: u32, headers: &[(&str, &str)]) {
        let flags = flags | END_HEADERS;
        self.send(frame(HEADERS, flags, stream, &block(headers)))
            .await;
    }

    /// The next frame; `None` is the end of the connection.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let [a, b, c, kind, flags, s @ ..] = &self.read[..]
                && let Some((stream, rest)) = s.split_first_chunk::<4>()
            {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                if let Some(payload) = rest.get(..length) {
                    let found = Frame {
                        kind: *kind,
                        stream: u32::from_be_bytes(*stream) & 0x7fff_ffff,
                        payload: payload.to_vec(),
                    };
                    let is_ping = found.kind == PING && *flags & ACK == 0;
                    let is_settings = found.kind == SETTINGS && *flags & ACK == 0;
                    self.read.drain(..9 + length);
                    if is_settings {
                        // Windows above the initial ones are valid from now on.
                        self.send(frame(SETTINGS, ACK, 0, &[])).await;
                    }
                    if is_ping && self.answers_pings {
                        self.send(frame(PING, ACK, 0, &found.payload)).await;
                    }
                    return Some(found);
                }
            }
            let read = self.stream.read_buf(&mut self.read);
            if !matches!(within("a frame", read).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// The next frame that matches; others are ignored.
    pub(crate) async fn find(&mut self, matches: impl Fn(&Frame) -> bool) -> Frame {
        let mut before = Vec::new();
        while let Some(frame) = self.frame().await {
            if matches(&frame) {
                return frame;
            }
            before.push((frame.kind, frame.stream));
        }
        panic!("the connection ended behind {before:?}");
    }

    /// The error code with which the server closes the connection.
    pub(crate) async fn goaway(&mut self) -> u32 {
        self.find(|frame| frame.kind == GOAWAY).await.code()
    }

    /// The frame with which the server ends this stream or the connection, and the error code.
    pub(crate) async fn ended(&mut self, stream: u32) -> (u8, u32) {
        let ends = |frame: &Frame| {
            frame.kind == GOAWAY || (frame.kind == RST_STREAM && frame.stream == stream)
        };
        let end = self.find(ends).await;
        (end.kind, end.code())
    }

    /// The error code with which the server resets this stream.
    pub(crate) async fn reset(&mut self, stream: u32) -> u32 {
        let is_reset = |frame: &Frame| frame.kind == RST_STREAM && frame.stream == stream;
        self.find(is_reset).await.code()
    }

    /// The status of the response on this stream: the first header (RFC 7541, appendix A).
    pub(crate) async fn status(&mut self, stream: u32) -> u16 {
        let is_head = |frame: &Frame| frame.kind == HEADERS && frame.stream == stream;
        let head = self.find(is_head).await.payload;
        match head[0] {
            0x88 => 200,
            0x8c => 400,
            0x8d => 404,
            0x8e => 500,
            // A literal value of `:status`, in three bytes or in Huffman code.
            _ if head[1] == 3 => std::str::from_utf8(&head[2..5]).unwrap().parse().unwrap(),
            _ => digits(&head[2..2 + usize::from(head[1] & 0x7f)]),
        }
    }

    /// The payload of the next DATA on this stream.
    pub(crate) async fn data(&mut self, stream: u32) -> Vec<u8> {
        let is_data = |frame: &Frame| frame.kind == DATA && frame.stream == stream;
        self.find(is_data).await.payload
    }

    /// Waits for the end of the connection; frames before it are ignored.
    pub(crate) async fn end(&mut self) {
        while self.frame().await.is_some() {}
    }
}

/// Decodes digits in Huffman code (RFC 7541, appendix B): 0 to 2 have five bits, the others six.
fn digits(code: &[u8]) -> u16 {
    let mut bits = code
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut number = 0;
    for _ in 0..3 {
        let mut next =
            |count| (0..count).fold(0, |sum, _| sum << 1 | u16::from(bits.next().unwrap()));
        let five = next(5);
        let digit = match five {
            0..=2 => five,
            _ => ((five << 1) | next(1)) - 0x19 + 3,
        };
        number = number * 10 + digit;
    }
    number
}

#[test]
fn huffman_digits_are_decoded() {
    // "302" is the example of RFC 7541, section C.6.1.
    assert_eq!(digits(&[0x64, 0x02]), 302);
}
