//! Bursts: what is published while a thread handles one input leaves each socket in one write.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use super::flush::DeferredFlush;
use super::{Recipient, Topics, round};
use crate::outbox::Status;

#[cfg(test)]
mod tests;

/// The burst of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BurstState {
    /// No burst is open.
    Closed,
    /// Nothing waits for the end of the burst.
    Empty,
    /// Some outboxes wait for the end of the burst.
    Filled,
}

thread_local! {
    static STATE: Cell<BurstState> = const { Cell::new(BurstState::Closed) };
}

/// A burst of this thread.
///
/// While it is open, every publish of the thread only queues. [`flush`](Self::flush), or dropping
/// the burst, writes what is queued: so each subscriber gets the messages of the burst in one write.
///
/// A hook may drive another connection, which opens a burst of its own inside this one. The inner
/// burst writes what both have queued: the hook may wait for a reply to it.
pub(crate) struct Burst {
    outer: BurstState,
    /// It must be closed on the thread that opened it.
    not_send: PhantomData<*const ()>,
}

impl Burst {
    /// Opens a burst.
    #[inline]
    pub(crate) fn open() -> Self {
        let outer = STATE.get();
        if outer == BurstState::Closed {
            STATE.set(BurstState::Empty);
        }
        Self {
            outer,
            not_send: PhantomData,
        }
    }

    /// Lets this thread expect that bursts of others meet its own.
    #[cfg(test)]
    pub(crate) fn expect_others() {
        round::expect_others();
    }

    /// Whether this thread has an open burst.
    pub(super) fn is_open() -> bool {
        STATE.get() != BurstState::Closed
    }

    /// Adds outboxes to the open burst, which may write to this number of sockets itself.
    pub(super) fn defer(deferred: DeferredFlush, max_direct: usize) {
        if !deferred.is_empty() {
            STATE.set(BurstState::Filled);
            round::defer(deferred, max_direct);
        }
    }

    /// Uncorks the outbox of the connection of this burst. If only messages of topics wait in it,
    /// and others publish in the same round, they are left to the flush of that round; returns
    /// `None` if the connection must write itself.
    ///
    /// Otherwise each member of a room would write what the members before it have published, and
    /// the flush what the others publish after it.
    pub(crate) fn leave<R: Recipient + 'static>(
        &self,
        recipient: &Arc<R>,
        topics: &Topics,
    ) -> Option<Status> {
        if self.outer != BurstState::Closed {
            return None;
        }
        let flush = round::awaited_flush()?;
        let (status, joined) = recipient.outbox().leave_to(flush)?;
        if joined {
            let mut deferred = DeferredFlush::default();
            deferred.push(recipient.clone());
            Self::defer(deferred, topics.inline);
        }
        Some(status)
    }

    /// Writes what the burst has queued so far. It stays open.
    #[inline]
    pub(crate) fn flush(&self) {
        if STATE.get() == BurstState::Filled {
            STATE.set(BurstState::Empty);
            flush_deferred(self.outer);
        }
    }
}

impl Drop for Burst {
    #[inline]
    fn drop(&mut self) {
        // First, so that code of the application that runs during the flush does not add to this
        // burst.
        let state = STATE.replace(match self.outer {
            BurstState::Closed => BurstState::Closed,
            BurstState::Empty | BurstState::Filled => BurstState::Empty,
        });
        if state == BurstState::Filled {
            flush_deferred(self.outer);
        }
    }
}

#[cold]
#[inline(never)]
fn flush_deferred(outer: BurstState) {
    match outer {
        BurstState::Closed => round::end_burst(),
        // The runtime of an inner burst may stop before a task of it runs.
        BurstState::Empty | BurstState::Filled => round::flush_now(),
    }
}
