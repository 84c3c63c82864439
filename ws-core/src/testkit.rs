//! Run handlers and tables in memory, without a network and with paused time.
//!
//! A [`TestKit`] is a server without sockets: the same admission, the same driver, the same
//! hub, with clients that are values of the test. Under
//! `#[tokio::test(start_paused = true)]` time passes only while everybody waits, so that
//! a test of a minute takes no time and never fails by chance.
//!
//! ```
//! use ws_core::close::CloseCode;
//! use ws_core::testkit::TestKit;
//! # use ws_core::error::Refusal;
//! # use ws_core::extract::{Opening, FromConnection};
//! # use ws_core::handler::{Call, Handler, Step};
//! # use ws_core::protocol::Incoming;
//! # use ws_core::reply::IntoReply;
//! # struct Echo;
//! # impl<R> Handler<R> for Echo {
//! #     async fn init(_: &Opening<Self>) -> Result<Self, Refusal> { Ok(Echo) }
//! #     fn message(call: Call<'_, Self>, incoming: Incoming<'_>) -> Step<Self> {
//! #         let Incoming::Text(text) = incoming else { panic!() };
//! #         let text = text.into_string();
//! #         call.now(move |_, _| text.into_reply())
//! #     }
//! # }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let kit = TestKit::new();
//! let mut client = kit.handler::<Echo>().connect().await.unwrap();
//! client.send("hello").await;
//! assert_eq!(client.text().await, "hello");
//! client.close(CloseCode::NORMAL, "bye").await;
//! assert_eq!(client.closed().await, (CloseCode::NORMAL, String::new()));
//! assert_eq!(client.terminated().await.code, CloseCode::NORMAL);
//! # });
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::driver::{Connect, Opened, connect};
use crate::error::Refusal;
use crate::extract::{AnyRoute, AnyState, Endpoint, Handshake, NoState, Visitor};
use crate::handler::Handler;
use crate::hub::Hub;
use crate::limits::Limits;
use crate::outbox::Transport;
use crate::page::Page;
use crate::session::Session;

mod client;
mod pipe;

pub use client::{Received, TestClient};

use pipe::Pipe;

/// A server without a network.
#[derive(Clone, Debug, Default)]
pub struct TestKit {
    hub: Hub,
}

impl TestKit {
    /// A server without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hub of all connections of this kit.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// A client of one handler, without a table around it. The handler may take no
    /// arguments that only a table knows: no `State<T>`, no `Path<T>`.
    pub fn handler<H: Handler<AnyRoute>>(&self) -> Knock {
        Knock {
            connect: connect::<H, AnyRoute>,
            hub: self.hub.clone(),
            limits: Limits::DEFAULT,
            uri: Uri::from_static("/test"),
            headers: HeaderMap::new(),
            peer: None,
            visitor: Visitor::default(),
            room: pipe::ROOM,
            direct: true,
            early: Vec::new(),
        }
    }
}

/// A client that is about to connect.
#[derive(Debug)]
pub struct Knock {
    connect: Connect,
    hub: Hub,
    limits: Limits,
    uri: Uri,
    headers: HeaderMap,
    peer: Option<SocketAddr>,
    visitor: Visitor,
    room: usize,
    direct: bool,
    early: Vec<u8>,
}

impl Knock {
    /// Sets the limits of the connection; [`Limits::DEFAULT`] else.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the target of the request.
    ///
    /// # Panics
    ///
    /// Where it is none.
    pub fn uri(mut self, uri: &str) -> Self {
        self.uri = uri.parse().expect("a request target");
        self
    }

    /// Adds a header to the request.
    ///
    /// # Panics
    ///
    /// Where the name or the value is none.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        let value: HeaderValue = value.parse().expect("a header value");
        self.headers.append(name, value);
        self
    }

    /// Sets the address of the client; it has none else.
    pub fn peer(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Connects as a visitor with this session.
    pub fn session(mut self, session: Session) -> Self {
        self.visitor.session = Some(session);
        self
    }

    /// Connects from this page.
    pub fn page(mut self, page: Page) -> Self {
        self.visitor.page = Some(page);
        self
    }

    /// How many bytes the network takes while the client does not read; 64 KiB else.
    pub fn network_room(mut self, bytes: usize) -> Self {
        self.room = bytes;
        self
    }

    /// Uses a transport that only the connection's own task writes to, as TLS is.
    pub fn indirect(mut self) -> Self {
        self.direct = false;
        self
    }

    /// Bytes that follow the request at once, before the handshake is answered.
    pub fn early(mut self, bytes: &[u8]) -> Self {
        self.early = bytes.to_vec();
        self
    }

    /// Runs `init` and connects.
    ///
    /// # Errors
    ///
    /// The refusal of `init`.
    pub async fn connect(self) -> Result<TestClient, Refusal> {
        let (pipe, early) = (Pipe::new(self.room, self.direct), self.early.clone());
        let limits = self.limits;
        let opened = self.open().await?;
        let sender = opened.sender();
        opened.start(Box::new(pipe.server()) as Box<dyn Transport>, early.into());
        Ok(TestClient::new(
            pipe,
            sender,
            limits.max_message.max(limits.outbox),
        ))
    }

    /// Runs `init`; then the upgrade fails. Returns a way to learn what became of it.
    ///
    /// # Errors
    ///
    /// The refusal of `init`.
    pub async fn fail_upgrade(self) -> Result<TestClient, Refusal> {
        let (pipe, limits) = (Pipe::new(self.room, self.direct), self.limits);
        let opened = self.open().await?;
        let sender = opened.sender();
        drop(opened);
        Ok(TestClient::new(pipe, sender, limits.max_message))
    }

    async fn open(self) -> Result<Box<dyn Opened>, Refusal> {
        let state = AnyState::new(NoState);
        let endpoint = Endpoint::new("test", "/test", self.hub, state, self.limits);
        let handshake = Handshake::new(self.uri, self.headers).with_peer(self.peer);
        (self.connect)(Arc::new(endpoint), handshake, self.visitor).await
    }
}
