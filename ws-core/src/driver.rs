//! The life of one connection, in a small task of its own.
//!
//! [`connect`] runs `init` before the handshake is answered. The result, an [`Opened`] connection,
//! is then given its transport. The driver reads, calls hooks, writes and checks the clock until
//! the end, and then calls `terminate`.
//!
//! The driver is compiled once, and calls the handler through a trait object.

mod ahead;
mod alarm;
mod callee;
mod calls;
mod clock;
mod closing;
mod connection;
mod exchange;
mod finish;
mod live;
mod open;
mod outgoing;
mod rate;
mod reader;
mod turn;
mod worker;
mod writer;

pub use connection::Opened;
pub use open::{Connect, Connecting, connect};
pub(crate) use open::{Init, Unopened, begin};
