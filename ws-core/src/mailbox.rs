//! Bounded notifications for one handler.
//!
//! A connection has no mailbox until something is sent to it: then one is made for the
//! type that its `info` hook takes.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::time::Instant;

use crate::error::{NotifyError, log_panic};
use crate::message::Message;
use crate::timer::{Due, TimerId, Timers};

/// Says that `T` is the mailbox type of a handler: the first argument of its `info`.
///
/// `#[ws_handler]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no notifications of type `{T}`",
    label = "not the mailbox type of `{Self}`",
    note = "the mailbox type is the type of the first argument of `fn info`; a handler without \
            `info` has no mailbox"
)]
pub trait Accepts<T> {}

/// The place of one connection's mailbox.
#[derive(Default)]
pub(crate) struct MailSlot {
    mailbox: OnceLock<Box<dyn AnyMailbox>>,
    /// How many notifications wait.
    waiting: AtomicUsize,
    closed: Mutex<bool>,
}

/// A mailbox whose type is known to the handler alone.
///
/// Values run code of the application when they are cloned, converted or dropped, and that code
/// may use the same mailbox: none of it runs under the lock.
trait AnyMailbox: Any + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    /// Moves what is due into the mailbox, and counts it as waiting.
    fn fire(&self, now: Instant, waiting: &AtomicUsize);
    fn next_due(&self) -> Option<Instant>;
    fn cancel(&self, id: TimerId) -> bool;
    fn has_timer(&self, id: TimerId) -> bool;
    fn close(&self);
}

/// Makes a notification of what a topic has published; `None` if that cannot be read.
pub(crate) type Read<T> = fn(Message) -> Option<T>;

/// The mailbox of a handler whose `info` takes a `T`.
struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    queue: VecDeque<Mail<T>>,
    /// How many of the queue came from `notify`; only those count against its bound.
    notified: usize,
    /// How many came from timers that are gone; they still count against the timers' bound.
    fired: usize,
    timers: Timers<T>,
    closed: bool,
}

struct Mail<T> {
    content: Content<T>,
    source: Source,
}

/// What a notification is made of.
pub(crate) enum Content<T> {
    /// The notification itself.
    Value(T),
    /// A message of a topic, which becomes the notification in the task of the handler.
    Heard(Message, Read<T>),
}

impl<T> Content<T> {
    /// The notification; `None` if what was heard cannot be read.
    pub(crate) fn open(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Heard(message, read) => read(message),
        }
    }
}

/// Why a mailbox took nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Untaken {
    Full,
    Closed,
}

impl<T> Inner<T> {
    /// Whether one more notification is taken.
    fn room(&self, limit: usize) -> Result<(), Untaken> {
        if self.closed {
            Err(Untaken::Closed)
        } else if self.notified >= limit {
            Err(Untaken::Full)
        } else {
            Ok(())
        }
    }
}

/// Where a notification came from.
#[derive(Clone, Copy)]
enum Source {
    Notify,
    Once,
    Every(TimerId),
}

impl<T> Mailbox<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> AnyMailbox for Mailbox<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fire(&self, now: Instant, waiting: &AtomicUsize) {
        loop {
            let mut inner = self.lock();
            let Some(due) = inner.timers.next(now) else {
                return;
            };
            let (value, source) = match due {
                Due::Once(value) => {
                    inner.fired += 1;
                    (value, Source::Once)
                }
                Due::Every(id, mut make) => {
                    drop(inner);
                    let value = make();
                    inner = self.lock();
                    // Making it may have cancelled the timer, or closed the mailbox.
                    if let Err(make) = inner.timers.put_back(id, make) {
                        drop(inner);
                        drop((value, make));
                        continue;
                    }
                    (value, Source::Every(id))
                }
            };
            let content = Content::Value(value);
            inner.queue.push_back(Mail { content, source });
            waiting.fetch_add(1, Ordering::Release);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        self.lock().timers.next_due()
    }

    fn cancel(&self, id: TimerId) -> bool {
        let cancelled = self.lock().timers.cancel(id);
        // Its value is dropped here, and not under the lock.
        cancelled.is_some()
    }

    fn has_timer(&self, id: TimerId) -> bool {
        self.lock().timers.contains(id)
    }

    fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let queue = std::mem::take(&mut inner.queue);
        let timers = std::mem::take(&mut inner.timers);
        drop(inner);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop((queue, timers))));
        if let Err(panic) = dropped {
            log_panic(&*panic);
        }
    }
}

impl MailSlot {
    /// The mailbox for `T`, made when first asked for.
    fn mailbox<T: Send + 'static>(&self) -> &Mailbox<T> {
        let mailbox = self.mailbox.get().unwrap_or_else(|| {
            // Held until the mailbox is in its place, so that `close` finds it there.
            let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            let (queue, timers) = (VecDeque::new(), Timers::default());
            let inner = Inner {
                queue,
                notified: 0,
                fired: 0,
                timers,
                closed: *closed,
            };
            self.mailbox.get_or_init(|| {
                Box::new(Mailbox::<T> {
                    inner: Mutex::new(inner),
                })
            })
        });
        mailbox
            .as_any()
            .downcast_ref()
            .expect("a handler has one mailbox type")
    }

    /// Leaves a notification.
    pub(crate) fn notify<T: Send + 'static>(
        &self,
        value: T,
        limit: usize,
    ) -> Result<(), NotifyError<T>> {
        let mut inner = self.mailbox::<T>().lock();
        match inner.room(limit) {
            Ok(()) => {
                self.leave(&mut inner, Content::Value(value));
                Ok(())
            }
            Err(Untaken::Full) => Err(NotifyError::Full(value)),
            Err(Untaken::Closed) => Err(NotifyError::Closed(value)),
        }
    }

    /// Leaves what a topic has published, to be read when it is the handler's turn.
    pub(crate) fn hear<T: Send + 'static>(
        &self,
        message: Message,
        read: Read<T>,
        limit: usize,
    ) -> Result<(), Untaken> {
        let mut inner = self.mailbox::<T>().lock();
        inner.room(limit)?;
        self.leave(&mut inner, Content::Heard(message, read));
        Ok(())
    }

    fn leave<T>(&self, inner: &mut Inner<T>, content: Content<T>) {
        inner.notified += 1;
        let source = Source::Notify;
        inner.queue.push_back(Mail { content, source });
        self.waiting.fetch_add(1, Ordering::Release);
    }

    /// Sets a timer.
    pub(crate) fn set_timer<T: Send + 'static>(
        &self,
        limit: usize,
        value: T,
        set: impl FnOnce(&mut Timers<T>, T) -> TimerId,
    ) -> Result<TimerId, NotifyError<T>> {
        let mut inner = self.mailbox::<T>().lock();
        if inner.closed {
            return Err(NotifyError::Closed(value));
        }
        if inner.timers.len() + inner.fired >= limit {
            return Err(NotifyError::Full(value));
        }
        Ok(set(&mut inner.timers, value))
    }

    /// Takes the next notification. There may be room then for a task that waits for it.
    pub(crate) fn next<T: Send + 'static>(&self) -> Option<Content<T>> {
        let mut inner = self.mailbox::<T>().lock();
        let Mail { content, source } = inner.queue.pop_front()?;
        self.waiting.fetch_sub(1, Ordering::Release);
        match source {
            Source::Notify => inner.notified -= 1,
            Source::Once => inner.fired -= 1,
            Source::Every(timer) => inner.timers.taken(timer),
        }
        if inner.queue.is_empty() && inner.queue.capacity() > 16 {
            inner.queue = VecDeque::new();
        }
        Some(content)
    }

    /// Whether anything waits.
    pub(crate) fn has_mail(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Puts what is due into the mailbox.
    pub(crate) fn fire(&self, now: Instant) {
        if let Some(mailbox) = self.mailbox.get() {
            mailbox.fire(now, &self.waiting);
        }
    }

    /// When the next timer is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.mailbox.get().and_then(|mailbox| mailbox.next_due())
    }

    /// Takes a timer back. Returns whether it was still set.
    pub(crate) fn cancel(&self, id: TimerId) -> bool {
        self.mailbox.get().is_some_and(|mailbox| mailbox.cancel(id))
    }

    /// Whether a timer is set.
    pub(crate) fn has_timer(&self, id: TimerId) -> bool {
        self.mailbox
            .get()
            .is_some_and(|mailbox| mailbox.has_timer(id))
    }

    /// Takes nothing more, and drops what waits and every timer.
    pub(crate) fn close(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = true;
        drop(closed);
        // One that is made from now on is made closed.
        if let Some(mailbox) = self.mailbox.get() {
            mailbox.close();
        }
        self.waiting.store(0, Ordering::Release);
    }
}
