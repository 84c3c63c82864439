//! Whether a lane takes what this node writes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Node;
use crate::log::name::Lane;
use crate::log::shared::engine::EngineError;

/// A lane that has taken no entry for so long cannot be written.
const UNWRITABLE: Duration = Duration::from_secs(3);

/// How long a failure counts if nothing is written after it: longer than the pause between two
/// attempts, and than the time between two heartbeats.
const RECENT: Duration = Duration::from_secs(10);

/// The answers to the appends of one lane.
#[derive(Default, Debug)]
pub(super) struct Writes(Mutex<Answers>);

#[derive(Default, Debug)]
struct Answers {
    /// The first and the last failure since an entry was taken.
    failures: Option<(Instant, Instant)>,
    is_reported: bool,
}

/// What an answer shows for the first time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum News {
    None,
    Unwritable,
    Writable,
}

impl Writes {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an answer, and logs a change of state.
    pub(super) fn answered<T>(&self, lane: Lane, answer: &Result<T, EngineError>, now: Instant) {
        let news = match answer {
            Ok(_) => self.lock().taken(),
            Err(_) => self.lock().failed(now),
        };
        match (news, answer) {
            (News::Unwritable, Err(error)) => {
                let lane = lane.0;
                tracing::warn!(%error, lane, "a lane of the log takes no entries of this server");
            }
            (News::Writable, _) => {
                tracing::info!(lane = lane.0, "a lane of the log takes entries again");
            }
            _ => {}
        }
    }

    fn is_unwritable(&self, now: Instant) -> bool {
        let failures = self.lock().failures;
        failures.is_some_and(|(first, last)| {
            now.saturating_duration_since(first) >= UNWRITABLE
                && now.saturating_duration_since(last) < RECENT
        })
    }
}

impl Answers {
    fn taken(&mut self) -> News {
        // Nearly always.
        if self.failures.is_none() {
            return News::None;
        }
        if std::mem::take(self).is_reported {
            News::Writable
        } else {
            News::None
        }
    }

    fn failed(&mut self, now: Instant) -> News {
        let is_recent = |(_, last): &(Instant, Instant)| now.duration_since(*last) < RECENT;
        let first = self
            .failures
            .filter(is_recent)
            .map_or(now, |(first, _)| first);
        self.failures = Some((first, now));
        let is_over = now.duration_since(first) >= UNWRITABLE;
        if !is_over || std::mem::replace(&mut self.is_reported, true) {
            return News::None;
        }
        News::Unwritable
    }
}

impl Node {
    /// The lanes that have taken no entry of this node for three seconds, although it tried.
    pub(crate) fn unwritable_lanes(&self) -> Vec<Lane> {
        let now = Instant::now();
        let is_unwritable = |lane: &Lane| self.shared.lane(*lane).writes.is_unwritable(now);
        let lanes = self.shared.options.lanes.iter();
        lanes.filter(is_unwritable).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lane_is_unwritable_after_three_seconds_of_failures_until_one_entry_is_taken() {
        let (mut answers, begin) = (Answers::default(), Instant::now());
        let after = |seconds| begin + Duration::from_secs(seconds);
        let failed = |answers: &mut Answers, seconds| answers.failed(after(seconds));
        for _ in 0..2 {
            let news = [0, 1, 2, 3, 4].map(|seconds| failed(&mut answers, seconds));
            let (none, once) = (News::None, News::Unwritable);
            assert_eq!(news, [none, none, none, once, none]);
            assert_eq!([answers.taken(), answers.taken()], [News::Writable, none]);
        }
        // A short outage is not worth a line.
        assert_eq!(failed(&mut answers, 10), News::None);
        assert_eq!(answers.taken(), News::None);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_without_another_attempt_count_for_ten_seconds() {
        let (writes, begin) = (Writes::default(), Instant::now());
        let after = |seconds| begin + Duration::from_secs(seconds);
        let refused = Err::<(), _>(EngineError::NotSent("refused".into()));
        writes.answered(Lane(0), &refused, begin);
        writes.answered(Lane(0), &refused, after(2));
        let states = [2, 3, 11, 12].map(|seconds| writes.is_unwritable(after(seconds)));
        assert_eq!(states, [false, true, true, false]);
        // One entry that is taken ends it.
        writes.answered(Lane(0), &refused, after(5));
        assert!(writes.is_unwritable(after(5)));
        writes.answered(Lane(0), &Ok(()), after(5));
        assert!(!writes.is_unwritable(after(5)));
        writes.answered(Lane(0), &refused, begin);
        // What failed long ago does not add up with another failure.
        writes.answered(Lane(0), &refused, after(60));
        assert!(!writes.is_unwritable(after(60)));
    }
}
