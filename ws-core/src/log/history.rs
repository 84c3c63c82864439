//! The last messages of each topic of a lane.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use super::name::TopicName;
use super::position::Offset;
use crate::message::Message;

/// Bytes that one message takes besides its payload, and one topic besides its messages.
const OVERHEAD: usize = 128;

/// What a topic keeps, as it was declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HistoryLimits {
    /// The number of messages; 1 for `history: latest`.
    pub(crate) messages: NonZeroU32,
    /// How long each is kept.
    pub(crate) keep: Duration,
}

/// A message of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeptMessage {
    /// The place behind it.
    pub(crate) offset: Offset,
    pub(crate) message: Message,
}

/// Messages after a place are no longer kept, or may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gap;

/// The histories of the topics of a lane.
///
/// They are bounded in bytes: past the limit, the topic that was published to least recently loses
/// its history.
#[derive(Debug)]
pub(crate) struct Histories {
    topics: HashMap<TopicName, History>,
    /// The topics in the order of their newest messages.
    by_age: BTreeMap<Offset, TopicName>,
    bytes: usize,
    max_bytes: usize,
    /// Topics without a history may have lost messages up to here.
    floor: Offset,
}

#[derive(Debug)]
struct History {
    limits: HistoryLimits,
    messages: VecDeque<(Offset, Message, Instant)>,
    bytes: usize,
    /// The newest message that is no longer kept.
    lost: Offset,
    /// The newest message.
    newest: Offset,
}

impl History {
    fn new(limits: HistoryLimits, floor: Offset) -> Self {
        Self {
            limits,
            messages: VecDeque::new(),
            bytes: 0,
            lost: floor,
            newest: Offset::ZERO,
        }
    }

    /// Removes messages past the limits.
    fn trim(&mut self, now: Instant) {
        let most = usize::try_from(self.limits.messages.get()).unwrap_or(usize::MAX);
        while let Some((offset, message, added)) = self.messages.front() {
            if self.messages.len() <= most && now - *added < self.limits.keep {
                break;
            }
            self.lost = *offset;
            self.bytes -= message.len() + OVERHEAD;
            self.messages.pop_front();
        }
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }

    fn kept(&self, from: usize) -> Vec<KeptMessage> {
        let kept = self.messages.range(from..);
        kept.map(|(offset, message, _)| KeptMessage {
            offset: *offset,
            message: message.clone(),
        })
        .collect()
    }
}

impl Histories {
    /// Creates an empty set with this limit in bytes, which include 128 for each message and topic.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            topics: HashMap::new(),
            by_age: BTreeMap::new(),
            bytes: 0,
            max_bytes,
            floor: Offset::ZERO,
        }
    }

    /// Adds the next message of a topic. Returns the number of other topics that have lost their
    /// histories, because the limit in bytes was reached.
    pub(crate) fn push(
        &mut self,
        topic: &TopicName,
        limits: HistoryLimits,
        kept: KeptMessage,
        now: Instant,
    ) -> usize {
        let KeptMessage { offset, message } = kept;
        let floor = self.floor;
        let (name, history) = if let Some(history) = self.topics.get_mut(topic) {
            let name = self.by_age.remove(&history.newest);
            (name.unwrap_or_else(|| topic.clone()), history)
        } else {
            self.bytes += OVERHEAD;
            let history = self.topics.entry(topic.clone());
            let history = history.or_insert_with(|| History::new(limits, floor));
            (topic.clone(), history)
        };
        self.bytes -= history.bytes;
        history.limits = limits;
        history.newest = offset;
        history.bytes += message.len() + OVERHEAD;
        history.messages.push_back((offset, message, now));
        history.trim(now);
        self.bytes += history.bytes;
        self.by_age.insert(offset, name);
        self.evict(offset)
    }

    /// Removes whole histories until the limit in bytes is kept; the newest stays.
    fn evict(&mut self, newest: Offset) -> usize {
        let mut evicted = 0;
        while self.bytes > self.max_bytes {
            let Some(oldest) = self.by_age.first_entry() else {
                break;
            };
            if *oldest.key() == newest {
                break;
            }
            let name = oldest.remove();
            self.forget(&name);
            evicted += 1;
        }
        evicted
    }

    fn forget(&mut self, name: &TopicName) {
        if let Some(history) = self.topics.remove(name) {
            self.bytes -= history.bytes + OVERHEAD;
            self.floor = self.floor.max(history.newest);
        }
    }

    /// The last messages of a topic, at most `last` of them, the oldest first.
    pub(crate) fn last(
        &mut self,
        topic: &TopicName,
        last: usize,
        now: Instant,
    ) -> Vec<KeptMessage> {
        self.trimmed(topic, now).map_or_else(Vec::new, |history| {
            history.kept(history.messages.len().saturating_sub(last))
        })
    }

    /// The messages of a topic behind a place, the oldest first.
    pub(crate) fn after(
        &mut self,
        topic: &TopicName,
        place: Offset,
        now: Instant,
    ) -> Result<Vec<KeptMessage>, Gap> {
        let floor = self.floor;
        let Some(history) = self.trimmed(topic, now) else {
            return if place < floor {
                Err(Gap)
            } else {
                Ok(Vec::new())
            };
        };
        if place < history.lost {
            return Err(Gap);
        }
        let messages = &history.messages;
        Ok(history.kept(messages.partition_point(|(offset, ..)| *offset <= place)))
    }

    fn trimmed(&mut self, topic: &TopicName, now: Instant) -> Option<&History> {
        let history = self.topics.get_mut(topic)?;
        self.bytes -= history.bytes;
        history.trim(now);
        self.bytes += history.bytes;
        Some(history)
    }

    #[cfg(test)]
    pub(super) fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Removes messages that are too old, and topics of which none is left.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let mut empty = Vec::new();
        for (name, history) in &mut self.topics {
            self.bytes -= history.bytes;
            history.trim(now);
            self.bytes += history.bytes;
            if history.messages.is_empty() {
                empty.push((history.newest, name.clone()));
            }
        }
        for (newest, name) in empty {
            self.by_age.remove(&newest);
            self.forget(&name);
        }
        self.topics.shrink_to(2 * self.topics.len());
    }
}

#[cfg(test)]
mod tests;
