//! The queue of a page that moves to another server, or comes from one.

use super::{Loss, PageQueue, QueueItem};

impl PageQueue {
    /// Counts the messages that another server cannot have, because the page has connected there.
    pub(in crate::page) fn count_superseded(&self) {
        let matters = |item: &&QueueItem| item.queued.loss == Loss::Matters;
        let lost = self.items.iter().filter(matters).count();
        self.held.budget().count_superseded(lost);
    }

    /// Counts a message that came too late.
    pub(in crate::page) fn count_one_superseded(&self) {
        self.held.budget().count_superseded(1);
    }

    /// Begins anew: nothing was sent to anybody.
    pub(in crate::page) fn begin(&mut self) {
        self.clear();
        self.move_to(0);
        (self.reset_due, self.reset_at) = (None, None);
    }

    /// Moves everything, of which nothing was sent, behind this offset.
    pub(in crate::page) const fn move_to(&mut self, offset: u64) {
        self.base = offset;
        (self.sent, self.ever_sent, self.dropped) = (offset, offset, offset);
    }
}
