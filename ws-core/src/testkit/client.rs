//! The client of a test.

use std::collections::VecDeque;
use std::future::poll_fn;

use bytes::Bytes;

use super::pipe::Pipe;
use crate::close::{CloseCode, CloseReason};
use crate::message::Message;
use crate::protocol::encoder::encode_masked;
use crate::protocol::{Decoder, Event, Incoming, OpCode, Role};
use crate::socket::{Sender, Socket};

/// The mask of every frame that the client sends. Any mask will do in a test.
pub(super) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The largest message that a test's client takes, in bytes.
const MOST: usize = 64 * 1024 * 1024;

/// What a client received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// A whole message.
    Message(Message),
    /// A Ping.
    Ping(Bytes),
    /// A Pong.
    Pong(Bytes),
    /// A Close with its code and text; 1005 where it had none.
    Close(CloseCode, String),
    /// The server has ended the stream.
    End,
}

/// A client that is connected, in memory.
///
/// Its methods panic where something else happens than the test expects, and say what.
#[derive(Debug)]
pub struct TestClient {
    pipe: Pipe,
    sender: Sender,
    decoder: Decoder,
    received: VecDeque<Received>,
}

impl TestClient {
    pub(super) fn new(pipe: Pipe, sender: Sender) -> Self {
        let decoder = Decoder::new(Role::Client, MOST).with_deflate(sender.is_deflated());
        Self {
            pipe,
            sender,
            decoder,
            received: VecDeque::new(),
        }
    }

    /// The network to the server.
    pub(super) fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    /// Sends one message in one frame.
    pub async fn send(&mut self, message: impl Into<Message>) {
        let message = message.into();
        let opcode = if message.is_text() {
            OpCode::Text
        } else {
            OpCode::Binary
        };
        self.frame(opcode, true, message.as_bytes()).await;
    }

    /// Sends a value as a text message of JSON.
    ///
    /// # Panics
    ///
    /// Where the value cannot be encoded.
    pub async fn send_json(&mut self, value: &impl serde::Serialize) {
        self.send(serde_json::to_string(value).expect("a value that can be encoded"))
            .await;
    }

    /// Sends one frame as it is, fragments included.
    pub async fn frame(&mut self, opcode: OpCode, fin: bool, payload: &[u8]) {
        self.bytes(&encode_masked(opcode, fin, payload, MASK)).await;
    }

    /// Sends bytes as they are, and lets the server work on them.
    pub async fn bytes(&mut self, bytes: &[u8]) {
        self.pipe.write(bytes);
        tokio::task::yield_now().await;
    }

    /// Sends a Close.
    pub async fn close(&mut self, code: CloseCode, text: &str) {
        let mut body = code.get().to_be_bytes().to_vec();
        body.extend_from_slice(text.as_bytes());
        self.frame(OpCode::Close, true, &body).await;
    }

    /// Ends the client's side of the stream, without a Close.
    pub async fn end(&mut self) {
        self.pipe.end(false);
        tokio::task::yield_now().await;
    }

    /// Lets every further write of the server fail, as where a reset is on its way that the
    /// server has not read yet.
    pub fn refuse_writes(&mut self) {
        self.pipe.refuse();
    }

    /// Resets the connection.
    pub async fn reset(&mut self) {
        self.pipe.end(true);
        tokio::task::yield_now().await;
    }

    /// The next of whatever comes from the server.
    ///
    /// # Panics
    ///
    /// Where the server sends what no server may.
    pub async fn receive(&mut self) -> Received {
        loop {
            if let Some(received) = self.received.pop_front() {
                return received;
            }
            let Some(mut bytes) = poll_fn(|cx| self.pipe.poll_read(cx, usize::MAX)).await else {
                return Received::End;
            };
            self.decode(&mut bytes);
        }
    }

    fn decode(&mut self, mut bytes: &mut [u8]) {
        while let Some(event) = self
            .decoder
            .decode(&mut bytes)
            .expect("frames as RFC 6455 says")
        {
            self.received.push_back(match event {
                Event::Message(Incoming::Text(text)) => {
                    Received::Message(Message::text(text.into_string()))
                }
                Event::Message(Incoming::Binary(data)) => {
                    Received::Message(Message::Binary(data.into_bytes()))
                }
                Event::Ping(payload) => Received::Ping(payload.into_bytes()),
                Event::Pong(payload) => Received::Pong(payload.into_bytes()),
                Event::Close(Some((code, text))) => Received::Close(code, text.into_string()),
                Event::Close(None) => Received::Close(CloseCode::NO_STATUS, String::new()),
            });
        }
    }

    /// The next message; control frames before it are answered or passed over.
    ///
    /// # Panics
    ///
    /// Where the connection is closed instead.
    pub async fn message(&mut self) -> Message {
        loop {
            match self.receive().await {
                Received::Message(message) => return message,
                Received::Ping(payload) => self.frame(OpCode::Pong, true, &payload).await,
                Received::Pong(_) => {}
                other => panic!("expected a message, received {other:?}"),
            }
        }
    }

    /// The next message, which is text.
    ///
    /// # Panics
    ///
    /// Where it is not, or the connection is closed instead.
    pub async fn text(&mut self) -> String {
        let message = self.message().await;
        let text = message
            .as_text()
            .unwrap_or_else(|| panic!("expected text, got {message:?}"));
        text.to_owned()
    }

    /// The next message, which is JSON.
    ///
    /// # Panics
    ///
    /// Where it is no such value, or the connection is closed instead.
    pub async fn json<T: serde::de::DeserializeOwned>(&mut self) -> T {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// The server's Close: its code and text. Control frames before it are passed over.
    ///
    /// # Panics
    ///
    /// Where a message or the end of the stream comes instead.
    pub async fn closed(&mut self) -> (CloseCode, String) {
        loop {
            match self.receive().await {
                Received::Close(code, text) => return (code, text),
                Received::Ping(_) | Received::Pong(_) => {}
                other => panic!("expected a Close, received {other:?}"),
            }
        }
    }

    /// What was received so far and not yet taken, without waiting.
    pub async fn so_far(&mut self) -> Vec<Received> {
        tokio::task::yield_now().await;
        while self.pipe.unread() > 0 {
            if let Some(mut bytes) = poll_fn(|cx| self.pipe.poll_read(cx, usize::MAX)).await {
                self.decode(&mut bytes);
            }
        }
        self.received.drain(..).collect()
    }

    /// What the bytes that lie in the network now complete: one read of a client that reads
    /// slowly, without waiting.
    pub async fn so_far_once(&mut self) -> Vec<Received> {
        if self.pipe.unread() > 0
            && let Some(mut bytes) = poll_fn(|cx| self.pipe.poll_read(cx, usize::MAX)).await
        {
            self.decode(&mut bytes);
        }
        self.received.drain(..).collect()
    }

    /// Bytes that the server has written and this client has not read.
    pub fn unread(&self) -> usize {
        self.pipe.unread()
    }

    /// Bytes that this client has sent and the server has not read.
    pub fn unsent(&self) -> usize {
        self.pipe.unsent()
    }

    /// The handle of the connection, for sending from the test.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The handle of the connection, for notifying the handler from the test.
    ///
    /// # Panics
    ///
    /// Using it panics where the handler is no `H`.
    pub fn socket<H>(&self) -> Socket<H> {
        self.sender.socket()
    }

    /// Waits until `terminate` has ended. Returns why the connection ended.
    pub async fn terminated(&self) -> CloseReason {
        self.sender.finished().await
    }
}
