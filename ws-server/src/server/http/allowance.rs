//! The time for which a client may keep bytes waiting.

use std::time::Duration;

use tokio::time::Instant;
use ws_core::limits::ServerLimits;

/// Limits on a transfer that waits for the client: a request body that the application is
/// reading, or a response that the client does not read.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct TransferLimits {
    /// The time that a client may keep bytes waiting without any progress.
    pub(in crate::server) patience: Duration,
    /// The minimum bytes per second; with `None`, any progress is enough.
    pub(in crate::server) rate: Option<usize>,
}

impl TransferLimits {
    /// The limits of a server.
    pub(in crate::server) const fn of(limits: &ServerLimits) -> Self {
        Self {
            patience: limits.body_timeout,
            rate: limits.body_rate,
        }
    }

    /// Returns the time that these bytes earn.
    fn earned(self, bytes: usize) -> Duration {
        match self.rate {
            None => self.patience,
            Some(rate) => {
                let nanos = bytes as u128 * 1_000_000_000 / rate.max(1) as u128;
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }
}

/// A budget of time: waiting for the client spends it, and bytes earn it back, up to the whole
/// patience. So a transfer above the minimum rate never uses it up, and one below it does. A fast
/// transfer cannot save up credit to be slow for hours later.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Allowance {
    limits: TransferLimits,
    spent: Duration,
    /// The time since which the transfer waits for the client.
    waiting: Option<Instant>,
}

impl Allowance {
    pub(in crate::server) const fn new(limits: TransferLimits) -> Self {
        Self {
            limits,
            spent: Duration::ZERO,
            waiting: None,
        }
    }

    /// Records that the transfer waits for the client from now on.
    pub(in crate::server) fn wait(&mut self, now: Instant) {
        self.waiting.get_or_insert(now);
    }

    /// Records that the transfer has moved these bytes, and no longer waits.
    pub(in crate::server) fn progress(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.waiting.take() {
            // The transfer may have waited longer if this process was paused; the bytes still
            // count.
            let waited = now.saturating_duration_since(since);
            self.spent = (self.spent + waited).min(self.limits.patience);
        }
        self.spent = self.spent.saturating_sub(self.limits.earned(bytes));
    }

    /// Returns the time at which the budget is used up if the client does nothing until then. For a
    /// transfer that does not wait, returns the time of the next check: if it begins to wait at any
    /// moment, it cannot use up its budget much earlier.
    pub(in crate::server) fn deadline(&self, now: Instant) -> Instant {
        let left = self.limits.patience.saturating_sub(self.spent);
        match self.waiting {
            Some(since) => since + left,
            None => now + left.max(Self::RECHECK),
        }
    }

    /// The maximum delay of an end.
    const RECHECK: Duration = Duration::from_secs(1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: TransferLimits = TransferLimits {
        patience: Duration::from_secs(30),
        rate: Some(256),
    };

    /// Returns how long a transfer lives if `bytes` arrive after each `pause`, up to an hour.
    fn lives(limits: TransferLimits, bytes: usize, pause: Duration) -> Option<Duration> {
        let start = Instant::now();
        let mut allowance = Allowance::new(limits);
        let mut now = start;
        while now < start + Duration::from_secs(60 * 60) {
            allowance.wait(now);
            let end = allowance.deadline(now);
            now += pause;
            if now > end {
                return Some(end - start);
            }
            allowance.progress(bytes, now);
        }
        None
    }

    #[test]
    fn a_client_that_does_nothing_runs_out_of_patience() {
        assert_eq!(
            lives(LIMITS, 1, Duration::from_secs(10 * 60)),
            Some(Duration::from_secs(30))
        );
    }

    #[test]
    fn a_trickle_below_the_rate_runs_out_and_a_stream_above_it_does_not() {
        let second = Duration::from_secs(1);
        let trickle = lives(LIMITS, 1, second).unwrap();
        assert_eq!(trickle.as_secs(), 30);
        assert_eq!(lives(LIMITS, 128, second).unwrap().as_secs(), 59);
        assert_eq!(lives(LIMITS, 257, second), None);
        // One byte just before the patience ends does not count as progress.
        let late = lives(LIMITS, 1, Duration::from_secs(29)).unwrap();
        assert_eq!(late.as_secs(), 30);
    }

    #[test]
    fn lumps_within_the_patience_are_fine() {
        assert_eq!(lives(LIMITS, 65_536, Duration::from_secs(29)), None);
    }

    #[test]
    fn a_fast_start_earns_no_credit() {
        let now = Instant::now();
        let mut allowance = Allowance::new(LIMITS);
        allowance.progress(1 << 30, now);
        allowance.wait(now);
        assert_eq!(allowance.deadline(now), now + LIMITS.patience);
    }

    #[test]
    fn time_in_which_the_application_is_busy_is_not_counted() {
        let start = Instant::now();
        let mut allowance = Allowance::new(LIMITS);
        allowance.wait(start);
        let later = start + Duration::from_secs(20);
        allowance.progress(1, later);
        let much_later = later + Duration::from_secs(60 * 60);
        let left = allowance.deadline(much_later) - much_later;
        assert_eq!(left.as_secs(), 10);
    }

    #[test]
    fn a_paused_process_does_not_end_a_transfer_whose_bytes_have_arrived() {
        let start = Instant::now();
        let mut allowance = Allowance::new(LIMITS);
        allowance.wait(start);
        let later = start + LIMITS.patience * 3;
        allowance.progress(256, later);
        assert!(allowance.deadline(later) > later);
        allowance.wait(later);
        assert_eq!(allowance.deadline(later), later + Duration::from_secs(1));
    }

    #[test]
    fn without_a_rate_any_progress_is_enough() {
        let limits = TransferLimits {
            rate: None,
            ..LIMITS
        };
        assert_eq!(lives(limits, 1, Duration::from_secs(29)), None);
        assert_eq!(
            lives(limits, 1, Duration::from_secs(31)),
            Some(LIMITS.patience)
        );
    }

    proptest! {
        /// For all steps, a transfer above the rate lives as long as no pause is longer than the
        /// patience, and no transfer lives longer than its bytes earn plus one patience.
        #[test]
        fn a_transfer_lives_by_its_bytes(steps in prop::collection::vec((0_u64..40, 0_usize..20_000), 1..60)) {
            let start = Instant::now();
            let mut allowance = Allowance::new(LIMITS);
            let (mut now, mut total) = (start, 0_usize);
            for (pause, bytes) in steps {
                allowance.wait(now);
                let end = allowance.deadline(now);
                prop_assert!(end <= start + LIMITS.patience + LIMITS.earned(total));
                prop_assert!(end <= now + LIMITS.patience);
                now += Duration::from_secs(pause);
                if now > end {
                    break;
                }
                allowance.progress(bytes, now);
                total += bytes;
                if LIMITS.earned(bytes) >= LIMITS.patience {
                    prop_assert_eq!(allowance.deadline(now), now + LIMITS.patience);
                }
            }
        }
    }
}
