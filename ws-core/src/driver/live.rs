//! The life of one connection, from its upgrade to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use tokio::time::Instant;

use super::callee::AnyHandler;
use super::clock::{Clock, DueAction, Process, View};
use super::closing::{ClosingStep, RemainingWork, connection_lost};
use super::exchange::{Exchange, Liveness};
use super::observed::ObservedHandler;
use super::thread_buffers::ThreadBuffers;
use super::turn::Turn;
use crate::close::{Close, CloseCause, CloseCode, CloseReason};
use crate::error::log_panic;
use crate::outbox::{ControlFrame, Status, Transport};
use crate::protocol::OpCode;
use crate::protocol::encoder::encode;
use crate::socket::ConnectionShared;
use crate::stats::Sampling;
use crate::topic::Burst;

#[cfg(test)]
mod burst_tests;
#[cfg(test)]
mod tests;

/// How often a driver writes a full outbox before other connections run.
const BURSTS_PER_POLL: usize = 8;

/// How often a driver reads before other connections run.
const READS_PER_TURN: usize = 8;

/// Drives one connection. It is compiled once for all handlers.
///
/// Each part owns its state and is independent of the others. Each [`poll`](Self::poll) calls them
/// in this order:
///
/// 1. The outbox is corked: frames of other tasks wait until the burst ends. The clock gets the
///    deadlines that they have set.
/// 2. The running hook is polled.
/// 3. A burst: queued data is handled, then data that is read, until there is no more (`Exchange`).
/// 4. The output of the burst is written, and the outbox uncorked.
/// 5. `Closing` decides whether the connection is over.
/// 6. `Clock` returns an action that is due, or sets the timer.
pub(super) struct Driver {
    exchange: Exchange,
    clock: Clock,
}

/// Why a burst has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BurstEnd {
    /// There is nothing more to do for now.
    Done,
    /// There is more to do, but other connections should run first.
    Interrupted,
}

impl Driver {
    /// The driver of a connection that waits for its transport.
    pub(super) fn new(shared: Arc<ConnectionShared>) -> Self {
        Self {
            exchange: Exchange::new(shared),
            clock: Clock::new(Instant::now()),
        }
    }

    /// Starts with a transport. `early` contains the bytes that the client sent after its request.
    pub(super) fn handle_start(&mut self, transport: &dyn Transport, early: &[u8]) {
        let shared = &self.exchange.out.shared;
        shared.topics().note_runtime();
        shared.outbox().connect(transport.direct());
        self.exchange.handle_early_bytes(early);
        self.clock.handle_received(Instant::now());
    }

    pub(super) fn shared(&self) -> &Arc<ConnectionShared> {
        &self.exchange.out.shared
    }

    /// When `terminate` must end because of a shutdown.
    pub(super) fn end_of_shutdown(&self) -> Option<Instant> {
        self.clock.end_of_shutdown()
    }

    /// Applies the deadlines that other tasks have set. Returns the
    /// [end of a shutdown](Self::end_of_shutdown).
    pub(super) fn take_external_deadlines(&mut self) -> Option<Instant> {
        if let Some(deadlines) = self.exchange.out.shared.take_external_deadlines() {
            self.clock.handle_external_deadlines(deadlines);
            if deadlines.shutdown.is_some() {
                self.exchange.begin_shutdown();
            }
        }
        self.clock.end_of_shutdown()
    }

    /// Drops the queues.
    pub(super) fn handle_end(&mut self) {
        self.exchange.handle_end();
    }

    /// Runs until the connection is over; then returns the reason.
    ///
    /// Panics of hooks are caught at their calls. If any other code of the application panics here,
    /// this connection ends, and `terminate` still runs.
    pub(super) fn poll(
        &mut self,
        handler: &mut dyn AnyHandler,
        transport: &mut dyn Transport,
        cx: &mut TaskContext<'_>,
    ) -> Poll<CloseReason> {
        // Dropped last: its flush may run code of the application, which may panic.
        let burst = Burst::open();
        let mut buffers = ThreadBuffers::take();
        buffers.counters.select(self.shared().counters());
        let sampling = buffers.counters.next_sampling();
        let mut turn = Turn {
            handler,
            transport,
            buffers: &mut buffers,
            cx,
        };
        let live = catch_unwind(AssertUnwindSafe(|| {
            if sampling == Sampling::Sampled || self.shared().is_traced() {
                self.poll_observed(&mut turn, &burst, sampling)
            } else {
                self.poll_live(&mut turn, &burst)
            }
        }));
        match live {
            Ok(live) => {
                buffers.give_back();
                live.map(|()| connection_lost())
            }
            // The buffers may be inconsistent, so the thread makes new ones.
            Err(panic) => {
                let _entered = self.exchange.out.shared.span().enter();
                log_panic(&*panic);
                let close = Close::internal();
                Poll::Ready(CloseReason::of(CloseCause::HookPanic, &close))
            }
        }
    }

    /// Same as [`poll_live`](Self::poll_live), but measures or traces the hooks.
    #[cold]
    #[inline(never)]
    fn poll_observed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        published: &Burst,
        sampling: Sampling,
    ) -> Poll<()> {
        let shared = self.shared().clone();
        let mut handler = ObservedHandler::new(&mut *turn.handler, &shared, sampling);
        let mut turn = Turn {
            handler: &mut handler,
            transport: &mut *turn.transport,
            buffers: &mut *turn.buffers,
            cx: &mut *turn.cx,
        };
        self.poll_live(&mut turn, published)
    }

    fn poll_live(&mut self, turn: &mut Turn<'_, '_>, published: &Burst) -> Poll<()> {
        self.exchange.calls.begin_turn();
        // The waker is set before the deadlines are read, so that none is missed.
        self.exchange.out.cork(turn.cx);
        self.take_external_deadlines();
        self.exchange.poll_hook(turn);
        let mut bursts = BURSTS_PER_POLL;
        loop {
            let end = self.poll_burst(turn);
            let outbox = self.exchange.out.end_burst(turn, published);
            published.flush();
            if self.poll_over(outbox, turn).is_ready() {
                return Poll::Ready(());
            }
            // The clock is checked even if the connection is busy.
            let due = self.poll_clock(outbox, turn);
            if let Some(due) = due {
                self.handle_due(due, turn);
            }
            let interrupted = end == BurstEnd::Interrupted;
            if !interrupted && due.is_none() && !self.exchange.out.can_continue() {
                return Poll::Pending;
            }
            bursts -= 1;
            if interrupted || bursts == 0 {
                turn.yield_to_others();
                return Poll::Pending;
            }
            self.exchange.out.cork(turn.cx);
        }
    }

    /// Handles queued data and reads more, until there is none.
    fn poll_burst(&mut self, turn: &mut Turn<'_, '_>) -> BurstEnd {
        for _ in 0..READS_PER_TURN {
            self.exchange.handle_queued(turn);
            let read = if self.exchange.may_read() {
                self.exchange.poll_read(turn)
            } else {
                Poll::Pending
            };
            match read {
                Poll::Ready(Liveness::Alive) => self.clock.handle_received(turn.buffers.now),
                Poll::Ready(Liveness::Unknown) => {}
                Poll::Pending => {
                    self.exchange.answer_close();
                    return if self.exchange.is_turn_over() {
                        BurstEnd::Interrupted
                    } else {
                        BurstEnd::Done
                    };
                }
            }
        }
        BurstEnd::Interrupted
    }

    /// Ready when the connection is over.
    fn poll_over(&mut self, outbox: Status, turn: &mut Turn<'_, '_>) -> Poll<()> {
        if self.exchange.calls.running_since().is_some() {
            return Poll::Pending;
        }
        let remaining = RemainingWork {
            frames: !outbox.empty,
            work: self.exchange.has_work(),
            protocol_error: self.exchange.has_protocol_error(),
        };
        let closing = &mut self.exchange.out.closing;
        loop {
            match closing.next_step(remaining) {
                ClosingStep::Wait => return Poll::Pending,
                ClosingStep::Over => return Poll::Ready(()),
                ClosingStep::EndStream => {
                    let by_drop = closing.has_client_closed() && turn.transport.ends_on_drop();
                    if !by_drop {
                        // The stream ends only after its buffers are written. An error also ends
                        // it.
                        let _ = ready!(turn.transport.poll_shutdown(turn.cx));
                    }
                    closing.handle_server_end();
                }
            }
        }
    }

    /// Returns an action that is due; if there is none, sets the timer.
    fn poll_clock(&mut self, outbox: Status, turn: &mut Turn<'_, '_>) -> Option<DueAction> {
        let (exchange, now) = (&mut self.exchange, &mut turn.buffers.now);
        let mut view = View {
            outbox,
            reading: exchange.may_read(),
            closing: exchange.out.closing.is_server_closing(),
            forced: exchange.out.closing.is_forced(),
            hook_since: exchange.calls.running_since(),
            timer: exchange.out.shared.mailbox().next_due(),
        };
        if self.clock.is_alarm_early_enough(&view, *now) {
            return None;
        }
        let limits = exchange.out.shared.limits();
        let process = self.clock.handle_view(limits, &view, *now);
        if process == Process::WasPaused {
            exchange.calls.restart(*now);
            view.hook_since = exchange.calls.running_since();
        }
        let accepted = usize::try_from(outbox.accepted).unwrap_or(usize::MAX);
        let progress = process == Process::WasPaused || accepted >= limits.stall_bytes;
        if outbox.blocked.is_some() && progress {
            view.outbox = exchange.out.shared.outbox().restart_stall(*now);
        }
        self.clock.poll_due(limits, &view, now, turn.cx)
    }

    fn handle_due(&mut self, due: DueAction, turn: &mut Turn<'_, '_>) {
        let now = turn.buffers.now;
        let exchange = &mut self.exchange;
        match due {
            DueAction::ShutdownClose => exchange.out.close_for_shutdown(),
            DueAction::ShutdownCutoff => {
                exchange.out.close_for_shutdown();
                exchange.cancel_hook(turn);
                exchange.out.closing.force();
            }
            DueAction::Hook => exchange.cancel_hook(turn),
            DueAction::Timer => exchange.fire_timers(turn),
            // A hook that still runs has its own time limit.
            DueAction::CloseTimeout => {
                exchange.out.closing.force();
                exchange.out.shared.client_gone();
            }
            DueAction::Stall if turn.transport.has_progressed() => {
                exchange.out.shared.outbox().restart_stall(now);
            }
            DueAction::Stall => {
                let close = Close::new(CloseCode::TRY_AGAIN_LATER, "the client reads too slowly");
                exchange.out.shared.fail(&close, CloseCause::Stalled);
                exchange.out.closing.handle_server_close();
                self.clock.handle_stalled(exchange.out.shared.limits(), now);
            }
            DueAction::Expiry => {
                self.clock.handle_expired();
                let close = Close::new(CloseCode::UNAUTHORIZED, "expired");
                exchange.out.close(&close, CloseCause::Expired);
            }
            DueAction::Idle => {
                let cause = match exchange.out.shared.limits().ping {
                    Some(_) => CloseCause::PingTimeout,
                    None => CloseCause::IdleTimeout,
                };
                let close = Close::new(CloseCode::GOING_AWAY, "nothing was received");
                exchange.out.close(&close, cause);
            }
            DueAction::Ping => {
                self.clock.handle_ping_sent(now);
                let ping = encode(OpCode::Ping, b"");
                exchange
                    .out
                    .shared
                    .outbox()
                    .control(ControlFrame::Ping, ping);
            }
        }
    }
}
