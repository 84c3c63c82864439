//! A page over HTTP that writes bytes: it sends requests of any form, and reads lines.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::browser::Browser;
use crate::client::{Client, Head, within};
use crate::running::Running;

pub(super) const TYPE: &str = "Content-Type: application/vnd.ws-server.page.v1";
pub(super) const ORIGIN: &str = "Origin: http://example.com";

/// A page that the server has issued to a visitor.
pub(super) struct TestPage {
    address: SocketAddr,
    pub browser: Browser,
    pub id: String,
    pub epoch: String,
    pub base: String,
}

impl TestPage {
    /// A page of a new visitor.
    pub(super) async fn new(server: &Running) -> Self {
        Self::of(server, Browser::new(server.address)).await
    }

    /// A page of this visitor.
    pub(super) async fn of(server: &Running, mut browser: Browser) -> Self {
        let announced = browser.post("/ws-server/page").await;
        let announced: Value = serde_json::from_str(&announced).unwrap();
        let text = |name: &str| announced[name].as_str().unwrap().to_owned();
        Self {
            address: server.address,
            browser,
            id: text("page"),
            epoch: text("epoch"),
            base: text("base"),
        }
    }

    /// The same page, whose requests reach this server.
    pub(super) fn at(&self, address: SocketAddr) -> Self {
        Self {
            address,
            browser: self.browser.clone(),
            id: self.id.clone(),
            epoch: self.epoch.clone(),
            base: self.base.clone(),
        }
    }

    /// The target of a stream that begins behind this offset.
    pub(super) fn target(&self, path: &str, offset: u64) -> String {
        let Self { id, epoch, .. } = self;
        format!("{path}?z_pid={id}&client=7&epoch={epoch}&offset={offset}")
    }

    /// A POST with these header lines and the page's cookies.
    pub(super) fn request(&self, target: &str, lines: &[&str], body: &str) -> String {
        let cookies = self.browser.cookie_line();
        let cookies = cookies.iter().map(|line| &**line);
        let mut request = format!("POST {target} HTTP/1.1\r\nHost: example.com\r\n");
        for line in lines.iter().copied().chain(cookies) {
            request.push_str(line);
            request.push_str("\r\n");
        }
        format!("{request}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    /// The status and the body of a POST with these header lines.
    pub(super) async fn ask(&self, target: &str, lines: &[&str], body: &str) -> (u16, String) {
        let request = self.request(target, lines, body);
        let (head, body) = Client::ask(self.address, &request).await;
        assert_eq!(
            head.header("cache-control"),
            Some("no-store, no-transform"),
            "{head:?}"
        );
        (head.status, body)
    }

    /// The status of a POST that would open a stream.
    pub(super) async fn status(&self, target: &str, lines: &[&str]) -> u16 {
        let request = self.request(target, lines, "");
        let mut client = Client::connect(self.address).await;
        client.send(request).await;
        client.head().await.status
    }

    /// Opens a stream.
    pub(super) async fn open(&self, path: &str, offset: u64) -> Down {
        let target = self.target(path, offset);
        let down = Down::open(self.address, &self.request(&target, &[TYPE, ORIGIN], "")).await;
        assert_eq!(down.head.status, 200, "{:?}", down.head);
        down
    }

    /// Sends messages to the attachment of a stream. Returns the status.
    pub(super) async fn post(&self, path: &str, down: &Down, body: &str) -> u16 {
        let target = self.attached(path, &down.attachment);
        self.ask(&target, &[TYPE, ORIGIN], body).await.0
    }

    /// The target of messages to an attachment.
    pub(super) fn attached(&self, path: &str, attachment: &str) -> String {
        format!("{path}?z_pid={}&attachment={attachment}", self.id)
    }
}

/// The response that carries the messages to a page.
pub(super) struct Down {
    stream: TcpStream,
    pub head: Head,
    /// Bytes of the response that are not decoded yet.
    raw: Vec<u8>,
    /// The decoded part of the body.
    text: Vec<u8>,
    ended: bool,
    pub attachment: String,
    pub limit: u64,
}

impl Down {
    /// Sends a request, and reads the head of its response and the first line of its body.
    pub(super) async fn open(address: SocketAddr, request: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, request).await
    }

    pub(super) async fn over(mut stream: TcpStream, request: &str) -> Self {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let read = within("a head", stream.read_buf(&mut raw)).await.unwrap();
            assert!(read > 0, "the stream ended early");
        };
        let head = Head::parse(std::str::from_utf8(&raw[..end]).unwrap());
        raw.drain(..end);
        let mut down = Self {
            stream,
            head,
            raw,
            text: Vec::new(),
            ended: false,
            attachment: String::new(),
            limit: 0,
        };
        if down.head.status == 200 {
            let first = down.line().await;
            assert_eq!(first["type"], "open", "{first}");
            let attachment = first["attachment"].as_str().unwrap();
            attachment.clone_into(&mut down.attachment);
            down.limit = first["limit"].as_u64().unwrap();
        }
        down
    }

    /// Decodes the chunks that have arrived (RFC 9112, section 7.1).
    fn decode(&mut self) {
        while let Some(end) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let chunk = end + 2..end + 2 + size;
            if self.raw.len() < chunk.end + 2 {
                return;
            }
            self.ended |= size == 0;
            self.text.extend_from_slice(&self.raw[chunk.clone()]);
            self.raw.drain(..chunk.end + 2);
        }
    }

    /// The next line; `None` at the end of the response.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            if self.ended {
                assert!(self.text.is_empty(), "a line is not complete");
                return None;
            }
            let read = within("a line", self.stream.read_buf(&mut self.raw)).await;
            assert!(read.unwrap() > 0, "the response is cut");
            self.decode();
        }
    }

    pub(super) async fn line(&mut self) -> Value {
        self.next().await.expect("a line")
    }

    /// The next line, which is the last: the code and the reason of a Close.
    pub(super) async fn close(&mut self) -> (u64, String) {
        let line = self.line().await;
        assert_eq!(line["type"], "close", "{line}");
        self.end_of(&line).await
    }

    /// The same, behind any other lines.
    pub(super) async fn until_close(&mut self) -> (u64, String) {
        loop {
            let line = self.line().await;
            if line["type"] == "close" {
                return self.end_of(&line).await;
            }
        }
    }

    async fn end_of(&mut self, line: &Value) -> (u64, String) {
        assert_eq!(self.next().await, None);
        let reason = line["reason"].as_str().unwrap().to_owned();
        (line["code"].as_u64().unwrap(), reason)
    }
}
