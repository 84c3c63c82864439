//! The engine of `ws-server`, without sockets and without HTTP.
//!
//! Depend on the facade `ws-server` in your `Cargo.toml`; it is built on this crate: RFC 6455
//! without IO ([`protocol`]), the life of a connection ([`driver`]), handles to it ([`socket`]),
//! the shared state of connections ([`hub`], [`topic`]), the arguments and return values of hooks
//! ([`extract`], [`decode`], [`reply`]), requests and their answers ([`call`]), and routes
//! ([`route`]).
//!
//! The modules form five layers; a module uses modules of its own layer and of earlier ones,
//! without cycles.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod address;
pub mod admit;
pub mod call;
pub mod close;
mod compile_error;
pub mod decode;
pub mod driver;
pub mod error;
pub mod extract;
pub mod fields;
pub mod handler;
mod hook;
pub mod hub;
pub mod id;
pub mod limits;
pub mod log;
pub mod mailbox;
pub mod message;
pub mod outbox;
pub mod over_http;
pub mod page;
pub mod presence;
pub mod protocol;
mod rates;
pub mod reply;
pub mod route;
pub mod session;
pub mod socket;
pub mod stats;
pub mod stream;
#[cfg(feature = "test-kit")]
pub mod testkit;
pub mod throttle;
mod timeout;
mod timer;
pub mod topic;
pub mod watchdog;
#[cfg(not(fuzzing))]
mod wire;
#[cfg(fuzzing)]
pub mod wire;
