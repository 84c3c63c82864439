//! Limits log lines that any client can cause, so that they do not flood the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The minimum time between two lines of a [`LogThrottle`].
const INTERVAL: Duration = Duration::from_secs(10);

/// The suppressed events of the whole process.
static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// Allows one line every ten seconds, and counts the suppressed ones. Clones share the count.
///
/// ```
/// use ws_core::throttle::LogThrottle;
///
/// let throttle = LogThrottle::default();
/// assert_eq!((throttle.count(), throttle.count()), (Some(1), None));
/// ```
#[derive(Clone, Debug, Default)]
pub struct LogThrottle(Arc<Mutex<ThrottleState>>);

#[derive(Debug, Default)]
struct ThrottleState {
    last_line: Option<Instant>,
    suppressed: u64,
}

impl LogThrottle {
    /// Counts one event. If a line is due, returns the number of events since the last line,
    /// including this one.
    pub fn count(&self) -> Option<u64> {
        self.add(1)
    }

    /// The number of suppressed events of the whole process.
    pub(crate) fn suppressed() -> u64 {
        SUPPRESSED.load(Ordering::Relaxed)
    }

    /// Same as [`count`](Self::count), for several events at once.
    pub fn add(&self, times: u64) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        state.suppressed = state.suppressed.saturating_add(times);
        if state.last_line.is_some_and(|line| now < line + INTERVAL) {
            SUPPRESSED.fetch_add(times, Ordering::Relaxed);
            return None;
        }
        state.last_line = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

/// The count does not affect the equality of the owner.
impl PartialEq for LogThrottle {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LogThrottle {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_per_interval_counts_the_suppressed_ones() {
        let throttle = LogThrottle::default();
        let burst: Vec<_> = (0..100).filter_map(|_| throttle.count()).collect();
        assert_eq!(burst, [1]);
        tokio::time::advance(INTERVAL).await;
        assert_eq!([throttle.count(), throttle.count()], [Some(100), None]);
        assert_eq!(throttle.add(5), None);
        tokio::time::advance(INTERVAL * 2).await;
        assert_eq!(throttle.count(), Some(7));
    }
}
