//! The last messages of each topic of a lane.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use forgotten::{Forgotten, Lost};

use super::name::TopicName;
use super::position::Offset;
use crate::message::Message;

mod forgotten;

/// Bytes that one message takes besides its payload, and one topic besides its messages.
const OVERHEAD: usize = 128;

/// What a topic keeps, as it was declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryLimits {
    /// The number of messages; 1 for `history: latest`.
    pub messages: NonZeroU32,
    /// How long each is kept.
    pub keep: Duration,
}

/// A message of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeptMessage {
    /// The offset behind it.
    pub(crate) offset: Offset,
    pub(crate) message: Message,
}

/// Messages that left a history. Drop them without any lock: this may run code of the application.
pub(crate) type Removed = Vec<Message>;

/// Messages behind an offset are no longer kept, or may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gap;

/// The histories of the topics of a lane.
///
/// They are bounded in bytes: past the limit, the topic that was published to least recently loses
/// its history, and the last topic its oldest messages; the newest message is always kept.
#[derive(Debug)]
pub(crate) struct Histories {
    topics: HashMap<TopicName, History>,
    /// The topics in the order of their newest messages.
    by_age: BTreeMap<Offset, TopicName>,
    bytes: usize,
    max_bytes: usize,
    forgotten: Forgotten,
}

#[derive(Debug)]
struct History {
    limits: HistoryLimits,
    messages: VecDeque<(Offset, Message, Instant)>,
    bytes: usize,
    lost: Lost,
    /// The newest message.
    newest: Offset,
}

impl History {
    fn new(limits: HistoryLimits, lost: Lost) -> Self {
        Self {
            limits,
            messages: VecDeque::new(),
            bytes: 0,
            lost,
            newest: Offset::ZERO,
        }
    }

    /// Removes messages past the limits.
    fn trim(&mut self, now: Instant, removed: &mut Removed) {
        let max = usize::try_from(self.limits.messages.get()).unwrap_or(usize::MAX);
        while let Some((_, _, added)) = self.messages.front() {
            if self.messages.len() <= max && now - *added < self.limits.keep {
                break;
            }
            self.remove_oldest(removed);
        }
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }

    fn remove_oldest(&mut self, removed: &mut Removed) {
        if let Some((offset, message, _)) = self.messages.pop_front() {
            self.lost.last = offset;
            self.bytes -= message.len() + OVERHEAD;
            removed.push(message);
        }
    }

    /// The index of the first message that is not too old.
    fn first_valid(&self, now: Instant) -> usize {
        let keep = self.limits.keep;
        self.messages
            .partition_point(|(_, _, added)| now - *added >= keep)
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
            forgotten: Forgotten::new(Offset::ZERO),
        }
    }

    /// Creates an empty set of which messages up to an offset are unknown.
    #[cfg(feature = "cluster")]
    pub(crate) fn starting_at(max_bytes: usize, floor: Offset) -> Self {
        Self {
            forgotten: Forgotten::new(floor),
            ..Self::new(max_bytes)
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
        removed: &mut Removed,
    ) -> usize {
        let KeptMessage { offset, message } = kept;
        let (name, history) = if let Some(history) = self.topics.get_mut(topic) {
            let name = self.by_age.remove(&history.newest);
            (name.unwrap_or_else(|| topic.clone()), history)
        } else {
            self.bytes += OVERHEAD;
            let history = self.topics.entry(topic.clone());
            let lost = self.forgotten.remove(topic);
            let history = history.or_insert_with(|| History::new(limits, lost));
            (topic.clone(), history)
        };
        self.bytes -= history.bytes;
        history.limits = limits;
        history.newest = offset;
        history.bytes += message.len() + OVERHEAD;
        history.messages.push_back((offset, message, now));
        history.trim(now, removed);
        self.bytes += history.bytes;
        self.by_age.insert(offset, name);
        let evicted = self.evict((offset, now), removed);
        self.shorten((topic, now), removed);
        evicted
    }

    /// Removes the oldest messages of the topic that was published to last, if it exceeds the limit
    /// alone.
    fn shorten(&mut self, (topic, now): (&TopicName, Instant), removed: &mut Removed) {
        let Some(history) = self.topics.get_mut(topic) else {
            return;
        };
        while self.bytes > self.max_bytes && history.messages.len() > 1 {
            self.bytes -= history.bytes;
            history.remove_oldest(removed);
            history.lost.evicted = Some((history.lost.last, now));
            self.bytes += history.bytes;
        }
    }

    /// Removes whole histories until the limit in bytes is kept; the newest stays.
    fn evict(&mut self, (newest, now): (Offset, Instant), removed: &mut Removed) -> usize {
        let mut evicted = 0;
        while self.bytes > self.max_bytes {
            let Some(oldest) = self.by_age.first_entry() else {
                break;
            };
            if *oldest.key() == newest {
                break;
            }
            let last = *oldest.key();
            let name = oldest.remove();
            self.forget(name, Some((last, now)), removed);
            evicted += 1;
        }
        evicted
    }

    fn forget(
        &mut self,
        name: TopicName,
        evicted: Option<(Offset, Instant)>,
        removed: &mut Removed,
    ) {
        if let Some(history) = self.topics.remove(&name) {
            self.bytes -= history.bytes + OVERHEAD;
            let lost = Lost {
                last: history.newest,
                evicted: evicted.or(history.lost.evicted),
            };
            self.forgotten.add(name, lost);
            removed.extend(history.messages.into_iter().map(|(_, message, _)| message));
        }
    }

    /// The last messages of a topic that are not too old, at most `last`, the oldest first.
    pub(crate) fn last(&self, topic: &TopicName, last: usize, now: Instant) -> Vec<KeptMessage> {
        self.topics.get(topic).map_or_else(Vec::new, |history| {
            let first = history.messages.len().saturating_sub(last);
            history.kept(first.max(history.first_valid(now)))
        })
    }

    /// The messages of a topic behind an offset, the oldest first.
    pub(crate) fn after(
        &self,
        topic: &TopicName,
        offset: Offset,
        now: Instant,
    ) -> Result<Vec<KeptMessage>, Gap> {
        let Some(history) = self.topics.get(topic) else {
            let is_complete = offset >= self.forgotten.lost(topic).last;
            return is_complete.then(Vec::new).ok_or(Gap);
        };
        let messages = &history.messages;
        let expired = messages.range(..history.first_valid(now));
        let lost = expired.last().map_or(history.lost.last, |(lost, ..)| *lost);
        if offset < lost {
            return Err(Gap);
        }
        Ok(history.kept(messages.partition_point(|(kept, ..)| *kept <= offset)))
    }

    /// The newest message of a topic that is no longer kept. All later ones are.
    #[cfg(feature = "cluster")]
    pub(crate) fn lost(&self, topic: &TopicName) -> Offset {
        self.lost_of(topic).last
    }

    /// The newest message of a topic that was removed because of the limit in bytes, unless it would be
    /// too old by now.
    #[cfg(feature = "cluster")]
    pub(crate) fn evicted(
        &self,
        topic: &TopicName,
        keep: Duration,
        now: Instant,
    ) -> Option<Offset> {
        let (offset, at) = self.lost_of(topic).evicted?;
        (now.saturating_duration_since(at) < keep).then_some(offset)
    }

    #[cfg(feature = "cluster")]
    fn lost_of(&self, topic: &TopicName) -> Lost {
        let history = self.topics.get(topic);
        history.map_or_else(|| self.forgotten.lost(topic), |history| history.lost)
    }

    #[cfg(test)]
    pub(super) fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Removes messages that are too old, and topics of which none is left.
    pub(crate) fn sweep(&mut self, now: Instant, removed: &mut Removed) {
        let mut empty = Vec::new();
        for (name, history) in &mut self.topics {
            self.bytes -= history.bytes;
            history.trim(now, removed);
            self.bytes += history.bytes;
            if history.messages.is_empty() {
                empty.push((history.newest, name.clone()));
            }
        }
        for (newest, name) in empty {
            self.by_age.remove(&newest);
            self.forget(name, None, removed);
        }
        self.topics.shrink_to(2 * self.topics.len());
    }
}

#[cfg(test)]
mod tests;
