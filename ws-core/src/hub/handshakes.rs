//! How many handshakes a server admits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use http::header::RETRY_AFTER;
use tokio::time::Instant;

use super::Hub;
use crate::error::Refusal;
use crate::stats::RefusalReason;

/// The handshakes of this time may come at once.
const BURST: Duration = Duration::from_secs(1);

/// The longest `Retry-After`, in seconds.
const MAX_RETRY: u64 = 5;

/// Admits a number of handshakes per second.
pub(super) struct HandshakeRate {
    interval: Duration,
    state: Mutex<State>,
}

struct State {
    /// When the handshakes admitted so far would have come, one after each interval.
    due: Instant,
    refused: u64,
}

impl HandshakeRate {
    /// At least one is admitted per second.
    pub(super) fn new(per_second: usize) -> Self {
        let (due, refused) = (Instant::now(), 0);
        let per_second = u32::try_from(per_second).unwrap_or(u32::MAX);
        Self {
            interval: BURST / per_second.max(1),
            state: Mutex::new(State { due, refused }),
        }
    }

    /// Admits a handshake, or returns after how many seconds its client should try again: neighbours
    /// get different times.
    fn admit(&self, now: Instant) -> Result<(), u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = state.due.max(now);
        if due.duration_since(now) + self.interval > BURST {
            state.refused += 1;
            return Err(1 + state.refused.wrapping_mul(3) % MAX_RETRY);
        }
        state.due = due + self.interval;
        Ok(())
    }
}

impl Hub {
    /// Checks the rate of handshakes, if it is limited.
    ///
    /// # Errors
    ///
    /// 503 with `Retry-After` if there are too many.
    pub(crate) fn admit_handshake(&self) -> Result<(), Refusal> {
        let Some(rate) = &self.inner.handshakes else {
            return Ok(());
        };
        rate.admit(Instant::now()).map_err(|retry| {
            self.count_refusal(RefusalReason::Handshakes);
            Refusal::SERVICE_UNAVAILABLE
                .header(RETRY_AFTER, HeaderValue::from(retry))
                .body("the server admits no more handshakes in this second")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_handshakes_and_no_more_at_once_or_spread() {
        let rate = HandshakeRate::new(4);
        let begin = Instant::now() + BURST;
        let at = |quarters: u32| rate.admit(begin + BURST / 4 * quarters).is_ok();
        assert_eq!([0, 0, 0, 0, 0].map(at), [true, true, true, true, false]);
        assert_eq!([1, 1, 2, 2].map(at), [true, false, true, false]);
        // What was not used does not add up.
        assert_eq!(
            [50, 50, 50, 50, 50].map(at),
            [true, true, true, true, false]
        );
    }

    #[test]
    fn the_times_of_refused_clients_are_spread_evenly() {
        let rate = HandshakeRate::new(1);
        let now = Instant::now() + BURST;
        assert_eq!(rate.admit(now), Ok(()));
        let mut retries: Vec<_> = (0..5).map(|_| rate.admit(now).unwrap_err()).collect();
        assert_eq!(retries, [4, 2, 5, 3, 1]);
        retries.sort_unstable();
        assert_eq!(retries, [1, 2, 3, 4, 5]);
    }
}
