//! What a stream holds under its lock.

use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use super::{AttachError, Feed, PageSocket};
use crate::close::Close;
use crate::id::ConnectionId;
use crate::limits::{PageLimits, later};
use crate::outbox::Refused;
use crate::page::queue::{Gap, Next, Queue};
use crate::page::wire;
use crate::session::Session;

/// What a stream's lock protects.
pub(super) struct State {
    pub(super) queue: Queue,
    /// The last id that was accepted from the page.
    pub(super) seen: u64,
    pub(super) socket: Option<Arc<dyn PageSocket>>,
    /// The socket's outbox is full; it will ask for more.
    pub(super) waits_for_room: bool,
    pub(super) session: Session,
    /// The route that the page is attached at.
    pub(super) route: Option<usize>,
    /// Leads to the page's handler, where it has one.
    pub(super) feed: Option<Arc<Feed>>,
    /// The handler's connection, which waits for acknowledgements.
    pub(super) writer: Option<Waker>,
    /// When the page ends, unless a socket comes.
    pub(super) until: Option<Instant>,
    /// The reaper knows of the page.
    pub(super) watched: bool,
    /// The handler has closed: the Close follows the last message.
    pub(super) ending: Option<Close>,
    pub(super) ended: bool,
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
        while let Some(next) = self.queue.next() {
            let frame = match next {
                Next::Reset(base) => wire::reset(Gap::Overflow, base),
                Next::Message(frame) => frame,
            };
            match socket.outbox().push(&frame) {
                Ok(()) => self.queue.given(),
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

    /// Waits for a socket.
    pub(super) fn wait(&mut self, limits: &PageLimits) -> Then {
        let until = later(Instant::now(), limits.grace);
        self.until = Some(until);
        if std::mem::replace(&mut self.watched, true) {
            Then::Nothing
        } else {
            Then::Watch(until)
        }
    }

    /// Ends a page whose handler has closed and which has got everything. Returns what to
    /// close, and how.
    pub(super) fn close_if_done(&mut self) -> Option<(Arc<dyn PageSocket>, Close)> {
        if !self.queue.is_empty() || self.socket.is_none() {
            return None;
        }
        let close = self.ending.clone()?;
        Some((self.end(false)?, close))
    }

    /// Ends everything. Returns the socket that is to be closed.
    pub(super) fn end(&mut self, bye: bool) -> Option<Arc<dyn PageSocket>> {
        self.ended = true;
        self.queue = Queue::default();
        if let Some(feed) = self.feed.take() {
            if bye {
                feed.say_goodbye();
            } else {
                feed.end();
            }
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        self.socket.take()
    }
}
