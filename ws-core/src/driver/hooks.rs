//! Calling hooks, one at a time, and sending what they return.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context as TaskContext, Poll};

use super::{Driver, Running, Worker};
use crate::decode::Payload;
use crate::handler::{Call, Fault, Outcome, Step};
use crate::hook::{self, Hook, Place};
use crate::protocol::Incoming;
use crate::reply::{End, IntoReply, Messages, Reply};

impl<H: Send + 'static> Driver<H> {
    /// Whether a hook may be called now.
    pub(super) fn can_call(&self) -> bool {
        self.handler.is_some() && self.line.held.is_none() && !self.line.ends.closing
    }

    /// Handles what waits: messages that were read ahead and notifications, in turns.
    pub(super) fn work(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        loop {
            self.line
                .release_held(self.context.socket.shared(), cx, worker);
            if !self.can_call() || self.line.calls_left == 0 {
                if self.line.ends.closing {
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
        if let Some(mut ahead) = self.line.ahead.take() {
            self.feed(&mut ahead.take_rest(), cx, worker);
        }
    }

    /// Whether a notification waits that is still to be delivered: behind the client's
    /// Close there is nothing more to say.
    pub(super) fn has_mail(&self) -> bool {
        self.line.ends.client_closed.is_none() && self.shared().mail().has_mail()
    }

    fn work_ahead(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        let Some(ahead) = &mut self.line.ahead else {
            return;
        };
        if let Some(incoming) = ahead.next_message() {
            self.call_message(incoming, cx, worker);
        } else {
            let mut rest = ahead.take_rest();
            self.feed(&mut rest, cx, worker);
        }
        self.line.ahead.take_if(|ahead| !ahead.has_work());
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
            .line
            .ahead
            .as_ref()
            .is_some_and(|ahead| ahead.has_messages());
        if waits || !self.can_call() {
            self.line.ahead.get_or_insert_default().push(incoming);
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
        self.line.calls_left = self.line.calls_left.saturating_sub(1);
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
                let shared = self.context.socket.shared();
                if let Err(message) = self.line.send(shared, message, cx, worker) {
                    self.line.held = Some(Box::new(message.into_reply()));
                }
                self.line.note_close(self.context.socket.shared());
            }
            Some(step) => self.step(Hook::Message, step, cx, worker),
            None => self.outcome(called.map(|()| Reply::NONE), cx, worker),
        }
    }

    fn call_info(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        self.mail_next = false;
        self.line.calls_left = self.line.calls_left.saturating_sub(1);
        let place = Hook::Info.on(self.context.endpoint.route());
        let call = Call::new(&mut self.handler, &self.context);
        let step = caught(place, self.context.span(), || (self.hooks.info)(call));
        let step = step.unwrap_or_else(|fault| Some(Step::Done(Err(fault))));
        match step {
            Some(step) => self.step(Hook::Info, step, cx, worker),
            // What a topic published could not be read, and that has closed the connection.
            None => self.line.note_close(self.context.socket.shared()),
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

    fn outcome(&mut self, outcome: Outcome, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        let shared = self.context.socket.shared();
        self.line.outcome(shared, outcome, cx, worker);
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
