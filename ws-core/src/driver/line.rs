//! What a connection has beside its handler: it is compiled once, not for each handler.

use std::task::Context as TaskContext;

use super::ahead::Ahead;
use super::clock::Clock;
use super::worker::Worker;
use super::{Ends, lost};
use crate::close::{Close, CloseCause, CloseCode, CloseReason};
use crate::handler::{Fault, Outcome};
use crate::hub::Slot;
use crate::message::Message;
use crate::outbox::{Control, Frame, Io, Status};
use crate::protocol::encoder::{encode_pong, put_frame};
use crate::protocol::{Decoder, OpCode, ProtocolError, TextData, spare};
use crate::reply::{End, Reply};
use crate::socket::Shared;

/// Payloads up to this size are copied into the cork buffer, in bytes.
const CORK_PAYLOAD: usize = 16 * 1024;

/// The cork buffer is written when it holds so much, in bytes.
const CORK: usize = 64 * 1024;

/// The client's side of a connection: its stream, and what came and goes through it.
pub(super) struct Line {
    pub(super) transport: Option<Io>,
    pub(super) decoder: Decoder,
    /// A reply that waits for room in the outbox; nothing is read meanwhile.
    pub(super) held: Option<Box<Reply>>,
    /// What was read while a hook ran.
    pub(super) ahead: Option<Box<Ahead>>,
    pub(super) clock: Clock,
    pub(super) ends: Ends,
    /// Hooks that may still be called before it is the others' turn.
    pub(super) calls_left: u16,
    /// The connection's place among those that the server allows.
    pub(super) slot: Option<Slot>,
}

impl Line {
    /// Others may have closed the connection.
    pub(super) fn note(&mut self, is_ending: bool) {
        // After a loss the outbox takes nothing, but what was received is still handled.
        self.ends.closing |= is_ending && !self.ends.lost;
    }

    /// Writes what this burst produced, and notes the state of the outbox then. With `uncork` it
    /// may be written to directly from now on.
    pub(super) fn flush(
        &mut self,
        shared: &Shared,
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
        uncork: bool,
    ) -> Status {
        let outbox = shared.outbox();
        let Some(transport) = self.transport.as_mut().map(Io::get_mut) else {
            return outbox.status();
        };
        if self.ends.closing {
            transport.closing();
        }
        let now = worker.now;
        let (written, mut status) = outbox.flush(cx, &mut worker.cork, transport, now, uncork);
        if let Err(error) = written
            && !self.ends.lost
        {
            tracing::debug!(parent: shared.span(), %error, "the connection is lost");
            self.lose(shared);
            status = outbox.status();
        }
        self.note(status.ending);
        status
    }

    /// The transport has failed: nothing can be sent any more.
    pub(super) fn lose(&mut self, shared: &Shared) {
        self.ends.lost = true;
        // A Close that had come before is still why the connection ends.
        let closed = self.ends.client_closed.as_ref();
        let reason = closed.map_or_else(lost, |closed| closed.1.clone());
        shared.outbox().shut(reason);
        shared.client_gone();
    }

    /// The client's Close is answered when everything before it is done (RFC 6455,
    /// section 5.5.1).
    pub(super) fn answer_close(&mut self, shared: &Shared) {
        if let Some(closed) = &self.ends.client_closed {
            let (answer, reason) = &**closed;
            shared.outbox().close(answer, reason.clone());
            self.ends.closing = true;
        }
    }

    /// Why the connection is over, if it is, while no hook runs. `can_work` is whether what was
    /// read ahead can still be handled.
    pub(super) fn over(
        &mut self,
        empty: bool,
        can_work: bool,
        cx: &mut TaskContext<'_>,
    ) -> Option<CloseReason> {
        if self.ends.forced {
            return Some(lost());
        }
        if self.ends.lost || (self.ends.eof && !self.ends.closing) {
            let work = self.held.is_some() || (self.has_ahead() && can_work);
            let done = self.ends.closing || !work;
            return (done && (empty || self.ends.lost)).then(lost);
        }
        if !self.ends.closing || !empty {
            return None;
        }
        // Our Close is written. The side that closes the stream first is the server
        // (RFC 6455, section 7.1.1).
        if !self.ends.shut && (self.ends.client_closed.is_some() || self.ends.deaf) {
            let closed = self.ends.client_closed.is_some();
            if let Some(transport) = self.transport.as_mut().map(Io::get_mut) {
                // Not before everything that the stream keeps is written. An error is an end.
                self.ends.shut =
                    (closed && transport.ends_on_drop()) || transport.poll_shutdown(cx).is_ready();
            }
            if !self.ends.shut {
                return None;
            }
        }
        (self.ends.client_closed.is_some() || self.ends.eof).then(lost)
    }

    /// A hook has ended.
    pub(super) fn outcome(
        &mut self,
        shared: &Shared,
        outcome: Outcome,
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) {
        match outcome {
            Ok(reply) => {
                self.deliver(shared, reply, cx, worker);
            }
            Err(Fault::Panic) => self.close(shared, &Close::internal(), CloseCause::HookPanic),
            Err(Fault::TimedOut) => self.close(shared, &Close::internal(), CloseCause::HookTimeout),
        }
        self.note_close(shared);
    }

    /// A hook may have closed the connection itself.
    pub(super) fn note_close(&mut self, shared: &Shared) {
        if !self.ends.closing && shared.outbox().has_waiting() {
            self.ends.closing = shared.outbox().status().ending;
        }
    }

    /// Sends a reply as far as there is room; the rest is held. Returns whether anything
    /// was sent or done.
    fn deliver(
        &mut self,
        shared: &Shared,
        mut reply: Reply,
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) -> bool {
        let mut done = false;
        while let Some(message) = reply.messages.next() {
            if let Err(message) = self.send(shared, message, cx, worker) {
                reply.messages.put_back(message);
                self.held = Some(Box::new(reply));
                return done;
            }
            done = true;
        }
        match reply.end {
            End::Open => {}
            End::Close(close) => self.close(shared, &close, CloseCause::ServerClosed),
            End::Error(close) => self.close(shared, &close, CloseCause::HookError),
            End::Undecodable(close) => self.close(shared, &close, CloseCause::InvalidPayload),
        }
        true
    }

    /// Whether a reply waits for room, and there is some now.
    pub(super) fn held_has_room(&self, shared: &Shared) -> bool {
        let outbox = shared.outbox();
        self.held
            .as_ref()
            .is_some_and(|reply| outbox.has_room(reply.messages.first_len(), 0))
    }

    /// Goes on with a reply that waited for room. Returns whether anything was sent.
    #[inline]
    pub(super) fn release_held(
        &mut self,
        shared: &Shared,
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) -> bool {
        match self.held.take() {
            Some(reply) => self.deliver(shared, *reply, cx, worker),
            None => false,
        }
    }

    /// Sends one message of a reply; gives it back if there is no room.
    pub(super) fn send(
        &mut self,
        shared: &Shared,
        message: Message,
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) -> Result<(), Message> {
        self.bound_cork(shared, cx, worker);
        if self.ends.closing || self.ends.lost {
            return Ok(());
        }
        let outbox = shared.outbox();
        if message.len() <= CORK_PAYLOAD && !outbox.has_waiting() {
            let (opcode, payload, cork) =
                (OpCode::of(&message), message.as_bytes(), &mut worker.cork);
            match outbox.deflate() {
                Some(deflate) if deflate.put_frame(cork, opcode, payload) => {}
                _ => put_frame(cork, opcode, payload),
            }
            spare::keep(message.into_bytes());
            return Ok(());
        }
        if !outbox.has_room(message.len(), worker.cork.len()) {
            return Err(message);
        }
        outbox.reply(&outbox.packed(Frame::owned(message)));
        Ok(())
    }

    /// Writes the cork buffer if it is full: what the socket does not take then waits.
    pub(super) fn bound_cork(
        &mut self,
        shared: &Shared,
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) {
        if worker.cork.len() >= CORK.min(shared.limits().outbox) {
            // What was written may have been a Close frame that the hook asked for.
            self.flush(shared, cx, worker, false);
        }
    }

    /// Closes in order, from within.
    pub(super) fn close(&mut self, shared: &Shared, close: &Close, cause: CloseCause) {
        shared.close(close, cause);
        self.ends.closing = true;
    }

    /// The client's Close has arrived (RFC 6455, section 5.5.1).
    pub(super) fn client_close(
        &mut self,
        shared: &Shared,
        body: Option<(CloseCode, TextData<'_>)>,
    ) {
        let (code, text) = match body {
            Some((code, text)) => (code, text.into_string()),
            None => (CloseCode::NO_STATUS, String::new()),
        };
        let reason = CloseReason::new(CloseCause::ClientClosed, code, text);
        self.ends.client_closed = Some(Box::new((Close::from(code), reason)));
        shared.client_gone();
    }

    /// The client broke the protocol (RFC 6455, section 7.1.7).
    pub(super) fn fail(&mut self, shared: &Shared, error: ProtocolError) {
        self.ends.deaf = true;
        if self.ends.closing {
            return;
        }
        tracing::debug!(parent: shared.span(), %error, "the client broke the protocol");
        let code = error.close_code();
        let cause = match code {
            CloseCode::INVALID_PAYLOAD => CloseCause::InvalidPayload,
            _ => CloseCause::ProtocolError,
        };
        self.ahead = None;
        self.close(shared, &Close::new(code, error.to_string()), cause);
    }

    /// Answers a ping.
    pub(super) fn pong(
        &mut self,
        shared: &Shared,
        payload: &[u8],
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) {
        self.bound_cork(shared, cx, worker);
        let outbox = shared.outbox();
        if outbox.has_waiting() {
            outbox.control(Control::Pong, encode_pong(payload));
        } else {
            put_frame(&mut worker.cork, OpCode::Pong, payload);
        }
    }

    pub(super) fn has_ahead(&self) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.has_work())
    }
}
