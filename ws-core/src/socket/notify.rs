//! Notifications to the handler, now and later.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use tokio::time::Instant;

use super::{ConnectionShared, Socket};
use crate::error::NotifyError;
use crate::limits::deadline_after;
use crate::mailbox::{Accepts, MailboxError};
use crate::timer::TimerId;

impl<H> Socket<H> {
    /// Queues a value for the handler; it arrives in `info`. Values of one task arrive in the order
    /// in which it sent them.
    ///
    /// ```
    /// use ws_server::Socket;
    /// use ws_server::socket::Accepts;
    ///
    /// /// Passes a line from another task to the handler, whose `info` takes a `String`.
    /// fn deliver<H: Accepts<String>>(socket: &Socket<H>, line: String) {
    ///     if let Err(error) = socket.notify(line) {
    ///         tracing::warn!(%error, "a line was lost");
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotifyError::Full`] if the mailbox holds `mailbox` values already, [`NotifyError::Closed`]
    /// if the connection is gone. The error returns the value.
    pub fn notify<T: Send + 'static>(&self, value: T) -> Result<(), NotifyError<T>>
    where
        H: Accepts<T>,
    {
        let notified = self.shared.notify(value);
        if let Err(NotifyError::Full(_)) = &notified {
            self.shared.count_unless_closed(MailboxError::Full);
        }
        notified
    }

    /// Queues a value for the handler, and waits for room in its mailbox.
    ///
    /// ```
    /// use ws_server::{NotifyError, Socket};
    /// use ws_server::socket::Accepts;
    ///
    /// /// Passes rows to the handler as fast as it takes them.
    /// async fn import<H>(socket: Socket<H>, rows: Vec<String>) -> Result<(), NotifyError<String>>
    /// where
    ///     H: Accepts<String>,
    /// {
    ///     for row in rows {
    ///         socket.notify_async(row).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotifyError::Closed`] if the connection is gone. The error returns the value.
    pub async fn notify_async<T: Send + 'static>(&self, value: T) -> Result<(), NotifyError<T>>
    where
        H: Accepts<T>,
    {
        let mut value = value;
        loop {
            let room = self.shared.changed().notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.shared.notify(value) {
                Err(NotifyError::Full(returned)) => value = returned,
                other => return other,
            }
            room.await;
        }
    }

    /// Queues a value for the handler after this time (Erlang's `send_after`).
    ///
    /// The timer ends with the connection. Dropping the returned handle does not cancel it;
    /// [`Timer::cancel`] does. If the route's `timers` limit is reached, no timer is set and an
    /// error is logged; [`try_notify_after`](Self::try_notify_after) returns the error instead.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::prelude::*;
    ///
    /// struct Reminder;
    ///
    /// #[ws_handler]
    /// impl Reminder {
    ///     fn init() -> Self { Reminder }
    ///
    ///     fn message(&mut self, text: String, socket: &Socket<Self>) {
    ///         socket.notify_after(Duration::from_secs(60), text);
    ///     }
    ///
    ///     fn info(&mut self, text: String) -> String { text }
    /// }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let kit = ws_server::testkit::TestKit::new();
    /// # let mut client = kit.handler::<Reminder>().connect().await.unwrap();
    /// # client.send("tea").await;
    /// # assert_eq!(client.text().await, "tea");
    /// # });
    /// ```
    pub fn notify_after<T: Send + 'static>(&self, after: Duration, value: T) -> Timer
    where
        H: Accepts<T>,
    {
        self.try_notify_after(after, value)
            .unwrap_or_else(|error| Timer::unset(&error))
    }

    /// Same as [`notify_after`](Self::notify_after), but returns an error if no timer could be set.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::{NotifyError, Socket, Timer};
    /// use ws_server::socket::Accepts;
    ///
    /// fn remind<H>(socket: &Socket<H>, text: String) -> Result<Timer, NotifyError<String>>
    /// where
    ///     H: Accepts<String>,
    /// {
    ///     socket.try_notify_after(Duration::from_secs(60), text)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotifyError::Full`] if `timers` timers are set already, [`NotifyError::Closed`] if the
    /// connection is gone. The error returns the value.
    pub fn try_notify_after<T: Send + 'static>(
        &self,
        after: Duration,
        value: T,
    ) -> Result<Timer, NotifyError<T>>
    where
        H: Accepts<T>,
    {
        let at = deadline_after(Instant::now(), after);
        let limit = self.shared.limits().timers;
        let id = self
            .shared
            .mailbox
            .set_timer(limit, value, |timers, value| timers.after(at, value))?;
        Ok(self.timer(id))
    }

    /// Queues a clone of a value for the handler in every period, the first one after one period.
    ///
    /// Missed ticks are merged into one, and a tick is skipped if an earlier one still waits. A
    /// period of zero counts as one millisecond. The limits and the handle are as for
    /// [`notify_after`](Self::notify_after).
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::prelude::*;
    ///
    /// #[derive(Clone)]
    /// struct Tick;
    ///
    /// struct Seconds(u64);
    ///
    /// #[ws_handler]
    /// impl Seconds {
    ///     fn init(socket: &Socket<Self>) -> Self {
    ///         socket.notify_every(Duration::from_secs(1), Tick);
    ///         Seconds(0)
    ///     }
    ///
    ///     fn info(&mut self, _: Tick) -> String {
    ///         self.0 += 1;
    ///         self.0.to_string()
    ///     }
    /// }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let kit = ws_server::testkit::TestKit::new();
    /// # let mut client = kit.handler::<Seconds>().connect().await.unwrap();
    /// # assert_eq!((client.text().await, client.text().await), ("1".to_owned(), "2".to_owned()));
    /// # });
    /// ```
    pub fn notify_every<T: Clone + Send + 'static>(&self, period: Duration, value: T) -> Timer
    where
        H: Accepts<T>,
    {
        self.try_notify_every(period, value)
            .unwrap_or_else(|error| Timer::unset(&error))
    }

    /// Same as [`notify_every`](Self::notify_every), but returns an error if no timer could be set.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::Socket;
    /// use ws_server::socket::Accepts;
    ///
    /// /// Ticks, if the route's limit `timers` allows it.
    /// fn ticks<H: Accepts<()>>(socket: &Socket<H>) -> bool {
    ///     socket.try_notify_every(Duration::from_secs(1), ()).is_ok()
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Same as [`try_notify_after`](Self::try_notify_after).
    pub fn try_notify_every<T: Clone + Send + 'static>(
        &self,
        period: Duration,
        value: T,
    ) -> Result<Timer, NotifyError<T>>
    where
        H: Accepts<T>,
    {
        let period = period.max(Duration::from_millis(1));
        let first = deadline_after(Instant::now(), period);
        let limit = self.shared.limits().timers;
        let id = self
            .shared
            .mailbox
            .set_timer(limit, value, |timers, value| {
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

impl ConnectionShared {
    pub(super) fn notify<T: Send + 'static>(&self, value: T) -> Result<(), NotifyError<T>> {
        // After a Close no hook is called.
        if !self.outbox.is_open() {
            return Err(NotifyError::Closed(value));
        }
        self.mailbox.notify(value, self.limits().mailbox)?;
        self.outbox.wake();
        Ok(())
    }
}

/// A timer that was set with `notify_after` or `notify_every`.
///
/// Dropping it leaves the timer set.
///
/// ```
/// use std::time::Duration;
/// use ws_server::Timer;
/// use ws_server::prelude::*;
///
/// struct LogOn { deadline: Timer }
///
/// #[ws_handler]
/// impl LogOn {
///     fn init(socket: &Socket<Self>) -> Self {
///         LogOn { deadline: socket.notify_after(Duration::from_secs(10), ()) }
///     }
///
///     fn message(&mut self, _password: String) {
///         self.deadline.cancel();
///     }
///
///     fn info(&mut self, _too_late: ()) -> Close {
///         Close::policy("log on within ten seconds")
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// # let kit = ws_server::testkit::TestKit::new();
/// # let mut client = kit.handler::<LogOn>().connect().await.unwrap();
/// # assert_eq!(client.closed().await.0, CloseCode::POLICY);
/// # });
/// ```
#[derive(Clone)]
pub struct Timer {
    set: Option<(Weak<ConnectionShared>, TimerId)>,
}

impl Timer {
    fn unset<T>(error: &NotifyError<T>) -> Self {
        match error {
            NotifyError::Full(_) => {
                tracing::error!("no timer was set: the limit of timers is reached");
            }
            NotifyError::Closed(_) => tracing::debug!("no timer was set: the connection is closed"),
        }
        Self { set: None }
    }

    /// Cancels the timer. Returns whether it was still set; a notification that is in the mailbox
    /// already is still delivered.
    pub fn cancel(&self) -> bool {
        self.with(|shared, id| shared.mailbox.cancel(id))
    }

    /// Whether the timer is set: it has not fired yet, or it repeats.
    pub fn is_set(&self) -> bool {
        self.with(|shared, id| shared.mailbox.has_timer(id))
    }

    fn with(&self, query: impl FnOnce(&ConnectionShared, TimerId) -> bool) -> bool {
        let Some((shared, id)) = &self.set else {
            return false;
        };
        shared.upgrade().is_some_and(|shared| query(&shared, *id))
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("set", &self.is_set())
            .finish()
    }
}
