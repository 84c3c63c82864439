//! Messages that a page will never get: it gets a reset instead.

use super::lineage::BaseDue;
use super::{FollowUp, Stream, StreamState, follow_up_of_close};
use crate::limits::PageLimits;
use crate::page::queue::{PushSource, QueuedPush};

impl Stream {
    /// Drops all messages; the page gets a reset.
    pub(in crate::page) fn overflow(&self) -> FollowUp {
        let mut state = self.lock();
        if state.queue.is_empty() {
            return FollowUp::Nothing;
        }
        state.overflow();
        state.pump();
        let closed = state.close_if_done();
        drop(state);
        follow_up_of_close(closed)
    }

    /// Whether the next connection of the page gets a reset.
    pub(in crate::page) fn is_reset_due(&self) -> bool {
        self.lock().queue.is_reset_due()
    }

    /// Messages are missing that were never in the queue, such as those of a topic whose history is
    /// gone. All messages are dropped, because they follow the missing ones.
    pub(in crate::page) fn lose(&self) {
        let mut state = self.lock();
        state.queue.lose();
        state.forget_cursor();
        state.pump();
    }
}

impl StreamState {
    /// Adds a message. If it does not fit, all messages are dropped, and the page gets a reset.
    pub(super) fn push(&mut self, queued: QueuedPush, source: PushSource, limits: &PageLimits) {
        if !self.queue.push(queued, source, limits) {
            self.forget_cursor();
        }
    }

    /// Drops all messages; the page gets a reset.
    pub(super) fn overflow(&mut self) {
        self.queue.overflow();
        self.forget_cursor();
        self.incomplete |= !self.accepts_pushes();
    }

    /// Messages were dropped, for which the page gets a reset. So it does not continue behind the
    /// cursor that it has reported, nor later behind the one that it has: it gets another base.
    pub(super) fn forget_cursor(&mut self) {
        self.places_due = None;
        let has_continued = self.lineage.continuation.take().is_some();
        // The cursor of a page that was never here belongs to the stream before.
        if self.lineage.attached || has_continued {
            (self.lineage.base, self.lineage.was_reset) = (BaseDue::Done, true);
        }
    }
}
