//! Delayed notifications: `notify_after` and `notify_every`.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Identifies one timer of one connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TimerId(u64);

/// The timers of one connection, in order of their deadlines.
pub(crate) struct Timers<T> {
    active: BTreeMap<(Instant, TimerId), ActiveTimer<T>>,
    last: u64,
}

/// Creates the notifications of a repeated timer.
pub(crate) type MakeNotification<T> = Box<dyn FnMut() -> T + Send>;

/// A timer that is set.
pub(crate) enum ActiveTimer<T> {
    /// Fires once.
    Once(T),
    /// Fires once per period.
    Every {
        period: Duration,
        /// `None` while it runs: it is then taken out of the timer.
        make: Option<MakeNotification<T>>,
        /// An earlier tick is still in the mailbox, so further ticks are skipped.
        pending: bool,
    },
}

/// A timer that is due.
pub(crate) enum DueTimer<T> {
    /// A notification.
    Once(T),
    /// A notification that must still be created. Pass its constructor to [`Timers::put_back`]
    /// afterwards.
    Every(TimerId, MakeNotification<T>),
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            active: BTreeMap::new(),
            last: 0,
        }
    }
}

impl<T> Timers<T> {
    fn next_id(&mut self) -> TimerId {
        self.last += 1;
        TimerId(self.last)
    }

    /// Sets a timer that fires once.
    pub(crate) fn after(&mut self, at: Instant, value: T) -> TimerId {
        let id = self.next_id();
        self.active.insert((at, id), ActiveTimer::Once(value));
        id
    }

    /// Sets a timer that fires once per period.
    pub(crate) fn every(
        &mut self,
        first: Instant,
        period: Duration,
        make: impl FnMut() -> T + Send + 'static,
    ) -> TimerId {
        let id = self.next_id();
        let timer = ActiveTimer::Every {
            period,
            make: Some(Box::new(make)),
            pending: false,
        };
        self.active.insert((first, id), timer);
        id
    }

    /// Returns the next notification that is due by `now`.
    pub(crate) fn next(&mut self, now: Instant) -> Option<DueTimer<T>> {
        loop {
            let first = self
                .active
                .first_entry()
                .filter(|first| first.key().0 <= now)?;
            let ((due, id), timer) = first.remove_entry();
            match timer {
                ActiveTimer::Once(value) => return Some(DueTimer::Once(value)),
                ActiveTimer::Every {
                    period,
                    mut make,
                    pending,
                } => {
                    let made = if pending { None } else { make.take() };
                    let timer = ActiveTimer::Every {
                        period,
                        make,
                        pending: true,
                    };
                    let next = next_tick(due, period, now);
                    self.active.insert((next, id), timer);
                    if let Some(make) = made {
                        return Some(DueTimer::Every(id, make));
                    }
                }
            }
        }
    }

    /// Puts the constructor of a repeated timer back.
    ///
    /// # Errors
    ///
    /// Returns `make` if the timer is gone, so that the caller drops it.
    pub(crate) fn put_back(
        &mut self,
        id: TimerId,
        make: MakeNotification<T>,
    ) -> Result<(), MakeNotification<T>> {
        match self.find(id) {
            Some(ActiveTimer::Every { make: slot, .. }) => {
                *slot = Some(make);
                Ok(())
            }
            _ => Err(make),
        }
    }

    /// Reports that the notification of this timer has left the mailbox.
    pub(crate) fn mark_delivered(&mut self, id: TimerId) {
        if let Some(ActiveTimer::Every { pending, .. }) = self.find(id) {
            *pending = false;
        }
    }

    /// When the next timer is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.active.first_key_value().map(|((due, _), _)| *due)
    }

    /// Removes a timer and returns it, so that the caller drops it; `None` if it is not set.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<ActiveTimer<T>> {
        let key = self
            .active
            .keys()
            .find(|(_, known)| *known == id)
            .copied()?;
        self.active.remove(&key)
    }

    /// Whether the timer is set.
    pub(crate) fn contains(&self, id: TimerId) -> bool {
        self.active.keys().any(|(_, known)| *known == id)
    }

    /// The number of timers that are set.
    pub(crate) fn len(&self) -> usize {
        self.active.len()
    }

    // Linear search: a connection has few timers, by default at most 256.
    fn find(&mut self, id: TimerId) -> Option<&mut ActiveTimer<T>> {
        self.active
            .iter_mut()
            .find(|((_, known), _)| *known == id)
            .map(|(_, timer)| timer)
    }
}

/// The first tick after `now`: missed ticks are merged into one.
fn next_tick(due: Instant, period: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(due).as_nanos();
    let periods = late / period.as_nanos().max(1) + 1;
    let advance = u32::try_from(periods)
        .ok()
        .and_then(|count| period.checked_mul(count));
    let next = advance.and_then(|advance| due.checked_add(advance));
    // If the next tick is out of range, use one period from now.
    next.unwrap_or_else(|| now + period.max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn values(timers: &mut Timers<&'static str>, now: Instant) -> Vec<&'static str> {
        let mut values = Vec::new();
        while let Some(due) = timers.next(now) {
            values.push(match due {
                DueTimer::Once(value) => value,
                DueTimer::Every(id, mut make) => {
                    let value = make();
                    assert_eq!(timers.put_back(id, make).map_err(drop), Ok(()));
                    value
                }
            });
        }
        values
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
    fn missed_and_undelivered_ticks_are_merged() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let id = timers.every(start + SECOND, SECOND, || "tick");
        assert_eq!(values(&mut timers, start + 5 * SECOND), ["tick"]);
        assert_eq!(timers.next_due(), Some(start + 6 * SECOND));
        assert_eq!(values(&mut timers, start + 6 * SECOND), Vec::<&str>::new());
        timers.mark_delivered(id);
        assert_eq!(values(&mut timers, start + 7 * SECOND), ["tick"]);
    }

    #[test]
    fn a_cancelled_timer_does_not_fire() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let id = timers.after(start, "never");
        assert!(timers.contains(id));
        assert!(matches!(
            timers.cancel(id),
            Some(ActiveTimer::Once("never"))
        ));
        assert!(timers.cancel(id).is_none());
        assert_eq!(values(&mut timers, start + SECOND), Vec::<&str>::new());
    }

    #[test]
    fn put_back_fails_for_a_timer_cancelled_in_between() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let id = timers.every(start + SECOND, SECOND, || "tick");
        let Some(DueTimer::Every(due, make)) = timers.next(start + SECOND) else {
            panic!("the timer is not due");
        };
        assert_eq!(due, id);
        assert!(timers.contains(id), "the timer is no longer active");
        let cancelled = timers.cancel(id);
        assert!(matches!(
            cancelled,
            Some(ActiveTimer::Every { make: None, .. })
        ));
        assert_eq!(timers.put_back(id, make).map_err(drop), Err(()));
        assert_eq!(timers.next_due(), None);
    }
}
