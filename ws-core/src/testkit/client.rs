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

/// The mask of every frame that the client sends. Its value does not matter.
pub(super) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The largest message that a test's client accepts, in bytes.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// An event that a client received.
///
/// ```
/// use ws_server::testkit::{OpCode, Received};
/// # use ws_server::{prelude::*, testkit::TestKit};
/// # struct Echo;
/// # #[ws_handler]
/// # impl Echo {
/// #     fn init() -> Self { Echo }
/// #     fn message(&mut self, text: String) -> String { text }
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// # let mut client = TestKit::new().handler::<Echo>().connect().await.unwrap();
/// client.send_frame(OpCode::Ping, true, b"1").await;
/// assert_eq!(client.receive().await, Received::Pong("1".into()));
/// client.send("hello").await;
/// assert_eq!(client.receive().await, Received::Message("hello".into()));
/// # });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// A whole message.
    Message(Message),
    /// A Ping.
    Ping(Bytes),
    /// A Pong.
    Pong(Bytes),
    /// A Close: its code and text. The code is 1005 if it had none.
    Close(CloseCode, String),
    /// The server has ended the stream.
    End,
}

/// A connected client, in memory.
///
/// If the server does something unexpected, the methods panic and show the received event.
///
/// ```
/// # use ws_server::{prelude::*, testkit::TestKit};
/// # struct Echo;
/// # #[ws_handler]
/// # impl Echo {
/// #     fn init() -> Self { Echo }
/// #     fn message(&mut self, text: String) -> String { text }
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// let mut client = TestKit::new().handler::<Echo>().connect().await.unwrap();
/// client.send_json(&[1, 2]).await;
/// assert_eq!(client.json::<Vec<u8>>().await, [1, 2]);
/// client.sender().close(Close::normal("enough"));
/// assert_eq!(client.closed().await, (CloseCode::NORMAL, "enough".to_owned()));
/// # });
/// ```
#[derive(Debug)]
pub struct TestClient {
    pipe: Pipe,
    sender: Sender,
    decoder: Decoder,
    received: VecDeque<Received>,
}

impl TestClient {
    pub(super) fn new(pipe: Pipe, sender: Sender) -> Self {
        let decoder = Decoder::new(Role::Client, MAX_MESSAGE).with_deflate(sender.is_deflated());
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
        self.send_frame(opcode, true, message.as_bytes()).await;
    }

    /// Sends a value as a text message with JSON.
    ///
    /// # Panics
    ///
    /// Panics if the value cannot be encoded.
    pub async fn send_json(&mut self, value: &impl serde::Serialize) {
        self.send(serde_json::to_string(value).expect("a value that can be encoded"))
            .await;
    }

    /// Sends one frame unchanged, which may be a fragment.
    pub async fn send_frame(&mut self, opcode: OpCode, fin: bool, payload: &[u8]) {
        self.send_bytes(&encode_masked(opcode, fin, payload, MASK))
            .await;
    }

    /// Sends bytes unchanged, and lets the server process them.
    ///
    /// ```
    /// # use ws_server::{prelude::*, testkit::TestKit};
    /// # struct Echo;
    /// # #[ws_handler]
    /// # impl Echo {
    /// #     fn init() -> Self { Echo }
    /// #     fn message(&mut self, text: String) -> String { text }
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let mut client = TestKit::new().handler::<Echo>().connect().await.unwrap();
    /// // A frame that is not masked breaks the protocol.
    /// client.send_bytes(&[0x81, 0x01, b'x']).await;
    /// assert_eq!(client.closed().await.0, CloseCode::PROTOCOL_ERROR);
    /// # });
    /// ```
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.pipe.write(bytes);
        tokio::task::yield_now().await;
    }

    /// Sends a Close.
    pub async fn close(&mut self, code: CloseCode, text: &str) {
        let mut body = code.get().to_be_bytes().to_vec();
        body.extend_from_slice(text.as_bytes());
        self.send_frame(OpCode::Close, true, &body).await;
    }

    /// Ends the client's side of the stream, without a Close.
    pub async fn end(&mut self) {
        self.pipe.end(false);
        tokio::task::yield_now().await;
    }

    /// Makes every further write of the server fail, as if a reset were in transit that the server
    /// has not read yet.
    pub fn refuse_writes(&mut self) {
        self.pipe.refuse();
    }

    /// Resets the connection.
    ///
    /// ```
    /// use ws_server::CloseCause;
    /// # use ws_server::{prelude::*, testkit::TestKit};
    /// # struct Echo;
    /// # #[ws_handler]
    /// # impl Echo {
    /// #     fn init() -> Self { Echo }
    /// #     fn message(&mut self, text: String) -> String { text }
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let mut client = TestKit::new().handler::<Echo>().connect().await.unwrap();
    /// client.reset().await;
    /// assert_eq!(client.terminated().await.cause, CloseCause::Lost);
    /// # });
    /// ```
    pub async fn reset(&mut self) {
        self.pipe.end(true);
        tokio::task::yield_now().await;
    }

    /// Waits for the next event from the server.
    ///
    /// # Panics
    ///
    /// Panics if the server breaks RFC 6455.
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
            .expect("frames that follow RFC 6455")
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

    /// Waits for the next message. Answers pings before it and ignores pongs.
    ///
    /// # Panics
    ///
    /// Panics if the connection is closed instead.
    pub async fn message(&mut self) -> Message {
        loop {
            match self.receive().await {
                Received::Message(message) => return message,
                Received::Ping(payload) => self.send_frame(OpCode::Pong, true, &payload).await,
                Received::Pong(_) => {}
                other => panic!("expected a message, received {other:?}"),
            }
        }
    }

    /// Waits for the next message, which must be text.
    ///
    /// # Panics
    ///
    /// Panics if it is binary, or the connection is closed instead.
    pub async fn text(&mut self) -> String {
        let message = self.message().await;
        let text = message
            .as_text()
            .unwrap_or_else(|| panic!("expected text, got {message:?}"));
        text.to_owned()
    }

    /// Waits for the next message, which must be JSON.
    ///
    /// # Panics
    ///
    /// Panics if it does not decode as a `T`, or the connection is closed instead.
    pub async fn json<T: serde::de::DeserializeOwned>(&mut self) -> T {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// Waits for the server's Close. Returns its code and text. Ignores control frames before it.
    ///
    /// # Panics
    ///
    /// Panics if a message or the end of the stream arrives instead.
    pub async fn closed(&mut self) -> (CloseCode, String) {
        loop {
            match self.receive().await {
                Received::Close(code, text) => return (code, text),
                Received::Ping(_) | Received::Pong(_) => {}
                other => panic!("expected a Close, received {other:?}"),
            }
        }
    }

    /// Returns all events received so far and not yet taken, without waiting.
    ///
    /// ```
    /// # use ws_server::{prelude::*, testkit::TestKit};
    /// # struct Echo;
    /// # #[ws_handler]
    /// # impl Echo {
    /// #     fn init() -> Self { Echo }
    /// #     fn message(&mut self, text: String) -> String { text }
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let mut client = TestKit::new().handler::<Echo>().connect().await.unwrap();
    /// client.send("one").await;
    /// client.send("two").await;
    /// assert_eq!(client.received_so_far().await.len(), 2);
    /// assert_eq!(client.received_so_far().await, []);
    /// # });
    /// ```
    pub async fn received_so_far(&mut self) -> Vec<Received> {
        tokio::task::yield_now().await;
        while self.pipe.unread() > 0 {
            if let Some(mut bytes) = poll_fn(|cx| self.pipe.poll_read(cx, usize::MAX)).await {
                self.decode(&mut bytes);
            }
        }
        self.received.drain(..).collect()
    }

    /// Returns the events that the bytes in the network complete: one read of a slow client,
    /// without waiting.
    pub async fn received_in_one_read(&mut self) -> Vec<Received> {
        if self.pipe.unread() > 0
            && let Some(mut bytes) = poll_fn(|cx| self.pipe.poll_read(cx, usize::MAX)).await
        {
            self.decode(&mut bytes);
        }
        self.received.drain(..).collect()
    }

    /// Returns how many bytes the server has written and this client has not read.
    pub fn unread(&self) -> usize {
        self.pipe.unread()
    }

    /// Returns how many writes of the server have reached the network, each with one or more frames.
    ///
    /// ```
    /// # use ws_server::{prelude::*, testkit::TestKit};
    /// # struct Twice;
    /// # #[ws_handler]
    /// # impl Twice {
    /// #     fn init() -> Self { Twice }
    /// #     fn message(&mut self, text: String) -> Vec<String> { vec![text.clone(), text] }
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let mut client = TestKit::new().handler::<Twice>().connect().await.unwrap();
    /// let before = client.writes();
    /// client.send("hello").await;
    /// assert_eq!(client.received_so_far().await.len(), 2);
    /// assert_eq!(client.writes() - before, 1);
    /// # });
    /// ```
    pub fn writes(&self) -> u64 {
        self.pipe.writes()
    }

    /// Returns how many bytes this client has sent and the server has not read.
    pub fn unsent(&self) -> usize {
        self.pipe.unsent()
    }

    /// Returns the handle of the connection, for sending from the test.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Returns the handle of the connection, for notifying the handler from the test.
    ///
    /// ```
    /// # use ws_server::{prelude::*, testkit::TestKit};
    /// struct Alarm;
    ///
    /// #[ws_handler]
    /// impl Alarm {
    ///     fn init() -> Self { Alarm }
    ///
    ///     fn info(&mut self, text: String) -> String { text }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let mut client = TestKit::new().handler::<Alarm>().connect().await.unwrap();
    /// client.socket::<Alarm>().notify("fire".to_owned()).unwrap();
    /// assert_eq!(client.text().await, "fire");
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Its methods panic if the handler is not an `H`.
    pub fn socket<H>(&self) -> Socket<H> {
        self.sender.socket()
    }

    /// Waits until `terminate` has ended. Returns the reason for the end of the connection.
    pub async fn terminated(&self) -> CloseReason {
        self.sender.finished().await
    }
}
