//! The state of a stream, which its lock protects.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;

use super::lineage::Lineage;
#[cfg(feature = "cluster")]
use super::ownership::Ownership;
use super::{AttachError, Epoch, Feed, PageReport, PageSocket, Position};
use crate::close::{Close, CloseCode};
use crate::id::ConnectionId;
use crate::limits::{PageLimits, deadline_after};
use crate::outbox::{Frame, Outbox, PushError, WriteMode};
use crate::page::Credentials;
use crate::page::budget::Budget;
use crate::page::queue::{NextFrame, PageQueue, PushSource, SentOffset, UnsentOffset};
use crate::session::Session;
use crate::wire::{Gap, ToPage, json};

/// The connection of a page's handler while it waits for room in the queue.
#[derive(Debug)]
pub(super) struct WaitingWriter {
    pub(super) waker: Waker,
    /// The cost of the message that it waits with.
    pub(super) cost: usize,
}

/// The state that a stream's lock protects.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags are independent of each other"
)]
pub(super) struct StreamState {
    pub(super) queue: PageQueue,
    pub(super) epoch: u64,
    /// The last id that was accepted from the page.
    pub(super) accepted: u64,
    /// The last id that its handler, or the application, has taken.
    pub(super) seen: u64,
    /// The socket has not been notified of `seen` yet.
    pub(super) seen_due: bool,
    /// The script of the page's sockets, if they reported one.
    pub(super) client: Option<u64>,
    /// The number of pending handshakes for the stream.
    pub(super) pending_handshakes: usize,
    pub(super) socket: Option<Arc<dyn PageSocket>>,
    /// The outbox of the socket is full; the socket will report free capacity.
    pub(super) outbox_is_full: bool,
    pub(super) session: Session,
    /// The route to which the page is attached.
    pub(super) route: Option<usize>,
    /// The feed of the page's handler, if it has one.
    pub(super) feed: Option<Arc<Feed>>,
    /// The credentials that the handler was started with, if the page has no session.
    pub(super) credentials: Option<Credentials>,
    /// The handler's connection, if it waits for acknowledgements.
    pub(super) writer: Option<WaitingWriter>,
    /// When the page ends, unless a socket attaches.
    pub(super) deadline: Option<Instant>,
    /// The value of `deadline` before the pending handshakes; restored if all of them are refused.
    pub(super) suspended: Option<Instant>,
    /// The reaper watches the page.
    pub(super) watched: bool,
    /// The handler is closing: only its last messages are still added.
    pub(super) closing: bool,
    /// The handler has closed: this Close follows the last message.
    pub(super) ending: Option<Close>,
    /// The page has missed messages before the Close of its handler, so it must reconnect.
    pub(super) incomplete: bool,
    pub(super) ended: bool,
    pub(super) lineage: Lineage,
    /// The places that the page has reached with this offset. It gets them after that message.
    pub(super) places_due: Option<(u64, String)>,
    /// How many reasons there are for which earlier messages may follow.
    pub(super) unfinished: usize,
    /// The page does not know the places of some events.
    pub(super) has_unplaced: bool,
    #[cfg(feature = "cluster")]
    pub(super) ownership: Ownership,
    /// The page has connected to another server.
    #[cfg(feature = "cluster")]
    pub(super) is_superseded: bool,
    /// The page had a handler when its stream was handed over.
    #[cfg(feature = "cluster")]
    pub(super) had_handler: bool,
}

/// How a new socket continues the stream.
pub(super) struct ResumePlan {
    /// The epoch from now on. A different script, such as in a duplicated tab, counts its own
    /// messages and does not know which ones the earlier script received: a new epoch begins for
    /// it, and again for the earlier script if that reconnects.
    epoch: u64,
    client: Option<u64>,
    /// The last offset that the page has received. `None` if it does not know this epoch.
    pub(super) from: Option<SentOffset>,
    /// The epoch is new, and the page has missed nothing.
    pub(super) continued: bool,
}

/// What a frame for the socket was.
#[derive(Clone, Copy)]
enum Sent {
    /// Of the queue.
    Item,
    Seen,
    Places,
}

/// A request of a stream to the registry, after it has released its lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum FollowUp {
    Nothing,
    /// Check again at this time.
    Watch(Instant),
    /// Remove the stream.
    Remove,
}

/// Encodes a message of the protocol as a frame.
pub(super) fn frame(message: &ToPage) -> Frame {
    Frame::joined(json(message).as_bytes(), &Bytes::new())
}

/// Closes a socket that has received everything, after the lock is released.
pub(super) fn follow_up_of_close(closed: Option<(Arc<dyn PageSocket>, Close)>) -> FollowUp {
    match closed {
        Some((socket, close)) => {
            socket.close_page(&close);
            FollowUp::Remove
        }
        None => FollowUp::Nothing,
    }
}

/// Pushes a frame. If earlier ones of the same write leave no room for it, they are written first.
fn push(outbox: &Outbox, frame: Frame, mode: WriteMode) -> Result<(), PushError> {
    let frame = outbox.compress(frame);
    match outbox.push_in(&frame, mode) {
        Err(PushError::Full) if mode == WriteMode::Queue => {
            outbox.flush_direct();
            outbox.push_in(&frame, mode)
        }
        pushed => pushed,
    }
}

impl StreamState {
    /// The stream of a page that was just rendered: it waits for a socket.
    pub(super) fn new(
        epoch: u64,
        session: Session,
        limits: &PageLimits,
        budget: &Arc<Budget>,
        lineage: Lineage,
    ) -> Self {
        Self {
            queue: PageQueue::new(budget),
            epoch,
            accepted: 0,
            seen: 0,
            seen_due: false,
            client: None,
            pending_handshakes: 0,
            socket: None,
            outbox_is_full: false,
            session,
            route: None,
            feed: None,
            credentials: None,
            writer: None,
            deadline: Some(deadline_after(Instant::now(), limits.grace)),
            suspended: None,
            watched: true,
            closing: false,
            ending: None,
            incomplete: false,
            ended: false,
            lineage,
            places_due: None,
            unfinished: 0,
            has_unplaced: false,
            #[cfg(feature = "cluster")]
            ownership: Ownership::default(),
            #[cfg(feature = "cluster")]
            is_superseded: false,
            #[cfg(feature = "cluster")]
            had_handler: false,
        }
    }

    /// Plans how a new socket continues the stream. All refusals happen here, before any change.
    pub(super) fn plan(&self, report: PageReport) -> Result<ResumePlan, UnsentOffset> {
        let PageReport {
            position,
            client,
            cursor,
            attempt: _,
        } = report;
        let same = client.is_none() || self.client.is_none() || client == self.client;
        let epoch = self.epoch.wrapping_add(u64::from(!same));
        let is_new = position.is_some_and(|own| own.epoch != Epoch::Ours(epoch));
        let continued = is_new && same && cursor.is_some() && cursor == self.lineage.continuation;
        let from = match position {
            _ if continued => Some(self.queue.check(self.queue.base())?),
            Some(Position { epoch: own, .. }) if own != Epoch::Ours(epoch) => None,
            Some(Position { offset, .. }) => {
                let reported = self.queue.check(offset)?;
                let is_same_script = client.is_some() && client == self.client;
                Some(if is_same_script {
                    self.queue.at_least_acknowledged(reported)
                } else {
                    reported
                })
            }
            None => Some(self.queue.check(0)?),
        };
        Ok(ResumePlan {
            epoch,
            client: client.or(self.client),
            from,
            continued,
        })
    }

    /// Continues as planned. If messages are missing, a reset is due.
    pub(super) fn resume(&mut self, plan: &ResumePlan) {
        self.client = plan.client;
        if plan.epoch != self.epoch {
            self.epoch = plan.epoch;
            (self.accepted, self.seen) = (0, 0);
        }
        let gap = if let Some(from) = plan.from {
            self.queue.resume(from)
        } else {
            self.queue.restart();
            Some(Gap::Restart)
        };
        self.incomplete |= !self.accepts_pushes() && gap == Some(Gap::Overflow);
        if let Some(why) = gap {
            self.queue.require_reset(why);
            // A page of another epoch may get a base with `welcome`.
            if why != Gap::Restart {
                self.lineage.attached = true;
                self.forget_cursor();
            }
        }
    }

    /// Whether the page accepts messages: none may follow the last ones of its handler.
    pub(super) const fn accepts_pushes(&self) -> bool {
        !self.ended && !self.closing && self.ending.is_none()
    }

    /// Counts a message that is refused because the page has connected to another server.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(clippy::unused_self, reason = "there are no other servers")
    )]
    pub(super) fn count_refused(&self) {
        #[cfg(feature = "cluster")]
        if self.is_superseded {
            self.queue.count_one_superseded();
        }
    }

    /// Begins to close the handler. If messages were dropped and the page has not received the
    /// reset yet, it misses them.
    pub(super) fn begin_closing(&mut self) {
        self.closing = true;
        self.incomplete |= self.queue.is_overflow_due();
    }

    /// Whether a socket was ever attached to the stream, or may still be.
    pub(super) const fn is_used(&self) -> bool {
        self.lineage.attached || self.pending_handshakes > 0 || self.ended
    }

    pub(super) fn is_attached(&self, socket: ConnectionId) -> bool {
        self.socket.as_ref().is_some_and(|it| it.id() == socket)
    }

    pub(super) fn check(&self, session: &Session, route: usize) -> Result<(), AttachError> {
        if self.ended {
            return Err(AttachError::Ended);
        }
        if session.renewals() < self.session.renewals() {
            return Err(AttachError::SessionReplaced);
        }
        match self.route {
            Some(own) if own != route => Err(AttachError::OtherRoute),
            _ => Ok(()),
        }
    }

    /// Writes messages to the socket, as far as it accepts them: all of them in one write.
    pub(super) fn pump(&mut self) {
        let Some(socket) = self.socket.clone().filter(|_| !self.outbox_is_full) else {
            return;
        };
        let frames = self.queue.unsent() + u64::from(self.seen_due);
        if frames > 1 || self.queue.is_reset_due() {
            self.push_all(&*socket, WriteMode::Queue);
            socket.outbox().flush_direct();
        } else {
            self.push_all(&*socket, WriteMode::Direct);
        }
    }

    /// Pushes messages to the outbox of the socket, as far as it has room.
    fn push_all(&mut self, socket: &dyn PageSocket, mode: WriteMode) {
        loop {
            let (frame, sent) = match self.queue.next() {
                // First, so that it follows `welcome`.
                Some(NextFrame::Reset(why, offset)) => {
                    (frame(&ToPage::Reset { why, offset }), Sent::Item)
                }
                _ if self.seen_due => (frame(&ToPage::Seen { id: self.seen }), Sent::Seen),
                _ if self.are_places_due() => {
                    let at = self.places_due.as_ref().map(|(_, at)| at.clone());
                    (frame(&ToPage::Pong { at, spread: None }), Sent::Places)
                }
                Some(NextFrame::Message(frame)) => (frame, Sent::Item),
                None => return,
            };
            match push(socket.outbox(), frame, mode) {
                Ok(()) => match sent {
                    Sent::Item => self.queue.mark_sent(),
                    Sent::Seen => self.seen_due = false,
                    Sent::Places => self.places_due = None,
                },
                Err(PushError::Full) => {
                    self.outbox_is_full = true;
                    socket.notify_when_writable();
                    return;
                }
                // The next socket continues.
                Err(PushError::Closed) => return,
            }
        }
    }

    /// Whether the page has reached places that it does not know yet.
    fn are_places_due(&self) -> bool {
        let places = self.places_due.as_ref();
        places.is_some_and(|(offset, _)| self.queue.is_sent(*offset))
    }

    /// Cancels the deadline, since a socket is attached or about to be. If the handler has closed,
    /// the deadline stays.
    pub(super) fn clear_deadline(&mut self) {
        if self.ending.is_none() {
            self.deadline = None;
        }
    }

    /// The deadline of the page if the handshake that holds it is refused.
    pub(super) fn suspended_deadline(&self) -> Option<Instant> {
        self.suspended
            .filter(|_| !self.ended && self.deadline.is_none() && self.pending_handshakes > 0)
    }

    /// Starts to wait for a socket, unless one is attached or the deadline runs already; if the
    /// handler has closed, starts to wait for acknowledgements.
    pub(super) fn start_deadline(&mut self, limits: &PageLimits) -> FollowUp {
        let in_use = self.socket.is_some() || self.pending_handshakes > 0;
        if self.ended || self.deadline.is_some() || (in_use && self.ending.is_none()) {
            return FollowUp::Nothing;
        }
        let suspended = self.suspended.take().filter(|_| self.ending.is_none());
        let until = suspended.unwrap_or_else(|| deadline_after(Instant::now(), limits.grace));
        self.deadline = Some(until);
        if std::mem::replace(&mut self.watched, true) {
            FollowUp::Nothing
        } else {
            FollowUp::Watch(until)
        }
    }

    /// Extends the deadline: a page that acknowledges gets more time for the last messages of its
    /// handler.
    pub(super) fn extend_deadline(&mut self, limits: &PageLimits) {
        if self.ending.is_some() && !self.ended {
            self.deadline = Some(deadline_after(Instant::now(), limits.grace));
        }
    }

    /// The Close of a page whose handler has closed, after the page has acknowledged all kept
    /// messages and received the reset for dropped ones. If messages are missing, the Close makes
    /// the page reconnect, whatever the handler has closed with.
    pub(super) fn last_close(&self) -> Option<Close> {
        let close = self.ending.as_ref()?;
        let settled = self.queue.is_empty() && !self.queue.is_reset_due();
        let missed = || Close::new(CloseCode::TRY_AGAIN_LATER, "messages were dropped");
        settled.then(|| {
            if self.incomplete {
                missed()
            } else {
                close.clone()
            }
        })
    }

    /// Ends a page whose handler has closed and which has received everything. Returns the socket
    /// to close, and its Close.
    pub(super) fn close_if_done(&mut self) -> Option<(Arc<dyn PageSocket>, Close)> {
        self.socket.as_ref()?;
        let close = self.last_close()?;
        Some((self.end(false)?, close))
    }

    /// Ends the stream. Returns the socket to close.
    pub(super) fn end(&mut self, bye: bool) -> Option<Arc<dyn PageSocket>> {
        self.ended = true;
        self.lineage.needed_at_end = self.needed_at_end().filter(|_| !bye);
        #[cfg(feature = "cluster")]
        {
            self.lineage.is_closed = bye;
            self.had_handler |= self.feed.is_some();
        }
        self.queue.clear();
        if let Some(feed) = self.feed.take() {
            if bye {
                feed.end_with_close();
            } else {
                feed.end();
            }
        }
        self.socket.take()
    }

    /// Whether a waiting writer can continue now.
    pub(super) fn writer_can_continue(&self, limits: &PageLimits) -> bool {
        let can = |writer: &WaitingWriter| !self.must_wait(writer.cost, limits);
        self.writer.as_ref().is_some_and(can)
    }

    /// Whether the handler must wait with a message of this cost: a connected page receives
    /// everything, at its own speed.
    pub(super) fn must_wait(&self, cost: usize, limits: &PageLimits) -> bool {
        let fits = self.queue.fits(cost, PushSource::Handler, limits);
        self.accepts_pushes() && self.socket.is_some() && !fits
    }
}
