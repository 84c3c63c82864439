//! The parts of histories that are older than what a node has read itself.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::log::history::HistoryLimits;
use crate::log::name::TopicName;
use crate::log::position::Position;
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
    topics: HashMap<TopicName, Vec<(PositionedMessage, Instant)>>,
    by_age: VecDeque<TopicName>,
    bytes: usize,
}

fn size(messages: &[(PositionedMessage, Instant)]) -> usize {
    let sizes = messages
        .iter()
        .map(|(kept, _)| kept.message.len() + OVERHEAD);
    sizes.sum::<usize>() + OVERHEAD
}

impl Earlier {
    /// Adds the messages of a topic that were loaded, each with the time at which it was published.
    pub(super) fn insert(&mut self, topic: TopicName, loaded: Vec<(PositionedMessage, Instant)>) {
        self.remove(&topic);
        self.bytes += size(&loaded);
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
        if let Some(messages) = self.topics.remove(topic) {
            self.bytes -= size(&messages);
            self.by_age.retain(|name| name != topic);
        }
    }

    /// Whether a topic was loaded.
    pub(super) fn contains(&self, topic: &TopicName) -> bool {
        self.topics.contains_key(topic)
    }

    /// The last messages of a topic that are not too old; `None` if it was not loaded.
    pub(super) fn last(
        &self,
        topic: &TopicName,
        last: usize,
        limits: HistoryLimits,
        now: Instant,
    ) -> Option<Vec<PositionedMessage>> {
        let messages = self.topics.get(topic)?;
        let is_old = |added: Instant| now.saturating_duration_since(added) >= limits.keep;
        let first = messages.partition_point(|(_, added)| is_old(*added));
        let first = first.max(messages.len().saturating_sub(last));
        let kept = messages[first..].iter();
        Some(kept.map(|(kept, _)| kept.clone()).collect())
    }
}
