//! A stream's lock, which no waiting writer is forgotten behind.

use std::ops::{Deref, DerefMut};
use std::sync::{MutexGuard, PoisonError};
use std::task::Waker;

use super::{State, Stream};
use crate::limits::PageLimits;
use crate::page::queue::Source;

/// The connection of a page's handler, which waits for room in the queue.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) waker: Waker,
    /// Bytes of the message that it waits with.
    pub(super) cost: usize,
}

/// A stream's state, locked. Whatever happens under the lock, a writer that can continue then is
/// woken: each way to more room goes through here.
pub(super) struct Locked<'s> {
    limits: &'s PageLimits,
    /// Taken when this is dropped, and not before.
    state: Option<MutexGuard<'s, State>>,
}

impl Stream {
    /// No code that can panic runs under the lock, so a poisoned one is still whole.
    pub(super) fn lock(&self) -> Locked<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked {
            limits: &self.limits,
            state: Some(state),
        }
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_ref().expect("a guard that is not dropped")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_mut().expect("a guard that is not dropped")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let writer = match self.state.take() {
            // It wakes when the lock is free.
            Some(mut state) if state.writer_can_continue(self.limits) => state.writer.take(),
            _ => None,
        };
        if let Some(writer) = writer {
            writer.waker.wake();
        }
    }
}

impl State {
    /// Whether a writer waits that could continue now.
    fn writer_can_continue(&self, limits: &PageLimits) -> bool {
        let can = |writer: &Writer| !self.must_wait(writer.cost, limits);
        self.writer.as_ref().is_some_and(can)
    }

    /// Whether the handler has to wait with a message of this cost: a page that is connected
    /// gets everything, at its own speed.
    pub(super) fn must_wait(&self, cost: usize, limits: &PageLimits) -> bool {
        let fits = self.queue.fits(cost, Source::Handler, limits);
        self.takes() && self.socket.is_some() && !fits
    }
}
