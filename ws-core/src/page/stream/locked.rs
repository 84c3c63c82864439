//! The lock of a stream, which wakes a waiting writer on release.

use std::ops::{Deref, DerefMut};
use std::sync::{MutexGuard, PoisonError};

use super::{Stream, StreamState};
use crate::limits::PageLimits;

/// The locked state of a stream. When it is dropped, a writer that can continue is woken: every
/// change that makes room goes through here.
pub(super) struct StreamGuard<'s> {
    limits: &'s PageLimits,
    /// `None` only while this is being dropped.
    state: Option<MutexGuard<'s, StreamState>>,
}

impl Stream {
    /// No code that can panic runs under the lock, so a poisoned state is still consistent.
    pub(super) fn lock(&self) -> StreamGuard<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        StreamGuard {
            limits: &self.limits,
            state: Some(state),
        }
    }
}

impl Deref for StreamGuard<'_> {
    type Target = StreamState;

    fn deref(&self) -> &StreamState {
        self.state.as_ref().expect("a guard that is not dropped")
    }
}

impl DerefMut for StreamGuard<'_> {
    fn deref_mut(&mut self) -> &mut StreamState {
        self.state.as_mut().expect("a guard that is not dropped")
    }
}

impl Drop for StreamGuard<'_> {
    fn drop(&mut self) {
        let writer = match self.state.take() {
            // Woken after the lock is released.
            Some(mut state) if state.writer_can_continue(self.limits) => state.writer.take(),
            _ => None,
        };
        if let Some(writer) = writer {
            writer.waker.wake();
        }
    }
}
