//! WebSocket handlers, declared rather than wired.
//!
//! An impl block with `init`, `message`, `info` and `terminate` becomes a handler; one
//! [`dispatch!`] block becomes the table of routes, checked by the compiler; a [`Server`]
//! serves it by itself or inside an application of warp, axum, or any other service of hyper and
//! tower.
//!
//! ```no_run
//! use std::time::Duration;
//! use ws_server::prelude::*;
//!
//! /// Greets, echoes, and greets again.
//! struct Greeter;
//!
//! #[ws_handler]
//! impl Greeter {
//!     fn init(socket: &Socket<Self>) -> Self {
//!         socket.notify_after(Duration::from_secs(1), "Hello!");
//!         Greeter
//!     }
//!
//!     fn message(&mut self, text: String) -> String {
//!         format!("You said: {text}")
//!     }
//!
//!     fn info(&mut self, greeting: &'static str, socket: &Socket<Self>) -> &'static str {
//!         socket.notify_after(Duration::from_secs(5), "Hello again!");
//!         greeting
//!     }
//! }
//!
//! dispatch! {
//!     pub struct Routes;
//!
//!     greeter: "/greeter" => Greeter { require_session: false };
//! }
//!
//! #[ws_server::main]
//! async fn main() -> Result<(), ws_server::Error> {
//!     Server::new(Routes::table()).build()?.run("127.0.0.1:3030").await
//! }
//! ```
//!
//! # Five minutes to a running handler
//!
//! Create a project with `cargo new`, add this crate with `cargo add ws-server`, put the program
//! above into `src/main.rs`, and run it with `cargo run`. Open `http://127.0.0.1:3030/greeter` in a
//! browser: the page shows only a short text, but its scripts may connect to the server. Enter this
//! in the console of the page:
//!
//! ```js
//! const socket = new WebSocket("ws://127.0.0.1:3030/greeter");
//! socket.onmessage = ({ data }) => console.log(data);
//! socket.onopen = () => socket.send("hi");            // "You said: hi", then "Hello!"
//! ```
//!
//! - `init` runs before the response to the handshake. It returns the handler of this connection, or a
//!   [`Refusal`].
//! - `message` receives each message of the client, here as a `String`. It returns the reply: a
//!   text, [`Json`](decode::Json), several messages, a [`Close`], or nothing.
//! - `info` receives the values that timers, other tasks and topics send to this connection, here
//!   from [`Socket::notify_after`].
//! - `terminate`, which this handler does not need, runs once, at the end of the connection.
//! - `require_session: false` admits every client. By default, a route accepts only visitors who
//!   come from a page of the same site; see [`session`].
//!
//! Next steps: a message to many clients ([`Hub::publish`]), parameters of the path
//! ([`Path`](extract::Path)), state that handlers share ([`State`](extract::State)), JSON with
//! answers ([`call`]), and tests without a network (the module `testkit`).
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `warp` (default) | [`Ws::filter`], [`Ws::serve`], [`Ws::session`] and other filters, [`Visit::reply`] |
//! | `msgpack` | `decode::MsgPack<T>`: payloads and replies in `MessagePack` |
//! | `cluster` | the module `cluster`: several servers over a log of your own |
//! | `http2` | [`Server`]`::http2`: HTTP/2, with WebSocket connections over it (RFC 8441) |
//! | `metrics` | `stats::record`: the measurements for the facade of the crate `metrics` |
//! | `redis` | [`Server`]`::redis` and the module `redis`: sessions, and the log of several servers, in Redis or Valkey |
//! | `redis-tls` | `redis`, also over TLS |
//! | `tls` | the module `tls`: TLS with certificates that are reloaded |
//! | `test-kit` | the module `testkit`: clients and pages in memory, with paused time |
//!
//! Only `warp` is on by default. Tests need these lines in `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! ws-server = { version = "0.1", features = ["test-kit"] }
//! tokio = { version = "1", features = ["macros", "rt", "test-util"] }
//! ```
//!
//! # Overview
//!
//! - [`macro@ws_handler`]: the hooks, their arguments and their return values;
//! - [`dispatch!`]: the syntax of tables, and every option of a route;
//! - [`Server`] and [`Ws`]: configuration, serving, shutdown;
//! - [`session`]: sessions of visitors, stores, and sessions that the application manages itself;
//! - [`Ws::service`]: the server inside an application of axum, hyper or tower;
//! - [`listener`]: TCP, Unix sockets, TLS, and listeners of your own;
//! - [`Visit`]: the HTTP side of sessions, by [`Ws::visit`] for any request, and by the warp filters
//!   [`Ws::session`] and [`Ws::page`];
//! - [`PageStream`], [`Page`] and [`Ws::client`]: messages pushed to a page arrive once and in
//!   order, over any number of connections;
//! - [`call`]: requests of clients, and their answers;
//! - `Server::redis` (feature `redis`) and the module `cluster`: several servers that share one log;
//! - [`limits`]: every limit with its default; everything that can grow has one;
//! - [`mistakes`]: the mistakes in tables and handlers that the compiler rejects, and why;
//! - [`runtime`]: the runtime that [`macro@main`] sets up, and the cost of `#[tokio::main]`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base;
mod body;
mod client;
mod connection;
mod exchange;
#[cfg(feature = "http2")]
mod extended_connect;
#[cfg(feature = "metrics")]
mod facade;
mod failure;
#[cfg(feature = "warp")]
mod filter;
mod handshake;
pub mod listener;
mod measurements;
#[doc = include_str!("mistakes.md")]
pub mod mistakes {}
mod operations;
mod page_posts;
mod peer;
#[cfg(any(feature = "http2", feature = "tls"))]
mod prefixed;
mod prometheus;
mod readiness;
mod recent_refusals;
#[cfg(feature = "redis")]
pub mod redis;
pub mod runtime;
mod server;
mod service;
mod shared;
#[cfg(feature = "tls")]
pub mod tls;
mod visitors;
mod watchdog;

pub use body::{FallbackBody, WsBody};
pub use failure::Error;
#[cfg(feature = "warp")]
pub use filter::WsFilter;
pub use operations::OperationsService;
pub use peer::{OverTls, PeerAddr};
pub use server::{RequestBody, Server, StateFor, Stateless, WithState, Ws};
pub use service::{WithFallback, WsFuture, WsService};
pub use visitors::Visit;
#[cfg(feature = "warp")]
pub use visitors::{recover, reject};

#[doc(inline)]
pub use ws_core::close::{Close, CloseCause, CloseCode, CloseReason};
pub use ws_core::distinct_topics;
#[doc(inline)]
pub use ws_core::error::{EnterError, NotifyError, OrFault, Refusal, SendError, SpawnError};
#[doc(inline)]
pub use ws_core::hub::Hub;
#[doc(inline)]
pub use ws_core::message::Message;
#[doc(inline)]
pub use ws_core::outbox::Policy;
#[doc(inline)]
pub use ws_core::page::Page;
#[doc(inline)]
pub use ws_core::session::{Session, SessionError};
#[doc(inline)]
pub use ws_core::socket::{Sender, Socket, Timer};
#[doc(inline)]
pub use ws_core::stream::PageStream;
#[doc(inline)]
pub use ws_core::topic::Topic;
pub use ws_macros::{FromRef, PathParams, dispatch, main, topics, ws_handler};

pub mod call {
    //! Requests of a client, and answers that contain the id of their request. Each is one JSON
    //! text message.
    //!
    //! ```text
    //! {"call":7,"body":{"type":"rename","name":"Ada"}}      the request
    //! {"answer":7,"ok":{"name":"Ada"}}                      its answer
    //! {"answer":7,"error":{"type":"taken"}}                 or this
    //! ```
    //!
    //! A hook takes [`Call<T>`] and returns [`Answer<R, E>`]. If a [`Checked`] body does not
    //! decode, the client gets an error as the answer; any other body that does not decode closes
    //! the connection.
    #[doc(inline)]
    pub use ws_core::call::{Answer, BodyError, Call, CallId, Checked};
}

pub mod close {
    //! Close codes, close reasons, and the causes that end connections.
    #[doc(inline)]
    pub use ws_core::close::{
        Close, CloseCause, CloseCode, CloseReason, InvalidCloseCode, MAX_CLOSE_TEXT,
    };
}

#[cfg(feature = "cluster")]
pub mod cluster;

pub mod decode {
    //! Decoding: from a message to the payload that `message` takes.
    #[cfg(feature = "msgpack")]
    #[doc(inline)]
    pub use ws_core::decode::MsgPack;
    #[doc(inline)]
    pub use ws_core::decode::{DecodeError, FromMessage, Json, Payload};
}

pub mod error {
    //! Refused handshakes, and errors of the handles to a connection.
    #[doc(inline)]
    pub use ws_core::error::{
        Cause, EncodeError, EnterError, NotifyError, OrFault, Refusal, SendError, SpawnError,
    };
}

pub mod extract {
    //! Arguments of hooks, selected by their type.
    #[doc(inline)]
    pub use ws_core::extract::{
        AnyRoute, AttachesPage, Bearer, Context, FromConnection, FromHandshake, FromParams,
        FromRef, Handshake, HasPage, HasSession, NamesParams, NoState, Opening, Params, Path,
        Provides, Query, ResponseHeaderError, State, TraceContext,
    };
    // The compiler names these in messages about arguments of hooks.
    #[doc(hidden)]
    pub use ws_core::extract::{Borrowed, FirstInfoArgument, PathParamUse};
}

pub mod handler {
    //! The trait that [`ws_handler`](macro@crate::ws_handler) implements, and what `init` returns.
    #[doc(inline)]
    pub use ws_core::handler::{Handler, IntoInit, IntoRefusal};
    // The compiler names these in messages about hooks.
    #[doc(hidden)]
    pub use ws_core::handler::{Step, TerminateStep};
}

pub mod limits {
    //! Every limit of a connection, a page, a session and a server, with its default.
    #[doc(inline)]
    pub use ws_core::limits::{
        Http2Limits, LimitError, LimitOptions, Limits, MAX_MEMBER, MAX_MEMBER_KEY,
        MAX_RESPONSE_HEADERS, OnFull, PageLimits, PresenceLimits, Rate, ServerLimits,
        SessionLimits,
    };
}

pub mod page {
    //! Pages: their ids, and the streams between the server and the browser.
    //!
    //! The protocol is described in `PAGE-PROTOCOL.md`.
    #[doc(inline)]
    pub use ws_core::hub::PagesOf;
    #[doc(inline)]
    pub use ws_core::page::{
        NoPage, PAGE_PROTOCOL, Page, PageMessage, PageSubscribeError, Resumable, ResumeReason,
        Resumed, StreamTag, StreamUrl,
    };
    // The compiler names this in messages about `PageStream`.
    #[doc(hidden)]
    pub use ws_core::page::CapacityFreed;
}

pub mod reply {
    //! Return values of hooks: messages for the client, a close, or nothing.
    #[doc(inline)]
    pub use ws_core::reply::{IntoClose, IntoReply, Nothing, Reply, ReplyOrNever};
}

pub mod route {
    //! Routing tables that [`dispatch!`](crate::dispatch) generates, their URLs, and `start`.
    #[doc(inline)]
    pub use ws_core::route::{IntoStart, RouteUrl, RouterError, Serves, Start, Table};
    // The compiler names these in messages about tables.
    #[doc(hidden)]
    pub use ws_core::route::{Entry, conflict::Mounted};
}

pub mod session {
    //! Sessions of visitors, and sessions that the application manages itself.
    //!
    //! A visitor's cookie holds a [`SessionToken`]. A [`SessionStore`] keeps a [`SessionRecord`]
    //! under the token's hash. [`Sessions`] finds, begins, renews and ends the sessions of one
    //! server. A [`Session`] is a handle to one session, for hooks and HTTP handlers.
    #[doc(inline)]
    pub use ws_core::session::{
        CookieOptions, ForeignSession, MemoryStore, Newcomer, NoSession, SECURE_PREFIX, SameSite,
        Secrets, Session, SessionError, SessionGeneration, SessionId, SessionKey, SessionOptions,
        SessionOptionsError, SessionRecord, SessionSource, SessionStore, SessionSubscribeError,
        SessionToken, Sessions, StoreError,
    };

    pub mod cookies {
        //! Cookies of a request (RFC 6265, section 4.2.1).
        #[doc(inline)]
        pub use ws_core::session::cookies::value;
    }
}

#[doc(inline)]
pub use ws_core::socket;

pub mod stats {
    //! Measurements: [`Hub::stats`](crate::Hub::stats) returns all of them.
    #[doc(inline)]
    pub use ws_core::stats::{
        ClosedStats, Histogram, HookStats, MessageStats, OutboxDrops, PageStats, RefusalReason,
        RouteStats, Stats, TopicStats,
    };

    #[cfg(feature = "metrics")]
    pub use crate::facade::record;
}

pub mod topic {
    //! Topics: values that are published to subscribed clients and to listening handlers, and the
    //! members of topics.
    #[doc(inline)]
    pub use ws_core::presence::event::MembersEvent;
    #[doc(inline)]
    pub use ws_core::topic::{
        AsTopic, DeclaredTopic, FromTopic, HasHistory, HasPresence, Listenable, Logged,
        LoggedReceipt, MemberValue, Position, PublishError, Published, Receipt, ReceiptKind,
        Received, Replay, Since, SinceError, Subscribable, Topic, TopicBlock, TopicBlocks,
        TopicValue, WithPosition,
    };
}

#[cfg(feature = "test-kit")]
pub mod testkit;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The items that most modules with handlers, tables and a server need.
///
/// ```
/// use ws_server::prelude::*;
/// ```
pub mod prelude {
    pub use bytes::Bytes;
    pub use ws_core::call::{Answer, Call};
    pub use ws_core::close::{Close, CloseCode, CloseReason};
    pub use ws_core::decode::Json;
    pub use ws_core::error::{OrFault, Refusal};
    pub use ws_core::extract::{FromRef, Handshake, Path, Query, State};
    pub use ws_core::handler::Handler;
    pub use ws_core::hub::Hub;
    pub use ws_core::message::Message;
    pub use ws_core::page::Page;
    pub use ws_core::route::Start;
    pub use ws_core::session::Session;
    pub use ws_core::socket::Socket;
    pub use ws_core::stream::PageStream;
    pub use ws_core::topic::{DeclaredTopic, Topic};
    pub use ws_macros::{FromRef, PathParams, dispatch, topics, ws_handler};

    pub use crate::server::{Server, Ws};
    pub use crate::visitors::Visit;
}

/// The items that the expansions of the macros use. No other code may use them: the name contains
/// the version, and `ws-macros` computes the same name from its own version.
///
/// The re-export is hidden, not the module: the compiler shortens the names of items in it, so that
/// its messages do not show this path.
#[doc(hidden)]
pub use expansions::engine as __macro_0_1_0;

mod expansions {
    pub mod engine {
        //! The engine, for the expansions.

        pub use ws_core::*;

        pub use crate::runtime;
    }
}
