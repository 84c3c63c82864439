//! A page that returns to another stream: whether it continues, and the base of its cursor.

#[cfg(feature = "cluster")]
use std::sync::Arc;

use super::lineage::{BaseDue, EndedOn, EndedStream, ReportedCursor};
use super::{Epoch, PageReport, Position, ResumePlan, Stream, StreamState};
use crate::log::Cursor;
use crate::page::base::{BaseCursor, BaseKeys, StreamStamp};

/// The stream with which the cursor of a page has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum Origin {
    /// The one to which it returns.
    Same,
    /// The last one of this server, which has ended without a loss.
    Ended,
    /// One of another server.
    Elsewhere,
}

impl Origin {
    pub(in crate::page) const fn of_ended(place: EndedOn) -> Self {
        match place {
            EndedOn::Here => Self::Ended,
            #[cfg(feature = "cluster")]
            EndedOn::Elsewhere | EndedOn::HandedOver { .. } => Self::Elsewhere,
        }
    }
}

/// Restores a page that returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RestoredBy {
    /// Its handler, if that takes [`Resumed`].
    Handler,
    /// Nothing but the subscriptions of its session.
    Session,
}

/// Whether a stream follows that of a cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum Follows {
    /// The page has missed nothing of that, which has ended there.
    Completely(EndedOn),
    WithLoss,
    No,
}

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
            &lineage.begin,
        )
    }

    /// A new base at the ends of the lanes, if the page has none that continues: it was reset, or the
    /// log was replaced since.
    pub(super) fn renew_base(
        &mut self,
        heads: &Cursor,
        keys: &BaseKeys,
        page: &str,
    ) -> Option<String> {
        let begin = Cursor::from_bytes(&self.lineage.begin.cursor);
        let is_replaced = begin.is_none_or(|begin| !begin.is_comparable(heads));
        if !std::mem::take(&mut self.lineage.was_reset) && !is_replaced {
            return None;
        }
        self.lineage.begin = BaseCursor {
            is_continued: true,
            cursor: heads.to_bytes(),
        };
        Some(self.sealed_base(keys, page))
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
        #[cfg(feature = "cluster")]
        if lineage.anchored {
            lineage.base = BaseDue::Done;
        }
        let base = (lineage.base == BaseDue::Due).then(|| self.sealed_base(keys, page));
        // It has none that continues.
        let has_none = base.is_none() && (plan.from.is_none() || report.cursor.is_none());
        self.lineage.was_reset |= has_none;
        base
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

    /// Whether a cursor has a base of the stream before this one, and the page has missed nothing of
    /// that.
    pub(in crate::page) fn follows(
        &self,
        stamp: StreamStamp,
        position: Option<Position>,
    ) -> Follows {
        let state = self.lock();
        let before = state.lineage.predecessor;
        let before = before.filter(|it| it.number == stamp.number);
        let is_same = stamp.session == state.session.generation();
        match before {
            Some(before) if is_same && before.is_complete_at(position) => {
                Follows::Completely(before.place)
            }
            Some(_) => Follows::WithLoss,
            None => Follows::No,
        }
    }

    /// Whether a page at this position is one of another epoch.
    pub(in crate::page) fn is_unknown_to(&self, position: Option<Position>) -> bool {
        position.is_some_and(|position| position.epoch != Epoch::Ours(self.epoch()))
    }

    /// Whether this stream has the base of a cursor.
    pub(in crate::page) fn has_stamp(&self, stamp: StreamStamp) -> bool {
        let state = self.lock();
        state.lineage.stamp(state.session.generation()) == stamp
    }

    /// A page with this cursor, of the last epoch, has missed nothing. `places` are the ends of the
    /// lanes: it has received everything up to there with what is in the queue.
    pub(in crate::page) fn set_continuation(
        &self,
        reported: ReportedCursor,
        cursor: &Cursor,
        places: Option<String>,
    ) {
        let mut state = self.lock();
        if state.queue.is_reset_due() {
            return;
        }
        let lineage = &mut state.lineage;
        lineage.continuation = Some(reported);
        // Its next return may be before it has received what is in the queue.
        lineage.begin = BaseCursor {
            is_continued: !reported.is_empty,
            cursor: cursor.to_bytes(),
        };
        let last = state.queue.last();
        // Otherwise it has received nothing that would move its cursor.
        let is_behind = !state.queue.is_empty();
        state.has_unplaced &= places.is_none();
        state.places_due = places.filter(|_| is_behind).map(|places| (last, places));
    }

    /// Whether a page with this cursor has continued here already, and has not reported what it has
    /// received since.
    pub(in crate::page) fn has_continued(&self, cursor: &ReportedCursor) -> bool {
        self.lock().lineage.continuation == Some(*cursor)
    }

    /// The cursor with which the page has continued on this server, and whether it had received nothing.
    #[cfg(feature = "cluster")]
    pub(in crate::page) fn continued_behind(&self) -> Option<(Arc<Cursor>, bool)> {
        let state = self.lock();
        let lineage = &state.lineage;
        let is_empty = lineage.continuation.as_ref()?.is_empty;
        let cursor = Cursor::from_bytes(&lineage.begin.cursor)?;
        Some((Arc::new(cursor), is_empty))
    }

    /// Another session takes the page over: its cursor begins at the end of the log. What waits in
    /// the queue is before that.
    pub(in crate::page) fn rebase(&self, begin: BaseCursor) {
        let mut state = self.lock();
        state.queue.make_losses_matter();
        (state.lineage.begin, state.lineage.base) = (begin, BaseDue::Due);
    }

    /// The stream with which the page can continue after the end of this one. `None` if it has
    /// missed something.
    pub(in crate::page) fn ended_as(&self) -> Option<EndedStream> {
        self.ended_queue().filter(|_| !self.topics.is_lossy())
    }

    /// The same, if the subscriptions of the page continue.
    pub(in crate::page) fn ended_queue(&self) -> Option<EndedStream> {
        let state = self.lock();
        let lineage = &state.lineage;
        let needed = lineage.needed_at_end?;
        match lineage.predecessor {
            // A page that never got here has the base of the stream before.
            Some(before) if !lineage.attached => Some(before).filter(|_| needed == 0),
            _ => Some(EndedStream {
                number: lineage.number,
                epoch: state.epoch,
                needed,
                place: EndedOn::Here,
            }),
        }
    }
}
