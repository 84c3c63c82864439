//! What a client sees on the wire: bytes over real sockets, without the library's own client.

mod base;
mod blocking;
mod browser;
mod client;
mod closing;
mod deflate;
mod devices;
mod examples;
mod fanout;
mod frames;
mod handshake;
mod hostile;
mod hostile_visitors;
mod mount;
mod origins;
mod places;
mod proxies;
mod requests;
mod rooms;
mod running;
mod server;
mod sessions;
mod site;
mod slow;
mod streams;
mod visitors;
