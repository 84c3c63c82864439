//! The life of one connection, in a small task of its own.
//!
//! [`connect`] runs `init` before the response to the handshake. The result, a
//! [`ReadyConnection`], then gets its transport. The driver reads, calls hooks, writes and checks
//! the clock until the end, and then calls `terminate`.
//!
//! The driver is compiled once, and calls the handler through a trait object.

mod alarm;
mod callee;
mod calls;
mod clock;
mod closing;
mod connection;
mod exchange;
mod finish;
mod live;
mod observed;
mod open;
mod outgoing;
mod rate;
mod read_ahead;
mod reader;
#[cfg(test)]
mod test_doubles;
mod thread_buffers;
mod turn;
mod writer;

pub use connection::ReadyConnection;
pub use open::{Connect, Connecting, connect};
pub(crate) use open::{Init, PendingConnection, connect_keeping_handshake};
