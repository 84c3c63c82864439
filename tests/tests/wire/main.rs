//! What a client sees on the wire: bytes over real sockets, without the library's own client.

mod client;
mod closing;
mod devices;
mod examples;
mod fanout;
mod frames;
mod handshake;
mod hostile;
mod mount;
mod requests;
mod running;
mod server;
