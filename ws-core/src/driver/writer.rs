//! Writing: from replies to the cork buffer and the outbox.

use crate::message::Message;
use crate::outbox::{ControlFrame, Frame, Outbox};
use crate::protocol::encoder::{encode_pong, put_frame};
use crate::protocol::{OpCode, reuse};
use crate::reply::{Messages, Reply};
use crate::stats::{MessageKind, ThreadCounters};

#[cfg(test)]
mod tests;

/// Payloads up to this size are copied into the cork buffer, in bytes.
const MAX_CORKED_PAYLOAD_BYTES: usize = 16 * 1024;

/// The cork buffer is written when it contains this many bytes.
const CORK_BYTES: usize = 64 * 1024;

/// Sends the replies of one connection: small messages through the cork buffer of the thread, which
/// is written at the end of the burst, all others through the outbox.
///
/// Before each [`put`](Self::put) and [`put_pong`](Self::put_pong) the driver writes the buffer if
/// it [is full](is_full). If there is no room for a reply, it is held, and nothing is read until
/// there is room.
#[derive(Default)]
pub(super) struct Writer {
    waiting: Option<Box<Reply>>,
}

/// How much of a reply was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PutResult {
    /// All messages are sent or queued.
    Done,
    /// The cork buffer must be written before the rest.
    CorkFull,
    /// The rest waits for room in the outbox.
    OutboxFull,
}

/// Whether the cork buffer must be written before a frame is added.
#[inline]
pub(super) fn is_full(cork: &[u8], max_outbox: usize) -> bool {
    cork.len() >= CORK_BYTES.min(max_outbox)
}

const fn kind(message: &Message) -> MessageKind {
    match message {
        Message::Text(_) => MessageKind::Text,
        Message::Binary(_) => MessageKind::Binary,
    }
}

impl Writer {
    /// Sends one message; returns it if there is no room.
    #[expect(
        clippy::inline_always,
        reason = "called for each message of a burst; the compiler does not inline it by itself"
    )]
    #[inline(always)]
    pub(super) fn put(
        outbox: &Outbox,
        message: Message,
        cork: &mut Vec<u8>,
        counters: &ThreadCounters,
    ) -> Result<(), Message> {
        if message.len() > MAX_CORKED_PAYLOAD_BYTES || outbox.has_waiting() {
            return Self::queue(outbox, message, cork.len(), counters);
        }
        counters.count_sent(kind(&message));
        let (opcode, payload) = (OpCode::of(&message), message.as_bytes());
        match outbox.deflate() {
            Some(deflate) if deflate.put_frame(cork, opcode, payload) => {}
            _ => put_frame(cork, opcode, payload),
        }
        reuse::recycle(message.into_bytes());
        Ok(())
    }

    /// Queues one message behind `corked` bytes; returns it if there is no room.
    #[inline(never)]
    fn queue(
        outbox: &Outbox,
        message: Message,
        corked: usize,
        counters: &ThreadCounters,
    ) -> Result<(), Message> {
        if !outbox.has_room(message.len(), corked) {
            return Err(message);
        }
        counters.count_sent(kind(&message));
        outbox.reply(&outbox.compress(Frame::owned(message)));
        Ok(())
    }

    /// Sends messages in order, as long as there is room.
    pub(super) fn put_all(
        outbox: &Outbox,
        messages: &mut Messages,
        cork: &mut Vec<u8>,
        max_outbox: usize,
        counters: &ThreadCounters,
    ) -> PutResult {
        while let Some(message) = messages.next() {
            if is_full(cork, max_outbox) {
                messages.put_back(message);
                return PutResult::CorkFull;
            }
            if let Err(message) = Self::put(outbox, message, cork, counters) {
                messages.put_back(message);
                return PutResult::OutboxFull;
            }
        }
        PutResult::Done
    }

    /// Answers a ping.
    pub(super) fn put_pong(outbox: &Outbox, payload: &[u8], cork: &mut Vec<u8>) {
        if outbox.has_waiting() {
            outbox.control(ControlFrame::Pong, encode_pong(payload));
        } else {
            put_frame(cork, OpCode::Pong, payload);
        }
    }

    /// Holds a reply until there is room.
    pub(super) fn hold(&mut self, reply: Reply) {
        self.waiting = Some(Box::new(reply));
    }

    /// Takes the reply that waits.
    #[inline]
    pub(super) fn take_waiting(&mut self) -> Option<Reply> {
        self.waiting.take().map(|reply| *reply)
    }

    /// Whether a reply waits for room.
    #[inline]
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether a reply waits for room, and there is room now.
    pub(super) fn can_continue(&self, outbox: &Outbox) -> bool {
        let waiting = self.waiting.as_ref();
        waiting.is_some_and(|reply| outbox.has_room(reply.messages.first_len(), 0))
    }
}
