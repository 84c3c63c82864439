//! Test handlers and tables in memory, without a network and with paused time.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::admit::{self, AdmissionPolicy, AllowedOrigins, Network, Request};
use crate::driver::{ReadyConnection, connect};
use crate::error::Refusal;
use crate::extract::{Admitted, AnyRoute, AnyState, Endpoint, Handshake, NoState, Visitor};
use crate::handler::Handler;
use crate::hub::Hub;
use crate::limits::{LimitOptions, Limits, ServerLimits};
use crate::page::Page;
use crate::protocol::Deflate;
use crate::route::{Router, RouterError, Table};
use crate::session::Sessions;

mod client;
mod cluster;
pub mod engines;
mod of_server;
mod page;
mod pipe;
pub mod stores;
mod visitor;

pub use crate::protocol::OpCode;
pub use client::{Received, TestClient};
pub use cluster::Cluster;
pub use of_server::of_server;
pub use page::{Acks, PageBuilder, PageReceived, ResetReason, TestPage};
use pipe::Pipe;
pub use visitor::TestVisitor;

/// The key of every handshake: the sample in RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A server without a network.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::{extract::NoState, testkit::TestKit};
///
/// struct Room(u64);
///
/// #[ws_handler]
/// impl Room {
///     fn init(Path(id): Path<u64>) -> Self { Room(id) }
///
///     fn message(&mut self, text: String) -> String { format!("{}: {text}", self.0) }
/// }
///
/// dispatch! {
///     struct Routes;
///
///     room: "/rooms/{id: u64}" => Room { require_session: false };
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// let kit = TestKit::table(Routes::table(), NoState).unwrap();
/// let mut client = kit.open("/rooms/7").connect().await.unwrap();
/// client.send("hello").await;
/// assert_eq!(client.text().await, "7: hello");
/// assert_eq!(kit.open("/rooms/x").connect().await.unwrap_err().status(), 404);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestKit {
    hub: Hub,
    router: Option<Arc<Router>>,
    policy: AdmissionPolicy,
}

impl TestKit {
    /// Creates a server without a table: see [`handler`](Self::handler).
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a server without a table, with these limits.
    pub fn with_limits(limits: ServerLimits) -> Self {
        Self {
            hub: Hub::new(limits),
            ..Self::default()
        }
    }

    /// Creates a server for a table, with the default limits.
    ///
    /// # Errors
    ///
    /// [`RouterError`], the same as from `build` of a real server.
    pub fn table<S: Send + Sync + 'static>(table: Table<S>, state: S) -> Result<Self, RouterError> {
        Self::new().with_table(table, state)
    }

    /// Adds a table to this server: its routes use the same hub.
    ///
    /// # Errors
    ///
    /// [`RouterError`], the same as from `build` of a real server.
    pub fn with_table<S: Send + Sync + 'static>(
        mut self,
        table: Table<S>,
        state: S,
    ) -> Result<Self, RouterError> {
        let router = table.into_router(state, &self.hub, &LimitOptions::NONE)?;
        self.router = Some(Arc::new(router));
        Ok(self)
    }

    /// Allows every origin on routes that have no `origins` option and require no session.
    pub fn any_origin(mut self) -> Self {
        self.policy.origins = AllowedOrigins::Any;
        self
    }

    /// Creates a server without a table, with these sessions.
    pub fn with_sessions(sessions: Sessions) -> Self {
        Self {
            hub: Hub::with_sessions(ServerLimits::DEFAULT, sessions),
            ..Self::default()
        }
    }

    /// Sets the trusted proxies, as for a real server. If the [`peer`](ClientBuilder::peer) of a
    /// client is one of them, its headers determine the client's address.
    ///
    /// # Panics
    ///
    /// Panics if an item is neither an address nor a network.
    pub fn trusted_proxies<'n>(mut self, networks: impl IntoIterator<Item = &'n str>) -> Self {
        let read = |text: &str| text.parse::<Network>().expect("an address or a network");
        self.policy.trusted_proxies = networks.into_iter().map(read).collect();
        self
    }

    /// Returns the hub of all connections of this kit.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Creates a client of one handler, without a table. The handler must not use arguments that
    /// need a table: no `State<T>`, no `Path<T>`.
    pub fn handler<H: Handler<AnyRoute>>(&self) -> ClientBuilder {
        ClientBuilder::new(self.clone(), Goal::Handler(handler::<H>), "/test")
    }

    /// Creates a client of the route for this path.
    ///
    /// # Panics
    ///
    /// Panics if the kit has no table, or the path is not a valid request target.
    pub fn open(&self, path: &str) -> ClientBuilder {
        let router = self.router.clone().expect("a kit that was made of a table");
        ClientBuilder::new(self.clone(), Goal::Table(router), path)
    }
}

/// The target of a client.
#[derive(Clone, Debug)]
enum Goal {
    Handler(fn(Hub, Limits, Admitted) -> crate::driver::Connecting),
    Table(Arc<Router>),
}

fn handler<H: Handler<AnyRoute>>(
    hub: Hub,
    limits: Limits,
    admitted: Admitted,
) -> crate::driver::Connecting {
    let endpoint = Endpoint::new("test", "/test", hub, AnyState::new(NoState), limits);
    connect::<H, AnyRoute>(Arc::new(endpoint), admitted)
}

/// A client that has not connected yet.
///
/// ```
/// # use ws_server::{prelude::*, extract::Bearer, testkit::TestKit};
/// # struct Inbox;
/// # #[ws_handler]
/// # impl Inbox {
/// #     fn init(token: Bearer) -> Result<Self, Refusal> {
/// #         if token.token() == "valid" { Ok(Inbox) } else { Err(Bearer::invalid()) }
/// #     }
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// let kit = TestKit::new();
/// let refusal = kit.handler::<Inbox>().bearer("forged").connect().await.unwrap_err();
/// assert_eq!(refusal.status(), 401);
/// kit.handler::<Inbox>().bearer("valid").connect().await.unwrap();
/// # });
/// ```
pub struct ClientBuilder {
    kit: TestKit,
    goal: Goal,
    limits: Limits,
    uri: Uri,
    headers: HeaderMap,
    peer: Option<SocketAddr>,
    /// The visitor of a single handler, which has no admission that would find it.
    visitor: Visitor,
    room: usize,
    direct: bool,
    early: Vec<u8>,
}

/// Like the `Debug` output of a [`Handshake`], without query and headers.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("path", &self.uri.path())
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    fn new(kit: TestKit, goal: Goal, path: &str) -> Self {
        let headers = [
            ("host", "localhost"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", KEY),
        ];
        let headers = headers.map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        Self {
            kit,
            goal,
            limits: Limits::DEFAULT,
            uri: path.parse().expect("a request target"),
            headers: HeaderMap::from_iter(headers),
            peer: None,
            visitor: Visitor::default(),
            room: pipe::ROOM,
            direct: true,
            early: Vec::new(),
        }
    }

    /// Sets the limits for a connection to a single handler; the default is [`Limits::DEFAULT`].
    /// The routes of a table have their own.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the target of the request.
    ///
    /// # Panics
    ///
    /// Panics if it is not a valid request target.
    pub fn uri(mut self, uri: &str) -> Self {
        self.uri = uri.parse().expect("a request target");
        self
    }

    /// Adds a header to the request, which is already a complete handshake to `localhost`.
    ///
    /// # Panics
    ///
    /// Panics if the name or the value is not valid in a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        let value: HeaderValue = value.parse().expect("a header value");
        self.headers.append(name, value);
        self
    }

    /// Sets the client's bearer token: `Authorization: Bearer TOKEN`.
    ///
    /// # Panics
    ///
    /// Panics if the token is not valid in a header.
    pub fn bearer(mut self, token: &str) -> Self {
        let value = format!("Bearer {token}").parse();
        let value = value.expect("a token that a header can hold");
        self.headers.insert(http::header::AUTHORIZATION, value);
        self
    }

    /// Offers to compress messages (RFC 7692), as browsers do. A single handler, which has no
    /// route, accepts the offer.
    pub fn deflate(self) -> Self {
        self.header("sec-websocket-extensions", "permessage-deflate")
    }

    /// Removes a header from the request.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Sets the address of the client, or of a proxy in front of it. By default it has none.
    pub fn peer(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Connects with the cookie of this visitor's session, without a page.
    ///
    /// # Panics
    ///
    /// Never panics: every cookie is valid in a header.
    pub fn session(mut self, visitor: &TestVisitor) -> Self {
        self.visitor.session = Some(visitor.session().clone());
        self.header("cookie", &visitor.cookie())
    }

    /// Connects from this page; its id is in the query.
    ///
    /// # Panics
    ///
    /// Never panics: every page id is valid in a query.
    pub fn page(mut self, page: &Page) -> Self {
        let path = self
            .uri
            .path_and_query()
            .map_or("/", |whole| whole.as_str());
        let and = if path.contains('?') { '&' } else { '?' };
        let name = self.kit.hub.sessions().page_parameter();
        let uri = format!("{path}{and}{name}={}", page.id());
        self.visitor.page = Some(page.clone());
        self.uri(&uri)
    }

    /// Connects as this visitor, from a page that was rendered just now. By default the client is
    /// anonymous.
    ///
    /// # Panics
    ///
    /// Panics like [`TestVisitor::page`].
    pub fn visitor(self, visitor: &TestVisitor) -> Self {
        self.session(visitor).page(&visitor.page())
    }

    /// Sets how many bytes the network buffers while the client does not read. The default is 64
    /// KiB.
    pub fn network_capacity(mut self, bytes: usize) -> Self {
        self.room = bytes;
        self
    }

    /// Uses a transport that only the connection's own task writes to, as with TLS.
    pub fn without_direct_writes(mut self) -> Self {
        self.direct = false;
        self
    }

    /// Sends these bytes directly behind the request, before the response to the handshake.
    pub fn early_data(mut self, bytes: &[u8]) -> Self {
        self.early = bytes.to_vec();
        self
    }

    /// Runs `init` and connects.
    ///
    /// # Errors
    ///
    /// The refusal of admission or of `init`; 404 if no route has the path.
    pub async fn connect(self) -> Result<TestClient, Refusal> {
        let (pipe, early) = (Pipe::new(self.room, self.direct), self.early.clone());
        let opened = self.admitted().await?;
        let sender = opened.sender();
        opened.start(Box::new(pipe.server()).into(), &early);
        Ok(TestClient::new(pipe, sender))
    }

    /// Runs `init`, then lets the upgrade fail. The returned client reports how the connection
    /// ended.
    ///
    /// # Errors
    ///
    /// Fails like [`connect`](Self::connect).
    pub async fn fail_upgrade(self) -> Result<TestClient, Refusal> {
        let pipe = Pipe::new(self.room, self.direct);
        let opened = self.admitted().await?;
        let sender = opened.sender();
        drop(opened);
        Ok(TestClient::new(pipe, sender))
    }

    async fn admitted(self) -> Result<ReadyConnection, Refusal> {
        let TestKit { hub, policy, .. } = &self.kit;
        let router = match self.goal {
            Goal::Handler(open) => {
                let deflate = Deflate::negotiate(&self.headers);
                let handshake = Handshake {
                    uri: self.uri,
                    headers: self.headers,
                    peer: self.peer,
                    visitor: self.visitor,
                    ..Handshake::default()
                };
                let admitted = Admitted {
                    deflate,
                    ..Admitted::from(handshake)
                };
                return open(hub.clone(), self.limits, admitted).run().await;
            }
            Goal::Table(router) => router,
        };
        let found = admit::route(router.find(self.uri.path())).ok_or(Refusal::NOT_FOUND)?;
        let (route, params) = found?;
        let request = Request {
            method: &Method::GET,
            version: Some(Version::HTTP_11),
            uri: &self.uri,
            headers: &self.headers,
            peer: self.peer,
            over_tls: false,
            can_upgrade: true,
        };
        let admission = admit::admit(hub, policy, route, &request).await?;
        let (admitted, _) = admission.handshake(self.uri, self.headers, params);
        route.open(admitted)?.run().await
    }
}
