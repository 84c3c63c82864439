//! A page that returns to another stream: whether it continues, and the base of its cursor.

use super::lineage::{BaseDue, EndedStream, ReportedCursor};
use super::{Epoch, PageReport, Position, ResumePlan, Stream, StreamState};
use crate::page::base::{BaseKeys, StreamStamp};

impl EndedStream {
    /// Whether a page at this position has missed nothing.
    fn is_complete_at(&self, position: Option<Position>) -> bool {
        self.needed == 0
            || position.is_some_and(|own| {
                own.epoch == Epoch::Ours(self.epoch) && own.offset >= self.needed
            })
    }
}

impl StreamState {
    /// The base of the page's cursor.
    pub(super) fn sealed_base(&self, keys: &BaseKeys, page: &str) -> String {
        let lineage = &self.lineage;
        keys.seal(
            page,
            lineage.stamp(self.session.generation()),
            &lineage.heads,
        )
    }

    /// The base for the `welcome` of a new socket, if its page needs one.
    pub(super) fn take_base(
        &mut self,
        report: &PageReport,
        plan: &ResumePlan,
        keys: &BaseKeys,
        page: &str,
    ) -> Option<String> {
        let session = self.session.generation();
        let lineage = &mut self.lineage;
        let is_known = |cursor: &ReportedCursor| cursor.stamp == lineage.stamp(session);
        // Another script does not know what this page has received.
        let is_other = plan.from.is_none() && lineage.attached;
        if is_other || report.cursor.as_ref().is_some_and(is_known) {
            lineage.base = BaseDue::Done;
        }
        lineage.attached = true;
        (lineage.base == BaseDue::Due).then(|| self.sealed_base(keys, page))
    }

    /// The offset that the page must have received, so that the end of the stream, now, is no loss.
    pub(super) fn needed_at_end(&self) -> Option<u64> {
        let needed = self.queue.needed_offset();
        needed.filter(|_| !self.incomplete && !self.lineage.failed)
    }
}

impl Stream {
    /// The base of the page's cursor.
    pub(in crate::page) fn base(&self) -> String {
        self.lock().sealed_base(&self.keys, &self.id)
    }

    /// Whether a cursor with a base of this stream, or of the last one, continues.
    pub(in crate::page) fn can_continue(
        &self,
        stamp: StreamStamp,
        position: Option<Position>,
    ) -> bool {
        let state = self.lock();
        let lineage = &state.lineage;
        let is_known = lineage.number == stamp.number
            || lineage
                .predecessor
                .is_some_and(|it| it.number == stamp.number && it.is_complete_at(position));
        is_known && stamp.session == state.session.generation()
    }

    /// Whether a page at this position is one of another epoch.
    pub(in crate::page) fn is_unknown_to(&self, position: Option<Position>) -> bool {
        position.is_some_and(|position| position.epoch != Epoch::Ours(self.epoch()))
    }

    /// Whether this stream has the base of a cursor.
    pub(in crate::page) fn has_stamp(&self, stamp: StreamStamp) -> bool {
        self.lock().lineage.number == stamp.number
    }

    /// A page with this cursor, of the last epoch, has missed nothing.
    pub(in crate::page) fn set_continuation(&self, cursor: ReportedCursor) {
        self.lock().lineage.continuation = Some(cursor);
    }

    /// Another session takes the page over: its cursor begins at the end of the log. What waits in
    /// the queue is before that.
    pub(in crate::page) fn rebase(&self, heads: Box<[u8]>) {
        let mut state = self.lock();
        state.queue.make_losses_matter();
        (state.lineage.heads, state.lineage.base) = (heads, BaseDue::Due);
    }

    /// The stream with which the page can continue after the end of this one. `None` if it has
    /// missed something.
    pub(in crate::page) fn ended_as(&self) -> Option<EndedStream> {
        let state = self.lock();
        let lineage = &state.lineage;
        let needed = lineage.needed_at_end.filter(|_| !self.topics.is_lossy())?;
        match lineage.predecessor {
            // A page that never got here has the base of the stream before.
            Some(before) if !lineage.attached => Some(before).filter(|_| needed == 0),
            _ => Some(EndedStream {
                number: lineage.number,
                epoch: state.epoch,
                needed,
            }),
        }
    }
}
