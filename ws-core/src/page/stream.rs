//! What a server keeps of a page: its queue, and who sends and receives at the moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::feed::Feed;
use super::queue::{FromTheFuture, Gap, Queue};
use super::registry::logged_on;
use super::wire;
use crate::close::{Close, CloseCode};
use crate::id::ConnectionId;
use crate::limits::{PageLimits, later};
use crate::message::Message;
use crate::outbox::Outbox;
use crate::push::Push;
use crate::session::{Session, SessionError};

mod answers;
mod epoch;
mod state;

pub(crate) use answers::{Accepted, AttachError};
pub(super) use epoch::epoch_text;
pub(crate) use epoch::{Epoch, Position};
pub(super) use state::Then;
use state::{State, said};

/// A socket that carries a page's stream.
pub(crate) trait PageSocket: Send + Sync {
    fn id(&self) -> ConnectionId;
    fn outbox(&self) -> &Outbox;
    /// Closes the socket, behind what waits.
    fn close_page(&self, close: &Close);
    /// Asks for [`Stream::go_on`] when the outbox has room again.
    fn want_room(&self);
}

/// Tells the handler of a page's socket that its outbox may have room again.
pub(crate) struct Room;

/// The stream of one page.
pub(crate) struct Stream {
    id: Arc<str>,
    epoch: u64,
    limits: PageLimits,
    state: Mutex<State>,
    /// Held while a socket runs `init` of the page's handler.
    pub(crate) opening: tokio::sync::Mutex<()>,
    /// Held while a message of the page is handled: those of one page never overlap, though
    /// the socket that a message came by may be gone.
    pub(crate) handling: Mutex<()>,
}

impl Stream {
    pub(super) fn new(
        id: Arc<str>,
        session: Session,
        limits: PageLimits,
    ) -> Result<Self, SessionError> {
        let mut epoch = [0; 8];
        getrandom::fill(&mut epoch).map_err(|_| SessionError::Random)?;
        let state = State {
            queue: Queue::default(),
            seen: 0,
            socket: None,
            waits_for_room: false,
            session,
            route: None,
            feed: None,
            writer: None,
            until: Some(later(Instant::now(), limits.grace)),
            watched: true,
            ending: None,
            ended: false,
        };
        Ok(Self {
            id,
            epoch: u64::from_be_bytes(epoch),
            limits,
            state: Mutex::new(state),
            opening: tokio::sync::Mutex::const_new(()),
            handling: Mutex::new(()),
        })
    }

    /// No code that can panic runs under the lock, so a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn session(&self) -> Session {
        self.lock().session.clone()
    }

    pub(super) fn has_socket(&self) -> bool {
        self.lock().socket.is_some()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether the page has a handler that still runs, or one whose end it has not heard of.
    pub(crate) fn has_handler(&self) -> bool {
        self.lock().feed.is_some()
    }

    /// Whether the page has a handler that was made for the visitor of before a logon.
    pub(crate) fn is_of_another(&self, session: &Session) -> bool {
        let state = self.lock();
        state.feed.is_some() && state.session.renewals() < session.renewals()
    }

    /// The page does not end while somebody opens it.
    pub(super) fn hold(&self) {
        let mut state = self.lock();
        // One whose handler has closed has its time, whoever comes.
        if state.ending.is_none() {
            state.until = None;
        }
    }

    /// Nobody opens the page any more.
    pub(super) fn release(&self) -> Then {
        let mut state = self.lock();
        if state.ended || state.socket.is_some() || state.until.is_some() {
            return Then::Nothing;
        }
        state.wait(&self.limits)
    }

    /// From now on messages of the page go to the handler behind this feed.
    pub(crate) fn set_handler(
        &self,
        feed: Arc<Feed>,
        session: &Session,
        route: usize,
    ) -> Result<(), AttachError> {
        let mut state = self.lock();
        // A logon, or another route, may have come before.
        state.check(session, route)?;
        state.route = Some(route);
        state.feed = Some(feed);
        Ok(())
    }

    /// Whether a socket of this session may attach at this route.
    pub(crate) fn check(&self, session: &Session, route: usize) -> Result<(), AttachError> {
        self.lock().check(session, route)
    }

    /// From now on the page's stream goes through this socket. The one before is closed.
    pub(super) fn attach(
        &self,
        session: &Session,
        route: usize,
        position: Option<Position>,
        socket: &Arc<dyn PageSocket>,
    ) -> Result<(Session, Then), AttachError> {
        let mut state = self.lock();
        state.check(session, route)?;
        let gap = match position {
            Some(Position { epoch, .. }) if epoch != Epoch::Ours(self.epoch) => {
                state.queue.restart();
                Some(Gap::Restart)
            }
            Some(Position { offset, .. }) => state.queue.resume(offset)?,
            None => state.queue.resume(0)?,
        };
        let earlier = state.socket.replace(socket.clone());
        state.route = Some(route);
        // A page whose handler has closed does not begin anew.
        if state.ending.is_none() {
            state.until = None;
        }
        state.waits_for_room = false;
        let before = std::mem::replace(&mut state.session, session.clone());
        let base = state.queue.base();
        let outbox = socket.outbox();
        // The outbox of a new socket is empty: there is room.
        let _ = outbox.push(&wire::welcome(&epoch_text(self.epoch), base, state.seen));
        if let Some(gap) = gap {
            let _ = outbox.push(&wire::reset(gap, base));
        }
        state.pump();
        let writer = state.writer.take();
        let closed = state.close_if_done();
        if let Some(feed) = &state.feed {
            // The earlier socket may wait for room; that is the new one's now.
            feed.wake_writers();
        }
        drop(state);
        if let Some(earlier) = earlier {
            earlier.close_page(&Close::new(
                CloseCode::SUPERSEDED,
                "another socket has the page",
            ));
        }
        writer.into_iter().for_each(Waker::wake);
        Ok((before, said(closed)))
    }

    /// The session that the page belongs to is this one now, where that is newer: then the
    /// present socket is not the visitor's, as far as we know.
    pub(super) fn adopt(&self, session: &Session) -> Option<(Session, Then)> {
        let mut state = self.lock();
        if state.ended || session.renewals() <= state.session.renewals() {
            return None;
        }
        let before = std::mem::replace(&mut state.session, session.clone());
        let socket = state.socket.take();
        let then = if socket.is_some() {
            state.wait(&self.limits)
        } else {
            Then::Nothing
        };
        drop(state);
        if let Some(socket) = socket {
            socket.close_page(&logged_on());
        }
        Some((before, then))
    }

    /// This socket is gone; `bye` says that the page is.
    pub(super) fn detach(&self, socket: ConnectionId, bye: bool) -> Then {
        let mut state = self.lock();
        if state.ended || !state.is_carried_by(socket) {
            return Then::Nothing;
        }
        state.socket = None;
        let over = state.ending.is_some() && state.queue.is_empty();
        let then = if bye || over || state.session.has_ended() {
            state.end(bye);
            Then::Forget
        } else if state.until.is_some() {
            Then::Nothing
        } else {
            state.wait(&self.limits)
        };
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        then
    }

    /// Adds a message. Returns whether the page still takes any.
    pub(crate) fn push(&self, push: &Push) -> bool {
        let taken = self.put(push);
        if taken {
            self.pump();
        }
        taken
    }

    /// As [`push`](Self::push), but somebody has to [`pump`](Self::pump).
    pub(super) fn put(&self, push: &Push) -> bool {
        let mut state = self.lock();
        let takes = !state.ended && state.ending.is_none();
        if takes {
            state.queue.push(push.clone(), &self.limits);
        }
        takes
    }

    /// Gives the socket what it can take.
    pub(super) fn pump(&self) {
        self.lock().pump();
    }

    /// As [`push`](Self::push), for the handler: it waits while a socket is there and the page
    /// does not follow.
    pub(crate) fn poll_push(&self, cx: &Context<'_>, push: &Push) -> Poll<bool> {
        let mut state = self.lock();
        if state.ended || state.ending.is_some() {
            return Poll::Ready(false);
        }
        if state.socket.is_some() && state.queue.is_full(&self.limits) {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.queue.push(push.clone(), &self.limits);
        state.pump();
        Poll::Ready(true)
    }

    /// The socket's outbox has room again.
    pub(crate) fn go_on(&self, socket: ConnectionId) {
        let mut state = self.lock();
        if state.is_carried_by(socket) {
            state.waits_for_room = false;
            state.pump();
        }
    }

    /// Tells the page that a logon has given its visitor another session.
    pub(super) fn tell_renewed(&self) {
        let state = self.lock();
        if let Some(socket) = &state.socket {
            // A page that does not follow hears of it another way: nothing is lost but time.
            let _ = socket.outbox().push(&wire::renewed());
        }
    }

    /// The page has everything up to this offset, says this socket.
    pub(super) fn ack(&self, socket: ConnectionId, offset: u64) -> Result<Then, FromTheFuture> {
        let mut state = self.lock();
        if !state.is_carried_by(socket) {
            return Ok(Then::Nothing);
        }
        if !state.queue.ack(offset)? {
            return Ok(Then::Nothing);
        }
        state.pump();
        let writer = state.writer.take();
        let closed = state.close_if_done();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Ok(said(closed))
    }

    /// A message of the page, by this socket.
    pub(crate) fn accept(&self, socket: ConnectionId, id: u64, message: &Message) -> Accepted {
        let mut state = self.lock();
        // Behind the Close of a handler nothing is heard, and so nothing is said to be seen.
        if !state.is_carried_by(socket) || state.ending.is_some() {
            return Accepted::Superseded;
        }
        if id <= state.seen {
            return Accepted::Again(state.seen);
        }
        if id > state.seen + 1 {
            return Accepted::OutOfOrder;
        }
        let accepted = match &state.feed {
            None => Accepted::New,
            Some(feed) if feed.has_room() => {
                feed.push(message);
                Accepted::Fed
            }
            Some(_) => return Accepted::Later,
        };
        state.seen = id;
        accepted
    }

    /// Waits until the handler takes more, or this socket no longer carries the stream.
    pub(crate) fn poll_room(&self, socket: ConnectionId, cx: &Context<'_>) -> Poll<()> {
        let state = self.lock();
        match &state.feed {
            Some(feed) if state.is_carried_by(socket) => feed.poll_room(cx),
            _ => Poll::Ready(()),
        }
    }

    /// The handler has closed: what waits is delivered, then its Close.
    pub(super) fn finish(&self, close: &Close) -> Then {
        let mut state = self.lock();
        if state.ended || state.ending.is_some() {
            return Then::Nothing;
        }
        state.ending = Some(close.clone());
        if let Some(feed) = &state.feed {
            feed.end();
        }
        // A page that never acknowledges keeps it no longer than one that never comes back.
        let then = if state.until.is_some() {
            Then::Nothing
        } else {
            state.wait(&self.limits)
        };
        let closed = state.close_if_done();
        drop(state);
        if closed.is_some() { said(closed) } else { then }
    }

    /// Looks whether the page's time is over.
    pub(super) fn expire(&self, now: Instant) -> Then {
        let mut state = self.lock();
        match state.until.filter(|_| !state.ended) {
            Some(until) if until <= now => {
                let close = state.ending.clone().unwrap_or(Close::GOING_AWAY);
                let socket = state.end(false);
                drop(state);
                if let Some(socket) = socket {
                    socket.close_page(&close);
                }
                Then::Forget
            }
            Some(until) => Then::Watch(until),
            None => {
                state.watched = false;
                Then::Nothing
            }
        }
    }

    /// Whether the reaper still has to look at the page.
    pub(super) fn is_waiting(&self) -> bool {
        let mut state = self.lock();
        state.watched = !state.ended && state.until.is_some();
        state.watched
    }

    /// Ends the page before its time.
    pub(super) fn give_up(&self) -> Then {
        let until = self.lock().until;
        until.map_or(Then::Nothing, |until| self.expire(until))
    }

    /// Ends the page, and closes its socket with this.
    pub(super) fn end(&self, close: &Close) -> Then {
        let mut state = self.lock();
        if state.ended {
            return Then::Nothing;
        }
        let socket = state.end(false);
        drop(state);
        if let Some(socket) = socket {
            socket.close_page(close);
        }
        Then::Forget
    }
}
