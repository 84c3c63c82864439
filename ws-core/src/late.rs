//! Time-outs that do not count the time in which the process did not run.
//!
//! A stopped process, a paused virtual machine or a starved container notices all its deadlines
//! at once, before it has read what arrived meanwhile.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::limits::later;

/// A timer that fires so late shows that the process was paused.
pub(crate) const LATE: Duration = Duration::from_secs(1);

/// So many pauses in a row extend a time-out; an overloaded server still ends it.
pub(crate) const MOST_PAUSES: u8 = 3;

/// The time is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimedOut;

/// Awaits `future` for at most `limit`; after a pause of the process the limit starts again.
///
/// # Errors
///
/// [`TimedOut`] if the future is not ready in time; it is dropped.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, TimedOut> {
    by(later(Instant::now(), limit), limit, future).await
}

/// Awaits `future` until `deadline`; after a pause of the process, `again` longer.
///
/// # Errors
///
/// [`TimedOut`] if the future is not ready in time; it is dropped.
pub(crate) async fn by<F: Future>(
    mut deadline: Instant,
    again: Duration,
    future: F,
) -> Result<F::Output, TimedOut> {
    by_moving(&mut deadline, again, future).await
}

/// As [`by`]; a pause of the process moves `deadline`, for what has to follow until then.
///
/// # Errors
///
/// [`TimedOut`] if the future is not ready in time; it is dropped.
pub(crate) async fn by_moving<F: Future>(
    deadline: &mut Instant,
    again: Duration,
    future: F,
) -> Result<F::Output, TimedOut> {
    let mut future = pin!(future);
    for _ in 0..=MOST_PAUSES {
        if let Ok(output) = timeout_at(*deadline, future.as_mut()).await {
            return Ok(output);
        }
        if deadline.elapsed() < LATE {
            break;
        }
        *deadline = later(Instant::now(), again);
    }
    Err(TimedOut)
}

/// Sleeps until `deadline`; after a pause of the process, `again` longer.
pub(crate) async fn reach(deadline: Instant, again: Duration) {
    sleep_until(deadline).await;
    if deadline.elapsed() >= LATE {
        sleep(again).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures::FutureExt;
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_future_that_takes_too_long_times_out() {
        let start = Instant::now();
        assert_eq!(within(LIMIT, pending::<()>()).await, Err(TimedOut));
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(within(LIMIT, sleep(LIMIT / 2)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_reached_late_moves() {
        let start = Instant::now();
        reach(start + LIMIT, LIMIT).await;
        assert_eq!(start.elapsed().as_secs(), 10);
        let mut waits = pin!(reach(start + LIMIT * 2, LIMIT));
        assert_eq!(waits.as_mut().now_or_never(), None);
        advance(LIMIT * 7).await;
        assert_eq!(waits.as_mut().now_or_never(), None);
        waits.await;
        assert_eq!(start.elapsed().as_secs(), 90);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_the_limit_starts_again() {
        let mut waits = pin!(within(LIMIT, pending::<()>()));
        for _ in 0..MOST_PAUSES {
            assert_eq!(waits.as_mut().now_or_never(), None);
            advance(LIMIT * 7).await;
        }
        assert_eq!(waits.as_mut().now_or_never(), None);
        advance(LIMIT / 2).await;
        assert_eq!(waits.as_mut().now_or_never(), None);
        advance(LIMIT / 2).await;
        assert_eq!(waits.as_mut().now_or_never(), Some(Err(TimedOut)));
    }
}
