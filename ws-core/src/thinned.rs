//! Log lines that any client can cause, and that must not flood the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Counts what is worth a line at the first time, the tenth, the hundredth, and so on.
/// Clones count together.
///
/// ```
/// use ws_core::thinned::Thinned;
///
/// let thinned = Thinned::default();
/// let lines: Vec<_> = (0..100).filter_map(|_| thinned.count()).collect();
/// assert_eq!(lines, [1, 10, 100]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Thinned(Arc<AtomicU64>);

impl Thinned {
    /// Counts once more. Returns how often it was, where a line is due.
    pub fn count(&self) -> Option<u64> {
        let count = self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        (count == 10_u64.pow(count.ilog10())).then_some(count)
    }
}

/// How often something was is no part of what its owner is.
impl PartialEq for Thinned {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Thinned {}

/// How long [`Paced`] holds lines back after one.
const PACE: Duration = Duration::from_secs(10);

/// Lets one line through every ten seconds, and counts what it holds back: for what comes and
/// goes, such as a store that fails. Clones count together.
///
/// ```
/// use ws_core::thinned::Paced;
///
/// let paced = Paced::default();
/// assert_eq!((paced.count(), paced.count()), (Some(1), None));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Paced(Arc<Mutex<Pace>>);

#[derive(Debug, Default)]
struct Pace {
    line: Option<Instant>,
    held_back: u64,
}

impl Paced {
    /// Counts once more. Returns how often it was since the last line, this time included, if
    /// a line is due.
    pub fn count(&self) -> Option<u64> {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if pace.line.is_some_and(|line| now < line + PACE) {
            pace.held_back += 1;
            return None;
        }
        pace.line = Some(now);
        Some(std::mem::take(&mut pace.held_back) + 1)
    }
}

/// As of [`Thinned`]: what was counted is no part of what its owner is.
impl PartialEq for Paced {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Paced {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_is_let_through_in_ten_seconds_and_tells_how_many_were_not() {
        let paced = Paced::default();
        let burst: Vec<_> = (0..100).map(|_| paced.count()).collect();
        assert_eq!(
            (burst[0], burst[1..].iter().flatten().count()),
            (Some(1), 0)
        );
        tokio::time::advance(PACE).await;
        assert_eq!([paced.count(), paced.count()], [Some(100), None]);
        tokio::time::advance(PACE * 2).await;
        assert_eq!(paced.count(), Some(2));
    }
}
