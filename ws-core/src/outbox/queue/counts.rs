//! Counts that most connections never need.

use super::{FrameQueue, IfBlocked};
use crate::outbox::Policy;
use crate::stats::OutboxDrops;

/// Why a frame of a topic is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::outbox) enum DropReason {
    /// The policy of the subscription.
    Policy(Policy),
    /// The publisher allows it.
    Volatile,
}

impl From<IfBlocked> for DropReason {
    fn from(if_blocked: IfBlocked) -> Self {
        match if_blocked {
            IfBlocked::Drop => Self::Volatile,
            IfBlocked::Replace | IfBlocked::Wait => Self::Policy(Policy::Latest),
        }
    }
}

/// The counts of one connection. A snapshot takes out all but the total.
#[derive(Default)]
pub(super) struct RareCounts {
    /// The frames of topics that were dropped.
    dropped: u64,
    /// Those of them that no snapshot has seen.
    new_drops: OutboxDrops,
    /// The binary messages that other tasks have pushed.
    binary: u64,
}

impl FrameQueue {
    fn rare_counts(&mut self) -> &mut RareCounts {
        self.counts.get_or_insert_default()
    }

    /// The number of topic frames that were dropped.
    pub(in crate::outbox) fn dropped(&self) -> u64 {
        self.counts.as_ref().map_or(0, |counts| counts.dropped)
    }

    /// Counts frames of topics as dropped.
    #[cold]
    pub(in crate::outbox) fn count_dropped(&mut self, frames: u64, reason: DropReason) {
        let counts = self.rare_counts();
        counts.dropped += frames;
        let drops = &mut counts.new_drops;
        let count = match reason {
            DropReason::Policy(Policy::DropOldest) => &mut drops.drop_oldest,
            DropReason::Policy(Policy::Latest) => &mut drops.latest,
            // Under `Close` no frame is dropped: the connection is closed.
            DropReason::Policy(Policy::DropNewest | Policy::Close) => &mut drops.drop_newest,
            DropReason::Volatile => &mut drops.volatile,
        };
        *count += frames;
    }

    /// Counts a binary message.
    #[cold]
    pub(in crate::outbox) fn count_binary(&mut self) {
        self.rare_counts().binary += 1;
    }

    /// Takes the number of binary messages and the drops since the last call.
    pub(in crate::outbox) fn take_counts(&mut self) -> (u64, OutboxDrops) {
        let Some(counts) = &mut self.counts else {
            return <(u64, OutboxDrops)>::default();
        };
        let binary = std::mem::take(&mut counts.binary);
        (binary, std::mem::take(&mut counts.new_drops))
    }
}
