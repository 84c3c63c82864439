//! The log that several nodes share, through an [`Engine`].
//!
//! Everything that nodes must agree on is appended to the lanes of the log. Every node reads every
//! lane in order, and its shared state is a function of what it has read. In these files, each uses
//! only those below it in this list:
//!
//! ```text
//! faults      FaultyServer   a log in memory that fails on request, for tests
//!   memory    MemoryEngine   a log in memory
//! node        Node           the tasks between an engine and the pure parts
//!   erased    Commands       an engine behind a pointer
//!   append    Appender       queues, retries and outcomes of one lane
//!   relay     RelayQueue     messages that are sent at best effort
//!   recorder  Recorder       members for nodes that start later
//!   follow    Follower       reads the lanes: drops repeated entries, finds lost ones
//!   liveness  Liveness       which nodes are dead
//!     seen    Seen           the numbers of the entries that were read
//!   window    Window         the recent messages of a lane
//!   earlier   Earlier        histories from before the node has started
//!   backoff                  pauses between attempts
//! engine      Engine         the trait
//! health      EngineHealth   the health of a server
//! entry       Entry          up to 64 records that are appended together
//! ```

use std::time::Duration;

mod append;
mod backoff;
mod earlier;
mod engine;
mod entry;
mod erased;
mod follow;
mod health;
mod liveness;
mod node;
mod recorder;
mod relay;
mod seen;
mod window;

#[cfg(feature = "test-kit")]
mod faults;
#[cfg(feature = "test-kit")]
mod memory;
#[cfg(test)]
mod model_tests;

pub(crate) use append::{AppendError, AppendLimits, Bounded};
pub(crate) use earlier::PositionedMessage;
pub use engine::{
    Append, Census, Engine, EngineError, HistoryMessage, Kept, LaneRead, MemberChange, Opened,
    READ_ENTRIES, READ_WAIT, RELAYED_ENTRIES, ReadFrom, RecordedMember,
};
#[cfg(fuzzing)]
pub(super) use entry::check_round_trip;
pub use entry::{Incarnation, MAX_ENTRY, marker};
pub(crate) use entry::{LoggedMessage, NoticeKind, Record, VERSIONS, Versions};
#[cfg(feature = "test-kit")]
pub use faults::{FaultyEngine, FaultyServer, Restart};
pub(crate) use follow::{Event, ResetReason};
pub use health::{EngineHealth, EngineMemory, EngineState};
#[cfg(feature = "test-kit")]
pub use memory::MemoryEngine;
pub(crate) use node::{
    AfterLane, Apply, Author, Incarnations, Lag, Node, NodeOptions, OpenedLane, Repeat, ReplayError,
};
pub(crate) use window::WindowLimits;

/// The time between two heartbeats of a node.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// A connection that answers nothing for so long is dead.
const DEAD_CONNECTION: Duration = Duration::from_secs(3);

/// The log counts as unavailable if it has not answered a read for so long.
pub(crate) const MAX_SILENCE: Duration = DEAD_CONNECTION;

/// A node that has not read the whole log for so long shows its members as stale. A read waits up to
/// a second for entries.
const STALE: Duration = Duration::from_secs(3);

/// How long a lane without anything to expire waits.
const IDLE: Duration = Duration::from_secs(60);
