//! The pauses between attempts to connect.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Pauses that double from 50 ms to 2 s, shortened at random by up to a half: servers that lost the
/// same Redis do not return at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    random: RandomState,
    count: u64,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self {
            next: FIRST,
            random: RandomState::new(),
            count: 0,
        }
    }

    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = LONGEST.min(whole * 2);
        self.count += 1;
        let percent = u32::try_from(self.random.hash_one(self.count) % 50).unwrap_or_default();
        whole * (100 - percent) / 100
    }

    /// A connection has worked: the next pause is the first one again.
    pub(super) const fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_two_seconds_and_are_shortened_by_at_most_a_half() {
        let mut backoff = Backoff::new();
        for whole in [50, 100, 200, 400, 800, 1_600, 2_000, 2_000] {
            let (pause, whole) = (backoff.next(), Duration::from_millis(whole));
            assert!(
                pause <= whole && pause > whole / 2,
                "{pause:?} of {whole:?}"
            );
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn two_servers_pause_differently() {
        let pauses = || {
            let mut backoff = Backoff::new();
            (0..16).map(|_| backoff.next()).collect::<Vec<_>>()
        };
        assert_ne!(pauses(), pauses());
    }
}
