//! Time-outs that exclude the time in which the process did not run.
//!
//! When a stopped process, a paused virtual machine or a starved container continues, all its
//! deadlines have passed at once, before it has read the data that arrived in the meantime.
//!
//! A timer is set only if the future that it limits has to wait. Futures are borrowed: a function
//! that took one by value would reserve memory for it twice.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, sleep_until};

use crate::limits::deadline_after;

/// If a timer fires later than this, the process was paused.
pub(crate) const PAUSE_THRESHOLD: Duration = Duration::from_secs(1);

/// The maximum number of consecutive pauses that extend a time-out, so that the time-out ends even
/// on an overloaded server.
pub(crate) const MAX_PAUSES: u8 = 3;

/// The time limit was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimedOut;

/// Awaits `future` for at most `limit`; after a pause of the process the limit starts again.
///
/// # Errors
///
/// [`TimedOut`] if the future is not ready in time.
pub(crate) async fn timeout<F: Future>(
    limit: Duration,
    future: Pin<&mut F>,
) -> Result<F::Output, TimedOut> {
    let expired = pin!(async {
        expired(&mut deadline_after(Instant::now(), limit), limit).await;
    });
    match select(future, expired).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(_) => Err(TimedOut),
    }
}

/// Awaits `future` until `deadline`. If the process was paused, the deadline moves to `extension`
/// from now, also for later steps that share it.
///
/// # Errors
///
/// [`TimedOut`] if the future is not ready in time.
pub(crate) async fn timeout_at<F: Future>(
    deadline: &mut Instant,
    extension: Duration,
    future: Pin<&mut F>,
) -> Result<F::Output, TimedOut> {
    match select(future, pin!(expired(deadline, extension))).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(_) => Err(TimedOut),
    }
}

/// Resolves at `deadline`. If the process was paused, the deadline moves to `extension` from now.
pub(crate) async fn expired(deadline: &mut Instant, extension: Duration) {
    for _ in 0..=MAX_PAUSES {
        // The timer is checked even if the limited future has used up the budget of its task.
        unconstrained(sleep_until(*deadline)).await;
        if deadline.elapsed() < PAUSE_THRESHOLD {
            break;
        }
        *deadline = deadline_after(Instant::now(), extension);
    }
}

/// Sleeps until `deadline`; if the process was paused, sleeps for `extension` more.
pub(crate) async fn sleep_past_pauses(deadline: Instant, extension: Duration) {
    sleep_until(deadline).await;
    if deadline.elapsed() >= PAUSE_THRESHOLD {
        sleep(extension).await;
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
        assert_eq!(timeout(LIMIT, pin!(pending::<()>())).await, Err(TimedOut));
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(timeout(LIMIT, pin!(sleep(LIMIT / 2))).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_reached_after_a_pause_moves() {
        let start = Instant::now();
        sleep_past_pauses(start + LIMIT, LIMIT).await;
        assert_eq!(start.elapsed().as_secs(), 10);
        let mut waits = pin!(sleep_past_pauses(start + LIMIT * 2, LIMIT));
        assert_eq!(waits.as_mut().now_or_never(), None);
        advance(LIMIT * 7).await;
        assert_eq!(waits.as_mut().now_or_never(), None);
        waits.await;
        assert_eq!(start.elapsed().as_secs(), 90);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_the_limit_starts_again() {
        let forever = pin!(pending::<()>());
        let mut waits = pin!(timeout(LIMIT, forever));
        for _ in 0..MAX_PAUSES {
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
