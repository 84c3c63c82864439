//! WebSocket handlers, declared rather than wired, and served by warp.
//!
//! An impl block with `init`, `message`, `info` and `terminate` becomes a handler; one
//! [`dispatch!`] block becomes the table of routes, checked by the compiler; a [`Server`]
//! serves it by itself or beside the rest of a warp application.
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
//!     custom: "/socket/custom"          => Greeter;
//!     public: "/socket/without-session" => Greeter { require_session: false };
//! }
//!
//! #[ws_server::main]
//! async fn main() -> Result<(), ws_server::Error> {
//!     Server::new(Routes::table()).build()?.run("127.0.0.1:3030").await
//! }
//! ```
//!
//! # Where to look
//!
//! - [`macro@ws_handler`]: the hooks, what they take and what they return;
//! - [`dispatch!`]: the syntax of tables, and every option of a route;
//! - [`Server`] and [`Ws`]: configuration, serving, shutdown;
//! - [`session`]: who may connect: sessions, stores, and sessions that an application has;
//! - [`Ws::session`], [`Ws::page`] and [`Visit`]: the HTTP side of sessions, as warp filters;
//! - [`PageStream`], [`Page`] and [`Ws::client`]: what is pushed to a page arrives there, once and in
//!   order, over any number of connections;
//! - [`call`]: requests of clients, and their answers;
//! - [`limits`]: every limit with its default; everything that grows has one;
//! - [`mistakes`]: what the compiler refuses of tables and handlers, and why;
//! - [`runtime`]: what [`macro@main`] sets up, and what `#[tokio::main]` costs.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base;
mod client;
mod connection;
mod exchange;
mod failure;
mod filter;
mod handshake;
#[doc = include_str!("mistakes.md")]
pub mod mistakes {}
mod refused;
pub mod runtime;
mod server;
mod shared;
mod visitors;
mod watchdog;

pub use failure::Error;
pub use filter::{PeerAddr, WsFilter};
pub use server::{Given, Server, StateFor, Stateless, Ws};
pub use visitors::{Visit, recover, reject};

pub use ws_core::close::{Close, CloseCause, CloseCode, CloseReason};
pub use ws_core::error::{NotifyError, OrFault, Refusal, SendError, SpawnError};
pub use ws_core::hub::Hub;
pub use ws_core::message::Message;
pub use ws_core::outbox::Policy;
pub use ws_core::page::Page;
pub use ws_core::session::{Session, SessionError};
pub use ws_core::socket::{Sender, Socket, Timer};
pub use ws_core::stream::PageStream;
#[cfg(feature = "test-kit")]
pub use ws_core::testkit;
pub use ws_core::topic::Topic;
pub use ws_core::{
    call, close, decode, error, extract, handler, limits, page, reply, route, session, socket,
    topic,
};
pub use ws_macros::{FromRef, PathParams, dispatch, main, ws_handler};

/// The examples of the project's front page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What a module with handlers usually needs.
///
/// ```
/// use ws_server::prelude::*;
/// ```
pub mod prelude {
    pub use bytes::Bytes;
    pub use ws_core::call::{Answer, Call};
    pub use ws_core::close::{Close, CloseCause, CloseCode, CloseReason};
    #[cfg(feature = "msgpack")]
    pub use ws_core::decode::MsgPack;
    pub use ws_core::decode::{DecodeError, Json};
    pub use ws_core::error::{OrFault, Refusal};
    pub use ws_core::extract::{
        Bearer, FromHandshake, FromRef, Handshake, Opening, Path, Query, State,
    };
    pub use ws_core::handler::Handler;
    pub use ws_core::hub::Hub;
    pub use ws_core::message::Message;
    pub use ws_core::outbox::Policy;
    pub use ws_core::page::Page;
    pub use ws_core::route::{IntoStart, Start, Table};
    pub use ws_core::session::Session;
    pub use ws_core::socket::{Sender, Socket};
    pub use ws_core::stream::PageStream;
    pub use ws_core::topic::Topic;
    pub use ws_macros::{FromRef, PathParams, dispatch, ws_handler};

    pub use crate::server::{Server, Ws};
    pub use crate::visitors::Visit;
}

/// What the expansions of the macros name. Not for use by hand: it changes with them.
#[doc(hidden)]
pub mod __macro {
    pub use ws_core::*;

    pub use crate::runtime;
}
