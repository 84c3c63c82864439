//! Sends replies: from the return value of a hook to the socket.

#![expect(
    clippy::inline_always,
    reason = "called for each message of a burst; the compiler does not inline it by itself"
)]

use std::sync::Arc;
use std::task::Context as TaskContext;

use super::closing::Closing;
use super::thread_buffers::ThreadBuffers;
use super::turn::Turn;
use super::writer::{PutResult, Writer, is_full};
use crate::close::{Close, CloseCause};
use crate::message::Message;
use crate::outbox::{Status, Uncork};
use crate::reply::{IntoReply as _, Reply, ReplyEnd};
use crate::socket::ConnectionShared;
use crate::topic::Burst;

#[cfg(test)]
mod tests;

/// Replies in, frames out, until the server's Close.
///
/// A burst begins with [`cork`](Self::cork) and ends with [`flush`](Self::flush). The reply of a
/// hook goes to [`deliver`](Self::deliver), or to [`put`](Self::put) if it is one message; if there
/// was no room for a reply, it [continues](Self::continue_reply) later.
pub(super) struct Outgoing {
    pub(super) shared: Arc<ConnectionShared>,
    writer: Writer,
    pub(super) closing: Closing,
}

impl Outgoing {
    pub(super) fn new(shared: Arc<ConnectionShared>) -> Self {
        Self {
            shared,
            writer: Writer::default(),
            closing: Closing::default(),
        }
    }

    /// Whether a reply waits for room.
    #[inline]
    pub(super) fn has_waiting_reply(&self) -> bool {
        self.writer.has_waiting()
    }

    /// Drops the queue at the end of the connection.
    pub(super) fn handle_end(&mut self) {
        self.writer = Writer::default();
    }

    /// Sends a reply of one message.
    #[inline(always)]
    pub(super) fn put(&mut self, message: Message, turn: &mut Turn<'_, '_>) {
        self.make_room_in_cork(turn);
        if self.closing.accepts_replies() {
            let outbox = self.shared.outbox();
            let ThreadBuffers { cork, counters, .. } = turn.buffers;
            if let Err(message) = Writer::put(outbox, message, cork, counters) {
                self.writer.hold(message.into_reply());
            }
        }
        self.handle_frames_of_hook(turn);
    }

    /// Answers a ping.
    pub(super) fn put_pong(&mut self, payload: &[u8], turn: &mut Turn<'_, '_>) {
        self.make_room_in_cork(turn);
        // The flush may have written the server's Close, which is the last frame (RFC 6455, section
        // 5.5.1).
        if self.closing.accepts_replies() {
            Writer::put_pong(self.shared.outbox(), payload, &mut turn.buffers.cork);
        }
    }

    /// Continues with the reply that waits for room.
    #[inline]
    pub(super) fn continue_reply(&mut self, turn: &mut Turn<'_, '_>) {
        if let Some(reply) = self.writer.take_waiting() {
            self.deliver(reply, turn);
        }
    }

    /// Whether a reply waits for room, and there is room now.
    pub(super) fn can_continue(&self) -> bool {
        self.writer.can_continue(self.shared.outbox())
    }

    /// Begins a burst: frames of other tasks wait until it is written.
    pub(super) fn cork(&mut self, cx: &TaskContext<'_>) {
        if self.shared.outbox().cork(cx.waker()) {
            self.closing.handle_ending_outbox();
        }
    }

    /// Sends as much of a reply as there is room for; the rest is held.
    pub(super) fn deliver(&mut self, mut reply: Reply, turn: &mut Turn<'_, '_>) {
        while self.closing.accepts_replies() {
            // At least one byte; otherwise an empty buffer would count as full.
            let limit = self.shared.limits().outbox.max(1);
            let (outbox, messages) = (self.shared.outbox(), &mut reply.messages);
            let ThreadBuffers { cork, counters, .. } = &mut *turn.buffers;
            match Writer::put_all(outbox, messages, cork, limit, counters) {
                PutResult::Done => break,
                PutResult::CorkFull => {
                    self.flush(turn, Uncork::Later);
                }
                PutResult::OutboxFull => {
                    self.writer.hold(reply);
                    return;
                }
            }
        }
        match reply.end {
            ReplyEnd::KeepOpen if self.closing.is_draining() => self.close_for_shutdown(),
            ReplyEnd::KeepOpen => {}
            ReplyEnd::Close(close) => self.close(&close, CloseCause::ServerClosed),
            ReplyEnd::Error(close) => self.close(&close, CloseCause::HookError),
            ReplyEnd::Undecodable(close) => self.close(&close, CloseCause::InvalidPayload),
        }
    }

    /// Writes the cork buffer if it is full; bytes that the socket does not accept are queued.
    #[inline(always)]
    fn make_room_in_cork(&mut self, turn: &mut Turn<'_, '_>) {
        if is_full(&turn.buffers.cork, self.shared.limits().outbox) {
            // The written frames may include a Close that the hook sent.
            self.flush(turn, Uncork::Later);
        }
    }

    /// Ends the burst: writes its output, unless that consists only of messages of topics that a
    /// later flush writes.
    #[inline]
    pub(super) fn end_burst(&mut self, turn: &mut Turn<'_, '_>, published: &Burst) -> Status {
        let outbox = self.shared.outbox();
        if turn.buffers.cork.is_empty()
            && outbox.has_waiting()
            && !self.closing.is_server_closing()
            && let Some(status) = published.leave(&self.shared, self.shared.topics())
        {
            return status;
        }
        self.flush(turn, Uncork::Now)
    }

    /// Writes the output of this burst, and records the state of the outbox.
    pub(super) fn flush(&mut self, turn: &mut Turn<'_, '_>, uncork: Uncork) -> Status {
        let outbox = self.shared.outbox();
        if self.closing.is_server_closing() {
            turn.transport.closing();
        }
        let (cork, now) = (&mut turn.buffers.cork, turn.buffers.now);
        let (written, mut status) = outbox.flush(turn.cx, cork, turn.transport, now, uncork);
        if let Err(error) = written
            && !self.closing.is_lost()
        {
            tracing::debug!(parent: self.shared.span(), %error, "the connection is lost");
            self.handle_loss();
            status = self.shared.outbox().status();
        }
        if status.ending {
            self.closing.handle_ending_outbox();
        }
        status
    }

    /// Records that the transport has failed: nothing can be sent any more.
    pub(super) fn handle_loss(&mut self) {
        let reason = self.closing.handle_loss();
        self.shared.outbox().shut(reason);
        self.shared.client_gone();
    }

    /// Answers the client's Close, when everything before it is done (RFC 6455, section 5.5.1).
    pub(super) fn answer_close(&mut self) {
        if let Some((answer, reason)) = self.closing.answer() {
            self.shared.outbox().close(answer, reason.clone());
            self.closing.handle_server_close();
        }
    }

    /// Handles the frames that a hook may have sent or published itself: records a Close, and
    /// writes if there are many.
    #[inline(always)]
    pub(super) fn handle_frames_of_hook(&mut self, turn: &mut Turn<'_, '_>) {
        if !self.closing.is_server_closing() && self.shared.outbox().has_waiting() {
            self.handle_waiting_frames(turn);
        }
    }

    #[cold]
    #[inline(never)]
    fn handle_waiting_frames(&mut self, turn: &mut Turn<'_, '_>) {
        let outbox = self.shared.outbox();
        if outbox.status().ending {
            self.closing.handle_server_close();
        } else if outbox.is_burst_full() {
            // Otherwise a burst alone could fill the outbox.
            self.flush(turn, Uncork::Later);
        }
    }

    /// Closes the connection in order, because the server shuts down.
    pub(super) fn close_for_shutdown(&mut self) {
        self.shared.close_for_shutdown();
        self.closing.handle_server_close();
    }

    /// Closes the connection in order, on behalf of the driver.
    pub(super) fn close(&mut self, close: &Close, cause: CloseCause) {
        self.shared.close(close, cause);
        self.closing.handle_server_close();
    }
}
