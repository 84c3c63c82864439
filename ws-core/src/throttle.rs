//! Log lines that any client can cause, and that must not flood the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a [`Throttle`] holds lines back after one.
const PACE: Duration = Duration::from_secs(10);

/// Lets one line through every ten seconds, and counts what it holds back. Clones count together.
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
    /// Counts once more. If a line is due, returns how often it was counted since the last line,
    /// this time included.
    pub fn count(&self) -> Option<u64> {
        self.add(1)
    }

    /// As [`count`](Self::count), for what happened so many times at once.
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

/// What was counted is no part of what its owner is.
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
