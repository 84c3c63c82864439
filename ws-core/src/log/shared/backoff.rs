//! The pauses between attempts to reach an engine.

use std::time::Duration;

use super::entry::Incarnation;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Pauses that double from 50 ms to 2 s, shortened at random by up to a half: nodes that lost the
/// same server do not return at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    random: u64,
}

impl Backoff {
    /// The pauses of a node.
    pub(super) const fn new(seed: Incarnation) -> Self {
        Self {
            next: FIRST,
            random: seed.0,
        }
    }

    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = LONGEST.min(whole * 2);
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let percent = u32::try_from((mixed ^ mixed >> 32) % 50).unwrap_or_default();
        whole * (100 - percent) / 100
    }

    /// The engine has answered.
    pub(super) const fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_differ() {
        let mut backoff = Backoff::new(Incarnation(1));
        let pauses: Vec<_> = (0..8).map(|_| backoff.next()).collect();
        for (pause, whole) in pauses
            .iter()
            .zip([50, 100, 200, 400, 800, 1600, 2000, 2000])
        {
            let whole = Duration::from_millis(whole);
            assert!(*pause <= whole && *pause > whole / 2, "{pauses:?}");
        }
        backoff.reset();
        let again = backoff.next();
        assert!(again <= FIRST && again != pauses[0]);
    }
}
