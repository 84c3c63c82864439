//! The handler as the driver sees it. Only this part is compiled for each handler.

use std::marker::PhantomData;
use std::task::{Context as TaskContext, Poll};

use crate::decode::Payload;
use crate::extract::Context;
use crate::handler::{Handler, HookCall, HookFuture, Outcome, Step, TerminateCall, TerminateStep};

/// The handler of a connection, with its type erased.
///
/// The driver calls no hook while another one runs.
pub(super) trait AnyHandler: Send {
    /// Calls the hook for a message, and writes its result to `status`, because it is large to
    /// move.
    fn message(&mut self, payload: Payload<'_>, status: &mut HookStatus);

    /// Calls the hook for the next notification of the mailbox.
    fn info(&mut self) -> HookStatus;

    /// Polls the running hook.
    fn poll_hook(&mut self, cx: &mut TaskContext<'_>) -> Poll<Outcome>;

    /// Drops the running hook, and the handler with it.
    fn drop_hook(&mut self);

    /// Whether the handler is present: no running hook owns it, and no failed hook has lost it.
    fn is_present(&self) -> bool;

    /// Calls `terminate`, if the handler is present.
    fn terminate(&mut self) -> TerminateStep;
}

/// The state of a hook after its call.
pub(super) enum HookStatus {
    /// There was no notification to call it with.
    NotCalled,
    /// It has ended.
    Done(Outcome),
    /// It has not ended.
    Pending,
}

/// A handler on the route with the marker `R`.
pub(super) struct Callee<H: 'static, R> {
    /// The handler, unless an async hook owns it.
    handler: Option<H>,
    /// The running async hook.
    hook: Option<HookFuture<H>>,
    context: Context<H>,
    route: PhantomData<fn() -> R>,
}

impl<H, R> Callee<H, R> {
    pub(super) const fn new(handler: H, context: Context<H>) -> Self {
        Self {
            handler: Some(handler),
            hook: None,
            context,
            route: PhantomData,
        }
    }

    pub(super) const fn context(&self) -> &Context<H> {
        &self.context
    }

    fn handle_step(&mut self, step: Step<H>) -> HookStatus {
        match step {
            Step::Done(outcome) => HookStatus::Done(outcome),
            Step::Pending(hook) => {
                self.hook = Some(hook);
                HookStatus::Pending
            }
        }
    }
}

impl<H: Handler<R>, R> AnyHandler for Callee<H, R> {
    fn message(&mut self, payload: Payload<'_>, status: &mut HookStatus) {
        let call = HookCall::new(&mut self.handler, &self.context);
        let step = H::message(call, payload);
        *status = self.handle_step(step);
    }

    fn info(&mut self) -> HookStatus {
        let call = HookCall::new(&mut self.handler, &self.context);
        match H::info(call) {
            Some(step) => self.handle_step(step),
            None => HookStatus::NotCalled,
        }
    }

    fn poll_hook(&mut self, cx: &mut TaskContext<'_>) -> Poll<Outcome> {
        let Some(hook) = &mut self.hook else {
            return Poll::Pending;
        };
        hook.as_mut().poll(cx).map(|(handler, outcome)| {
            self.handler = Some(handler);
            self.hook = None;
            outcome
        })
    }

    fn drop_hook(&mut self) {
        self.hook = None;
    }

    fn is_present(&self) -> bool {
        self.handler.is_some()
    }

    fn terminate(&mut self) -> TerminateStep {
        match self.handler.take() {
            Some(handler) => H::terminate(TerminateCall::new(handler, self.context.clone())),
            None => TerminateStep::Done,
        }
    }
}
