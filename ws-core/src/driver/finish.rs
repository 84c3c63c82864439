//! The end of a connection: `terminate`, within its time limit.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context as TaskContext, Poll, ready};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::Span;

use super::callee::AnyHandler;
use super::calls::catch_panic;
use crate::handler::TerminateStep;
use crate::hook::{self, Hook};
use crate::socket::ConnectionShared;
use crate::stats::HookOutcome;
use crate::timeout;

#[cfg(test)]
mod tests;

/// A running `terminate`.
pub(super) struct Finishing {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    deadline: Pin<Box<Sleep>>,
    began: Instant,
    /// Whether the process was paused, and the deadline was moved once.
    moved: bool,
    span: Span,
}

impl Finishing {
    /// Calls `terminate`; returns `None` if it has ended. It may run until `end_of_shutdown` at
    /// most.
    pub(super) fn begin(
        handler: &mut dyn AnyHandler,
        shared: &ConnectionShared,
        end_of_shutdown: Option<Instant>,
    ) -> Option<Box<Self>> {
        let began = Instant::now();
        let limit = began + shared.limits().terminate_timeout;
        let limit = end_of_shutdown.map_or(limit, |end| end.min(limit));
        hook::register_thread();
        let place = Hook::Terminate.on(shared.route());
        let span = Hook::Terminate.span(shared.span(), None);
        let _entered = (shared.span().enter(), span.enter());
        match hook::run(place, || handler.terminate()) {
            TerminateStep::Done => {
                shared.count_hook(Hook::Terminate, HookOutcome::Ok, began, 1);
                None
            }
            TerminateStep::Pending(future) => Some(Box::new(Self {
                future,
                deadline: Box::pin(sleep_until(limit)),
                began,
                moved: false,
                span: span.clone(),
            })),
        }
    }

    /// Waits for `terminate`.
    pub(super) fn poll(
        &mut self,
        shared: &ConnectionShared,
        end_of_shutdown: Option<Instant>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let now = Instant::now();
        if let Some(end) = end_of_shutdown {
            if end < self.deadline.deadline() {
                self.deadline.as_mut().reset(end);
            }
        } else if !self.moved && now >= self.deadline.deadline() + timeout::PAUSE_THRESHOLD {
            self.moved = true;
            let limit = shared.limits().terminate_timeout;
            self.deadline.as_mut().reset(now + limit);
        }
        let _entered = (shared.span().enter(), self.span.enter());
        hook::register_thread();
        let polled = catch_panic(Hook::Terminate, shared, || self.future.as_mut().poll(cx));
        let outcome = match polled {
            Ok(Poll::Ready(())) => HookOutcome::Ok,
            Err(_) => HookOutcome::Panic,
            Ok(Poll::Pending) => {
                // The timer is checked even if `terminate` has used up the budget of this task.
                ready!(pin!(unconstrained(self.deadline.as_mut())).poll(cx));
                tracing::error!(hook = "terminate", "a hook timed out");
                HookOutcome::Timeout
            }
        };
        shared.count_hook(Hook::Terminate, outcome, self.began, 1);
        Poll::Ready(())
    }
}
