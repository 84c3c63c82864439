//! The path of a message from bytes to its reply.

use std::sync::Arc;
use std::task::{Poll, ready};

use super::callee::HookStatus;
use super::calls::{Calls, Priority, catch_panic};
use super::outgoing::Outgoing;
use super::rate::Meter;
use super::read_ahead::{QueuedInput, ReadAhead};
use super::reader::{ReadOutcome, Reader};
use super::turn::Turn;
use crate::close::{Close, CloseCause, CloseCode};
use crate::decode::Payload;
use crate::handler::{Fault, Outcome};
use crate::hook::Hook;
use crate::protocol::{Event, Incoming, ProtocolError};
use crate::reply::{Messages, Reply, ReplyEnd};
use crate::socket::ConnectionShared;
use crate::stats::MessageKind;

#[cfg(test)]
mod tests;

/// With compression, this many bytes of one message count as another call: one read may inflate to
/// a thousand times its size, and inflating delays other connections.
const INFLATED_PER_CALL: usize = 16 * 1024;

/// Bytes in, replies out: the parts that a message passes through.
///
/// [`poll_read`](Self::poll_read) reads bytes, `handle_bytes` decodes them, `handle_message` calls
/// the hook, and [`Outgoing`] sends its reply. A message that has to wait on this path continues in
/// [`handle_queued`](Self::handle_queued).
pub(super) struct Exchange {
    reader: Reader,
    read_ahead: ReadAhead,
    meter: Meter,
    pub(super) calls: Calls,
    pub(super) out: Outgoing,
}

/// Whether a read has shown that the client is alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Liveness {
    Alive,
    Unknown,
}

impl Exchange {
    pub(super) fn new(shared: Arc<ConnectionShared>) -> Self {
        let deflate = shared.outbox().deflate();
        Self {
            reader: Reader::new(shared.limits().max_message, deflate),
            read_ahead: ReadAhead::default(),
            meter: Meter::default(),
            calls: Calls::new(),
            out: Outgoing::new(shared),
        }
    }

    /// Whether the driver may read from the client now.
    pub(super) fn may_read(&self) -> bool {
        if !self.out.closing.can_receive() {
            return false;
        }
        // Data after the server's Close is discarded.
        self.out.closing.is_server_closing()
            || (!self.out.has_waiting_reply()
                && !self.read_ahead.has_bytes()
                && self.accepts_more())
    }

    /// Whether one more message could be handled, or read ahead.
    fn accepts_more(&self) -> bool {
        self.can_call() || self.out.closing.is_server_closing() || self.has_read_ahead_capacity()
    }

    /// Whether one more message could be read ahead.
    #[inline(never)]
    fn has_read_ahead_capacity(&self) -> bool {
        self.read_ahead.len() + self.reader.buffered() < self.out.shared.limits().read_ahead
    }

    /// Whether a hook may be called now.
    #[inline]
    fn can_call(&self) -> bool {
        self.calls.is_free()
            && !self.out.has_waiting_reply()
            && !self.out.closing.is_server_closing()
    }

    /// Whether a notification is queued and still to be delivered: after the client's Close, no
    /// more are.
    #[inline]
    fn has_notification(&self) -> bool {
        !self.out.closing.has_client_closed() && self.out.shared.mailbox().has_notification()
    }

    /// Whether hooks could be called at once, but other connections should run first.
    pub(super) fn is_turn_over(&self) -> bool {
        let has_work = self.read_ahead.has_work() || self.has_notification();
        has_work && self.calls.is_turn_over() && self.can_call()
    }

    /// Whether received data waits for a hook, or a reply for room.
    pub(super) fn has_work(&self) -> bool {
        self.out.has_waiting_reply() || (self.read_ahead.has_work() && self.calls.is_free())
    }

    /// Whether the client violated the protocol.
    pub(super) fn has_protocol_error(&self) -> bool {
        self.reader.has_protocol_error()
    }

    /// Closes the connection, because the server shuts down: at once, or after the running hook and
    /// its reply. A connection of a page waits for the page's handler, whose Close closes it.
    pub(super) fn begin_shutdown(&mut self) {
        if self.out.shared.belongs_to_page_handler() {
            return;
        }
        if self.calls.running_since().is_some() || self.out.has_waiting_reply() {
            self.out.closing.drain();
        } else {
            self.out.close_for_shutdown();
        }
    }

    /// Drops the queues at the end of the connection.
    pub(super) fn handle_end(&mut self) {
        self.out.handle_end();
        self.read_ahead.clear();
    }

    /// Queues the bytes that followed the request; they are decoded first.
    pub(super) fn handle_early_bytes(&mut self, early: &[u8]) {
        self.read_ahead.keep(early);
    }

    /// Reads once, and handles the data. Returns whether it shows that the client is alive.
    pub(super) fn poll_read(&mut self, turn: &mut Turn<'_, '_>) -> Poll<Liveness> {
        if self.out.closing.is_server_closing() {
            self.reader.skip_messages();
        }
        let scratch = &mut turn.buffers.scratch;
        match ready!(self.reader.poll_read(turn.cx, turn.transport, scratch)) {
            Ok(ReadOutcome::Scratch(read)) => {
                turn.buffers.counters.count_bytes_received(read);
                let mut scratch = std::mem::take(scratch);
                self.handle_bytes(&mut scratch[..read], turn);
                turn.buffers.scratch = scratch;
                return Poll::Ready(Liveness::Alive);
            }
            Ok(ReadOutcome::Target(read)) => {
                turn.buffers.counters.count_bytes_received(read);
                match self.reader.end_of_target() {
                    Ok(Some(event)) => self.handle_event(event, turn),
                    Ok(None) => {}
                    Err(error) => self.handle_protocol_error(&error),
                }
                return Poll::Ready(Liveness::Alive);
            }
            Ok(ReadOutcome::End) => {
                self.out.closing.handle_end_of_stream();
                self.out.shared.client_gone();
            }
            Err(error) => {
                tracing::debug!(parent: self.out.shared.span(), %error, "the connection is lost");
                self.out.handle_loss();
            }
        }
        Poll::Ready(Liveness::Unknown)
    }

    /// Handles everything that can be decoded now; keeps the rest.
    fn handle_bytes(&mut self, mut input: &mut [u8], turn: &mut Turn<'_, '_>) {
        while !input.is_empty()
            && !self.reader.has_protocol_error()
            && !self.out.closing.has_client_closed()
        {
            if self.out.closing.is_server_closing() {
                self.reader.skip_messages();
            } else if !self.accepts_more() || self.calls.is_turn_over() {
                self.read_ahead.keep(input);
                return;
            }
            // Most reads contain short messages, which take the fast path.
            match self.reader.next_short(&mut input) {
                Some(Ok(incoming)) => {
                    self.handle_message(incoming, turn);
                    continue;
                }
                Some(Err(error)) => {
                    self.handle_protocol_error(&error);
                    return;
                }
                None => {}
            }
            match self.reader.next_event(&mut input) {
                Ok(Some(event)) => self.handle_event(event, turn),
                Ok(None) => return,
                Err(error) => self.handle_protocol_error(&error),
            }
        }
    }

    #[inline(never)]
    fn handle_event(&mut self, event: Event<'_>, turn: &mut Turn<'_, '_>) {
        match event {
            Event::Close(body) => {
                self.out.closing.handle_client_close(body);
                self.out.shared.client_gone();
            }
            _ if self.out.closing.is_server_closing() => {}
            Event::Message(incoming) => self.handle_message(incoming, turn),
            Event::Ping(payload) => self.out.put_pong(payload.as_slice(), turn),
            Event::Pong(_) => {}
        }
    }

    /// Closes the connection because the client violated the protocol (RFC 6455, section 7.1.7).
    fn handle_protocol_error(&mut self, error: &ProtocolError) {
        if self.out.closing.is_server_closing() {
            return;
        }
        tracing::debug!(parent: self.out.shared.span(), %error, "the client violated the protocol");
        let code = error.close_code();
        let cause = match code {
            CloseCode::INVALID_PAYLOAD => CloseCause::InvalidPayload,
            _ => CloseCause::ProtocolError,
        };
        self.read_ahead.clear();
        self.out.close(&Close::new(code, error.to_string()), cause);
    }

    /// Handles a whole message at once if nothing is queued before it.
    #[expect(
        clippy::inline_always,
        reason = "called for each message of a burst; the compiler does not inline it by itself"
    )]
    #[inline(always)]
    fn handle_message(&mut self, incoming: Incoming<'_>, turn: &mut Turn<'_, '_>) {
        turn.buffers.counters.count_received(match incoming {
            Incoming::Text(_) => MessageKind::Text,
            Incoming::Binary(_) => MessageKind::Binary,
        });
        // A large inflated message counts for more than one call.
        if self.out.shared.outbox().deflate().is_some() {
            let extra_calls = u16::try_from(incoming.len() / INFLATED_PER_CALL).unwrap_or(u16::MAX);
            self.calls.charge(extra_calls);
        }
        let rate = self.out.shared.limits().rate;
        if !self.meter.allows(rate, turn.buffers.now) {
            let close = Close::new(CloseCode::POLICY, "too many messages");
            self.out.close(&close, CloseCause::RateLimit);
            return;
        }
        if self.read_ahead.has_messages() || !self.can_call() {
            self.read_ahead.push(incoming);
            return;
        }
        self.call_message(incoming, turn);
        // Messages and notifications alternate, in a burst too.
        if self.has_notification() && self.can_call() {
            self.call_info(turn);
        }
    }

    /// Handles the queues: messages that were read ahead and notifications alternate.
    pub(super) fn handle_queued(&mut self, turn: &mut Turn<'_, '_>) {
        loop {
            self.out.continue_reply(turn);
            if !self.can_call() || self.calls.is_turn_over() {
                if self.out.closing.is_server_closing() {
                    self.discard_read_ahead(turn);
                }
                return;
            }
            let (notification, message) = (self.has_notification(), self.read_ahead.has_work());
            if notification && (!message || self.calls.priority() == Priority::Notification) {
                self.call_info(turn);
            } else if message {
                self.handle_read_ahead(turn);
            } else {
                return;
            }
        }
    }

    fn handle_read_ahead(&mut self, turn: &mut Turn<'_, '_>) {
        match self.read_ahead.next() {
            Some(QueuedInput::Message(incoming)) => self.call_message(incoming, turn),
            Some(QueuedInput::Bytes(mut bytes)) => self.handle_bytes(&mut bytes, turn),
            None => {}
        }
    }

    /// Discards data that was read ahead, because the server's Close is queued. The bytes that are
    /// not decoded yet may contain the client's Close.
    fn discard_read_ahead(&mut self, turn: &mut Turn<'_, '_>) {
        if let Some(mut bytes) = self.read_ahead.take_bytes() {
            self.handle_bytes(&mut bytes, turn);
        }
    }

    #[inline]
    fn call_message(&mut self, incoming: Incoming<'_>, turn: &mut Turn<'_, '_>) {
        let payload = Payload::new(incoming);
        // Written in place by the callee, because it is large to move.
        let mut status = HookStatus::NotCalled;
        let shared = &self.out.shared;
        self.calls.handle_message(
            turn.handler,
            shared,
            payload,
            &turn.buffers.now,
            &mut status,
        );
        match status {
            // The common case takes the fast path.
            HookStatus::Done(Ok(Reply {
                messages: Messages::One(message),
                end: ReplyEnd::KeepOpen,
            })) => self.out.put(message, turn),
            status => self.handle_hook_status(status, turn),
        }
    }

    fn call_info(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.buffers.now;
        let status = self.calls.handle_mail(turn.handler, &self.out.shared, now);
        self.handle_hook_status(status, turn);
    }

    fn handle_hook_status(&mut self, status: HookStatus, turn: &mut Turn<'_, '_>) {
        match status {
            HookStatus::Done(outcome) => self.handle_outcome(outcome, turn),
            HookStatus::Pending => self.poll_hook(turn),
            // The value of a topic did not decode, and that has closed the connection.
            HookStatus::NotCalled => self.out.handle_frames_of_hook(turn),
        }
    }

    /// Polls the running async hook.
    pub(super) fn poll_hook(&mut self, turn: &mut Turn<'_, '_>) {
        let polled = self
            .calls
            .poll_hook(turn.handler, &self.out.shared, turn.cx);
        if let Poll::Ready(outcome) = polled {
            self.handle_outcome(outcome, turn);
        }
    }

    /// Ends the running hook.
    pub(super) fn cancel_hook(&mut self, turn: &mut Turn<'_, '_>) {
        let polled = self
            .calls
            .cancel_hook(turn.handler, &self.out.shared, turn.cx);
        if let Poll::Ready(outcome) = polled {
            self.handle_outcome(outcome, turn);
        }
    }

    /// Moves due notifications into the mailbox. Creating them clones values of the application,
    /// and a clone may panic.
    pub(super) fn fire_timers(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.buffers.now;
        let mailbox = self.out.shared.mailbox();
        let fired = catch_panic(Hook::Info, &self.out.shared, || mailbox.fire(now));
        if let Err(fault) = fired {
            self.handle_outcome(Err(fault), turn);
        }
    }

    /// Handles the outcome of a hook.
    fn handle_outcome(&mut self, outcome: Outcome, turn: &mut Turn<'_, '_>) {
        match outcome {
            Ok(reply) => self.out.deliver(reply, turn),
            Err(Fault::Panic) => self.out.close(&Close::internal(), CloseCause::HookPanic),
            Err(Fault::TimedOut) => self.out.close(&Close::internal(), CloseCause::HookTimeout),
        }
        self.out.handle_frames_of_hook(turn);
    }

    /// Answers the client's Close as soon as everything before it is done.
    pub(super) fn answer_close(&mut self) {
        let is_waiting = self.out.has_waiting_reply() || self.read_ahead.has_work();
        if !is_waiting && self.calls.running_since().is_none() {
            self.out.answer_close();
        }
    }
}
