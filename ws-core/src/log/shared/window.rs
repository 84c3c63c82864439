//! The recent messages of a lane, which every node keeps in memory: clients that return continue
//! from here.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::log::name::TopicName;
use crate::log::position::Offset;
use crate::message::Message;

/// Bytes that one message takes besides its payload, with its place in the index.
const OVERHEAD: usize = 128;

/// Topics of a lane whose messages have all left the window, but whose last position is still
/// known. Past this limit the oldest is forgotten: see [`Window::after`].
const MAX_QUIET: usize = 4096;

/// The limits of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WindowLimits {
    /// How long a message is kept.
    pub(crate) age: Duration,
    /// Bytes of the messages of one lane, plus 128 for each.
    pub(crate) bytes: usize,
}

impl WindowLimits {
    /// Three minutes, and 64 MiB over the eight default lanes.
    pub(crate) const DEFAULT: Self = Self {
        age: Duration::from_secs(3 * 60),
        bytes: 8 * 1024 * 1024,
    };
}

/// A message of the window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Recent {
    /// The place behind the message.
    pub(crate) offset: Offset,
    pub(crate) message: Message,
}

/// Why a window cannot continue a client from its position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    /// The client needs a reset.
    #[error("messages after this position are no longer in the window, or may be missing")]
    Gap,
    /// The client comes from a node that is ahead of this one: it must wait until this node has
    /// read up to the position, or it would get messages twice.
    #[error("this node has not read the log up to this position yet")]
    Ahead,
}

/// The recent messages of a lane, in order, with an index of topics.
///
/// `push` and `reach` move the head forward; `after` reads; `trim` and `reset` remove messages.
#[derive(Debug)]
pub(crate) struct Window {
    limits: WindowLimits,
    kept: VecDeque<Kept>,
    /// The number of messages that were removed from the front of `kept`.
    removed: u64,
    bytes: usize,
    topics: HashMap<TopicName, Topic>,
    /// Topics of which nothing is kept, in the order of their last messages. A topic that was
    /// published again since has a later `lost`.
    quiet: VecDeque<(Offset, TopicName)>,
    /// Nothing is known about earlier messages of topics that are not in `topics`.
    floor: Offset,
    head: Offset,
}

#[derive(Debug)]
struct Kept {
    offset: Offset,
    topic: TopicName,
    message: Message,
    at: Instant,
}

/// The messages of one topic.
#[derive(Default, Debug)]
struct Topic {
    /// Their places in `kept`, counted from the first message ever kept.
    kept: VecDeque<u64>,
    /// The last message that is no longer kept.
    lost: Option<Offset>,
}

impl Window {
    /// Creates the window of a reader that starts at this place.
    pub(crate) fn new(limits: WindowLimits, start: Offset) -> Self {
        Self {
            limits,
            kept: VecDeque::new(),
            removed: 0,
            bytes: 0,
            topics: HashMap::new(),
            quiet: VecDeque::new(),
            floor: start,
            head: start,
        }
    }

    /// The place up to which the lane was read.
    pub(crate) const fn head(&self) -> Offset {
        self.head
    }

    /// Bytes of all messages, plus 128 for each.
    #[cfg(test)]
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How long ago the oldest message was added: what the window covers if the limit of bytes
    /// makes it shorter than its age.
    #[cfg(test)]
    pub(crate) fn covers(&self, now: Instant) -> Option<Duration> {
        self.kept.front().map(|oldest| now - oldest.at)
    }

    /// Adds the next message of the lane, and removes messages past the limits.
    pub(crate) fn push(
        &mut self,
        offset: Offset,
        topic: &TopicName,
        message: &Message,
        now: Instant,
    ) {
        self.reach(offset);
        let place = self.removed + self.kept.len() as u64;
        let topic = match self.topics.get_mut(topic) {
            Some(known) => {
                known.kept.push_back(place);
                // Names share memory: all messages of a topic use the first copy.
                known.kept.front().and_then(|first| {
                    let first = usize::try_from(*first - self.removed).ok()?;
                    self.kept.get(first).map(|kept| kept.topic.clone())
                })
            }
            None => None,
        }
        .unwrap_or_else(|| {
            let name = topic.clone();
            let known = self.topics.entry(name.clone()).or_default();
            if known.kept.is_empty() {
                known.kept.push_back(place);
            }
            name
        });
        self.bytes += message.len() + OVERHEAD;
        self.kept.push_back(Kept {
            offset,
            topic,
            message: message.clone(),
            at: now,
        });
        self.trim(now);
    }

    /// Moves the head over an entry without messages.
    pub(crate) fn reach(&mut self, offset: Offset) {
        debug_assert!(self.head <= offset, "a lane is read in order");
        self.head = self.head.max(offset);
    }

    /// The messages of a topic behind a place, in order.
    ///
    /// # Errors
    ///
    /// [`ResumeError::Gap`] if a message of the topic behind that place has left the window, or may
    /// have: only the last [`MAX_QUIET`] quiet topics are remembered exactly.
    /// [`ResumeError::Ahead`] if this node has not read up to that place.
    pub(crate) fn after(
        &self,
        topic: &TopicName,
        place: Offset,
    ) -> Result<Vec<Recent>, ResumeError> {
        if place > self.head {
            return Err(ResumeError::Ahead);
        }
        let known = self.topics.get(topic);
        let lost = known.and_then(|topic| topic.lost);
        let complete_from = lost.unwrap_or(self.floor);
        if place < complete_from {
            return Err(ResumeError::Gap);
        }
        let Some(known) = known else {
            return Ok(Vec::new());
        };
        let first = known
            .kept
            .partition_point(|at| self.at(*at).offset <= place);
        let recent = known.kept.range(first..).map(|at| {
            let kept = self.at(*at);
            Recent {
                offset: kept.offset,
                message: kept.message.clone(),
            }
        });
        Ok(recent.collect())
    }

    fn at(&self, place: u64) -> &Kept {
        let index = usize::try_from(place - self.removed).unwrap_or(usize::MAX);
        &self.kept[index]
    }

    /// Removes messages that are older than the limit, and the oldest ones past the limit of
    /// bytes.
    pub(crate) fn trim(&mut self, now: Instant) {
        while let Some(oldest) = self.kept.front() {
            let is_old = now - oldest.at >= self.limits.age;
            if !is_old && self.bytes <= self.limits.bytes {
                break;
            }
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        let Some(oldest) = self.kept.pop_front() else {
            return;
        };
        self.removed += 1;
        self.bytes -= oldest.message.len() + OVERHEAD;
        let Some(topic) = self.topics.get_mut(&oldest.topic) else {
            return;
        };
        topic.kept.pop_front();
        topic.lost = Some(oldest.offset);
        if topic.kept.is_empty() {
            topic.kept.shrink_to_fit();
            self.quiet.push_back((oldest.offset, oldest.topic));
        }
        while self.quiet.len() > MAX_QUIET {
            self.forget_quiet();
        }
    }

    /// Forgets the topic that has been quiet for longest. Its last message raises the floor.
    fn forget_quiet(&mut self) {
        let Some((last, name)) = self.quiet.pop_front() else {
            return;
        };
        let is_quiet = |topic: &Topic| topic.kept.is_empty() && topic.lost == Some(last);
        if self.topics.get(&name).is_some_and(is_quiet) {
            self.topics.remove(&name);
            self.floor = self.floor.max(last);
        }
    }

    /// Removes everything: messages before `place` may be missing.
    pub(crate) fn reset(&mut self, place: Offset) {
        *self = Self::new(self.limits, place);
    }
}

#[cfg(test)]
mod tests;
