//! From the transport to whole messages.

#![expect(
    clippy::inline_always,
    reason = "calls for each message of a burst, which the compiler keeps apart by itself"
)]

use std::task::{Context as TaskContext, Poll, ready};

use super::{Driver, Worker};
use crate::close::{Close, CloseCause, CloseCode};
use crate::outbox::Io;
use crate::protocol::{Event, Incoming};

/// Where messages come compressed, so many bytes of one count as another call: what arrives in one
/// read may become a thousand times as much, and inflating it is time of the others.
const INFLATED_PER_CALL: usize = 16 * 1024;

impl<H: Send + 'static> Driver<H> {
    /// Whether bytes from the client are taken now.
    pub(super) fn may_read(&self) -> bool {
        let ends = &self.line.ends;
        if ends.eof || ends.lost || ends.client_closed.is_some() {
            return false;
        }
        // What comes after our Close is discarded.
        if ends.closing {
            return true;
        }
        let rest = self
            .line
            .ahead
            .as_ref()
            .is_some_and(|ahead| ahead.has_rest());
        self.line.held.is_none() && !rest && self.takes_more()
    }

    /// Whether one more message could be handled, or read ahead.
    fn takes_more(&self) -> bool {
        self.line.ends.closing || self.can_call() || {
            let ahead = self.line.ahead.as_ref().map_or(0, |ahead| ahead.len());
            ahead + self.line.decoder.buffered() < self.shared().limits().read_ahead
        }
    }

    /// Reads once, and handles what came.
    pub(super) fn poll_read(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) -> Poll<()> {
        let Some(transport) = self.line.transport.as_mut().map(Io::get_mut) else {
            return Poll::Pending;
        };
        if self.line.ends.closing {
            self.line.decoder.skip_messages();
        }
        // The rest of a large message is read straight into its place.
        let target = if self.line.ends.deaf {
            None
        } else {
            self.line.decoder.read_target()
        };
        let (read, direct) = match target {
            Some(mut target) => (ready!(transport.poll_read_buf(cx, &mut target)), true),
            None => (ready!(transport.poll_read(cx, &mut worker.scratch)), false),
        };
        match read {
            Ok(0) => {
                self.line.ends.eof = true;
                self.shared().client_gone();
            }
            Ok(_) if direct => {
                self.line.clock.received(worker.now);
                match self.line.decoder.target_filled() {
                    Ok(Some(event)) => self.event(event, cx, worker),
                    Ok(None) => {}
                    Err(error) => self.line.fail(self.context.socket.shared(), error),
                }
            }
            Ok(read) => {
                self.line.clock.received(worker.now);
                let mut scratch = std::mem::take(&mut worker.scratch);
                self.feed(&mut scratch[..read], cx, worker);
                worker.scratch = scratch;
            }
            Err(error) => {
                tracing::debug!(parent: self.context.span(), %error, "the connection is lost");
                self.line.lose(self.context.socket.shared());
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
        while !input.is_empty() && !self.line.ends.deaf && self.line.ends.client_closed.is_none() {
            if self.line.ends.closing {
                self.line.decoder.skip_messages();
            } else if !self.takes_more() || self.line.calls_left == 0 {
                self.line.ahead.get_or_insert_default().keep(input);
                return;
            }
            // What most reads hold goes the shortest way.
            match self.line.decoder.short_message(&mut input) {
                Some(Ok(incoming)) => {
                    self.data(incoming, cx, worker);
                    continue;
                }
                Some(Err(error)) => {
                    self.line.fail(self.context.socket.shared(), error.into());
                    return;
                }
                None => {}
            }
            match self.line.decoder.decode_any(&mut input) {
                Ok(Some(event)) => self.event(event, cx, worker),
                Ok(None) => return,
                Err(error) => self.line.fail(self.context.socket.shared(), error),
            }
        }
    }

    fn event(&mut self, event: Event<'_>, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        match event {
            Event::Close(body) => self.line.client_close(self.context.socket.shared(), body),
            _ if self.line.ends.closing => {}
            Event::Message(incoming) => self.data(incoming, cx, worker),
            Event::Ping(payload) => {
                let shared = self.context.socket.shared();
                self.line.pong(shared, payload.as_slice(), cx, worker);
            }
            Event::Pong(_) => {}
        }
    }

    /// A whole message.
    #[inline(always)]
    fn data(&mut self, incoming: Incoming<'_>, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        self.charge(&incoming);
        let rate = self.context.endpoint.limits().rate;
        if self.line.clock.allows(rate, worker.now) {
            self.message(incoming, cx, worker);
        } else {
            let close = Close::new(CloseCode::POLICY, "too many messages");
            self.line
                .close(self.context.socket.shared(), &close, CloseCause::RateLimit);
        }
    }

    /// What was inflated counts for more than one call where it is large.
    fn charge(&mut self, incoming: &Incoming<'_>) {
        if self.shared().outbox().deflate().is_some() {
            let more = u16::try_from(incoming.len() / INFLATED_PER_CALL).unwrap_or(u16::MAX);
            self.line.calls_left = self.line.calls_left.saturating_sub(more);
        }
    }
}
