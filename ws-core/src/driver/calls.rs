//! Calls of hooks, one at a time: which hook is next, and which one runs.

#![expect(
    clippy::inline_always,
    reason = "called for each message of a burst, which the compiler keeps apart by itself"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context as TaskContext, Poll};

use tokio::time::Instant;

use super::callee::{AnyHandler, Called};
use crate::decode::Payload;
use crate::handler::{Fault, Outcome};
use crate::hook::{self, Hook};
use crate::socket::Shared;

#[cfg(test)]
mod tests;

/// How many messages and notifications one connection handles before other connections run.
const CALLS_PER_POLL: u16 = 512;

/// The calls of one connection.
///
/// A hook is called by [`handle_message`](Self::handle_message) or
/// [`handle_mail`](Self::handle_mail), only while [`is_free`](Self::is_free). If the hook waits,
/// [`poll_hook`](Self::poll_hook) polls it until it ends or is [`cut`](Self::cut).
/// [`begin_turn`](Self::begin_turn) comes first in each poll.
pub(super) struct Calls {
    /// When the running hook began.
    since: Option<Instant>,
    hand: Hand,
    /// How many hooks may still be called in this poll.
    left: u16,
    /// Which comes first if both a message and a notification wait.
    first: First,
}

/// The owner of the handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hand {
    /// The connection; no hook runs.
    Free,
    /// An async hook.
    Busy(Hook),
    /// None: a hook has lost it.
    Lost,
}

/// Which comes first if both a message and a notification wait: they alternate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum First {
    Message,
    Mail,
}

impl Calls {
    pub(super) const fn new() -> Self {
        Self {
            since: None,
            hand: Hand::Free,
            left: CALLS_PER_POLL,
            first: First::Message,
        }
    }

    /// Starts a new poll.
    pub(super) fn begin_turn(&mut self) {
        self.left = CALLS_PER_POLL;
    }

    /// Counts as this many further calls.
    pub(super) fn charge(&mut self, calls: u16) {
        self.left = self.left.saturating_sub(calls);
    }

    /// Whether other connections should run now.
    #[inline]
    pub(super) fn is_turn_over(&self) -> bool {
        self.left == 0
    }

    /// Whether a hook may be called.
    #[inline]
    pub(super) fn is_free(&self) -> bool {
        self.hand == Hand::Free
    }

    /// When the running hook began.
    #[inline]
    pub(super) fn running_since(&self) -> Option<Instant> {
        self.since
    }

    /// Which comes first if both a message and a notification wait.
    pub(super) fn first(&self) -> First {
        self.first
    }

    /// Restarts the time limit of the running hook after a pause of the process.
    pub(super) fn restart(&mut self, now: Instant) {
        if let Some(since) = &mut self.since {
            *since = now;
        }
    }

    /// Calls the hook for a message, and writes its result to `called`.
    #[inline(always)]
    pub(super) fn handle_message(
        &mut self,
        handler: &mut dyn AnyHandler,
        shared: &Shared,
        payload: Payload<'_>,
        now: Instant,
        called: &mut Called,
    ) {
        self.first = First::Mail;
        self.charge(1);
        let ran = caught(Hook::Message, shared, || *called = handler.message(payload));
        self.end_call(Hook::Message, ran, handler, called, now);
    }

    /// Calls the hook for the next notification.
    pub(super) fn handle_mail(
        &mut self,
        handler: &mut dyn AnyHandler,
        shared: &Shared,
        now: Instant,
    ) -> Called {
        self.first = First::Message;
        self.charge(1);
        let mut called = Called::Nothing;
        let ran = caught(Hook::Info, shared, || called = handler.info());
        self.end_call(Hook::Info, ran, handler, &mut called, now);
        called
    }

    /// Records the result of a hook's call.
    #[inline(always)]
    fn end_call(
        &mut self,
        hook: Hook,
        ran: Result<(), Fault>,
        handler: &dyn AnyHandler,
        called: &mut Called,
        now: Instant,
    ) {
        if let Err(fault) = ran {
            *called = Called::Done(self.fail(handler, fault));
        } else if matches!(called, Called::Waits) {
            (self.hand, self.since) = (Hand::Busy(hook), Some(now));
        }
    }

    /// Records that a hook failed, and may have lost the handler.
    #[cold]
    fn fail(&mut self, handler: &dyn AnyHandler, fault: Fault) -> Outcome {
        self.since = None;
        self.hand = if handler.is_there() {
            Hand::Free
        } else {
            Hand::Lost
        };
        Err(fault)
    }

    /// Polls the running hook.
    pub(super) fn poll_hook(
        &mut self,
        handler: &mut dyn AnyHandler,
        shared: &Shared,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Outcome> {
        let Hand::Busy(hook) = self.hand else {
            return Poll::Pending;
        };
        // The hook's own panics are caught inside; this catches those of dropping its remains.
        let polled = caught(hook, shared, || handler.poll_hook(cx));
        Poll::Ready(match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => {
                (self.hand, self.since) = (Hand::Free, None);
                outcome
            }
            Err(fault) => {
                handler.drop_hook();
                self.fail(handler, fault)
            }
        })
    }

    /// Ends the running hook, and takes the handler back from it.
    pub(super) fn cut(
        &mut self,
        handler: &mut dyn AnyHandler,
        shared: &Shared,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Outcome> {
        shared.cut_hook(true);
        let polled = self.poll_hook(handler, shared, cx);
        shared.cut_hook(false);
        if polled.is_pending() && self.running_since().is_some() {
            // A handler without the macro may ignore the cut; then it is lost.
            handler.drop_hook();
            return Poll::Ready(self.fail(handler, Fault::TimedOut));
        }
        polled
    }
}

/// Runs a part of this hook; if it panics, only this connection ends.
#[inline(always)]
pub(super) fn caught<T>(hook: Hook, shared: &Shared, part: impl FnOnce() -> T) -> Result<T, Fault> {
    hook::run(hook.on(shared.route()), || {
        catch_unwind(AssertUnwindSafe(part)).map_err(|panic| {
            let _entered = shared.span().enter();
            Fault::of_panic(&*panic)
        })
    })
}
