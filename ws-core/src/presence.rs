//! Presence: the members of topics, and the events for their watchers.
//!
//! The parts are pure: records go in, changes come out, and time is an argument. So the same code
//! serves one process and many nodes that share a log.
//!
//! ```text
//! Socket::enter -> LocalMembers -> Record -> (log) -> Roster -> Changes -> Watch -> event
//! ```

mod agenda;
pub mod changes;
pub mod event;
#[cfg(feature = "cluster")]
mod lives;
pub mod local;
pub mod record;
pub mod roster;
#[cfg(feature = "cluster")]
mod shared;
pub(crate) mod topics;
pub mod watch;

#[cfg(test)]
mod model_tests;
