//! A handler whose hooks are measured, or appear as spans in traces.

use std::task::{Context as TaskContext, Poll};

use tokio::time::Instant;
use tracing::Span;

use super::callee::{AnyHandler, HookStatus};
use crate::decode::Payload;
use crate::handler::{Outcome, TerminateStep};
use crate::hook::Hook;
use crate::reply::{Reply, ReplyEnd};
use crate::socket::ConnectionShared;
use crate::stats::{HookOutcome, Sampling, ThreadCounters};

/// A handler in one poll of its connection, which is one of few that are measured, or which a
/// subscriber traces.
///
/// Each call of a hook gets a span, which a hook that waits keeps until it ends. The span is
/// entered inside that of the connection, which the hook then enters again: a subscriber ignores
/// the second time, so that the span of the hook is the current one.
pub(super) struct ObservedHandler<'a> {
    handler: &'a mut dyn AnyHandler,
    shared: &'a ConnectionShared,
    sampling: Sampling,
    /// The running hook, if it began in this poll and is measured.
    began: Option<(Hook, Instant)>,
    /// The span of the running hook.
    running: Option<Span>,
}

impl<'a> ObservedHandler<'a> {
    pub(super) fn new(
        handler: &'a mut dyn AnyHandler,
        shared: &'a ConnectionShared,
        sampling: Sampling,
    ) -> Self {
        let running = shared.take_hook_span();
        Self {
            handler,
            shared,
            sampling,
            began: None,
            running,
        }
    }

    fn in_span<T>(&mut self, run: impl FnOnce(&mut dyn AnyHandler) -> T) -> T {
        let _connection = self.shared.span().enter();
        let _hook = self.running.as_ref().map(Span::enter);
        run(self.handler)
    }

    fn begin(&mut self, hook: Hook, bytes: Option<usize>) {
        let span = hook.span(self.shared.span(), bytes);
        self.running = (!span.is_disabled()).then_some(span);
        let is_sampled = self.sampling == Sampling::Sampled;
        self.began = is_sampled.then(|| (hook, Instant::now()));
    }

    /// Ends a hook that does not wait.
    fn end(&mut self, status: &HookStatus) {
        match status {
            HookStatus::Pending => {}
            HookStatus::NotCalled => (self.running, self.began) = (None, None),
            HookStatus::Done(outcome) => self.finish(outcome),
        }
    }

    fn finish(&mut self, outcome: &Outcome) {
        self.running = None;
        let Some((hook, began)) = self.began.take() else {
            return;
        };
        // Panics and time-outs are counted one by one elsewhere.
        if let Ok(reply) = outcome {
            let outcome = outcome_of(reply);
            self.shared
                .count_hook(hook, outcome, began, ThreadCounters::SAMPLE);
        }
    }
}

/// The outcome of a hook that has returned this.
pub(super) fn outcome_of(reply: &Reply) -> HookOutcome {
    match reply.end {
        ReplyEnd::Error(_) => HookOutcome::Error,
        ReplyEnd::KeepOpen | ReplyEnd::Close(_) | ReplyEnd::Undecodable(_) => HookOutcome::Ok,
    }
}

impl AnyHandler for ObservedHandler<'_> {
    fn message(&mut self, payload: Payload<'_>, status: &mut HookStatus) {
        self.begin(Hook::Message, Some(payload.len()));
        self.in_span(|handler| handler.message(payload, status));
        self.end(status);
    }

    fn info(&mut self) -> HookStatus {
        self.begin(Hook::Info, None);
        let status = self.in_span(|handler| handler.info());
        self.end(&status);
        status
    }

    fn poll_hook(&mut self, cx: &mut TaskContext<'_>) -> Poll<Outcome> {
        let polled = self.in_span(|handler| handler.poll_hook(cx));
        if let Poll::Ready(outcome) = &polled {
            self.finish(outcome);
        }
        polled
    }

    fn drop_hook(&mut self) {
        self.in_span(|handler| handler.drop_hook());
        (self.running, self.began) = (None, None);
    }

    fn is_present(&self) -> bool {
        self.handler.is_present()
    }

    fn terminate(&mut self) -> TerminateStep {
        self.handler.terminate()
    }
}

impl Drop for ObservedHandler<'_> {
    fn drop(&mut self) {
        if let Some(span) = self.running.take() {
            self.shared.keep_hook_span(span);
        }
    }
}
