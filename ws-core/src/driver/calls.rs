//! Calls of hooks, one at a time: which hook is next, and which one runs.

#![expect(
    clippy::inline_always,
    reason = "called for each message of a burst; the compiler does not inline it by itself"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context as TaskContext, Poll};

use tokio::time::Instant;

use super::callee::{AnyHandler, HookStatus};
use super::observed::outcome_of;
use crate::decode::Payload;
use crate::handler::{Fault, Outcome};
use crate::hook::{self, Hook};
use crate::socket::ConnectionShared;
use crate::stats::HookOutcome;

#[cfg(test)]
mod tests;

/// How many messages and notifications one connection handles before other connections run.
const CALLS_PER_POLL: u16 = 512;

/// The calls of one connection.
///
/// A hook is called by [`handle_message`](Self::handle_message) or
/// [`handle_mail`](Self::handle_mail), only while [`is_free`](Self::is_free). If the hook waits,
/// [`poll_hook`](Self::poll_hook) polls it until it ends or is [cancelled](Self::cancel_hook).
/// [`begin_turn`](Self::begin_turn) comes first in each poll.
pub(super) struct Calls {
    /// When the running hook began.
    since: Option<Instant>,
    handler_state: HandlerState,
    /// How many hooks may still be called in this poll.
    remaining: u16,
    /// Which comes first if both a message and a notification wait.
    priority: Priority,
    /// Whether the running hook has waited. The others end within the poll that calls them.
    has_waited: bool,
}

/// The owner of the handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HandlerState {
    /// The connection; no hook runs.
    Free,
    /// An async hook.
    Busy(Hook),
    /// None: a hook has lost it.
    Lost,
}

/// Which comes first if both a message and a notification wait: they alternate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Priority {
    Message,
    Notification,
}

impl Calls {
    pub(super) const fn new() -> Self {
        Self {
            since: None,
            handler_state: HandlerState::Free,
            remaining: CALLS_PER_POLL,
            priority: Priority::Message,
            has_waited: false,
        }
    }

    /// Starts a new poll.
    pub(super) fn begin_turn(&mut self) {
        self.remaining = CALLS_PER_POLL;
    }

    /// Counts as this many further calls.
    pub(super) fn charge(&mut self, calls: u16) {
        self.remaining = self.remaining.saturating_sub(calls);
    }

    /// Whether other connections should run now.
    #[inline]
    pub(super) fn is_turn_over(&self) -> bool {
        self.remaining == 0
    }

    /// Whether a hook may be called.
    #[inline]
    pub(super) fn is_free(&self) -> bool {
        self.handler_state == HandlerState::Free
    }

    /// When the running hook began.
    #[inline]
    pub(super) fn running_since(&self) -> Option<Instant> {
        self.since
    }

    /// Which comes first if both a message and a notification wait.
    pub(super) fn priority(&self) -> Priority {
        self.priority
    }

    /// Restarts the time limit of the running hook after a pause of the process.
    pub(super) fn restart(&mut self, now: Instant) {
        if let Some(since) = &mut self.since {
            *since = now;
        }
    }

    /// Calls the hook for a message, and writes its result to `status`.
    #[inline(always)]
    pub(super) fn handle_message(
        &mut self,
        handler: &mut dyn AnyHandler,
        shared: &ConnectionShared,
        payload: Payload<'_>,
        now: &Instant,
        status: &mut HookStatus,
    ) {
        self.priority = Priority::Notification;
        self.charge(1);
        let result = catch_panic(Hook::Message, shared, || handler.message(payload, status));
        self.end_call(Hook::Message, result, handler, shared, status, now);
    }

    /// Calls the hook for the next notification.
    pub(super) fn handle_mail(
        &mut self,
        handler: &mut dyn AnyHandler,
        shared: &ConnectionShared,
        now: Instant,
    ) -> HookStatus {
        self.priority = Priority::Message;
        self.charge(1);
        let mut status = HookStatus::NotCalled;
        let result = catch_panic(Hook::Info, shared, || status = handler.info());
        self.end_call(Hook::Info, result, handler, shared, &mut status, &now);
        status
    }

    /// Records the result of a hook's call.
    #[inline(always)]
    fn end_call(
        &mut self,
        hook: Hook,
        result: Result<(), Fault>,
        handler: &dyn AnyHandler,
        shared: &ConnectionShared,
        status: &mut HookStatus,
        now: &Instant,
    ) {
        if let Err(fault) = result {
            Self::count(hook, shared, HookOutcome::Panic, Some(*now));
            *status = HookStatus::Done(self.fail(handler, fault));
        } else if matches!(status, HookStatus::Pending) {
            (self.handler_state, self.since) = (HandlerState::Busy(hook), Some(*now));
            self.has_waited = false;
        }
    }

    /// Records that a hook failed, and may have lost the handler.
    #[cold]
    fn fail(&mut self, handler: &dyn AnyHandler, fault: Fault) -> Outcome {
        self.since = None;
        self.handler_state = if handler.is_present() {
            HandlerState::Free
        } else {
            HandlerState::Lost
        };
        Err(fault)
    }

    /// Polls the running hook.
    pub(super) fn poll_hook(
        &mut self,
        handler: &mut dyn AnyHandler,
        shared: &ConnectionShared,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Outcome> {
        let HandlerState::Busy(hook) = self.handler_state else {
            return Poll::Pending;
        };
        // `guard` catches the hook's own panics; this catches panics while the finished future is
        // dropped.
        let polled = catch_panic(hook, shared, || handler.poll_hook(cx));
        let since = self.since;
        Poll::Ready(match polled {
            Ok(Poll::Pending) => {
                self.has_waited = true;
                return Poll::Pending;
            }
            Ok(Poll::Ready(outcome)) => {
                match &outcome {
                    Ok(reply) if self.has_waited => {
                        Self::count(hook, shared, outcome_of(reply), since);
                    }
                    Ok(_) => {}
                    Err(Fault::Panic) => Self::count(hook, shared, HookOutcome::Panic, since),
                    Err(Fault::TimedOut) => Self::count(hook, shared, HookOutcome::Timeout, since),
                }
                (self.handler_state, self.since) = (HandlerState::Free, None);
                outcome
            }
            Err(fault) => {
                Self::count(hook, shared, HookOutcome::Panic, since);
                handler.drop_hook();
                self.fail(handler, fault)
            }
        })
    }

    /// Counts a hook that has ended, with its duration.
    #[cold]
    fn count(hook: Hook, shared: &ConnectionShared, outcome: HookOutcome, since: Option<Instant>) {
        if let Some(since) = since {
            shared.count_hook(hook, outcome, since, 1);
        }
    }

    /// Ends the running hook, and takes the handler back from it.
    pub(super) fn cancel_hook(
        &mut self,
        handler: &mut dyn AnyHandler,
        shared: &ConnectionShared,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Outcome> {
        shared.set_hook_cancelled(true);
        let polled = self.poll_hook(handler, shared, cx);
        shared.set_hook_cancelled(false);
        if polled.is_pending() && self.running_since().is_some() {
            // A handler written without the macro may ignore the cancellation; then it is lost.
            if let HandlerState::Busy(hook) = self.handler_state {
                Self::count(hook, shared, HookOutcome::Timeout, self.since);
            }
            handler.drop_hook();
            return Poll::Ready(self.fail(handler, Fault::TimedOut));
        }
        polled
    }
}

/// Runs a part of this hook; if it panics, only this connection ends.
#[inline(always)]
pub(super) fn catch_panic<T>(
    hook: Hook,
    shared: &ConnectionShared,
    run: impl FnOnce() -> T,
) -> Result<T, Fault> {
    hook::run(hook.on(shared.route()), || {
        catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
            let _entered = shared.span().enter();
            Fault::of_panic(&*panic)
        })
    })
}
