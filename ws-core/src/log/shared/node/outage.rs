//! How long the log is unavailable.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Node;
use crate::log::name::Lane;

/// Whether a node has read a lane to its end recently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lag {
    None,
    /// Not for [`STALE`](crate::log::shared::STALE).
    Stale,
}

/// The reads of a node, as far as an outage shows in them.
pub(super) struct Outage {
    /// The last answer to a read.
    answered: Mutex<Instant>,
    /// The outage takes too long.
    is_over_limit: AtomicBool,
}

impl Default for Outage {
    fn default() -> Self {
        Self {
            answered: Mutex::new(Instant::now()),
            is_over_limit: AtomicBool::new(false),
        }
    }
}

impl Outage {
    fn answered(&self) -> MutexGuard<'_, Instant> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log has answered a read.
    pub(super) fn end(&self, now: Instant) {
        *self.answered() = now;
        self.is_over_limit.store(false, Ordering::Relaxed);
    }

    /// Whether the outage has just reached the limit.
    pub(super) fn reaches(&self, limit: Duration, now: Instant) -> bool {
        let is_over = now.saturating_duration_since(*self.answered()) >= limit;
        is_over && !self.is_over_limit.swap(true, Ordering::Relaxed)
    }
}

impl Node {
    /// How long ago the log has answered a read.
    pub(crate) fn silence(&self) -> Duration {
        self.shared.outage.answered().elapsed()
    }

    /// The lanes that were not read to their ends for three seconds.
    pub(crate) fn stale_lanes(&self) -> Vec<Lane> {
        let lanes = self.shared.options.lanes.iter();
        lanes
            .filter(|lane| self.shared.lane(*lane).is_stale())
            .collect()
    }

    /// Whether a lane was not read to its end for three seconds.
    pub(crate) fn is_stale(&self, lane: Lane) -> bool {
        self.shared.lane(lane).is_stale()
    }

    /// Whether the log is unavailable for longer than the limit.
    pub(crate) fn has_failed_closed(&self) -> bool {
        self.shared.outage.is_over_limit.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_reaches_its_limit_once() {
        let outage = Outage::default();
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        outage.end(begin);
        assert!(!outage.reaches(second * 10, begin + second * 9));
        assert!(outage.reaches(second * 10, begin + second * 10));
        assert!(!outage.reaches(second * 10, begin + second * 11));
        outage.end(begin + second * 12);
        assert!(!outage.reaches(second * 10, begin + second * 13));
        assert!(outage.reaches(second * 10, begin + second * 22));
    }
}
