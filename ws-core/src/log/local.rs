//! The log of one process: a publish is in the log and at its subscribers when it returns.
//!
//! It has no queue and no task, and encodes nothing: a publish takes the next position of its lane and
//! passes its message to the subscribers, all under the lock of the lane. So all subscribers of a
//! lane agree on one order, and "received up to p" is a complete statement.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::cursor::Cursor;
use super::history::{Gap, Histories, HistoryLimits, KeptMessage, Removed};
use super::name::{Lane, Lanes, TopicName};
use super::position::{EntryId, Generation, Offset, Position};
use crate::message::Message;

/// Bytes of the largest message that can be published to a topic of the log.
pub(crate) const MAX_MESSAGE: usize = 1024 * 1024;

/// Kept messages of a lane after which its expired histories are removed.
const SWEEP: u64 = 1024;

/// The message exceeds [`MAX_MESSAGE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooLarge {
    pub(crate) len: usize,
}

/// The log of one process.
#[derive(Debug)]
pub(crate) struct LocalLog {
    generation: Generation,
    lane_count: Lanes,
    lanes: Box<[Mutex<LocalLane>]>,
}

#[derive(Debug)]
struct LocalLane {
    /// The number of messages ever published.
    published: u64,
    /// The number of those that were kept.
    kept: u64,
    histories: Histories,
}

impl LocalLane {
    const fn head(&self) -> Offset {
        Offset::new(EntryId::new(0, self.published), 1)
    }

    /// Adds a message to the history of its topic. Returns the number of histories that were
    /// evicted.
    #[inline(never)]
    fn keep(
        &mut self,
        topic: &TopicName,
        limits: HistoryLimits,
        message: &Message,
        removed: &mut Removed,
    ) -> usize {
        let now = Instant::now();
        self.kept += 1;
        if self.kept.is_multiple_of(SWEEP) {
            self.histories.sweep(now, removed);
        }
        let kept = KeptMessage {
            offset: self.head(),
            message: message.clone(),
        };
        self.histories.push(topic, limits, kept, now, removed)
    }
}

/// What the log did with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Logged<R> {
    pub(crate) at: Position,
    pub(crate) delivered: R,
    /// The number of topics that have lost their histories to make room.
    pub(crate) evicted: usize,
}

impl LocalLog {
    /// Creates an empty log, which keeps at most `max_bytes` of history. The generation must be one
    /// that no earlier process had: its positions are not those of this log.
    pub(crate) fn new(lanes: Lanes, generation: Generation, max_bytes: usize) -> Self {
        let max_bytes = max_bytes / lanes.count();
        let lane = |_| {
            Mutex::new(LocalLane {
                published: 0,
                kept: 0,
                histories: Histories::new(max_bytes),
            })
        };
        Self {
            generation,
            lane_count: lanes,
            lanes: lanes.iter().map(lane).collect(),
        }
    }

    /// The lane of a topic.
    pub(crate) fn lane(&self, topic: &TopicName) -> Lane {
        self.lane_count.of(topic)
    }

    fn lock(&self, lane: Lane) -> MutexGuard<'_, LocalLane> {
        let lane = self.lanes[lane.index()].lock();
        lane.unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self, lane: Lane, offset: Offset) -> Position {
        Position {
            generation: self.generation,
            lane,
            offset,
        }
    }

    /// Publishes a message: `deliver` queues it for the subscribers, under the lock of the lane.
    /// It must not run code of the application, nor publish to the log.
    ///
    /// # Errors
    ///
    /// [`TooLarge`]: it was not published.
    #[inline]
    pub(crate) fn publish<R>(
        &self,
        topic: &TopicName,
        message: &Message,
        history: Option<HistoryLimits>,
        deliver: impl FnOnce(Position) -> R,
    ) -> Result<Logged<R>, TooLarge> {
        let len = message.len();
        if len > MAX_MESSAGE {
            return Err(TooLarge { len });
        }
        let lane = self.lane(topic);
        // Dropped after the lock.
        let mut removed = Removed::new();
        let mut state = self.lock(lane);
        state.published += 1;
        let at = self.position(lane, state.head());
        let evicted = history.map_or(0, |limits| state.keep(topic, limits, message, &mut removed));
        let delivered = deliver(at);
        Ok(Logged {
            at,
            delivered,
            evicted,
        })
    }

    /// Runs `subscribe` under the lock of the topic's lane, with the last messages of the topic:
    /// later messages are delivered to the new subscriber. It also gets the end of the lane.
    pub(crate) fn replay<R>(
        &self,
        topic: &TopicName,
        last: usize,
        subscribe: impl FnOnce(Vec<KeptMessage>, Position) -> R,
    ) -> R {
        let lane = self.lane(topic);
        let state = self.lock(lane);
        // No clock is read for a subscriber that wants no replay.
        let kept = match last {
            0 => Vec::new(),
            last => state.histories.last(topic, last, Instant::now()),
        };
        subscribe(kept, self.position(lane, state.head()))
    }

    /// Runs `subscribe` under the lock of the topic's lane, with the messages of the topic behind a
    /// position: later messages are delivered to the new subscriber. It also gets the end of the
    /// lane.
    ///
    /// # Errors
    ///
    /// [`Gap`] if a message may be missing; `subscribe` did not run.
    pub(crate) fn resume<R>(
        &self,
        topic: &TopicName,
        from: Position,
        subscribe: impl FnOnce(Vec<KeptMessage>, Position) -> R,
    ) -> Result<R, Gap> {
        let lane = self.lane(topic);
        let state = self.lock(lane);
        if from.generation != self.generation || from.lane != lane || from.offset > state.head() {
            return Err(Gap);
        }
        let kept = state.histories.after(topic, from.offset, Instant::now())?;
        Ok(subscribe(kept, self.position(lane, state.head())))
    }

    /// The end of every lane. The lanes are not locked together.
    pub(crate) fn heads(&self) -> Cursor {
        let head = |lane| Some(self.lock(lane).head());
        Cursor::new(self.generation, self.lane_count.iter().map(head).collect())
    }

    /// The position of a message of a topic of this log.
    pub(crate) fn position_of(&self, topic: &TopicName, kept: &KeptMessage) -> Position {
        self.position(self.lane(topic), kept.offset)
    }
}

#[cfg(test)]
mod tests;
