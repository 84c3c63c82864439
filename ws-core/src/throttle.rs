//! Limits log lines that any client can cause, so that they do not flood the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The minimum time between two lines of a [`Throttle`].
const PACE: Duration = Duration::from_secs(10);

/// Allows one line every ten seconds, and counts the suppressed ones. Clones share the count.
///
/// ```
/// use ws_core::throttle::Throttle;
///
/// let throttle = Throttle::default();
/// assert_eq!((throttle.count(), throttle.count()), (Some(1), None));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Throttle(Arc<Mutex<Pace>>);

#[derive(Debug, Default)]
struct Pace {
    line: Option<Instant>,
    held_back: u64,
}

impl Throttle {
    /// Counts one event. If a line is due, returns the number of events since the last line,
    /// including this one.
    pub fn count(&self) -> Option<u64> {
        self.add(1)
    }

    /// Same as [`count`](Self::count), for several events at once.
    pub fn add(&self, times: u64) -> Option<u64> {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        pace.held_back = pace.held_back.saturating_add(times);
        if pace.line.is_some_and(|line| now < line + PACE) {
            return None;
        }
        pace.line = Some(now);
        Some(std::mem::take(&mut pace.held_back))
    }
}

/// The count does not affect the equality of the owner.
impl PartialEq for Throttle {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Throttle {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_in_ten_seconds_counts_those_that_were_held_back() {
        let throttle = Throttle::default();
        let burst: Vec<_> = (0..100).filter_map(|_| throttle.count()).collect();
        assert_eq!(burst, [1]);
        tokio::time::advance(PACE).await;
        assert_eq!([throttle.count(), throttle.count()], [Some(100), None]);
        assert_eq!(throttle.add(5), None);
        tokio::time::advance(PACE * 2).await;
        assert_eq!(throttle.count(), Some(7));
    }
}
