//! The end of a connection: everything that hangs on it, and `terminate`.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context as TaskContext, Poll};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Driver;
use crate::close::CloseReason;
use crate::handler::{Ending, Fault, Finish};
use crate::hook::{self, Hook};
use crate::late;

/// `terminate`, under way.
pub(super) struct Finishing {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    deadline: Pin<Box<Sleep>>,
    /// The process was paused, and the deadline was moved once.
    moved: bool,
}

impl<H: Send + 'static> Driver<H> {
    /// Ends everything but the handler, and calls `terminate`. Where nobody has said why
    /// the connection ends, `reason` is why.
    pub(super) fn begin_finish(&mut self, reason: CloseReason) {
        // With `end` below: the stream is closed before the handler hears of it.
        self.line.transport = None;
        self.line.held = None;
        self.line.ahead = None;
        self.line.slot = None;
        let reason = self.shared().end(reason);
        // Not the text: it may come from the client.
        let (cause, code) = (reason.cause, reason.code.get());
        tracing::debug!(parent: self.context.span(), %cause, code, "closed");
        let limit = Instant::now() + self.shared().limits().terminate_timeout;
        let limit = self
            .line
            .clock
            .end_of_shutdown()
            .map_or(limit, |end| end.min(limit));
        hook::join();
        let finish = match self.handler.take() {
            Some(handler) => {
                let ending = Ending::new(handler, self.context.clone());
                let place = Hook::Terminate.on(self.context.endpoint.route());
                hook::run(place, || (self.hooks.terminate)(ending))
            }
            None => Finish::Done,
        };
        if let Finish::Pending(future) = finish {
            let deadline = Box::pin(sleep_until(limit));
            self.finishing = Some(Box::new(Finishing {
                future,
                deadline,
                moved: false,
            }));
        }
    }

    /// Waits for `terminate`, as long as it may take.
    pub(super) fn poll_finish(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        // A shutdown that begins now may leave less time.
        self.shared().outbox().set_waker(cx.waker());
        if let Some(orders) = self.shared().new_orders() {
            self.line.clock.obey(orders);
        }
        let limit = self.shared().limits().terminate_timeout;
        let place = Hook::Terminate.on(self.context.endpoint.route());
        let Some(finishing) = &mut self.finishing else {
            return Poll::Ready(());
        };
        let now = Instant::now();
        if let Some(end) = self.line.clock.end_of_shutdown() {
            if end < finishing.deadline.deadline() {
                finishing.deadline.as_mut().reset(end);
            }
        } else if !finishing.moved && now >= finishing.deadline.deadline() + late::LATE {
            finishing.moved = true;
            finishing.deadline.as_mut().reset(now + limit);
        }
        let _entered = self.context.span().enter();
        hook::join();
        let polled = hook::run(place, || {
            catch_unwind(AssertUnwindSafe(|| finishing.future.as_mut().poll(cx)))
                .map_err(|panic| Fault::of_panic(&*panic))
        });
        match polled {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(())) | Err(_) => return Poll::Ready(()),
        }
        // Whatever `terminate` has used of this task's turn, the timer is looked at.
        let deadline = pin!(unconstrained(finishing.deadline.as_mut()));
        if deadline.poll(cx).is_ready() {
            tracing::error!(hook = "terminate", "a hook ran out of time");
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
