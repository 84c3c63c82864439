//! The path of a message from bytes to its reply.

use std::sync::Arc;
use std::task::{Poll, ready};

use super::ahead::{ReadAhead, Waiting};
use super::callee::Called;
use super::calls::{Calls, First, caught};
use super::outgoing::Outgoing;
use super::rate::Meter;
use super::reader::{Read, Reader};
use super::turn::Turn;
use crate::close::{Close, CloseCause, CloseCode};
use crate::decode::Payload;
use crate::handler::{Fault, Outcome};
use crate::hook::Hook;
use crate::protocol::{Event, Incoming, ProtocolError};
use crate::reply::{End, Messages, Reply};
use crate::socket::Shared;

/// With compression, this many bytes of one message count as another call: one read may inflate to
/// a thousand times its size, and the inflating delays other connections.
const INFLATED_PER_CALL: usize = 16 * 1024;

/// Bytes in, replies out: the parts that a message passes through.
///
/// [`poll_read`](Self::poll_read) reads bytes, `handle_bytes` decodes them, `handle_message` calls
/// the hook, and [`Outgoing`] sends its reply. A message that has to wait on this path continues in
/// [`handle_waiting`](Self::handle_waiting).
pub(super) struct Exchange {
    reader: Reader,
    ahead: ReadAhead,
    meter: Meter,
    pub(super) calls: Calls,
    pub(super) out: Outgoing,
}

/// Whether a read has shown that the client is alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    Something,
    Nothing,
}

impl Exchange {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let deflate = shared.outbox().deflate();
        Self {
            reader: Reader::new(shared.limits().max_message, deflate),
            ahead: ReadAhead::default(),
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
        self.out.closing.is_ours()
            || (!self.out.is_holding() && !self.ahead.has_bytes() && self.takes_more())
    }

    /// Whether one more message could be handled, or read ahead.
    fn takes_more(&self) -> bool {
        self.out.closing.is_ours()
            || self.can_call()
            || self.ahead.len() + self.reader.buffered() < self.out.shared.limits().read_ahead
    }

    /// Whether a hook may be called now.
    #[inline]
    fn can_call(&self) -> bool {
        self.calls.is_free() && !self.out.is_holding() && !self.out.closing.is_ours()
    }

    /// Whether a notification is queued and still to be delivered: after the client's Close, no
    /// more are.
    #[inline]
    fn has_mail(&self) -> bool {
        !self.out.closing.has_client_closed() && self.out.shared.mail().has_mail()
    }

    /// Whether hooks could be called at once, but other connections should run first.
    pub(super) fn is_turn_over(&self) -> bool {
        let has_work = self.ahead.has_work() || self.has_mail();
        has_work && self.calls.is_turn_over() && self.can_call()
    }

    /// Whether received data waits for a hook, or a reply for room.
    pub(super) fn has_work(&self) -> bool {
        self.out.is_holding() || (self.ahead.has_work() && self.calls.is_free())
    }

    /// Whether the client violated the protocol.
    pub(super) fn is_broken(&self) -> bool {
        self.reader.is_broken()
    }

    /// Drops the queues at the end of the connection.
    pub(super) fn handle_end(&mut self) {
        self.out.handle_end();
        self.ahead.clear();
    }

    /// The bytes that followed the request are decoded first.
    pub(super) fn handle_early_bytes(&mut self, early: &[u8]) {
        self.ahead.keep(early);
    }

    /// Reads once, and handles the data. Returns whether it shows that the client is alive.
    pub(super) fn poll_read(&mut self, turn: &mut Turn<'_, '_>) -> Poll<Heard> {
        if self.out.closing.is_ours() {
            self.reader.skip_messages();
        }
        let scratch = &mut turn.worker.scratch;
        match ready!(self.reader.poll_read(turn.cx, turn.transport, scratch)) {
            Ok(Read::Scratch(read)) => {
                let mut scratch = std::mem::take(scratch);
                self.handle_bytes(&mut scratch[..read], turn);
                turn.worker.scratch = scratch;
                return Poll::Ready(Heard::Something);
            }
            Ok(Read::Target) => {
                match self.reader.end_of_target() {
                    Ok(Some(event)) => self.handle_event(event, turn),
                    Ok(None) => {}
                    Err(error) => self.handle_broken(&error),
                }
                return Poll::Ready(Heard::Something);
            }
            Ok(Read::End) => {
                self.out.closing.handle_end_of_stream();
                self.out.shared.client_gone();
            }
            Err(error) => {
                tracing::debug!(parent: self.out.shared.span(), %error, "the connection is lost");
                self.out.handle_loss();
            }
        }
        Poll::Ready(Heard::Nothing)
    }

    /// Handles everything that can be decoded now; keeps the rest.
    fn handle_bytes(&mut self, mut input: &mut [u8], turn: &mut Turn<'_, '_>) {
        while !input.is_empty() && !self.reader.is_broken() && !self.out.closing.has_client_closed()
        {
            if self.out.closing.is_ours() {
                self.reader.skip_messages();
            } else if !self.takes_more() || self.calls.is_turn_over() {
                self.ahead.keep(input);
                return;
            }
            // Most reads contain short messages, which take the fast path.
            match self.reader.next_short(&mut input) {
                Some(Ok(incoming)) => {
                    self.handle_message(incoming, turn);
                    continue;
                }
                Some(Err(error)) => {
                    self.handle_broken(&error);
                    return;
                }
                None => {}
            }
            match self.reader.next_event(&mut input) {
                Ok(Some(event)) => self.handle_event(event, turn),
                Ok(None) => return,
                Err(error) => self.handle_broken(&error),
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
            _ if self.out.closing.is_ours() => {}
            Event::Message(incoming) => self.handle_message(incoming, turn),
            Event::Ping(payload) => self.out.put_pong(payload.as_slice(), turn),
            Event::Pong(_) => {}
        }
    }

    /// The client violated the protocol (RFC 6455, section 7.1.7).
    fn handle_broken(&mut self, error: &ProtocolError) {
        if self.out.closing.is_ours() {
            return;
        }
        tracing::debug!(parent: self.out.shared.span(), %error, "the client broke the protocol");
        let code = error.close_code();
        let cause = match code {
            CloseCode::INVALID_PAYLOAD => CloseCause::InvalidPayload,
            _ => CloseCause::ProtocolError,
        };
        self.ahead.clear();
        self.out.close(&Close::new(code, error.to_string()), cause);
    }

    /// Handles a whole message at once if nothing is queued before it.
    #[expect(
        clippy::inline_always,
        reason = "called for each message of a burst, which the compiler keeps apart by itself"
    )]
    #[inline(always)]
    fn handle_message(&mut self, incoming: Incoming<'_>, turn: &mut Turn<'_, '_>) {
        // A large inflated message counts for more than one call.
        if self.out.shared.outbox().deflate().is_some() {
            let more = u16::try_from(incoming.len() / INFLATED_PER_CALL).unwrap_or(u16::MAX);
            self.calls.charge(more);
        }
        let rate = self.out.shared.limits().rate;
        if !self.meter.allows(rate, turn.worker.now) {
            let close = Close::new(CloseCode::POLICY, "too many messages");
            self.out.close(&close, CloseCause::RateLimit);
            return;
        }
        if self.ahead.has_messages() || !self.can_call() {
            self.ahead.push(incoming);
            return;
        }
        self.call_message(incoming, turn);
        // Messages and notifications alternate, in a burst too.
        if self.has_mail() && self.can_call() {
            self.call_info(turn);
        }
    }

    /// Handles the queues: messages that were read ahead and notifications alternate.
    pub(super) fn handle_waiting(&mut self, turn: &mut Turn<'_, '_>) {
        loop {
            self.out.continue_reply(turn);
            if !self.can_call() || self.calls.is_turn_over() {
                if self.out.closing.is_ours() {
                    self.skip_ahead(turn);
                }
                return;
            }
            let (mail, message) = (self.has_mail(), self.ahead.has_work());
            if mail && (!message || self.calls.first() == First::Mail) {
                self.call_info(turn);
            } else if message {
                self.handle_ahead(turn);
            } else {
                return;
            }
        }
    }

    fn handle_ahead(&mut self, turn: &mut Turn<'_, '_>) {
        match self.ahead.next() {
            Some(Waiting::Message(incoming)) => self.call_message(incoming, turn),
            Some(Waiting::Bytes(mut bytes)) => self.handle_bytes(&mut bytes, turn),
            None => {}
        }
    }

    /// Discards data that was read ahead, because the server's Close is queued. The bytes that are
    /// not decoded yet may contain the client's Close.
    fn skip_ahead(&mut self, turn: &mut Turn<'_, '_>) {
        if let Some(mut bytes) = self.ahead.take_bytes() {
            self.handle_bytes(&mut bytes, turn);
        }
    }

    #[inline]
    fn call_message(&mut self, incoming: Incoming<'_>, turn: &mut Turn<'_, '_>) {
        let (payload, now) = (Payload::new(incoming), turn.worker.now);
        // Written in place by the callee, because it is large to move.
        let mut called = Called::Nothing;
        let shared = &self.out.shared;
        self.calls
            .handle_message(turn.handler, shared, payload, now, &mut called);
        match called {
            // The common case takes the fast path.
            Called::Done(Ok(Reply {
                messages: Messages::One(message),
                end: End::Open,
            })) => self.out.put(message, turn),
            called => self.handle_called(called, turn),
        }
    }

    fn call_info(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.worker.now;
        let called = self.calls.handle_mail(turn.handler, &self.out.shared, now);
        self.handle_called(called, turn);
    }

    fn handle_called(&mut self, called: Called, turn: &mut Turn<'_, '_>) {
        match called {
            Called::Done(outcome) => self.handle_outcome(outcome, turn),
            Called::Waits => self.poll_hook(turn),
            // The value of a topic did not decode, and that has closed the connection.
            Called::Nothing => self.out.note_close(),
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
    pub(super) fn cut_hook(&mut self, turn: &mut Turn<'_, '_>) {
        let cut = self.calls.cut(turn.handler, &self.out.shared, turn.cx);
        if let Poll::Ready(outcome) = cut {
            self.handle_outcome(outcome, turn);
        }
    }

    /// Moves due notifications into the mailbox. Making them clones values of the application,
    /// which may panic.
    pub(super) fn fire_timers(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.worker.now;
        let mail = self.out.shared.mail();
        let fired = caught(Hook::Info, &self.out.shared, || mail.fire(now));
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
        self.out.note_close();
    }

    /// Answers the client's Close as soon as everything before it is done.
    pub(super) fn answer_close(&mut self) {
        let waits = self.out.is_holding() || self.ahead.has_work();
        if !waits && self.calls.running_since().is_none() {
            self.out.answer_close();
        }
    }
}
