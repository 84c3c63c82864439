//! A message's way from bytes to reply.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use super::ahead::{ReadAhead, Waiting};
use super::callee::Called;
use super::calls::{Calls, First, caught};
use super::closing::Closing;
use super::rate::Meter;
use super::reader::{Read, Reader};
use super::turn::Turn;
use super::writer::{Put, Writer, is_full};
use crate::close::{Close, CloseCause, CloseCode};
use crate::decode::Payload;
use crate::handler::{Fault, Outcome};
use crate::hook::Hook;
use crate::outbox::{Status, Uncork};
use crate::protocol::{Event, Incoming, ProtocolError};
use crate::reply::{End, IntoReply as _, Messages, Reply};
use crate::socket::Shared;

/// If messages come compressed, so many bytes of one count as another call: what arrives in one
/// read may become a thousand times as much, and inflating it is time of the others.
const INFLATED_PER_CALL: usize = 16 * 1024;

/// Bytes in, replies out: the parts that a message passes.
///
/// [`poll_read`](Self::poll_read) reads bytes, [`handle_bytes`](Self::handle_bytes) decodes them,
/// [`handle_message`](Self::handle_message) calls the hook, [`deliver`](Self::deliver) sends what
/// it returns, [`flush`](Self::flush) writes that. A message that has to wait on this way goes on
/// in [`handle_waiting`](Self::handle_waiting).
pub(super) struct Exchange {
    pub(super) shared: Arc<Shared>,
    reader: Reader,
    ahead: ReadAhead,
    meter: Meter,
    pub(super) calls: Calls,
    writer: Writer,
    pub(super) closing: Closing,
}

/// Whether a read has shown that the client is there.
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
            writer: Writer::default(),
            closing: Closing::default(),
            shared,
        }
    }

    /// Whether bytes from the client are taken now.
    pub(super) fn may_read(&self) -> bool {
        if !self.closing.can_receive() {
            return false;
        }
        // What comes after our Close is discarded.
        self.closing.is_ours()
            || (!self.writer.is_holding() && !self.ahead.has_bytes() && self.takes_more())
    }

    /// Whether one more message could be handled, or read ahead.
    fn takes_more(&self) -> bool {
        self.closing.is_ours()
            || self.can_call()
            || self.ahead.len() + self.reader.buffered() < self.shared.limits().read_ahead
    }

    /// Whether a hook may be called now.
    #[inline]
    fn can_call(&self) -> bool {
        self.calls.is_free() && !self.writer.is_holding() && !self.closing.is_ours()
    }

    /// Whether a notification waits that is still to be delivered: behind the client's
    /// Close there is nothing more to say.
    #[inline]
    fn has_mail(&self) -> bool {
        !self.closing.has_client_closed() && self.shared.mail().has_mail()
    }

    /// Whether hooks could be called at once, but it is the others' turn.
    pub(super) fn is_turn_over(&self) -> bool {
        let work = || self.ahead.has_work() || self.has_mail();
        self.calls.is_turn_over() && self.can_call() && work()
    }

    /// Whether what was received waits for a hook, or a reply for room.
    pub(super) fn has_work(&self) -> bool {
        self.writer.is_holding() || (self.ahead.has_work() && self.calls.is_free())
    }

    /// Whether the client broke the protocol.
    pub(super) fn is_broken(&self) -> bool {
        self.reader.is_broken()
    }

    /// Whether a reply waits for room, and there is some now.
    pub(super) fn can_continue(&self) -> bool {
        self.writer.can_continue(self.shared.outbox())
    }

    /// Begins a burst: until it is written, frames of others wait.
    pub(super) fn cork(&mut self, cx: &TaskContext<'_>) {
        if self.shared.outbox().cork(cx.waker()) {
            self.closing.handle_ending_outbox();
        }
    }

    /// The connection is over: what waits is dropped.
    pub(super) fn handle_end(&mut self) {
        self.writer = Writer::default();
        self.ahead.clear();
    }

    /// Bytes that followed the request are the first to be decoded.
    pub(super) fn handle_early_bytes(&mut self, early: &[u8]) {
        self.ahead.keep(early);
    }

    /// Reads once, and handles what came. Returns whether that is a sign of life.
    pub(super) fn poll_read(&mut self, turn: &mut Turn<'_, '_>) -> Poll<Heard> {
        if self.closing.is_ours() {
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
                self.closing.handle_end_of_stream();
                self.shared.client_gone();
            }
            Err(error) => {
                tracing::debug!(parent: self.shared.span(), %error, "the connection is lost");
                self.handle_loss();
            }
        }
        Poll::Ready(Heard::Nothing)
    }

    /// Handles everything that can be decoded; keeps what has to wait for its turn.
    fn handle_bytes(&mut self, mut input: &mut [u8], turn: &mut Turn<'_, '_>) {
        while !input.is_empty() && !self.reader.is_broken() && !self.closing.has_client_closed() {
            if self.closing.is_ours() {
                self.reader.skip_messages();
            } else if !self.takes_more() || self.calls.is_turn_over() {
                self.ahead.keep(input);
                return;
            }
            match self.reader.next_event(&mut input) {
                Ok(Some(Event::Message(incoming))) => self.handle_message(incoming, turn),
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
                self.closing.handle_client_close(body);
                self.shared.client_gone();
            }
            _ if self.closing.is_ours() => {}
            Event::Message(incoming) => self.handle_message(incoming, turn),
            Event::Ping(payload) => {
                self.make_room_in_cork(turn);
                let outbox = self.shared.outbox();
                Writer::put_pong(outbox, payload.as_slice(), &mut turn.worker.cork);
            }
            Event::Pong(_) => {}
        }
    }

    /// The client broke the protocol (RFC 6455, section 7.1.7).
    fn handle_broken(&mut self, error: &ProtocolError) {
        if self.closing.is_ours() {
            return;
        }
        tracing::debug!(parent: self.shared.span(), %error, "the client broke the protocol");
        let code = error.close_code();
        let cause = match code {
            CloseCode::INVALID_PAYLOAD => CloseCause::InvalidPayload,
            _ => CloseCause::ProtocolError,
        };
        self.ahead.clear();
        self.close(&Close::new(code, error.to_string()), cause);
    }

    /// A whole message: handled at once if nothing waits before it.
    #[inline]
    fn handle_message(&mut self, incoming: Incoming<'_>, turn: &mut Turn<'_, '_>) {
        // What was inflated counts for more than one call if it is large.
        if self.shared.outbox().deflate().is_some() {
            let more = u16::try_from(incoming.len() / INFLATED_PER_CALL).unwrap_or(u16::MAX);
            self.calls.charge(more);
        }
        let rate = self.shared.limits().rate;
        if !self.meter.allows(rate, turn.worker.now) {
            let close = Close::new(CloseCode::POLICY, "too many messages");
            self.close(&close, CloseCause::RateLimit);
            return;
        }
        if self.ahead.has_messages() || !self.can_call() {
            self.ahead.push(incoming);
            return;
        }
        self.call_message(incoming, turn);
        // Messages and notifications take turns, in a burst too.
        if self.has_mail() && self.can_call() {
            self.call_info(turn);
        }
    }

    /// Handles what waits: messages that were read ahead and notifications, in turns.
    pub(super) fn handle_waiting(&mut self, turn: &mut Turn<'_, '_>) {
        loop {
            if let Some(reply) = self.writer.take_held() {
                self.deliver(reply, turn);
            }
            if !self.can_call() || self.calls.is_turn_over() {
                if self.closing.is_ours() {
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

    /// What was read ahead is discarded, as our Close is queued. The client's Close may be among
    /// the bytes that are not decoded yet.
    fn skip_ahead(&mut self, turn: &mut Turn<'_, '_>) {
        if let Some(mut bytes) = self.ahead.take_bytes() {
            self.handle_bytes(&mut bytes, turn);
        }
    }

    #[inline]
    fn call_message(&mut self, incoming: Incoming<'_>, turn: &mut Turn<'_, '_>) {
        let (payload, now) = (Payload::new(incoming), turn.worker.now);
        let called = self
            .calls
            .handle_message(turn.handler, &self.shared, payload, now);
        match called {
            // The common case goes the shortest way.
            Called::Done(Ok(Reply {
                messages: Messages::One(message),
                end: End::Open,
            })) => {
                self.make_room_in_cork(turn);
                if self.closing.takes_replies() {
                    let outbox = self.shared.outbox();
                    if let Err(message) = Writer::put(outbox, message, &mut turn.worker.cork) {
                        self.writer.hold(message.into_reply());
                    }
                }
                self.note_close();
            }
            called => self.handle_called(called, turn),
        }
    }

    fn call_info(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.worker.now;
        let called = self.calls.handle_mail(turn.handler, &self.shared, now);
        self.handle_called(called, turn);
    }

    fn handle_called(&mut self, called: Called, turn: &mut Turn<'_, '_>) {
        match called {
            Called::Done(outcome) => self.handle_outcome(outcome, turn),
            Called::Waits => self.poll_hook(turn),
            // What a topic published could not be read, and that has closed the connection.
            Called::Nothing => self.note_close(),
        }
    }

    /// Polls the async hook that is under way.
    pub(super) fn poll_hook(&mut self, turn: &mut Turn<'_, '_>) {
        let polled = self.calls.poll_hook(turn.handler, &self.shared, turn.cx);
        if let Poll::Ready(outcome) = polled {
            self.handle_outcome(outcome, turn);
        }
    }

    /// Ends the hook that is under way.
    pub(super) fn cut_hook(&mut self, turn: &mut Turn<'_, '_>) {
        let cut = self.calls.cut(turn.handler, &self.shared, turn.cx);
        if let Poll::Ready(outcome) = cut {
            self.handle_outcome(outcome, turn);
        }
    }

    /// Puts the notifications that are due into the mailbox. Making them clones values of
    /// the application, which may panic.
    pub(super) fn fire_timers(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.worker.now;
        let mail = self.shared.mail();
        let fired = caught(Hook::Info, &self.shared, || mail.fire(now));
        if let Err(fault) = fired {
            self.handle_outcome(Err(fault), turn);
        }
    }

    /// A hook has ended.
    fn handle_outcome(&mut self, outcome: Outcome, turn: &mut Turn<'_, '_>) {
        match outcome {
            Ok(reply) => self.deliver(reply, turn),
            Err(Fault::Panic) => self.close(&Close::internal(), CloseCause::HookPanic),
            Err(Fault::TimedOut) => self.close(&Close::internal(), CloseCause::HookTimeout),
        }
        self.note_close();
    }

    /// Sends a reply as far as there is room; the rest is held.
    fn deliver(&mut self, mut reply: Reply, turn: &mut Turn<'_, '_>) {
        while self.closing.takes_replies() {
            let limit = self.shared.limits().outbox;
            let cork = &mut turn.worker.cork;
            match Writer::put_all(self.shared.outbox(), &mut reply.messages, cork, limit) {
                Put::All => break,
                Put::Full => {
                    self.flush(turn, Uncork::Later);
                }
                Put::NoRoom => {
                    self.writer.hold(reply);
                    return;
                }
            }
        }
        match reply.end {
            End::Open => {}
            End::Close(close) => self.close(&close, CloseCause::ServerClosed),
            End::Error(close) => self.close(&close, CloseCause::HookError),
            End::Undecodable(close) => self.close(&close, CloseCause::InvalidPayload),
        }
    }

    /// Writes the cork buffer if it is full: what the socket does not take then waits.
    #[inline]
    fn make_room_in_cork(&mut self, turn: &mut Turn<'_, '_>) {
        if is_full(&turn.worker.cork, self.shared.limits().outbox) {
            // What was written may have been a Close frame that the hook asked for.
            self.flush(turn, Uncork::Later);
        }
    }

    /// Writes what this burst produced, and notes the state of the outbox then.
    pub(super) fn flush(&mut self, turn: &mut Turn<'_, '_>, uncork: Uncork) -> Status {
        let outbox = self.shared.outbox();
        if self.closing.is_ours() {
            turn.transport.closing();
        }
        let (cork, now) = (&mut turn.worker.cork, turn.worker.now);
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

    /// The transport has failed: nothing can be sent any more.
    fn handle_loss(&mut self) {
        let reason = self.closing.handle_loss();
        self.shared.outbox().shut(reason);
        self.shared.client_gone();
    }

    /// Answers the client's Close when everything before it is done (RFC 6455, section 5.5.1).
    pub(super) fn answer_close(&mut self) {
        let is_busy = self.calls.running_since().is_some()
            || self.writer.is_holding()
            || self.ahead.has_work();
        if !is_busy && let Some((answer, reason)) = self.closing.answer() {
            self.shared.outbox().close(answer, reason.clone());
            self.closing.handle_our_close();
        }
    }

    /// A hook may have closed the connection itself.
    #[inline]
    fn note_close(&mut self) {
        let outbox = self.shared.outbox();
        if !self.closing.is_ours() && outbox.has_waiting() && outbox.status().ending {
            self.closing.handle_our_close();
        }
    }

    /// Closes in order, from within.
    pub(super) fn close(&mut self, close: &Close, cause: CloseCause) {
        self.shared.close(close, cause);
        self.closing.handle_our_close();
    }
}
