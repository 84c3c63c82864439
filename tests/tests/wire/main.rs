//! What a client sees on the wire: bytes over real sockets, without the library's own client.

mod browser;
mod client;
mod closing;
mod examples;
mod fanout;
mod frames;
mod handshake;
mod hostile;
mod mount;
mod requests;
mod running;
mod server;
mod sessions;
mod visitors;
mod hostile_visitors;
mod site;
