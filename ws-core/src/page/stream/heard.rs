//! What a page says to its handler, or to the application.

use super::{Accepted, Stream};
use crate::id::ConnectionId;
use crate::message::Message;

impl Stream {
    /// A message of the page, by this socket.
    pub(crate) fn accept(&self, socket: ConnectionId, id: u64, message: &Message) -> Accepted {
        let mut state = self.lock();
        if !state.is_carried_by(socket) {
            return Accepted::Superseded;
        }
        if id <= state.accepted {
            return Accepted::Again(state.seen);
        }
        if id > state.accepted + 1 {
            return Accepted::OutOfOrder;
        }
        let accepted = match &state.feed {
            None => Accepted::New,
            // Behind the Close of the handler nothing is taken, and so nothing is seen.
            Some(feed) if feed.push(id, message) => Accepted::Fed,
            Some(_) => return Accepted::NoRoom,
        };
        state.accepted = id;
        if accepted == Accepted::New {
            state.seen = id;
        }
        accepted
    }

    /// The handler has taken everything up to this id, which the page may forget now.
    pub(crate) fn saw(&self, id: u64) {
        let mut state = self.lock();
        state.seen = id;
        state.seen_due = state.socket.is_some();
        state.pump();
    }
}
