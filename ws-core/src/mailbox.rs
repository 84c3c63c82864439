//! Bounded notifications for one handler.
//!
//! A connection has no mailbox until the first notification is sent to it; the mailbox is then made
//! for the type that its `info` hook takes.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::time::Instant;

use crate::error::{NotifyError, log_panic};
use crate::message::Message;
use crate::timer::{DueTimer, TimerId, Timers};

/// Implemented by a handler for its mailbox type `T`: the type of the first argument of `info`.
///
/// `#[ws_handler]` implements it.
///
/// ```
/// use std::time::Duration;
/// use ws_server::Socket;
/// use ws_server::socket::Accepts;
///
/// #[derive(Clone)]
/// struct Tick;
///
/// /// Ticks every second, for every handler whose `info` takes a `Tick`.
/// fn tick<H: Accepts<Tick>>(socket: &Socket<H>) {
///     socket.notify_every(Duration::from_secs(1), Tick);
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no notifications of type `{T}`",
    label = "not the mailbox type of `{Self}`",
    note = "the mailbox type is the type of the first argument of `fn info`; a handler without \
            `info` has no mailbox"
)]
pub trait Accepts<T> {}

/// Holds the mailbox of one connection.
#[derive(Default)]
pub(crate) struct MailboxSlot {
    mailbox: OnceLock<Box<dyn AnyMailbox>>,
    /// The number of notifications in the queue.
    queued: AtomicUsize,
    closed: Mutex<bool>,
}

/// A mailbox with its type erased; only the handler knows the type.
///
/// Cloning, converting or dropping a value runs code of the application, and that code may use the
/// same mailbox: so none of it runs under the lock.
trait AnyMailbox: Any + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    /// Moves due notifications into the queue, and adds their number to `queued`.
    fn fire(&self, now: Instant, queued: &AtomicUsize);
    fn next_due(&self) -> Option<Instant>;
    fn cancel(&self, id: TimerId) -> bool;
    fn has_timer(&self, id: TimerId) -> bool;
    fn close(&self);
}

/// Decodes a message of a topic into a notification; `None` if it does not decode.
pub(crate) type TopicDecoder<T> = fn(Message) -> Option<T>;

/// The mailbox of a handler whose `info` takes a `T`.
struct Mailbox<T> {
    state: Mutex<MailboxState<T>>,
}

struct MailboxState<T> {
    queue: VecDeque<Notification<T>>,
    /// How many entries of the queue come from `notify`; only those count against the mailbox's
    /// limit.
    notified: usize,
    /// How many come from timers that no longer exist; they still count against the limit of
    /// timers.
    fired: usize,
    timers: Timers<T>,
    closed: bool,
}

struct Notification<T> {
    content: NotificationContent<T>,
    source: NotificationSource,
}

/// The content of a notification.
pub(crate) enum NotificationContent<T> {
    /// The notification itself.
    Value(T),
    /// A message of a topic, which is decoded in the task of the handler.
    TopicMessage(Message, TopicDecoder<T>),
    /// Same as `TopicMessage`, with more than the message.
    Deferred(Box<DeferredDecoder<T>>),
}

/// Decodes what it has captured into a notification; `None` if it does not decode.
pub(crate) type DeferredDecoder<T> = dyn FnOnce() -> Option<T> + Send;

impl<T> NotificationContent<T> {
    /// The notification; `None` if the message does not decode.
    pub(crate) fn decode(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::TopicMessage(message, decode) => decode(message),
            Self::Deferred(decode) => decode(),
        }
    }
}

/// Why a mailbox did not accept a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MailboxError {
    Full,
    Closed,
}

impl<T> MailboxState<T> {
    /// Checks that the queue accepts one more notification.
    fn check_capacity(&self, limit: usize) -> Result<(), MailboxError> {
        if self.closed {
            Err(MailboxError::Closed)
        } else if self.notified >= limit {
            Err(MailboxError::Full)
        } else {
            Ok(())
        }
    }
}

/// The source of a notification.
#[derive(Clone, Copy)]
enum NotificationSource {
    Notify,
    Once,
    Every(TimerId),
}

impl<T> Mailbox<T> {
    fn lock(&self) -> MutexGuard<'_, MailboxState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> AnyMailbox for Mailbox<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fire(&self, now: Instant, queued: &AtomicUsize) {
        loop {
            let mut state = self.lock();
            let Some(due) = state.timers.next(now) else {
                return;
            };
            let (value, source) = match due {
                DueTimer::Once(value) => {
                    state.fired += 1;
                    (value, NotificationSource::Once)
                }
                DueTimer::Every(id, mut make) => {
                    drop(state);
                    let value = make();
                    state = self.lock();
                    // `make` may have cancelled the timer, or closed the mailbox.
                    if let Err(make) = state.timers.put_back(id, make) {
                        drop(state);
                        drop((value, make));
                        continue;
                    }
                    (value, NotificationSource::Every(id))
                }
            };
            let content = NotificationContent::Value(value);
            state.queue.push_back(Notification { content, source });
            queued.fetch_add(1, Ordering::Release);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        self.lock().timers.next_due()
    }

    fn cancel(&self, id: TimerId) -> bool {
        let cancelled = self.lock().timers.cancel(id);
        // The value is dropped here, not under the lock.
        cancelled.is_some()
    }

    fn has_timer(&self, id: TimerId) -> bool {
        self.lock().timers.contains(id)
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        let timers = std::mem::take(&mut state.timers);
        drop(state);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop((queue, timers))));
        if let Err(panic) = dropped {
            log_panic(&*panic);
        }
    }
}

impl MailboxSlot {
    /// The mailbox for `T`, made on first use.
    fn mailbox<T: Send + 'static>(&self) -> &Mailbox<T> {
        let mailbox = self.mailbox.get().unwrap_or_else(|| {
            // Held until the mailbox is stored, so that `close` finds it.
            let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            let (queue, timers) = (VecDeque::new(), Timers::default());
            let state = MailboxState {
                queue,
                notified: 0,
                fired: 0,
                timers,
                closed: *closed,
            };
            self.mailbox.get_or_init(|| {
                Box::new(Mailbox::<T> {
                    state: Mutex::new(state),
                })
            })
        });
        mailbox
            .as_any()
            .downcast_ref()
            .expect("a handler has one mailbox type")
    }

    /// Queues a notification.
    pub(crate) fn notify<T: Send + 'static>(
        &self,
        value: T,
        limit: usize,
    ) -> Result<(), NotifyError<T>> {
        let mut state = self.mailbox::<T>().lock();
        match state.check_capacity(limit) {
            Ok(()) => {
                self.enqueue(&mut state, NotificationContent::Value(value));
                Ok(())
            }
            Err(MailboxError::Full) => Err(NotifyError::Full(value)),
            Err(MailboxError::Closed) => Err(NotifyError::Closed(value)),
        }
    }

    /// The notifications that wait and count against the limit.
    pub(crate) fn notified<T: Send + 'static>(&self) -> usize {
        // It is not made for this: many connections never get a notification.
        let mailbox = self.mailbox.get();
        let mailbox = mailbox.and_then(|mailbox| mailbox.as_any().downcast_ref::<Mailbox<T>>());
        mailbox.map_or(0, |mailbox| mailbox.lock().notified)
    }

    /// Queues a message of a topic, to be decoded by the task of the handler.
    pub(crate) fn notify_topic_message<T: Send + 'static>(
        &self,
        message: Message,
        decode: TopicDecoder<T>,
        limit: usize,
    ) -> Result<(), MailboxError> {
        let mut state = self.mailbox::<T>().lock();
        state.check_capacity(limit)?;
        self.enqueue(
            &mut state,
            NotificationContent::TopicMessage(message, decode),
        );
        Ok(())
    }

    /// Queues a notification that the task of the handler decodes.
    pub(crate) fn notify_deferred<T: Send + 'static>(
        &self,
        decode: Box<DeferredDecoder<T>>,
        limit: usize,
    ) -> Result<(), MailboxError> {
        let mut state = self.mailbox::<T>().lock();
        state.check_capacity(limit)?;
        self.enqueue(&mut state, NotificationContent::Deferred(decode));
        Ok(())
    }

    fn enqueue<T>(&self, state: &mut MailboxState<T>, content: NotificationContent<T>) {
        state.notified += 1;
        let source = NotificationSource::Notify;
        state.queue.push_back(Notification { content, source });
        self.queued.fetch_add(1, Ordering::Release);
    }

    /// Sets a timer.
    pub(crate) fn set_timer<T: Send + 'static>(
        &self,
        limit: usize,
        value: T,
        set: impl FnOnce(&mut Timers<T>, T) -> TimerId,
    ) -> Result<TimerId, NotifyError<T>> {
        let mut state = self.mailbox::<T>().lock();
        if state.closed {
            return Err(NotifyError::Closed(value));
        }
        if state.timers.len() + state.fired >= limit {
            return Err(NotifyError::Full(value));
        }
        Ok(set(&mut state.timers, value))
    }

    /// Takes the next notification. The caller must then notify the tasks that wait for room.
    pub(crate) fn next<T: Send + 'static>(&self) -> Option<NotificationContent<T>> {
        let mut state = self.mailbox::<T>().lock();
        let Notification { content, source } = state.queue.pop_front()?;
        self.queued.fetch_sub(1, Ordering::Release);
        match source {
            NotificationSource::Notify => state.notified -= 1,
            NotificationSource::Once => state.fired -= 1,
            NotificationSource::Every(timer) => state.timers.mark_delivered(timer),
        }
        if state.queue.is_empty() && state.queue.capacity() > 16 {
            state.queue = VecDeque::new();
        }
        Some(content)
    }

    /// Whether a notification is queued.
    pub(crate) fn has_notification(&self) -> bool {
        self.queued.load(Ordering::Acquire) > 0
    }

    /// Moves due notifications into the queue.
    pub(crate) fn fire(&self, now: Instant) {
        if let Some(mailbox) = self.mailbox.get() {
            mailbox.fire(now, &self.queued);
        }
    }

    /// The time at which the next timer fires.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.mailbox.get().and_then(|mailbox| mailbox.next_due())
    }

    /// Cancels a timer. Returns whether it was still set.
    pub(crate) fn cancel(&self, id: TimerId) -> bool {
        self.mailbox.get().is_some_and(|mailbox| mailbox.cancel(id))
    }

    /// Whether a timer is set.
    pub(crate) fn has_timer(&self, id: TimerId) -> bool {
        self.mailbox
            .get()
            .is_some_and(|mailbox| mailbox.has_timer(id))
    }

    /// Closes the mailbox, and drops all queued notifications and timers.
    pub(crate) fn close(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = true;
        drop(closed);
        // A mailbox that is made after this point is closed from the start.
        if let Some(mailbox) = self.mailbox.get() {
            mailbox.close();
        }
        self.queued.store(0, Ordering::Release);
    }
}
