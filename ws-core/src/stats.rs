//! Measurements: the counters that connections share, and the snapshot of all of them.
//!
//! No message costs an atomic operation that locks the memory bus: each thread counts what it
//! receives and sends in a shard of its own, and each outbox counts the frames of other tasks
//! under the lock that it takes anyway. A snapshot adds them up.

mod cause;
mod counters;
mod histogram;
mod refusals;
mod shard;
mod snapshot;
mod thread;

pub(crate) use counters::{HookCounters, HookOutcome, HubCounters, RouteCounters};
pub use histogram::Histogram;
pub(crate) use refusals::RefusalCounters;
pub use refusals::RefusalReason;
pub(crate) use shard::MessageKind;
pub(crate) use snapshot::OutboxTotals;
pub use snapshot::{
    ClosedStats, HookStats, MessageStats, OutboxDrops, PageStats, RouteStats, Stats, TopicStats,
};
pub(crate) use thread::{Sampling, ThreadCounters};
