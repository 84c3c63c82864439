//! Calling hooks, one at a time, and sending what they return.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context as TaskContext, Poll};

use super::{Driver, Running, Worker};
use crate::close::{Close, CloseCause};
use crate::decode::Payload;
use crate::handler::{Call, Fault, Outcome, Step};
use crate::hook::{self, Hook, Place};
use crate::message::Message;
use crate::outbox::Frame;
use crate::protocol::encoder::put_frame;
use crate::protocol::{Incoming, OpCode, spare};
use crate::reply::{End, IntoReply, Messages, Reply};

/// Payloads up to this size are copied into the cork buffer, in bytes.
const CORK_PAYLOAD: usize = 16 * 1024;

/// The cork buffer is written when it holds so much, in bytes.
const CORK: usize = 64 * 1024;

impl<H: Send + 'static> Driver<H> {
    /// Whether a hook may be called now.
    pub(super) fn can_call(&self) -> bool {
        self.handler.is_some() && self.held.is_none() && !self.ends.closing
    }

    /// Handles what waits: messages that were read ahead and notifications, in turns.
    pub(super) fn work(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        loop {
            self.release_held(cx, worker);
            if !self.can_call() || self.calls_left == 0 {
                if self.ends.closing {
                    self.skip_ahead(cx, worker);
                }
                return;
            }
            let mail = self.has_mail();
            let message = self.has_ahead();
            if mail && (self.mail_next || !message) {
                self.call_info(cx, worker);
            } else if message {
                self.work_ahead(cx, worker);
            } else {
                return;
            }
        }
    }

    /// What was read ahead is discarded, as our Close is queued. The client's Close may be among
    /// the bytes that are not decoded yet.
    fn skip_ahead(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        if let Some(mut ahead) = self.ahead.take() {
            self.feed(&mut ahead.take_rest(), cx, worker);
        }
    }

    /// Whether a notification waits that is still to be delivered: behind the client's
    /// Close there is nothing more to say.
    pub(super) fn has_mail(&self) -> bool {
        self.ends.client_closed.is_none() && self.shared().mail().has_mail()
    }

    fn work_ahead(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        let Some(ahead) = &mut self.ahead else { return };
        if let Some(incoming) = ahead.next_message() {
            self.call_message(incoming, cx, worker);
        } else {
            let mut rest = ahead.take_rest();
            self.feed(&mut rest, cx, worker);
        }
        self.ahead.take_if(|ahead| !ahead.has_work());
    }

    /// A message that has just been decoded: handled at once where nothing stands before it.
    #[expect(
        clippy::inline_always,
        reason = "called for each message of a burst, which the compiler keeps apart by itself"
    )]
    #[inline(always)]
    pub(super) fn message(
        &mut self,
        incoming: Incoming<'_>,
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) {
        let waits = self
            .ahead
            .as_ref()
            .is_some_and(|ahead| ahead.has_messages());
        if waits || !self.can_call() {
            self.ahead.get_or_insert_default().push(incoming);
            return;
        }
        self.call_message(incoming, cx, worker);
        // Messages and notifications take turns, in a burst too.
        if self.has_mail() && self.can_call() {
            self.call_info(cx, worker);
        }
    }

    fn call_message(
        &mut self,
        incoming: Incoming<'_>,
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) {
        self.mail_next = true;
        self.calls_left = self.calls_left.saturating_sub(1);
        let place = Hook::Message.on(self.context.endpoint.route());
        let call = Call::new(&mut self.handler, &self.context);
        // Put into its place from within: a step is large to move.
        let mut step = None;
        let called = caught(place, self.context.span(), || {
            step = Some((self.hooks.message)(call, Payload::new(incoming)));
        });
        match step {
            // The common case goes the shortest way.
            Some(Step::Done(Ok(Reply {
                messages: Messages::One(message),
                end: End::Open,
            }))) => {
                if let Err(message) = self.send(message, cx, worker) {
                    self.held = Some(Box::new(message.into_reply()));
                }
                self.note_close();
            }
            Some(step) => self.step(Hook::Message, step, cx, worker),
            None => self.outcome(called.map(|()| Reply::NONE), cx, worker),
        }
    }

    fn call_info(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        self.mail_next = false;
        self.calls_left = self.calls_left.saturating_sub(1);
        let place = Hook::Info.on(self.context.endpoint.route());
        let call = Call::new(&mut self.handler, &self.context);
        let step = caught(place, self.context.span(), || (self.hooks.info)(call));
        let step = step.unwrap_or_else(|fault| Some(Step::Done(Err(fault))));
        match step {
            Some(step) => self.step(Hook::Info, step, cx, worker),
            // What a topic published could not be read, and that has closed the connection.
            None => self.note_close(),
        }
    }

    fn step(&mut self, hook: Hook, step: Step<H>, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        match step {
            Step::Done(outcome) => self.outcome(outcome, cx, worker),
            Step::Pending(future) => {
                self.running = Some(Running {
                    hook,
                    future,
                    since: worker.now,
                });
                self.poll_hook(cx, worker);
            }
        }
    }

    /// Polls the async hook that is under way.
    pub(super) fn poll_hook(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        let route = self.context.endpoint.route();
        let Some(running) = &mut self.running else {
            return;
        };
        // The hook's own panics are caught within; this is for those of what it leaves behind.
        let polled = caught(running.hook.on(route), self.context.span(), || {
            running.future.as_mut().poll(cx)
        });
        match polled {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready((handler, outcome))) => {
                self.running = None;
                self.handler = Some(handler);
                self.outcome(outcome, cx, worker);
            }
            Err(fault) => {
                self.running = None;
                self.outcome(Err(fault), cx, worker);
            }
        }
    }

    /// Ends the hook that is under way; the handler comes back from it.
    pub(super) fn cut_hook(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        self.shared().cut_hook(true);
        self.poll_hook(cx, worker);
        self.shared().cut_hook(false);
        // A handler that was not made by the macro may not heed it; then it is lost.
        if self.running.take().is_some() {
            self.outcome(Err(Fault::TimedOut), cx, worker);
        }
    }

    /// Puts the notifications that are due into the mailbox. Making them clones values of
    /// the application, which may panic.
    pub(super) fn fire_timers(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        let now = worker.now;
        let place = Hook::Info.on(self.context.endpoint.route());
        let fired = caught(place, self.context.span(), || {
            self.shared().mail().fire(now);
        });
        if let Err(fault) = fired {
            self.outcome(Err(fault), cx, worker);
        }
    }

    fn outcome(&mut self, outcome: Outcome, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        match outcome {
            Ok(reply) => {
                self.deliver(reply, cx, worker);
            }
            Err(Fault::Panic) => self.close(&Close::internal(), CloseCause::HookPanic),
            Err(Fault::TimedOut) => self.close(&Close::internal(), CloseCause::HookTimeout),
        }
        self.note_close();
    }

    /// A hook may have closed the connection itself.
    fn note_close(&mut self) {
        if !self.ends.closing && self.shared().outbox().has_waiting() {
            self.ends.closing = self.shared().outbox().status().ending;
        }
    }

    /// Sends a reply as far as there is room; the rest is held. Returns whether anything
    /// was sent or done.
    fn deliver(&mut self, mut reply: Reply, cx: &mut TaskContext<'_>, worker: &mut Worker) -> bool {
        let mut done = false;
        while let Some(message) = reply.messages.next() {
            if let Err(message) = self.send(message, cx, worker) {
                reply.messages.put_back(message);
                self.held = Some(Box::new(reply));
                return done;
            }
            done = true;
        }
        match reply.end {
            End::Open => {}
            End::Close(close) => self.close(&close, CloseCause::ServerClosed),
            End::Error(close) => self.close(&close, CloseCause::HookError),
            End::Undecodable(close) => self.close(&close, CloseCause::InvalidPayload),
        }
        true
    }

    /// Whether a reply waits for room, and there is some now.
    pub(super) fn held_has_room(&self) -> bool {
        let outbox = self.shared().outbox();
        self.held
            .as_ref()
            .is_some_and(|reply| outbox.has_room(reply.messages.first_len(), 0))
    }

    /// Goes on with a reply that waited for room. Returns whether anything was sent.
    pub(super) fn release_held(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) -> bool {
        match self.held.take() {
            Some(reply) => self.deliver(*reply, cx, worker),
            None => false,
        }
    }

    /// Sends one message of a reply; gives it back where there is no room.
    fn send(
        &mut self,
        message: Message,
        cx: &mut TaskContext<'_>,
        worker: &mut Worker,
    ) -> Result<(), Message> {
        self.bound_cork(cx, worker);
        if self.ends.closing || self.ends.lost {
            return Ok(());
        }
        let outbox = self.shared().outbox();
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

    /// Writes the cork buffer where it is full: what the socket does not take then waits.
    pub(super) fn bound_cork(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        if worker.cork.len() >= CORK.min(self.shared().limits().outbox) {
            // What was written may have been a Close frame that the hook asked for.
            self.flush(cx, worker, false);
        }
    }

    /// Closes in order, from within.
    pub(super) fn close(&mut self, close: &Close, cause: CloseCause) {
        self.shared().close(close, cause);
        self.ends.closing = true;
    }
}

/// Runs a part of this hook; a panic of it ends only this connection.
fn caught<T>(place: Place, span: &tracing::Span, part: impl FnOnce() -> T) -> Result<T, Fault> {
    hook::run(place, || {
        catch_unwind(AssertUnwindSafe(part)).map_err(|panic| {
            let _entered = span.enter();
            Fault::of_panic(&*panic)
        })
    })
}
