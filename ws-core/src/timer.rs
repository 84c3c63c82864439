//! Notifications that come later: `notify_after` and `notify_every`.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Names one timer of one connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TimerId(u64);

/// The timers of one connection, in the order in which they are due.
pub(crate) struct Timers<T> {
    waiting: BTreeMap<(Instant, TimerId), Timer<T>>,
    last: u64,
}

enum Timer<T> {
    Once(T),
    Every {
        period: Duration,
        make: Box<dyn FnMut() -> T + Send>,
        /// An earlier tick waits in the mailbox: a later one is the same tick.
        pending: bool,
    },
}

/// A notification that is due.
pub(crate) struct Due<T> {
    pub(crate) value: T,
    /// The timer that goes on, if it does.
    pub(crate) repeats: Option<TimerId>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            last: 0,
        }
    }
}

impl<T> Timers<T> {
    fn next_id(&mut self) -> TimerId {
        self.last += 1;
        TimerId(self.last)
    }

    /// Sets a timer for one notification.
    pub(crate) fn after(&mut self, at: Instant, value: T) -> TimerId {
        let id = self.next_id();
        self.waiting.insert((at, id), Timer::Once(value));
        id
    }

    /// Sets a timer for a notification in every period.
    pub(crate) fn every(
        &mut self,
        first: Instant,
        period: Duration,
        make: impl FnMut() -> T + Send + 'static,
    ) -> TimerId {
        let id = self.next_id();
        let timer = Timer::Every {
            period,
            make: Box::new(make),
            pending: false,
        };
        self.waiting.insert((first, id), timer);
        id
    }

    /// The next notification that is due by `now`.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Due<T>> {
        loop {
            let first = self
                .waiting
                .first_entry()
                .filter(|first| first.key().0 <= now)?;
            let ((due, id), timer) = first.remove_entry();
            match timer {
                Timer::Once(value) => {
                    return Some(Due {
                        value,
                        repeats: None,
                    });
                }
                Timer::Every {
                    period,
                    mut make,
                    pending,
                } => {
                    let value = (!pending).then(&mut make);
                    let timer = Timer::Every {
                        period,
                        make,
                        pending: true,
                    };
                    self.waiting
                        .insert((next_tick(due, period, now), id), timer);
                    if let Some(value) = value {
                        let repeats = Some(id);
                        return Some(Due { value, repeats });
                    }
                }
            }
        }
    }

    /// The notification of this timer has left the mailbox.
    pub(crate) fn taken(&mut self, id: TimerId) {
        if let Some(Timer::Every { pending, .. }) = self.find(id) {
            *pending = false;
        }
    }

    /// When the next timer is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Removes a timer. Returns whether it was there.
    pub(crate) fn cancel(&mut self, id: TimerId) -> bool {
        let key = self.waiting.keys().find(|(_, known)| *known == id).copied();
        key.is_some_and(|key| self.waiting.remove(&key).is_some())
    }

    /// Whether the timer is set.
    pub(crate) fn contains(&self, id: TimerId) -> bool {
        self.waiting.keys().any(|(_, known)| *known == id)
    }

    /// How many timers are set.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    // A connection has few timers: the bound is 256 by default.
    fn find(&mut self, id: TimerId) -> Option<&mut Timer<T>> {
        self.waiting
            .iter_mut()
            .find(|((_, known), _)| *known == id)
            .map(|(_, timer)| timer)
    }
}

/// The first tick after `now`: ticks that were missed are one.
fn next_tick(due: Instant, period: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(due).as_nanos();
    let periods = late / period.as_nanos().max(1) + 1;
    let ahead = u32::try_from(periods)
        .ok()
        .and_then(|count| period.checked_mul(count));
    let next = ahead.and_then(|ahead| due.checked_add(ahead));
    // Ticks that no clock can count: far away is as good as any.
    next.unwrap_or_else(|| now + period.max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn values(timers: &mut Timers<&'static str>, now: Instant) -> Vec<&'static str> {
        std::iter::from_fn(|| timers.next(now).map(|due| due.value)).collect()
    }

    #[test]
    fn notifications_come_in_the_order_in_which_they_are_due() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.after(start + 2 * SECOND, "second");
        timers.after(start + SECOND, "first");
        assert_eq!(timers.next_due(), Some(start + SECOND));
        assert_eq!(values(&mut timers, start), Vec::<&str>::new());
        assert_eq!(values(&mut timers, start + 2 * SECOND), ["first", "second"]);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn ticks_that_were_missed_or_still_wait_are_one() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let id = timers.every(start + SECOND, SECOND, || "tick");
        assert_eq!(values(&mut timers, start + 5 * SECOND), ["tick"]);
        assert_eq!(timers.next_due(), Some(start + 6 * SECOND));
        assert_eq!(values(&mut timers, start + 6 * SECOND), Vec::<&str>::new());
        timers.taken(id);
        assert_eq!(values(&mut timers, start + 7 * SECOND), ["tick"]);
    }

    #[test]
    fn a_cancelled_timer_is_gone() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let id = timers.after(start, "never");
        assert!(timers.contains(id));
        assert!(timers.cancel(id));
        assert!(!timers.cancel(id));
        assert_eq!(values(&mut timers, start + SECOND), Vec::<&str>::new());
    }
}
