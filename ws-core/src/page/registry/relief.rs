//! Drops queues when all pages together exceed their limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Pages;
use crate::throttle::LogThrottle;

/// Whether a call is dropping queues, and how many were dropped.
#[derive(Default)]
pub(super) struct Relief {
    runs: AtomicBool,
    /// A task that will drop queues has been spawned.
    is_due: AtomicBool,
    dropped: LogThrottle,
}

impl Pages {
    /// The bytes queued for all pages.
    pub(crate) fn bytes(&self) -> usize {
        self.queued.used()
    }

    /// Same as [`relieve`](Self::relieve), but in a task: for callers that hold the lock of an
    /// outbox. Its log line may be published, even to that outbox.
    pub(crate) fn relieve_soon(self: &Arc<Self>) {
        if self.queued.is_over() && !self.relief.is_due.swap(true, Ordering::AcqRel) {
            let pages = self.clone();
            tokio::spawn(async move {
                pages.relief.is_due.store(false, Ordering::Release);
                pages.relieve();
            });
        }
    }

    /// Drops the largest queues while pages exceed their limit; their pages get a reset. Call it
    /// after adding messages, without holding any lock.
    pub(crate) fn relieve(&self) {
        // In a loop, because other calls may have left their work to this one.
        while self.queued.is_over() && !self.relief.runs.swap(true, Ordering::Acquire) {
            let dropped = self.drop_heaviest();
            self.relief.runs.store(false, Ordering::Release);
            if dropped == 0 {
                return;
            }
            if let Some(queues) = self.relief.dropped.add(dropped) {
                tracing::warn!(
                    queues,
                    limit = "PageLimits::all_bytes",
                    "the queues of all pages exceeded their limit; the largest were dropped, \
                     and their pages get a reset"
                );
            }
        }
    }

    /// Returns the number of dropped queues.
    fn drop_heaviest(&self) -> u64 {
        let streams: Vec<_> = self.index().pages.values().cloned().collect();
        let weighed = streams
            .iter()
            .filter_map(|stream| Some((stream.weight()?, stream)));
        let mut heaviest: Vec<_> = weighed.collect();
        heaviest.sort_by_key(|(weight, _)| *weight);
        let mut dropped = 0;
        for (_, stream) in heaviest {
            if self.queued.is_relieved() {
                break;
            }
            self.follow_up(stream, stream.overflow());
            dropped += 1;
        }
        dropped
    }
}
