//! The options of a topic by name, for editors.
//!
//! The expansion of `topics!` names these constants with the tokens of the block, so that an editor
//! completes the names of options and shows their documentation. Nothing else uses them; each value
//! is an example.

#![allow(non_upper_case_globals)]

/// The most messages that the topic keeps, for clients that subscribe later: a number up to 10,000,
/// or `latest` for one. It needs `keep`.
pub const history: &str = "history: 100";

/// How long a message is kept: from `1s` to `24h`.
pub const keep: &str = "keep: 10m";

/// The type of a member. With it, connections can enter the topic, and watch its members.
pub const presence: &str = "presence: Member";

/// With `live`, messages bypass the log: they are delivered at once, to subscribers that are
/// connected, and have neither positions nor a history.
pub const relay: &str = "relay: live";
