//! The library on the wire: raw bytes over real sockets, without the library's own client.

mod axum_site;
mod base;
mod blocking;
mod browser;
mod certificates;
mod client;
mod closing;
mod deflate;
mod devices;
mod examples;
mod fanout;
mod frames;
mod handshake;
mod hostile;
mod hostile_http2;
mod hostile_visitors;
mod http2;
mod http2_frames;
mod lamps;
#[cfg(unix)]
mod listeners;
mod mount;
#[cfg(unix)]
mod nginx;
mod operations;
mod origins;
mod over_http;
mod pauses;
mod places;
mod proxies;
mod requests;
mod response_headers;
mod rooms;
mod running;
mod server;
mod service;
mod sessions;
mod site;
mod slow;
mod stopping;
mod streams;
#[cfg(unix)]
mod terminated;
mod tls;
mod visitors;
mod visits;
