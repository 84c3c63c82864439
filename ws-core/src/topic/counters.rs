//! The number of publishes and of their deliveries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use super::Topics;
use crate::stats::TopicStats;

/// What one topic has counted since the last snapshot.
#[derive(Default)]
pub(super) struct ChannelCounts {
    published: u64,
    deliveries: u64,
}

impl ChannelCounts {
    /// Counts one publish that this number of subscribers accepted.
    pub(super) fn add(&mut self, reached: usize) {
        self.published += 1;
        self.deliveries += reached as u64;
    }
}

/// The totals of all topics, as far as they were taken from the topics.
#[derive(Default)]
pub(super) struct TopicCounters {
    published: AtomicU64,
    deliveries: AtomicU64,
}

impl TopicCounters {
    /// Counts a publish to a topic without subscribers.
    pub(super) fn count_unheard(&self) {
        self.published.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the counts of a topic.
    pub(super) fn take(&self, counts: &mut ChannelCounts) {
        let ChannelCounts {
            published,
            deliveries,
        } = std::mem::take(counts);
        self.published.fetch_add(published, Ordering::Relaxed);
        self.deliveries.fetch_add(deliveries, Ordering::Relaxed);
    }
}

impl Topics {
    /// The measurements of all topics.
    pub(crate) fn stats(&self) -> TopicStats {
        let channels: Vec<Arc<_>> = {
            let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
            channels.values().cloned().collect()
        };
        for channel in &channels {
            self.counters.take(&mut channel.lock().counts);
        }
        TopicStats {
            topics: channels.len(),
            published: self.counters.published.load(Ordering::Relaxed),
            deliveries: self.counters.deliveries.load(Ordering::Relaxed),
        }
    }
}
