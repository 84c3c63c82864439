//! Several servers over one log: the trait of what holds the log, and the types of its
//! commands.
//!
//! Everything that servers must agree on is appended to the *lanes* of a log, and every server
//! reads every lane in order. An [`Engine`] holds the lanes.

#[doc(inline)]
pub use ws_core::hub::{ClusterNode, ClusterOptions, ClusterView};
#[doc(inline)]
pub use ws_core::log::shared::{
    Append, Census, Engine, EngineError, EngineHealth, EngineMemory, EngineState, HistoryMessage,
    Incarnation, Kept, LaneRead, MemberChange, Opened, READ_ENTRIES, READ_WAIT, RELAYED_ENTRIES,
    ReadFrom, RecordedMember, marker,
};
#[doc(inline)]
pub use ws_core::log::{EntryId, Generation, HistoryLimits, Lane, Lanes, TopicName};
