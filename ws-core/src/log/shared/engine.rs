//! The trait of what holds the log: a server that all nodes share.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use super::entry::Incarnation;
use super::health::EngineHealth;
use crate::log::history::HistoryLimits;
use crate::log::name::{Lane, Lanes, TopicName};
use crate::log::position::{EntryId, Generation};
use crate::message::Message;

/// How long [`Engine::read`] waits for entries before it returns without any.
pub const READ_WAIT: Duration = Duration::from_secs(1);

/// Entries that one read returns for a lane.
pub const READ_ENTRIES: usize = 64;

/// Relayed entries of a lane that an engine must keep for its readers, for 30 seconds and while it has
/// the memory; it may remove all others.
pub const RELAYED_ENTRIES: usize = 1_000;

/// Holds the lanes of a log, the histories of topics and the members of nodes.
///
/// An engine only executes commands: the library itself does queues, retries, de-duplication, gaps,
/// windows and recovery. An engine must keep these rules:
///
/// * Whenever the engine has a new connection, it checks the generation of the server before it
///   reads or appends, and reports [`EngineError::Generation`] if it is not the one of the call.
///   After that, the node calls [`open`](Self::open) for every lane.
/// * An append that was not executed, and never will be, is [`EngineError::NotSent`]; if that is
///   not certain, it is [`EngineError::Unknown`]. An append that timed out is unknown.
/// * [`append`](Self::append) writes the entry and what is kept of it atomically, or nothing.
/// * The ids of a lane increase, across generations too, and are never used again.
///
/// The methods can be implemented as `async fn`. A node calls `append` for one entry of a lane at a
/// time, and gives up a command that is not answered within three seconds.
///
/// ```
/// use ws_server::cluster::{Engine, EngineError, Lane};
///
/// /// The head of the first lane.
/// async fn head(engine: &impl Engine) -> Result<u64, EngineError> {
///     Ok(engine.open(Lane(0)).await?.added)
/// }
/// ```
pub trait Engine: Send + Sync + 'static {
    /// The number of its lanes. It never changes, and must be the same for all servers of the log.
    fn lanes(&self) -> Lanes;

    /// The current generation of a lane, and where to read. If the server has changed, this writes
    /// the [marker](super::marker) of a new generation into the lane, unless another node has.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the server does not answer.
    fn open(&self, lane: Lane) -> impl Future<Output = Result<Opened, EngineError>> + Send;

    /// Appends an entry, and adds some of its messages to the histories of their topics. Histories
    /// skip an (incarnation, number) that they have had, or that was
    /// [withdrawn](Append::is_withdrawn).
    ///
    /// # Errors
    ///
    /// [`EngineError`]: see the rules above.
    fn append(&self, append: &Append) -> impl Future<Output = Result<EntryId, EngineError>> + Send;

    /// Relays an entry to all readers of the lane, at best effort: it is in no generation and no
    /// history. At most the last [`RELAYED_ENTRIES`] are kept.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the server does not answer; the entry is not sent again.
    fn relay(
        &self,
        lane: Lane,
        entry: Bytes,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Reads up to `most` entries, and up to `most` relayed ones, of each of these lanes, in order;
    /// waits up to [`READ_WAIT`] for the first. Lanes without new entries are included.
    ///
    /// An engine with several servers may leave out the lanes of some that do not answer, or have
    /// another generation: the node opens these again, and applies the others. A server that is only
    /// slow need not delay them either: its lanes are returned without entries and without their
    /// [end](LaneRead::is_end), and the answer that comes later by a next call from the same place,
    /// with the [round](LaneRead::round) of the first.
    ///
    /// # Errors
    ///
    /// [`EngineError::Generation`] if a lane has another generation, or that of the connection.
    fn read(
        &self,
        from: &[ReadFrom],
        most: usize,
    ) -> impl Future<Output = Result<Vec<LaneRead>, EngineError>> + Send;

    /// The last messages of a topic's history, the oldest first, without those that are too old.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the server does not answer.
    fn history(
        &self,
        lane: Lane,
        topic: &TopicName,
        last: usize,
    ) -> impl Future<Output = Result<Vec<HistoryMessage>, EngineError>> + Send;

    /// Writes changes of the members of a node, in this order, for nodes that start later.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the server does not answer; the node writes all its members again.
    fn record_members(
        &self,
        node: Incarnation,
        changes: &[MemberChange],
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Removes all members of a node.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the server does not answer.
    fn remove_members(
        &self,
        node: Incarnation,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// The recorded members of all nodes.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the server does not answer.
    fn all_members(&self) -> impl Future<Output = Result<Vec<RecordedMember>, EngineError>> + Send;

    /// The health of the servers that hold the lanes, for operators; none if the engine has no
    /// servers.
    fn health(&self) -> Vec<EngineHealth> {
        Vec::new()
    }
}

/// A lane that can be read and appended to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The generation of the server.
    pub generation: Generation,
    /// Behind the marker of the generation, and behind all entries that were trimmed: every entry
    /// behind this one can be read.
    pub start: EntryId,
    /// The number of entries ever added to the lane, up to `start`.
    pub added: u64,
    /// The last relayed entry.
    pub relayed: EntryId,
}

/// An entry to append.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Append {
    /// The lane.
    pub lane: Lane,
    /// The generation in which the entry belongs; the server must have it.
    pub generation: Generation,
    /// The author.
    pub incarnation: Incarnation,
    /// The number of the entry within its incarnation and lane, from 1.
    pub number: u64,
    /// The encoded entry.
    pub entry: Bytes,
    /// The messages that go into histories.
    pub kept: Vec<Kept>,
    /// The messages of this number were reported as unconfirmed, and `kept` is empty: histories
    /// must skip a copy with messages that arrives later.
    pub is_withdrawn: bool,
}

/// A message of an entry that goes into the history of its topic.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Kept {
    /// The index of its position: the number of records up to and with this one.
    pub index: u16,
    /// The topic.
    pub topic: TopicName,
    /// What the history keeps.
    pub limits: HistoryLimits,
    /// The message.
    pub message: Message,
}

/// The place in a lane from which to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ReadFrom {
    /// The lane.
    pub lane: Lane,
    /// The generation that was opened.
    pub generation: Generation,
    /// The last entry that was read.
    pub after: EntryId,
    /// The last relayed entry that was read.
    pub relayed_after: EntryId,
    /// The number of the call of [`read`](Engine::read).
    pub round: u64,
}

/// What was read of a lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaneRead {
    /// The lane.
    pub lane: Lane,
    /// The generation in which it was read.
    pub generation: Generation,
    /// Entries with their ids, in order.
    pub entries: Vec<(EntryId, Bytes)>,
    /// Relayed entries with their ids, in order.
    pub relayed: Vec<(EntryId, Bytes)>,
    /// Whether the lane had no later entries when these were read. Not if the engine still waits for
    /// the answer of its server.
    pub is_end: bool,
    /// The [round](ReadFrom::round) of the call after whose begin the entries were read.
    pub round: u64,
    /// Taken after the entries were read. An engine may leave it out only if the lane cannot have
    /// been trimmed since it was last read to its end: else a client that moves to another node
    /// could miss its reset.
    pub census: Option<Census>,
}

/// The number of entries of a lane, which shows a reader that entries have disappeared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Census {
    /// The number of entries ever added.
    pub added: u64,
    /// How many of them were removed: `entries-added` less the length, because
    /// `max-deleted-entry-id` does not change when a stream is trimmed.
    pub removed: u64,
    /// The last entry.
    pub last: EntryId,
}

/// A message of a topic's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryMessage {
    /// The generation in which it was appended.
    pub generation: Generation,
    /// The entry that contains it.
    pub entry: EntryId,
    /// [`Kept::index`].
    pub index: u16,
    /// The message.
    pub message: Message,
    /// How old it is.
    pub age: Duration,
}

/// A change of the members of a node. Keys and values are opaque to the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MemberChange {
    /// Identifies the member on the node.
    pub key: Bytes,
    /// The new value; `None` if the member has left.
    pub value: Option<Bytes>,
}

/// A member of a node. [`Incarnation`] 0 is no node: what all nodes have in common, such as the
/// subscriptions of pages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedMember {
    /// The node.
    pub node: Incarnation,
    /// Identifies the member on the node.
    pub key: Bytes,
    /// The last value.
    pub value: Bytes,
}

/// Why an engine could not execute a command.
///
/// ```
/// use ws_server::cluster::EngineError;
///
/// let error = EngineError::NotSent("no connection".into());
/// assert_eq!(error.to_string(), "the command was not executed: no connection");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EngineError {
    /// The server has another generation than the call; it was not executed.
    Generation,
    /// The command was not executed and never will be, for example because there is no connection
    /// or the server has refused it. The cause, without secrets.
    NotSent(Cow<'static, str>),
    /// The same, and only an operator can correct the cause, such as a wrong password. A node that is
    /// not ready yet [reports](crate::hub::Hub::unusable_log) it.
    Misconfigured(Cow<'static, str>),
    /// The command may have been executed, or may still be. The cause, without secrets.
    Unknown(Cow<'static, str>),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generation => f.write_str("the server was restarted or replaced"),
            Self::NotSent(cause) => write!(f, "the command was not executed: {cause}"),
            Self::Misconfigured(cause) => write!(f, "the log cannot be used: {cause}"),
            Self::Unknown(cause) => write!(f, "the command may have been executed: {cause}"),
        }
    }
}

impl Error for EngineError {}
