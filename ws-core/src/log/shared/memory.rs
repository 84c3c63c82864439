//! A log in memory that several nodes of one process share: an [`Engine`] without a server.
//!
//! A server that is alone uses [`LocalLog`](crate::log::LocalLog), which needs no engine.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::engine::{
    Append, Census, Engine, EngineError, HistoryMessage, Kept, LaneRead, MemberChange, Opened,
    READ_WAIT, RELAYED_ENTRIES, ReadFrom, RecordedMember,
};
use super::entry::{Incarnation, marker};
use crate::log::history::HistoryLimits;
use crate::log::name::{Lane, Lanes, TopicName};
use crate::log::position::{EntryId, Generation};
use crate::message::Message;

/// Bytes of the entries of one lane; past this limit the oldest are removed.
const LANE_BYTES: usize = 8 * 1024 * 1024;

/// A log in memory that several nodes of one process share. Clones share it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// use ws_server::cluster::{Engine, Generation, Lane, Lanes};
/// use ws_server::testkit::MemoryEngine;
///
/// let engine = MemoryEngine::new(Lanes::DEFAULT, Generation(1));
/// assert_eq!(engine.open(Lane(0)).await.unwrap().generation, Generation(1));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct MemoryEngine(Arc<MemoryShared>);

#[derive(Debug)]
struct MemoryShared {
    lanes: Lanes,
    server: Mutex<MemoryServer>,
    appended: Notify,
}

/// The state of the log. A clone is a snapshot of it.
#[derive(Clone, Debug)]
pub(super) struct MemoryServer {
    generation: Generation,
    /// The time of the last entry, counted in entries.
    time: u64,
    lanes: Vec<Stream>,
    histories: HashMap<TopicName, KeptHistory>,
    members: HashMap<(Incarnation, Bytes), Bytes>,
}

#[derive(Clone, Default, Debug)]
struct Stream {
    entries: VecDeque<(EntryId, Bytes)>,
    bytes: usize,
    added: u64,
    /// The marker, or the last entry that was removed.
    start: EntryId,
    /// The last number of each incarnation of which messages were kept in histories, or withdrawn.
    kept: HashMap<Incarnation, u64>,
    /// At most [`RELAYED_ENTRIES`].
    relayed: VecDeque<(EntryId, Bytes)>,
}

/// The last messages of a topic.
#[derive(Clone, Debug)]
struct KeptHistory {
    limits: HistoryLimits,
    messages: VecDeque<(Generation, EntryId, u16, Message, Instant)>,
}

impl KeptHistory {
    fn trim(&mut self, now: Instant) {
        let max = usize::try_from(self.limits.messages.get()).unwrap_or(usize::MAX);
        while let Some((.., added)) = self.messages.front() {
            if self.messages.len() <= max && now - *added < self.limits.keep {
                break;
            }
            self.messages.pop_front();
        }
    }
}

impl Stream {
    fn push(&mut self, id: EntryId, entry: Bytes) {
        self.bytes += entry.len();
        self.added += 1;
        self.entries.push_back((id, entry));
        while self.bytes > LANE_BYTES {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((id, entry)) = self.entries.pop_front() {
            self.bytes -= entry.len();
            self.start = self.start.max(id);
        }
    }

    /// The number of entries up to and with `start`.
    fn added_before(&self, start: EntryId) -> u64 {
        let behind = self.entries.iter().filter(|(id, _)| *id > start);
        self.added - behind.count() as u64
    }

    fn relay(&mut self, id: EntryId, entry: Bytes) {
        self.relayed.push_back((id, entry));
        if self.relayed.len() > RELAYED_ENTRIES {
            self.relayed.pop_front();
        }
    }

    fn census(&self) -> Census {
        Census {
            added: self.added,
            removed: self.added - self.entries.len() as u64,
            last: self.entries.back().map_or(self.start, |(id, _)| *id),
        }
    }
}

/// At most `most` entries behind an id.
fn behind(
    entries: &VecDeque<(EntryId, Bytes)>,
    after: EntryId,
    most: usize,
) -> Vec<(EntryId, Bytes)> {
    let first = entries.partition_point(|(id, _)| *id <= after);
    entries.range(first..).take(most).cloned().collect()
}

impl MemoryServer {
    fn new(lanes: Lanes) -> Self {
        Self {
            generation: Generation(0),
            time: 0,
            lanes: lanes.iter().map(|_| Stream::default()).collect(),
            histories: HashMap::new(),
            members: HashMap::new(),
        }
    }

    fn next_id(&mut self) -> EntryId {
        self.time += 1;
        EntryId::new(self.time, 0)
    }

    /// Starts another generation: writes its marker into every lane.
    fn start(&mut self, generation: Generation) {
        self.generation = generation;
        let marker = marker(generation);
        for lane in 0..self.lanes.len() {
            let id = self.next_id();
            let stream = &mut self.lanes[lane];
            stream.push(id, marker.clone());
            stream.start = id;
        }
    }

    fn append(&mut self, append: &Append) -> Result<EntryId, EngineError> {
        if append.generation != self.generation {
            return Err(EngineError::Generation);
        }
        let id = self.next_id();
        let stream = &mut self.lanes[append.lane.index()];
        stream.push(id, append.entry.clone());
        if !append.kept.is_empty() || append.is_withdrawn {
            let last = stream.kept.entry(append.incarnation).or_default();
            if *last < append.number {
                *last = append.number;
                self.keep(id, append);
            }
        }
        Ok(id)
    }

    fn keep(&mut self, id: EntryId, append: &Append) {
        let now = Instant::now();
        for kept in &append.kept {
            let Kept {
                index,
                topic,
                limits,
                message,
            } = kept;
            let history = self.histories.entry(topic.clone());
            let history = history.or_insert_with(|| KeptHistory {
                limits: *limits,
                messages: VecDeque::new(),
            });
            history.limits = *limits;
            let message = message.clone();
            let kept = (append.generation, id, *index, message, now);
            history.messages.push_back(kept);
            history.trim(now);
        }
    }

    fn read(&self, from: &[ReadFrom], most: usize) -> Result<Vec<LaneRead>, EngineError> {
        let read = |from: &ReadFrom| {
            if from.generation != self.generation {
                return Err(EngineError::Generation);
            }
            let stream = &self.lanes[from.lane.index()];
            let entries = behind(&stream.entries, from.after, most);
            Ok(LaneRead {
                lane: from.lane,
                generation: from.generation,
                is_end: entries.len() < most,
                round: from.round,
                entries,
                relayed: behind(&stream.relayed, from.relayed_after, most),
                census: Some(stream.census()),
            })
        };
        from.iter().map(read).collect()
    }
}

impl MemoryEngine {
    /// Creates an empty log.
    pub fn new(lanes: Lanes, generation: Generation) -> Self {
        let mut server = MemoryServer::new(lanes);
        server.start(generation);
        Self(Arc::new(MemoryShared {
            lanes,
            server: Mutex::new(server),
            appended: Notify::new(),
        }))
    }

    fn server(&self) -> MutexGuard<'_, MemoryServer> {
        let server = self.0.server.lock();
        server.unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of the state, as a server writes it to disk.
    pub(super) fn snapshot(&self) -> MemoryServer {
        self.server().clone()
    }

    /// Replaces the state by an earlier one, as a server does that restarts: another generation.
    /// Ids are never used again.
    pub(super) fn restart(&self, mut snapshot: MemoryServer, generation: Generation) {
        let mut server = self.server();
        snapshot.time = server.time + 1;
        snapshot.start(generation);
        *server = snapshot;
        drop(server);
        self.0.appended.notify_waiters();
    }

    /// Loses the last entry of a lane without a trace, as a server that was repaired by hand.
    pub(super) fn lose_last(&self, lane: Lane) {
        let mut server = self.server();
        let stream = &mut server.lanes[lane.index()];
        if let Some((_, entry)) = stream.entries.pop_back() {
            stream.bytes -= entry.len();
            stream.added -= 1;
        }
    }

    /// The ends of all lanes.
    pub(super) fn ends(&self) -> Vec<EntryId> {
        let server = self.server();
        let lanes = server.lanes.iter();
        lanes.map(|stream| stream.census().last).collect()
    }

    /// Removes the oldest entries of a lane, all but `keep` of them.
    pub(super) fn trim(&self, lane: Lane, keep: usize) {
        let mut server = self.server();
        let stream = &mut server.lanes[lane.index()];
        while stream.entries.len() > keep {
            stream.remove_oldest();
        }
    }
}

impl Engine for MemoryEngine {
    fn lanes(&self) -> Lanes {
        self.0.lanes
    }

    async fn open(&self, lane: Lane) -> Result<Opened, EngineError> {
        let server = self.server();
        let stream = &server.lanes[lane.index()];
        Ok(Opened {
            generation: server.generation,
            start: stream.start,
            added: stream.added_before(stream.start),
            relayed: stream.relayed.back().map_or(EntryId::ZERO, |(id, _)| *id),
        })
    }

    async fn append(&self, append: &Append) -> Result<EntryId, EngineError> {
        let id = self.server().append(append);
        self.0.appended.notify_waiters();
        id
    }

    async fn relay(&self, lane: Lane, entry: Bytes) -> Result<(), EngineError> {
        let mut server = self.server();
        let id = server.next_id();
        server.lanes[lane.index()].relay(id, entry);
        drop(server);
        self.0.appended.notify_waiters();
        Ok(())
    }

    async fn read(&self, from: &[ReadFrom], most: usize) -> Result<Vec<LaneRead>, EngineError> {
        let appended = self.0.appended.notified();
        let mut appended = std::pin::pin!(appended);
        appended.as_mut().enable();
        let read = self.server().read(from, most)?;
        let is_empty = |read: &LaneRead| read.entries.is_empty() && read.relayed.is_empty();
        if !read.iter().all(is_empty) {
            return Ok(read);
        }
        // Without an entry in time, the lanes are read to their ends.
        let _ = timeout(READ_WAIT, appended).await;
        self.server().read(from, most)
    }

    async fn history(
        &self,
        _: Lane,
        topic: &TopicName,
        last: usize,
    ) -> Result<Vec<HistoryMessage>, EngineError> {
        let mut server = self.server();
        let Some(history) = server.histories.get_mut(topic) else {
            return Ok(Vec::new());
        };
        let now = Instant::now();
        history.trim(now);
        let first = history.messages.len().saturating_sub(last);
        let kept = history.messages.range(first..);
        let message = |(generation, entry, index, message, added): &_| HistoryMessage {
            generation: *generation,
            entry: *entry,
            index: *index,
            message: Message::clone(message),
            age: now - *added,
        };
        Ok(kept.map(message).collect())
    }

    async fn record_members(
        &self,
        node: Incarnation,
        changes: &[MemberChange],
    ) -> Result<(), EngineError> {
        let mut server = self.server();
        for change in changes {
            let key = (node, change.key.clone());
            if let Some(value) = &change.value {
                server.members.insert(key, value.clone());
            } else {
                server.members.remove(&key);
            }
        }
        Ok(())
    }

    async fn remove_members(&self, node: Incarnation) -> Result<(), EngineError> {
        self.server().members.retain(|(of, _), _| *of != node);
        Ok(())
    }

    async fn all_members(&self) -> Result<Vec<RecordedMember>, EngineError> {
        let members = &self.server().members;
        let member = |((node, key), value): (&(Incarnation, Bytes), &Bytes)| RecordedMember {
            node: *node,
            key: key.clone(),
            value: value.clone(),
        };
        Ok(members.iter().map(member).collect())
    }
}

#[cfg(test)]
mod tests;
