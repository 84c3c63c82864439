//! The rate of the client's messages.

use tokio::time::Instant;

use crate::limits::Rate;

/// The time until which the client has used up its rate. Without a rate it needs no memory.
#[derive(Default)]
pub(super) struct Meter(Option<Box<Instant>>);

impl Meter {
    /// Counts one message. Returns whether the rate allows it.
    #[expect(
        clippy::inline_always,
        reason = "called for each message of a burst; the compiler does not inline it by itself"
    )]
    #[inline(always)]
    pub(super) fn allows(&mut self, rate: Option<Rate>, now: Instant) -> bool {
        rate.is_none_or(|rate| self.allows_by(rate, now))
    }

    #[inline(never)]
    fn allows_by(&mut self, rate: Rate, now: Instant) -> bool {
        let Some(used) = rate.count(self.0.as_deref().copied(), now) else {
            return false;
        };
        match &mut self.0 {
            Some(until) => **until = used,
            None => self.0 = Some(Box::new(used)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_all_is_allowed_and_then_one_by_one() {
        let rate = Some(Rate::new(2, SECOND));
        let (mut meter, start) = (Meter::default(), Instant::now());
        let allowed = [0, 0, 0, 499, 500, 500, 999, 1000].map(|millis| {
            let now = start + Duration::from_millis(millis);
            meter.allows(rate, now)
        });
        let expected = [true, true, false, false, true, false, false, true];
        assert_eq!(allowed, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_over_a_time_that_no_clock_can_represent_still_counts() {
        let rate = Some(Rate::new(2, Duration::MAX));
        let (mut meter, now) = (Meter::default(), Instant::now());
        assert_eq!([0; 3].map(|_| meter.allows(rate, now)), [true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_everything_is_allowed_and_nothing_is_stored() {
        let mut meter = Meter::default();
        assert!((0..1000).all(|_| meter.allows(None, Instant::now())));
        assert_eq!(meter.0, None);
    }
}
