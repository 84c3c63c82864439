//! The parts of histories that a node has not read itself, or no longer keeps.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::log::history::HistoryLimits;
use crate::log::name::TopicName;
use crate::log::position::{Offset, Position};
use crate::message::Message;

/// Bytes of the messages of one lane that were loaded, plus 128 for each and each topic; past this
/// limit the topics that were loaded first are forgotten.
const MAX_BYTES: usize = 4 * 1024 * 1024;

const OVERHEAD: usize = 128;

/// A message with its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PositionedMessage {
    pub(crate) at: Position,
    pub(crate) message: Message,
}

/// The loaded parts of the histories of one lane.
#[derive(Default, Debug)]
pub(super) struct Earlier {
    topics: HashMap<TopicName, Loaded>,
    by_age: VecDeque<TopicName>,
    bytes: usize,
}

/// All messages of a topic up to a place, in order, each with the time at which it was published.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) up_to: Offset,
    pub(super) messages: Vec<(PositionedMessage, Instant)>,
}

impl Loaded {
    fn size(&self) -> usize {
        let messages = self.messages.iter();
        let sizes = messages.map(|(kept, _)| kept.message.len() + OVERHEAD);
        sizes.sum::<usize>() + OVERHEAD
    }
}

impl Earlier {
    /// Adds the messages of a topic that were loaded, unless those up to a later place are known.
    pub(super) fn insert(&mut self, topic: TopicName, loaded: Loaded) {
        if self.up_to(&topic) >= Some(loaded.up_to) {
            return;
        }
        self.remove(&topic);
        self.bytes += loaded.size();
        self.by_age.push_back(topic.clone());
        self.topics.insert(topic, loaded);
        while self.bytes > MAX_BYTES && self.by_age.len() > 1 {
            let Some(oldest) = self.by_age.front().cloned() else {
                break;
            };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, topic: &TopicName) {
        if let Some(loaded) = self.topics.remove(topic) {
            self.bytes -= loaded.size();
            self.by_age.retain(|name| name != topic);
        }
    }

    /// Up to which place of the current generation a topic was loaded.
    pub(super) fn up_to(&self, topic: &TopicName) -> Option<Offset> {
        self.topics.get(topic).map(|loaded| loaded.up_to)
    }

    /// The last messages of a topic up to a position of the current generation that are not too old;
    /// none if it was not loaded.
    pub(super) fn last(
        &self,
        (topic, up_to): (&TopicName, Position),
        last: usize,
        limits: HistoryLimits,
        now: Instant,
    ) -> Vec<PositionedMessage> {
        let Some(Loaded { messages, .. }) = self.topics.get(topic) else {
            return Vec::new();
        };
        let is_old = |added: Instant| now.saturating_duration_since(added) >= limits.keep;
        let first = messages.partition_point(|(_, added)| is_old(*added));
        // Those of former generations, which are neither earlier nor later, are first.
        let is_later = |at: Position| at > up_to;
        let end = messages.partition_point(|(kept, _)| !is_later(kept.at));
        let first = first.max(end.saturating_sub(last)).min(end);
        let kept = messages[first..end].iter();
        kept.map(|(kept, _)| kept.clone()).collect()
    }
}
