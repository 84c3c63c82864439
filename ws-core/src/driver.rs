//! The life of one connection: its own small task.
//!
//! [`connect`] runs `init` while the handshake waits. What comes of it, an [`Opened`]
//! connection, is then given its transport, and a driver reads, calls hooks, writes
//! and watches the clock until the end, and then calls `terminate`.
//!
//! The driver is compiled once, and reaches the handler through a trait object.

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
