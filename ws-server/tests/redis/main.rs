//! Redis: each test starts a server of its own.

mod connection;
mod engine;
mod hubs;
mod server;
mod servers;
mod sessions;
