//! Pages that continue several topics, one after the other: meanwhile, the place of an event does not
//! show that they have received what is before it in the lane.

use std::sync::{Arc, Weak};

use super::{Stream, StreamState};
use crate::page::queue::QueuedPush;
use crate::wire::LanePlace;

/// Until this is dropped, messages of a page may follow that are before its events in the log.
pub(in crate::page) struct Incomplete(Weak<Stream>);

impl Drop for Incomplete {
    fn drop(&mut self) {
        let Self(stream) = self;
        if let Some(stream) = stream.upgrade() {
            stream.lock().unfinished -= 1;
        }
    }
}

impl Stream {
    /// Earlier messages will follow until the result is dropped: until then, the places of events are
    /// unknown to the page.
    pub(in crate::page) fn begin_incomplete(self: &Arc<Self>) -> Incomplete {
        self.lock().unfinished += 1;
        Incomplete(Arc::downgrade(self))
    }

    /// Whether the page has received all topics, and does not know the places of some events.
    pub(in crate::page) fn needs_places(&self) -> bool {
        self.lock().needs_places()
    }

    /// The page has reached these places with what is in the queue.
    pub(in crate::page) fn set_places(&self, places: String) {
        let mut state = self.lock();
        if state.needs_places() {
            state.has_unplaced = false;
            state.places_due = Some((state.queue.last(), places));
            state.pump();
        }
    }
}

impl StreamState {
    /// The event of this place, as the page gets it now.
    pub(super) fn placed(&mut self, event: QueuedPush, at: Option<LanePlace>) -> QueuedPush {
        let at = at.filter(|at| self.unfinished > 0 && at.place.is_some());
        let Some(at) = at else {
            return event;
        };
        self.has_unplaced = true;
        event.without_place(at)
    }

    pub(super) fn needs_places(&self) -> bool {
        #[cfg(feature = "cluster")]
        if self.lineage.anchored {
            return false;
        }
        self.has_unplaced && self.unfinished == 0
    }
}
