//! What a stream holds under its lock.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;

use super::{AttachError, Epoch, Feed, PageSocket, Position, Standing};
use crate::close::{Close, CloseCode};
use crate::id::ConnectionId;
use crate::limits::{PageLimits, later};
use crate::outbox::{Frame, Refused};
use crate::page::budget::Budget;
use crate::page::queue::{FromTheFuture, Next, Queue, Sent, Source};
use crate::session::Session;
use crate::wire::{Gap, ToPage, json};

/// The connection of a page's handler, which waits for room in the queue.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) waker: Waker,
    /// Bytes of the message that it waits with.
    pub(super) cost: usize,
}

/// What a stream's lock protects.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are not states of one machine"
)]
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) epoch: u64,
    /// The last id that was accepted from the page.
    pub(super) accepted: u64,
    /// The last id that its handler, or the application, has taken.
    pub(super) seen: u64,
    /// The socket has not heard of it yet.
    pub(super) seen_due: bool,
    /// The script that the page's sockets were of, where they said so.
    pub(super) client: Option<u64>,
    /// How many sockets are about to carry the stream.
    pub(super) openers: usize,
    pub(super) socket: Option<Arc<dyn PageSocket>>,
    /// The socket's outbox is full; it will ask for more.
    pub(super) waits_for_room: bool,
    pub(super) session: Session,
    /// The route that the page is attached at.
    pub(super) route: Option<usize>,
    /// Leads to the page's handler, where it has one.
    pub(super) feed: Option<Arc<Feed>>,
    /// The handler's connection, which waits for acknowledgements.
    pub(super) writer: Option<Writer>,
    /// When the page ends, unless a socket comes.
    pub(super) until: Option<Instant>,
    /// `until` from before the handshakes that are under way: restored if all are refused.
    pub(super) held: Option<Instant>,
    /// The reaper knows of the page.
    pub(super) watched: bool,
    /// The handler closes: only its last messages are still added.
    pub(super) closing: bool,
    /// The handler has closed: the Close follows the last message.
    pub(super) ending: Option<Close>,
    /// The page has missed messages that precede the Close of its handler: it has to come back.
    pub(super) incomplete: bool,
    pub(super) ended: bool,
}

/// How a new socket continues the stream.
pub(super) struct Plan {
    /// The epoch from now on. Another script, as of a duplicated tab, counts its own messages
    /// and knows nothing of the messages that the earlier one got: a new epoch begins for it, and
    /// for the earlier one when that reconnects.
    epoch: u64,
    client: Option<u64>,
    /// The last offset that the page has got. `None`: it does not know this epoch.
    from: Option<Sent>,
}

/// What a stream asks of the registry when it lets go of its lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum Then {
    Nothing,
    /// Look again at this time.
    Watch(Instant),
    /// Forget it.
    Forget,
}

/// The frame of a message.
pub(super) fn frame(message: &ToPage) -> Frame {
    Frame::joined(json(message).as_bytes(), &Bytes::new())
}

/// Closes a socket that has got everything, outside of the lock.
pub(super) fn said(closed: Option<(Arc<dyn PageSocket>, Close)>) -> Then {
    match closed {
        Some((socket, close)) => {
            socket.close_page(&close);
            Then::Forget
        }
        None => Then::Nothing,
    }
}

impl State {
    /// The stream of a page that was rendered just now: it waits for a socket.
    pub(super) fn new(
        epoch: u64,
        session: Session,
        limits: &PageLimits,
        budget: &Arc<Budget>,
    ) -> Self {
        Self {
            queue: Queue::new(budget),
            epoch,
            accepted: 0,
            seen: 0,
            seen_due: false,
            client: None,
            openers: 0,
            socket: None,
            waits_for_room: false,
            session,
            route: None,
            feed: None,
            writer: None,
            until: Some(later(Instant::now(), limits.grace)),
            held: None,
            watched: true,
            closing: false,
            ending: None,
            incomplete: false,
            ended: false,
        }
    }

    /// Plans how a new socket continues the stream. All refusals happen here, before anything
    /// changes.
    pub(super) fn plan(&self, standing: Standing) -> Result<Plan, FromTheFuture> {
        let Standing { position, client } = standing;
        let same = client.is_none() || self.client.is_none() || client == self.client;
        let epoch = self.epoch.wrapping_add(u64::from(!same));
        let from = match position {
            Some(Position { epoch: own, .. }) if own != Epoch::Ours(epoch) => None,
            Some(Position { offset, .. }) => Some(self.queue.check(offset)?),
            None => Some(self.queue.check(0)?),
        };
        Ok(Plan {
            epoch,
            client: client.or(self.client),
            from,
        })
    }

    /// Continues as planned. Returns why messages are missing, if any are.
    pub(super) fn resume(&mut self, plan: &Plan) -> Option<Gap> {
        self.client = plan.client;
        if plan.epoch != self.epoch {
            self.epoch = plan.epoch;
            (self.accepted, self.seen) = (0, 0);
        }
        let Some(from) = plan.from else {
            self.queue.restart();
            return Some(Gap::Restart);
        };
        let gap = self.queue.resume(from);
        self.incomplete |= !self.takes() && gap == Some(Gap::Overflow);
        gap
    }

    /// Whether the page takes messages: nothing follows the last ones of its handler.
    pub(super) const fn takes(&self) -> bool {
        !self.ended && !self.closing && self.ending.is_none()
    }

    /// The handler closes. If the page has not heard yet of messages that were dropped, it misses
    /// them.
    pub(super) fn begin_closing(&mut self) {
        self.closing = true;
        self.incomplete |= self.queue.is_reset_due();
    }

    /// Drops all messages; the page gets a reset.
    pub(super) fn overflow(&mut self) {
        self.queue.overflow();
        self.incomplete |= !self.takes();
    }

    pub(super) fn is_carried_by(&self, socket: ConnectionId) -> bool {
        self.socket.as_ref().is_some_and(|it| it.id() == socket)
    }

    pub(super) fn check(&self, session: &Session, route: usize) -> Result<(), AttachError> {
        if self.ended {
            return Err(AttachError::Ended);
        }
        if session.renewals() < self.session.renewals() {
            return Err(AttachError::Overtaken);
        }
        match self.route {
            Some(own) if own != route => Err(AttachError::Elsewhere),
            _ => Ok(()),
        }
    }

    /// Gives the socket what it can take.
    pub(super) fn pump(&mut self) {
        let Some(socket) = self.socket.as_ref().filter(|_| !self.waits_for_room) else {
            return;
        };
        loop {
            let (frame, of_queue) = match self.queue.next() {
                _ if self.seen_due => (frame(&ToPage::Seen { id: self.seen }), false),
                Some(Next::Reset(base)) => {
                    let (why, offset) = (Gap::Overflow, base);
                    (frame(&ToPage::Reset { why, offset }), true)
                }
                Some(Next::Message(frame)) => (frame, true),
                None => return,
            };
            match socket.outbox().push(&socket.outbox().packed(frame)) {
                Ok(()) if of_queue => self.queue.given(),
                Ok(()) => self.seen_due = false,
                Err(Refused::Full) => {
                    self.waits_for_room = true;
                    socket.want_room();
                    return;
                }
                // The next socket goes on.
                Err(Refused::Closed) => return,
            }
        }
    }

    /// A socket has come, or is about to: the page does not end. One whose handler has closed
    /// has its time, whoever comes.
    pub(super) fn stay(&mut self) {
        if self.ending.is_none() {
            self.until = None;
        }
    }

    /// When the page ends if the handshake that holds it is refused.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held
            .filter(|_| !self.ended && self.until.is_none() && self.openers > 0)
    }

    /// Begins to wait for a socket, unless there is one or the time runs already; where the
    /// handler has closed, for what the page acknowledges.
    pub(super) fn wait(&mut self, limits: &PageLimits) -> Then {
        let in_use = self.socket.is_some() || self.openers > 0;
        if self.ended || self.until.is_some() || (in_use && self.ending.is_none()) {
            return Then::Nothing;
        }
        let held = self.held.take().filter(|_| self.ending.is_none());
        let until = held.unwrap_or_else(|| later(Instant::now(), limits.grace));
        self.until = Some(until);
        if std::mem::replace(&mut self.watched, true) {
            Then::Nothing
        } else {
            Then::Watch(until)
        }
    }

    /// A page that acknowledges has more time for what its handler has left behind.
    pub(super) fn extend(&mut self, limits: &PageLimits) {
        if self.ending.is_some() && !self.ended {
            self.until = Some(later(Instant::now(), limits.grace));
        }
    }

    /// The Close of a page whose handler has closed, once the page has acknowledged all messages
    /// that are kept and got the reset for those that were dropped. A page that misses messages
    /// has to come back, whatever its handler has closed with.
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

    /// Ends a page whose handler has closed and which has got everything. Returns what to
    /// close, and how.
    pub(super) fn close_if_done(&mut self) -> Option<(Arc<dyn PageSocket>, Close)> {
        self.socket.as_ref()?;
        let close = self.last_close()?;
        Some((self.end(false)?, close))
    }

    /// Ends everything. Returns the socket that is to be closed.
    pub(super) fn end(&mut self, bye: bool) -> Option<Arc<dyn PageSocket>> {
        self.ended = true;
        self.queue.clear();
        if let Some(feed) = self.feed.take() {
            if bye {
                feed.say_goodbye();
            } else {
                feed.end();
            }
        }
        self.socket.take()
    }

    /// Whether a writer waits that could continue now.
    pub(super) fn writer_can_continue(&self, limits: &PageLimits) -> bool {
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
