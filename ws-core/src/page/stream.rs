//! What a server keeps of a page: its queue, and who sends and receives at the moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::feed::Feed;
use super::queue::{FromTheFuture, Gap};
use super::registry::logged_on;
use super::wire;
use crate::close::{Close, CloseCode};
use crate::id::ConnectionId;
use crate::limits::PageLimits;
use crate::outbox::Outbox;
use crate::push::Push;
use crate::session::{Session, SessionError};

mod answers;
mod end;
mod epoch;
mod heard;
mod state;

pub(crate) use answers::{Accepted, AttachError};
pub(super) use epoch::epoch_text;
pub(crate) use epoch::{Epoch, Position, Standing};
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
        let state = State::new(u64::from_be_bytes(epoch), session, &limits);
        Ok(Self {
            id,
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

    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    pub(super) fn session(&self) -> Session {
        self.lock().session.clone()
    }

    /// Whether a socket carries the stream, or is about to.
    pub(super) fn is_in_use(&self) -> bool {
        let state = self.lock();
        state.socket.is_some() || state.openers > 0
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether the page has a handler that still runs, or one whose end it has not heard of.
    pub(crate) fn has_handler(&self) -> bool {
        self.lock().feed.is_some()
    }

    /// Whether the stream is none for who has logged on since: its handler was made for the
    /// visitor of before, or what waits was pushed to another user.
    pub(crate) fn is_of_another(&self, session: &Session) -> bool {
        let state = self.lock();
        let user = state.session.user();
        let another = user.is_some() && user != session.user();
        (another || state.feed.is_some()) && state.session.renewals() < session.renewals()
    }

    /// The page does not end while somebody opens it: until as many [`release`](Self::release)
    /// it.
    pub(super) fn hold(&self) {
        let mut state = self.lock();
        state.openers += 1;
        state.stay();
    }

    /// Somebody opens the page no longer.
    pub(super) fn release(&self) -> Then {
        let mut state = self.lock();
        state.openers -= 1;
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
        standing: Standing,
        socket: &Arc<dyn PageSocket>,
    ) -> Result<(Session, Then), AttachError> {
        let mut state = self.lock();
        state.check(session, route)?;
        state.set_client(standing.client);
        let gap = match standing.position {
            Some(Position { epoch, .. }) if epoch != Epoch::Ours(state.epoch) => {
                state.queue.restart();
                Some(Gap::Restart)
            }
            Some(Position { offset, .. }) => state.queue.resume(offset)?,
            None => state.queue.resume(0)?,
        };
        let earlier = state.socket.replace(socket.clone());
        state.route = Some(route);
        state.stay();
        (state.waits_for_room, state.seen_due) = (false, false);
        let before = std::mem::replace(&mut state.session, session.clone());
        let base = state.queue.base();
        let outbox = socket.outbox();
        // The outbox of a new socket is empty: there is room.
        let _ = outbox.push(&wire::welcome(&epoch_text(state.epoch), base, state.seen));
        if let Some(gap) = gap {
            let _ = outbox.push(&wire::reset(gap, base));
        }
        state.pump();
        let closed = state.close_if_done();
        let_write(state);
        if let Some(earlier) = earlier {
            earlier.close_page(&Close::new(
                CloseCode::SUPERSEDED,
                "another socket has the page",
            ));
        }
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
        let then = state.wait(&self.limits);
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
        } else {
            state.wait(&self.limits)
        };
        let_write(state);
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
        let takes = state.takes();
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
        if !state.takes() {
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

    /// As [`push`](Self::push), for the last that a handler says: it is kept, whatever waits.
    pub(crate) fn append(&self, push: &Push) {
        let mut state = self.lock();
        if state.takes() {
            state.queue.append(push.clone());
            state.pump();
        }
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
        let closed = state.close_if_done();
        // A page that follows gets all that a handler has left behind.
        state.extend(&self.limits);
        let_write(state);
        Ok(said(closed))
    }
}

/// Unlocks, and lets the handler look whether it may go on.
fn let_write(mut state: MutexGuard<'_, State>) {
    let writer = state.writer.take();
    drop(state);
    writer.into_iter().for_each(Waker::wake);
}
