//! Towards the handler: notifications, now and later.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use tokio::time::Instant;

use super::{Shared, Socket};
use crate::error::NotifyError;
use crate::limits::later;
use crate::mailbox::Accepts;
use crate::timer::TimerId;

impl<H> Socket<H> {
    /// Leaves a value for the handler; it arrives in `info`. Values of one task arrive in
    /// the order in which it sent them.
    ///
    /// # Errors
    ///
    /// [`NotifyError::Full`] where `mailbox` values wait already, [`NotifyError::Closed`]
    /// where the connection is gone. The value is given back.
    pub fn notify<T: Send + 'static>(&self, value: T) -> Result<(), NotifyError<T>>
    where
        H: Accepts<T>,
    {
        self.shared.notify(value)
    }

    /// Leaves a value for the handler, waiting for room in its mailbox.
    ///
    /// # Errors
    ///
    /// [`NotifyError::Closed`] where the connection is gone. The value is given back.
    pub async fn notify_async<T: Send + 'static>(&self, value: T) -> Result<(), NotifyError<T>>
    where
        H: Accepts<T>,
    {
        let mut value = value;
        loop {
            let room = self.shared.changes().notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.shared.notify(value) {
                Err(NotifyError::Full(back)) => value = back,
                other => return other,
            }
            room.await;
        }
    }

    /// Leaves a value for the handler after this time (Erlang's `send_after`).
    ///
    /// The timer ends with the connection. Dropping the handle that is returned does not
    /// cancel it; [`Timer::cancel`] does. Past the route's `timers` limit no timer is set
    /// and an error is logged; [`try_notify_after`](Self::try_notify_after) tells instead.
    pub fn notify_after<T: Send + 'static>(&self, after: Duration, value: T) -> Timer
    where
        H: Accepts<T>,
    {
        self.try_notify_after(after, value)
            .unwrap_or_else(|error| Timer::refused(&error))
    }

    /// As [`notify_after`](Self::notify_after), but says where no timer could be set.
    ///
    /// # Errors
    ///
    /// [`NotifyError::Full`] where `timers` timers are set already,
    /// [`NotifyError::Closed`] where the connection is gone. The value is given back.
    pub fn try_notify_after<T: Send + 'static>(
        &self,
        after: Duration,
        value: T,
    ) -> Result<Timer, NotifyError<T>>
    where
        H: Accepts<T>,
    {
        let at = later(Instant::now(), after);
        let limit = self.shared.limits().timers;
        let id = self
            .shared
            .mail
            .set_timer(limit, value, |timers, value| timers.after(at, value))?;
        Ok(self.timer(id))
    }

    /// Leaves a clone of a value for the handler in every period, the first after one
    /// period.
    ///
    /// A tick that comes while an earlier one still waits, or that was missed, is not made
    /// up for. A period of zero is taken as one millisecond. Limits and the handle are as
    /// for [`notify_after`](Self::notify_after).
    pub fn notify_every<T: Clone + Send + 'static>(&self, period: Duration, value: T) -> Timer
    where
        H: Accepts<T>,
    {
        self.try_notify_every(period, value)
            .unwrap_or_else(|error| Timer::refused(&error))
    }

    /// As [`notify_every`](Self::notify_every), but says where no timer could be set.
    ///
    /// # Errors
    ///
    /// As [`try_notify_after`](Self::try_notify_after).
    pub fn try_notify_every<T: Clone + Send + 'static>(
        &self,
        period: Duration,
        value: T,
    ) -> Result<Timer, NotifyError<T>>
    where
        H: Accepts<T>,
    {
        let period = period.max(Duration::from_millis(1));
        let first = later(Instant::now(), period);
        let limit = self.shared.limits().timers;
        let id = self.shared.mail.set_timer(limit, value, |timers, value| {
            timers.every(first, period, move || value.clone())
        })?;
        Ok(self.timer(id))
    }

    fn timer(&self, id: TimerId) -> Timer {
        self.shared.outbox.wake();
        Timer {
            set: Some((std::sync::Arc::downgrade(&self.shared), id)),
        }
    }
}

impl Shared {
    pub(super) fn notify<T: Send + 'static>(&self, value: T) -> Result<(), NotifyError<T>> {
        // Behind a Close no hook is called any more.
        if !self.outbox.is_open() {
            return Err(NotifyError::Closed(value));
        }
        self.mail.notify(value, self.limits().mailbox)?;
        self.outbox.wake();
        Ok(())
    }
}

/// A timer that was set with `notify_after` or `notify_every`.
///
/// Dropping it leaves the timer set.
#[derive(Clone)]
pub struct Timer {
    set: Option<(Weak<Shared>, TimerId)>,
}

impl Timer {
    fn refused<T>(error: &NotifyError<T>) -> Self {
        match error {
            NotifyError::Full(_) => tracing::error!("a timer was refused: too many are set"),
            NotifyError::Closed(_) => tracing::debug!("no timer was set: the connection is gone"),
        }
        Self { set: None }
    }

    /// Takes the timer back. Returns whether it was still set; a notification that waits in
    /// the mailbox already is not taken back.
    pub fn cancel(&self) -> bool {
        self.with(|shared, id| shared.mail.cancel(id))
    }

    /// Whether the timer is set: not yet due, or due again.
    pub fn is_set(&self) -> bool {
        self.with(|shared, id| shared.mail.has_timer(id))
    }

    fn with(&self, ask: impl FnOnce(&Shared, TimerId) -> bool) -> bool {
        let Some((shared, id)) = &self.set else {
            return false;
        };
        shared.upgrade().is_some_and(|shared| ask(&shared, *id))
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("set", &self.is_set())
            .finish()
    }
}
