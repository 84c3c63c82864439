//! How many entries a read of one server asks for: fewer on a slow network.

use std::sync::atomic::{AtomicU32, Ordering};

/// How often the number of entries is halved at most: 64 become 1.
const MAX_HALVINGS: u32 = 6;

/// An answer with fewer bytes is not late because of its size.
const SMALL: usize = 256 * 1024;

/// How long an answer took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    Quick,
    Usual,
    /// Others have not waited for it.
    Late,
}

/// The part of the entries for which the next read asks. A node that starts may have to read 32 MiB:
/// in one answer, they would be too late for ever.
#[derive(Default)]
pub(super) struct Portion {
    halvings: AtomicU32,
}

impl Portion {
    /// The number of entries to ask for, of so many.
    pub(super) fn of(&self, most: usize) -> usize {
        (most >> self.halvings.load(Ordering::Relaxed)).max(1)
    }

    /// An answer with so many bytes has come.
    pub(super) fn answered(&self, bytes: usize, pace: Pace) {
        if pace == Pace::Late && bytes > SMALL {
            self.halve();
        } else if pace == Pace::Quick || bytes <= SMALL {
            self.change(|halvings| halvings.saturating_sub(1));
        }
    }

    /// The answer did not come in time. Nobody knows how many bytes it has.
    pub(super) fn halve(&self) {
        self.change(|halvings| (halvings + 1).min(MAX_HALVINGS));
    }

    /// Only one read of a server is under way.
    fn change(&self, next: impl FnOnce(u32) -> u32) {
        let halvings = self.halvings.load(Ordering::Relaxed);
        self.halvings.store(next(halvings), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_answers_halve_the_portion_and_quick_ones_double_it() {
        let portion = Portion::default();
        let large = SMALL + 1;
        let mut sizes = vec![portion.of(64)];
        for pace in [Pace::Late, Pace::Late, Pace::Usual, Pace::Quick] {
            portion.answered(large, pace);
            sizes.push(portion.of(64));
        }
        assert_eq!(sizes, [64, 32, 16, 16, 32]);
        for _ in 0..10 {
            portion.halve();
        }
        assert_eq!((portion.of(64), portion.of(1)), (1, 1));
        for _ in 0..10 {
            portion.answered(large, Pace::Quick);
        }
        assert_eq!(portion.of(64), 64);
    }

    #[test]
    fn a_small_answer_of_a_slow_server_does_not_halve_the_portion() {
        let portion = Portion::default();
        portion.answered(SMALL, Pace::Late);
        assert_eq!(portion.of(64), 64);
        portion.halve();
        portion.answered(SMALL, Pace::Late);
        assert_eq!(portion.of(64), 64);
    }
}
