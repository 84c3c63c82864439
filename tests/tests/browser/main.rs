//! The pages of the examples in a real browser. Each test starts an example and runs a script of
//! `tests/browser/` against it.

mod axum;
mod chat;
mod cluster;
mod cross_site;
mod greeter;
mod mount;
mod script;
mod secure;
mod server;
mod stream;
