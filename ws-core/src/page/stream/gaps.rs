//! Messages that a page will never get: it gets a reset instead.

use super::lineage::BaseDue;
use super::{FollowUp, Stream, follow_up_of_close};

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

    /// Messages are missing that were never in the queue, such as those of a topic whose history is
    /// gone. All messages are dropped, because they follow the missing ones.
    pub(in crate::page) fn lose(&self) {
        let mut state = self.lock();
        state.queue.lose();
        if state.lineage.attached {
            (state.lineage.base, state.lineage.was_reset) = (BaseDue::Done, true);
        }
        state.places_due = None;
        state.pump();
    }
}
