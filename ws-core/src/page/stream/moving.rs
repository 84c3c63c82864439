//! A page that comes from another server, or that cannot go to one.

use serde::{Deserialize, Serialize};

use super::end::superseded;
use super::lineage::{BaseDue, EndedOn, EndedStream, ReportedCursor};
use super::state::{StreamState, frame};
use super::{Attempt, Epoch, FollowUp, PageReport, Stream};
use crate::page::Credentials;
use crate::page::queue::{PushSource, QueuedPush};
use crate::wire::ToPage;

impl Stream {
    /// Whether a page with this cursor, of a stream of another server, can continue here: nothing
    /// was sent from here, unless to the same page.
    pub(in crate::page) fn can_begin_with(&self, cursor: &ReportedCursor) -> bool {
        let state = self.lock();
        let lineage = &state.lineage;
        let is_untouched = !lineage.attached && lineage.continuation.is_none();
        let is_same = lineage.continuation == Some(*cursor);
        (is_untouched || is_same) && cursor.stamp.session == state.session.generation()
    }

    /// Whether a connection was ever attached.
    pub(in crate::page) fn was_attached(&self) -> bool {
        self.lock().lineage.attached
    }

    /// Whether a later connection of the script that was attached here has a cursor of another server,
    /// with which it has not come here.
    pub(in crate::page) fn is_left(&self, report: &PageReport, cursor: &ReportedCursor) -> bool {
        let state = self.lock();
        let lineage = &state.lineage;
        lineage.attached
            && lineage.continuation != Some(*cursor)
            && cursor.stamp.session == state.session.generation()
            && report.client == state.client
            && state.ownership.is_before(&report.attempt())
    }

    /// Begins with these pushes: those behind the cursor of the page.
    pub(in crate::page) fn begin_with(&self, pushes: Vec<QueuedPush>) {
        let mut state = self.lock();
        if state.ended || state.lineage.attached {
            return;
        }
        state.queue.begin();
        for push in pushes {
            state.push(push, PushSource::Application, &self.limits);
            // The page gets a reset instead of all of them.
            if state.queue.is_reset_due() {
                return;
            }
        }
    }

    /// The page has a subscription that other servers do not know: it has no cursor. Returns whether
    /// that is new.
    pub(in crate::page) fn anchor(&self) -> bool {
        let mut state = self.lock();
        if std::mem::replace(&mut state.lineage.anchored, true) || state.ended {
            return false;
        }
        state.lineage.base = BaseDue::Done;
        state.places_due = None;
        state.drop_base();
        true
    }

    /// The other servers do not learn of the subscription: the next one is new again. The page has no
    /// cursor any more.
    pub(in crate::page) fn raise_anchor(&self) {
        self.lock().lineage.anchored = false;
    }
}

/// What another server must know to continue the page of a stream that has ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::page) struct HandedOver {
    pub(in crate::page) page: Box<str>,
    number: u64,
    epoch: u64,
    /// The offset that the page must have received; `None` if it cannot continue.
    needed: Option<u64>,
    client: Option<u64>,
    /// The last id that the server has taken; `None` if a handler may have taken more.
    seen: Option<u64>,
}

impl HandedOver {
    /// The end of the stream, as the next server sees it.
    pub(in crate::page) fn ended(&self) -> EndedStream {
        let client = self.client;
        let handed_over = |seen| EndedOn::HandedOver { client, seen };
        EndedStream {
            number: self.number,
            epoch: self.epoch,
            needed: self.needed.unwrap_or(u64::MAX),
            place: self.seen.map_or(EndedOn::Elsewhere, handed_over),
        }
    }
}

/// The offsets that a script can count exactly.
const MAX_OFFSET: u64 = 1 << 53;

impl Stream {
    /// Ends the stream, unless a socket is attached or about to be: this server ends.
    pub(in crate::page) fn end_unattached(&self) -> FollowUp {
        let mut state = self.lock();
        if state.ended || state.socket.is_some() || state.pending_handshakes > 0 {
            return FollowUp::Nothing;
        }
        state.end(false);
        FollowUp::Remove
    }

    /// What another server must know of the stream, which has ended; `None` if the page never was
    /// on this server.
    pub(in crate::page) fn handed_over(&self) -> Option<HandedOver> {
        let ended = self.ended_queue();
        let state = self.lock();
        if state.is_stray() {
            return None;
        }
        let ended = ended.filter(|_| !state.lineage.anchored);
        let seen = Some(state.seen).filter(|_| !state.had_handler);
        let (number, epoch) = (state.lineage.number, state.epoch);
        Some(HandedOver {
            page: (*self.id).into(),
            number: ended.map_or(number, |ended| ended.number),
            epoch: ended.map_or(epoch, |ended| ended.epoch),
            needed: ended.map(|ended| ended.needed),
            client: state.client,
            seen: seen.filter(|_| ended.is_none_or(|ended| ended.number == number)),
        })
    }

    /// What other servers must know of a stream that has ended with a loss, or with messages that only
    /// some scripts of the page have; `None` if no page misses anything, it will not return, or is on
    /// another server.
    pub(in crate::page) fn lost(&self) -> Option<HandedOver> {
        let ended = self.ended_as();
        let needed = ended.map(|ended| ended.needed);
        let state = self.lock();
        let may_return = !state.is_superseded
            && !state.is_stray()
            && !state.lineage.is_closed
            && !state.session.has_ended();
        (needed != Some(0) && may_return).then(|| HandedOver {
            page: (*self.id).into(),
            number: state.lineage.number,
            epoch: state.epoch,
            needed,
            client: None,
            seen: None,
        })
    }

    /// Whether the page never was on this server: all handshakes for it were refused.
    pub(in crate::page) fn is_stray(&self) -> bool {
        self.lock().is_stray()
    }

    /// The last stream of the page, of which this server knows the end.
    pub(in crate::page) fn predecessor(&self) -> Option<EndedStream> {
        self.lock().lineage.predecessor
    }

    /// The stream before this one has ended on another server.
    pub(in crate::page) fn set_predecessor(&self, ended: EndedStream) {
        let lineage = &mut self.lock().lineage;
        if !lineage.attached && lineage.continuation.is_none() {
            lineage.predecessor = Some(ended);
        }
    }

    /// Goes on with the epoch of a stream that another server has handed over, if the script of the
    /// page is still the same. What waits here follows what the page has received there.
    pub(in crate::page) fn take_over(&self, report: &PageReport) {
        let mut state = self.lock();
        let (Some(before), Some(position)) = (state.lineage.predecessor, report.position) else {
            return;
        };
        let EndedOn::HandedOver { client, seen } = before.place else {
            return;
        };
        let is_same_script = client.is_none() || client == report.client;
        // An older stream of the page may have had the same epoch: this server has missed its end.
        let follows = |it: ReportedCursor| it.stamp.number == before.number;
        let is_same_stream =
            position.epoch == Epoch::Ours(before.epoch) && report.cursor.is_some_and(follows);
        let is_new = !state.lineage.attached && !state.queue.is_reset_due();
        if !(is_new && is_same_script && is_same_stream && position.offset < MAX_OFFSET) {
            return;
        }
        (state.epoch, state.client) = (before.epoch, client);
        (state.accepted, state.seen) = (seen, seen);
        state.queue.move_to(position.offset);
    }
}

impl Stream {
    /// The page has connected to another server: what its handler sends is dropped and counted.
    pub(in crate::page) fn end_superseded(&self, by: &Attempt) -> FollowUp {
        let mut state = self.lock();
        let is_same_script = by.client.is_some() && by.client == state.client;
        if !state.ended {
            state.queue.count_superseded();
            state.is_superseded = true;
        }
        drop(state);
        self.end(&superseded(is_same_script))
    }
}

impl super::StreamState {
    /// Whether the page never was on this server: all handshakes for it were refused. Its stream on
    /// another server continues.
    fn is_stray(&self) -> bool {
        !self.lineage.attached && !self.ownership.is_ours
    }

    /// Makes the client of the page forget its cursor, if the page is connected.
    pub(super) fn drop_base(&self) {
        if let Some(socket) = &self.socket {
            // If the outbox is full, the next `welcome` is followed by it.
            let _ = socket.outbox().push(&frame(&ToPage::Base { base: None }));
        }
    }
}

impl StreamState {
    /// Whether the page has a handler here that was started with other credentials.
    pub(super) fn keeps_page(&self, are_other: impl FnOnce(&Credentials) -> bool) -> bool {
        let has_handler = self.ownership.is_ours && self.feed.is_some() && !self.ended;
        let credentials = self.credentials.as_ref().filter(|_| has_handler);
        credentials.is_some_and(are_other)
    }
}
