//! What a page says to its handler, or to the application.

use super::{Accepted, Stream};
use crate::id::ConnectionId;
use crate::message::Message;
use crate::page::feed::MessageId;

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
            Some(feed) => {
                let epoch = state.epoch;
                if !feed.push(MessageId { epoch, id }, message) {
                    return Accepted::NoRoom;
                }
                Accepted::Fed
            }
        };
        state.accepted = id;
        if accepted == Accepted::New {
            state.seen = id;
        }
        accepted
    }

    /// The handler has taken everything up to this message, which the page may forget now. If a
    /// new epoch has begun meanwhile, the message is of a script that does not ask any more.
    pub(crate) fn saw(&self, last: MessageId) {
        let mut state = self.lock();
        if last.epoch != state.epoch || last.id <= state.seen {
            return;
        }
        state.seen = last.id;
        state.seen_due = state.socket.is_some();
        state.pump();
    }
}
