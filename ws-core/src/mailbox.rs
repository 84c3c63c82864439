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
trait AnyMailbox: Any + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    /// Moves what is due into the mailbox; returns how many were moved.
    fn fire(&self, now: Instant) -> usize;
    fn next_due(&self) -> Option<Instant>;
    fn cancel(&self, id: TimerId) -> bool;
    fn has_timer(&self, id: TimerId) -> bool;
    fn close(&self);
}

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
    value: T,
    source: Source,
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

    fn fire(&self, now: Instant) -> usize {
        let mut inner = self.lock();
        let mut fired = 0;
        while let Some(Due { value, repeats }) = inner.timers.next(now) {
            let source = repeats.map_or(Source::Once, Source::Every);
            inner.fired += usize::from(repeats.is_none());
            inner.queue.push_back(Mail { value, source });
            fired += 1;
        }
        fired
    }

    fn next_due(&self) -> Option<Instant> {
        self.lock().timers.next_due()
    }

    fn cancel(&self, id: TimerId) -> bool {
        self.lock().timers.cancel(id)
    }

    fn has_timer(&self, id: TimerId) -> bool {
        self.lock().timers.contains(id)
    }

    fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        // The values may be of a type whose `Drop` runs user code: not under the lock.
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
        if inner.closed {
            return Err(NotifyError::Closed(value));
        }
        if inner.notified >= limit {
            return Err(NotifyError::Full(value));
        }
        inner.notified += 1;
        let source = Source::Notify;
        inner.queue.push_back(Mail { value, source });
        self.waiting.fetch_add(1, Ordering::Release);
        Ok(())
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

    /// Takes the next notification. There may be room then for somebody who waits for it.
    pub(crate) fn next<T: Send + 'static>(&self) -> Option<T> {
        let mut inner = self.mailbox::<T>().lock();
        let Mail { value, source } = inner.queue.pop_front()?;
        self.waiting.fetch_sub(1, Ordering::Release);
        match source {
            Source::Notify => inner.notified -= 1,
            Source::Once => inner.fired -= 1,
            Source::Every(timer) => inner.timers.taken(timer),
        }
        if inner.queue.is_empty() && inner.queue.capacity() > 16 {
            inner.queue = VecDeque::new();
        }
        Some(value)
    }

    /// Whether anything waits.
    pub(crate) fn has_mail(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Puts what is due into the mailbox.
    pub(crate) fn fire(&self, now: Instant) {
        if let Some(mailbox) = self.mailbox.get() {
            self.waiting.fetch_add(mailbox.fire(now), Ordering::Release);
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
        if let Some(mailbox) = self.mailbox.get() {
            mailbox.close();
        }
        drop(closed);
        self.waiting.store(0, Ordering::Release);
    }
}
