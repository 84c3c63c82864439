//! The one timer of a connection.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Context as TaskContext;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is moved as rarely as possible: if it is already set to an earlier time, it stays.
#[derive(Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The time at which the timer fires, unless it has fired. `sleep` stores this too, but behind
    /// a pointer.
    fires_at: Option<Instant>,
}

/// The state of the timer after it was set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AlarmState {
    /// It will wake the task.
    Pending,
    /// Its time has already passed.
    Fired,
}

impl Alarm {
    /// The time at which the timer fires, if it is after `now`.
    #[inline]
    pub(super) fn fires_after(&self, now: Instant) -> Option<Instant> {
        self.fires_at.filter(|at| now < *at)
    }

    /// Returns how late the timer has fired, once each time that it fires.
    pub(super) fn take_fired(&mut self, now: Instant) -> Option<Duration> {
        self.fires_at.take_if(|at| *at <= now).map(|at| now - at)
    }

    /// Makes the timer fire at `next`, or earlier if it is set to an earlier time.
    pub(super) fn set(
        &mut self,
        next: Instant,
        now: Instant,
        cx: &mut TaskContext<'_>,
    ) -> AlarmState {
        if self.fires_after(now).is_some_and(|at| at <= next) {
            return AlarmState::Pending;
        }
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(next)));
        sleep.as_mut().reset(next);
        // The timer keeps the task's waker, so it need not be polled again until it fires. The poll
        // must not depend on the remaining budget of this task.
        let fired = pin!(unconstrained(sleep.as_mut())).poll(cx).is_ready();
        self.fires_at = (!fired).then_some(next);
        if fired {
            AlarmState::Fired
        } else {
            AlarmState::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct WakeCounter(AtomicUsize);

    impl Wake for WakeCounter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_alarm_wakes_the_task_at_the_earliest_of_its_times() {
        let counter = Arc::new(WakeCounter::default());
        let waker = Waker::from(counter.clone());
        let cx = &mut TaskContext::from_waker(&waker);
        let (mut alarm, start) = (Alarm::default(), Instant::now());
        assert_eq!(alarm.fires_after(start), None);
        for (seconds, fires) in [(9, 9), (5, 5), (7, 5)] {
            assert_eq!(
                alarm.set(start + seconds * SECOND, start, cx),
                AlarmState::Pending
            );
            assert_eq!(alarm.fires_after(start), Some(start + fires * SECOND));
        }
        tokio::time::advance(Duration::from_millis(4_999)).await;
        assert_eq!(counter.0.load(Ordering::Relaxed), 0);
        tokio::time::advance(Duration::from_millis(3)).await;
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_shows_once_how_late_it_fires() {
        let cx = &mut TaskContext::from_waker(Waker::noop());
        let (mut alarm, start) = (Alarm::default(), Instant::now());
        assert_eq!(alarm.set(start + SECOND, start, cx), AlarmState::Pending);
        assert_eq!(alarm.take_fired(start), None);
        assert_eq!(alarm.take_fired(start + SECOND * 3), Some(SECOND * 2));
        assert_eq!(alarm.take_fired(start + SECOND * 3), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_has_passed_fires_at_once() {
        let cx = &mut TaskContext::from_waker(Waker::noop());
        let (mut alarm, start) = (Alarm::default(), Instant::now());
        tokio::time::advance(SECOND).await;
        assert_eq!(alarm.set(start, start, cx), AlarmState::Fired);
        assert_eq!(alarm.fires_after(start), None);
    }
}
