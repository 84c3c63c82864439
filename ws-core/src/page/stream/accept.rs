//! Accepts messages of a page for its handler, or for the application.

use super::{Accepted, Stream};
use crate::id::ConnectionId;
use crate::message::Message;
use crate::page::feed::MessageId;

impl Stream {
    /// Accepts a message of the page from this socket. If the page has no handler, `application`
    /// returns the function for the message; it is called under the lock of the stream.
    pub(crate) fn accept<F>(
        &self,
        socket: ConnectionId,
        id: u64,
        message: &Message,
        application: impl FnOnce() -> Option<F>,
    ) -> Accepted<F> {
        let mut state = self.lock();
        if !state.is_attached(socket) {
            return Accepted::Superseded;
        }
        if id <= state.accepted {
            return Accepted::Duplicate(state.seen);
        }
        if id > state.accepted + 1 {
            return Accepted::OutOfOrder;
        }
        let accepted = match &state.feed {
            None => match application() {
                Some(function) => Accepted::New(function),
                None => return Accepted::Refused,
            },
            // After the Close of the handler, the feed discards messages, so they are never seen.
            Some(feed) => {
                let epoch = state.epoch;
                if !feed.push(MessageId { epoch, id }, message) {
                    return Accepted::FeedFull;
                }
                Accepted::Queued
            }
        };
        state.accepted = id;
        if let Accepted::New(_) = accepted {
            // Before the call: a message that makes the function panic must not come again.
            state.seen = id;
        }
        accepted
    }

    /// The handler has taken everything up to this message, so the page may discard its copies. If
    /// a new epoch has begun in the meantime, the message belongs to an earlier script, which no
    /// longer waits for this.
    pub(crate) fn mark_seen(&self, last: MessageId) {
        let mut state = self.lock();
        if last.epoch != state.epoch || last.id <= state.seen {
            return;
        }
        state.seen = last.id;
        state.seen_due = state.socket.is_some();
        state.pump();
    }
}
