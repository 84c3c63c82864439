//! From the transport to whole messages.

#![expect(
    clippy::inline_always,
    reason = "calls for each message of a burst, which the compiler keeps apart by itself"
)]

use std::task::{Context as TaskContext, Poll, ready};

use super::{Driver, Worker};
use crate::close::{Close, CloseCause, CloseCode, CloseReason};
use crate::outbox::{Control, Io};
use crate::protocol::encoder::{encode_pong, put_frame};
use crate::protocol::{Event, Incoming, OpCode, ProtocolError, TextData};

/// Where messages come compressed, so many bytes of one count as another call: what arrives in one
/// read may become a thousand times as much, and inflating it is time of the others.
const INFLATED_PER_CALL: usize = 16 * 1024;

impl<H: Send + 'static> Driver<H> {
    /// Whether bytes from the client are taken now.
    pub(super) fn may_read(&self) -> bool {
        let ends = &self.ends;
        if ends.eof || ends.lost || ends.client_closed.is_some() {
            return false;
        }
        // What comes after our Close is discarded.
        if ends.closing {
            return true;
        }
        let rest = self.ahead.as_ref().is_some_and(|ahead| ahead.has_rest());
        self.held.is_none() && !rest && self.takes_more()
    }

    /// Whether one more message could be handled, or read ahead.
    fn takes_more(&self) -> bool {
        self.ends.closing || self.can_call() || {
            let ahead = self.ahead.as_ref().map_or(0, |ahead| ahead.len());
            ahead + self.decoder.buffered() < self.shared().limits().read_ahead
        }
    }

    /// Reads once, and handles what came.
    pub(super) fn poll_read(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) -> Poll<()> {
        let Some(transport) = self.transport.as_mut().map(Io::get_mut) else {
            return Poll::Pending;
        };
        if self.ends.closing {
            self.decoder.skip_messages();
        }
        // The rest of a large message is read straight into its place.
        let target = if self.ends.deaf {
            None
        } else {
            self.decoder.read_target()
        };
        let (read, direct) = match target {
            Some(mut target) => (ready!(transport.poll_read_buf(cx, &mut target)), true),
            None => (ready!(transport.poll_read(cx, &mut worker.scratch)), false),
        };
        match read {
            Ok(0) => {
                self.ends.eof = true;
                self.shared().client_gone();
            }
            Ok(_) if direct => {
                self.clock.received(worker.now);
                match self.decoder.target_filled() {
                    Ok(Some(event)) => self.event(event, cx, worker),
                    Ok(None) => {}
                    Err(error) => self.fail(error),
                }
            }
            Ok(read) => {
                self.clock.received(worker.now);
                let mut scratch = std::mem::take(&mut worker.scratch);
                self.feed(&mut scratch[..read], cx, worker);
                worker.scratch = scratch;
            }
            Err(error) => {
                tracing::debug!(parent: self.context.span(), %error, "the connection is lost");
                self.lose();
            }
        }
        Poll::Ready(())
    }

    /// Handles everything that can be decoded; keeps what has to wait for its turn.
    pub(super) fn feed(
        &mut self,
        mut input: &mut [u8],
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) {
        while !input.is_empty() && !self.ends.deaf && self.ends.client_closed.is_none() {
            if self.ends.closing {
                self.decoder.skip_messages();
            } else if !self.takes_more() || self.calls_left == 0 {
                self.ahead.get_or_insert_default().keep(input);
                return;
            }
            // What most reads hold goes the shortest way.
            match self.decoder.short_message(&mut input) {
                Some(Ok(incoming)) => {
                    self.data(incoming, cx, worker);
                    continue;
                }
                Some(Err(error)) => {
                    self.fail(error.into());
                    return;
                }
                None => {}
            }
            match self.decoder.decode_any(&mut input) {
                Ok(Some(event)) => self.event(event, cx, worker),
                Ok(None) => return,
                Err(error) => self.fail(error),
            }
        }
    }

    fn event(&mut self, event: Event<'_>, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        match event {
            Event::Close(body) => self.client_close(body),
            _ if self.ends.closing => {}
            Event::Message(incoming) => self.data(incoming, cx, worker),
            Event::Ping(payload) => {
                self.bound_cork(cx, worker);
                let outbox = self.shared().outbox();
                if outbox.has_waiting() {
                    outbox.control(Control::Pong, encode_pong(payload.as_slice()));
                } else {
                    put_frame(&mut worker.cork, OpCode::Pong, payload.as_slice());
                }
            }
            Event::Pong(_) => {}
        }
    }

    /// A whole message.
    #[inline(always)]
    fn data(&mut self, incoming: Incoming<'_>, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        self.charge(&incoming);
        let rate = self.context.endpoint.limits().rate;
        if self.clock.allows(rate, worker.now) {
            self.message(incoming, cx, worker);
        } else {
            let close = Close::new(CloseCode::POLICY, "too many messages");
            self.close(&close, CloseCause::RateLimit);
        }
    }

    /// What was inflated counts for more than one call where it is large.
    fn charge(&mut self, incoming: &Incoming<'_>) {
        if self.shared().outbox().deflate().is_some() {
            let more = u16::try_from(incoming.len() / INFLATED_PER_CALL).unwrap_or(u16::MAX);
            self.calls_left = self.calls_left.saturating_sub(more);
        }
    }

    /// The client's Close has arrived (RFC 6455, section 5.5.1).
    fn client_close(&mut self, body: Option<(CloseCode, TextData<'_>)>) {
        let (code, text) = match body {
            Some((code, text)) => (code, text.into_string()),
            None => (CloseCode::NO_STATUS, String::new()),
        };
        let reason = CloseReason::new(CloseCause::ClientClosed, code, text);
        self.ends.client_closed = Some(Box::new((Close::from(code), reason)));
        self.shared().client_gone();
    }

    /// The client broke the protocol (RFC 6455, section 7.1.7).
    fn fail(&mut self, error: ProtocolError) {
        self.ends.deaf = true;
        if self.ends.closing {
            return;
        }
        tracing::debug!(parent: self.context.span(), %error, "the client broke the protocol");
        let code = error.close_code();
        let cause = match code {
            CloseCode::INVALID_PAYLOAD => CloseCause::InvalidPayload,
            _ => CloseCause::ProtocolError,
        };
        self.ahead = None;
        self.close(&Close::new(code, error.to_string()), cause);
    }
}
