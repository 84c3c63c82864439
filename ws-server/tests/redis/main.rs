//! Redis: each test starts a server of its own.

mod connection;
mod server;
mod sessions;
