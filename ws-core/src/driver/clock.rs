//! Everything of a connection that happens because time has passed.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Context as TaskContext;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Driver, Ends, Line, Worker};
use crate::close::{Close, CloseCause, CloseCode};
use crate::late;
use crate::limits::{Limits, Rate};
use crate::outbox::{Control, Io, Status, Transport};
use crate::protocol::OpCode;
use crate::protocol::encoder::encode;
use crate::socket::{Orders, Shared};

/// The times of one connection. One timer serves them all; it is not moved when something
/// is received, but looks again when it fires.
pub(super) struct Clock {
    received: Instant,
    pinged: Option<Instant>,
    /// Whether we read; while we do not, nothing can be received.
    reading: bool,
    /// Whether something waits that the client does not take; a ping would not reach it.
    blocked: bool,
    /// How often the process was paused since the client was last heard.
    pauses: u8,
    rare: Option<Box<Rare>>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the timer fires, unless it has. The timer knows too, but lies elsewhere in memory.
    fires: Option<Instant>,
}

/// The times that many connections do not have.
#[derive(Default)]
struct Rare {
    expiry: Option<Instant>,
    /// When the client has used up what its rate allows so far.
    used_until: Option<Instant>,
    shutdown: Option<(Instant, Instant)>,
    /// The Close frame is out: the client's answer is not waited for any longer.
    close_by: Option<Instant>,
    /// A client that reads a little now and then does not keep a closing connection longer.
    give_up: Option<Instant>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            received: Instant::now(),
            pinged: None,
            reading: true,
            blocked: false,
            pauses: 0,
            rare: None,
            sleep: None,
            fires: None,
        }
    }

    pub(super) fn obey(&mut self, orders: Orders) {
        if self.rare.is_some() || orders.expiry.is_some() || orders.shutdown.is_some() {
            let rare = self.rare.get_or_insert_default();
            rare.expiry = orders.expiry;
            rare.shutdown = orders.shutdown;
        }
    }

    /// Something came from the client.
    pub(super) fn received(&mut self, now: Instant) {
        self.received = now;
        self.pinged = None;
        self.pauses = 0;
    }

    /// Whether the timer fires so late that the process must have been paused. The client may
    /// have answered meanwhile without being heard, so its silence proves nothing.
    fn was_paused(&mut self, limits: &Limits, now: Instant) -> bool {
        let Some(due) = self.fires.take_if(|at| *at <= now) else {
            return false;
        };
        let idle = limits.idle.unwrap_or(Duration::MAX);
        let paused = now - due >= late::LATE.min(idle / 4) && self.pauses < late::MOST_PAUSES;
        self.pauses += u8::from(paused);
        paused
    }

    /// The process was paused: a ping is due, and the client has as long as ever to answer it.
    fn resume(&mut self, limits: &Limits, now: Instant) {
        let silent = limits.ping.unwrap_or(Duration::ZERO);
        let received = now.checked_sub(silent).unwrap_or(now);
        self.received = self.received.max(received);
        self.pinged = None;
        if let Some(rare) = &mut self.rare {
            let close_by = now + limits.close_timeout;
            rare.close_by = rare.close_by.map(|at| at.max(close_by));
            rare.give_up = rare.give_up.map(|at| at.max(close_by + limits.stall));
        }
    }

    /// When a shutdown allows `terminate` no more time.
    pub(super) fn end_of_shutdown(&self) -> Option<Instant> {
        self.shutdown().map(|(_, end)| end)
    }

    fn shutdown(&self) -> Option<(Instant, Instant)> {
        self.rare.as_ref().and_then(|rare| rare.shutdown)
    }

    /// Counts one message of the client. Returns whether the rate allows it.
    #[inline]
    pub(super) fn allows(&mut self, rate: Option<Rate>, now: Instant) -> bool {
        rate.is_none_or(|rate| self.allows_by(rate, now))
    }

    fn allows_by(&mut self, rate: Rate, now: Instant) -> bool {
        let used_until = &mut self.rare.get_or_insert_default().used_until;
        let used = rate.count(*used_until, now);
        *used_until = used.or(*used_until);
        used.is_some()
    }

    /// What is due next, and when: by the hook that runs since then, by the next `notify_after`,
    /// or by the client. It is compiled once, not for each handler.
    fn next_due(
        &self,
        limits: &Limits,
        status: Status,
        ends: &Ends,
        hook_since: Option<Instant>,
        timer: Option<Instant>,
    ) -> Option<(Due, Instant)> {
        let watched = self.reading && !ends.closing;
        let quiet = |after| if watched { after } else { None };
        let rare = self.rare.as_deref();
        let answer_by = rare.and_then(|rare| rare.close_by);
        let end_by = answer_by.or(rare.and_then(|rare| rare.give_up));
        let stall = status.blocked.filter(|_| answer_by.is_none());
        let pinged = self.pinged.unwrap_or(self.received);
        let hook = hook_since.map(|since| since + limits.hook_timeout);
        let idle = quiet(limits.idle).filter(|_| !self.blocked);
        let idle = idle.map(|idle| self.received + idle);
        let ping = quiet(limits.ping).map(|ping| pinged + ping);
        let all = [
            (Due::Cut, self.shutdown().map(|(cut, _)| cut)),
            (Due::CloseBy, end_by.filter(|_| !ends.forced)),
            (Due::Hook, hook),
            (Due::Stall, stall.map(|blocked| blocked + limits.stall)),
            (Due::Expiry, rare.and_then(|rare| rare.expiry)),
            (Due::Timer, timer.filter(|_| !ends.closing)),
            (Due::Idle, idle),
            (Due::Ping, ping),
        ];
        let all = all
            .into_iter()
            .filter_map(|(due, at)| at.map(|at| (due, at)));
        // The first of equal times, which is the most urgent.
        all.reduce(|first, next| if next.1 < first.1 { next } else { first })
    }

    /// Sets the timer, unless it fires early enough already.
    fn arm(&mut self, next: Instant, now: &mut Instant, cx: &mut TaskContext<'_>) -> bool {
        if self.fires.is_some_and(|at| *now < at && at <= next) {
            return false;
        }
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(next)));
        sleep.as_mut().reset(next);
        // The timer keeps the task's waker: it need not be polled again until it fires. That
        // must not depend on how much this task may still do in this turn.
        let fired = pin!(unconstrained(sleep.as_mut())).poll(cx).is_ready();
        self.fires = (!fired).then_some(next);
        if fired {
            *now = Instant::now();
        }
        fired
    }
}

/// What is due, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Cut,
    CloseBy,
    Hook,
    Stall,
    Expiry,
    Timer,
    Idle,
    Ping,
}

impl<H: Send + 'static> Driver<H> {
    /// Does what is due, or sets the timer. Returns whether anything was done.
    pub(super) fn poll_clock(
        &mut self,
        cx: &mut TaskContext<'_>,
        status: Status,
        worker: &mut Worker,
    ) -> bool {
        if self.clock_stands(status, worker.now) {
            return false;
        }
        let status = self.line.watch(
            self.context.socket.shared(),
            self.may_read(),
            status,
            self.running.as_mut().map(|running| &mut running.since),
            worker.now,
        );
        loop {
            let hook_since = self.running.as_ref().map(|running| running.since);
            let timer = self.shared().mail().next_due();
            let limits = self.context.endpoint.limits();
            let next = self
                .line
                .clock
                .next_due(limits, status, &self.line.ends, hook_since, timer);
            let Some((due, at)) = next else {
                return false;
            };
            if at <= worker.now {
                self.do_due(due, cx, worker);
                return true;
            }
            if !self.line.clock.arm(at, &mut worker.now, cx) {
                return false;
            }
        }
    }

    /// Whether the timer fires early enough for everything: what is due by the client's silence
    /// only moves away, and there is nothing else.
    fn clock_stands(&self, status: Status, now: Instant) -> bool {
        let clock = &self.line.clock;
        let Some(fires) = clock.fires.filter(|at| now < *at) else {
            return false;
        };
        let later = |due: Option<Instant>| due.is_none_or(|due| fires <= due);
        let rare = clock.rare.as_deref();
        rare.is_none_or(|rare| rare.shutdown.is_none() && later(rare.expiry))
            && self.running.is_none()
            && status.blocked.is_none()
            && !clock.blocked
            && !self.line.ends.closing
            && clock.reading == self.may_read()
            && later(self.shared().mail().next_due())
    }

    fn do_due(&mut self, due: Due, cx: &mut TaskContext<'_>, worker: &mut Worker) {
        match due {
            Due::Cut => {
                self.cut_hook(cx, worker);
                self.line.ends.forced = true;
            }
            Due::Hook => self.cut_hook(cx, worker),
            Due::Timer => self.fire_timers(cx, worker),
            due => {
                let shared = self.context.socket.shared();
                self.line.do_due(shared, due, worker.now);
            }
        }
    }
}

impl Line {
    /// Lets clocks stand still, or begin to run. Returns the status as it is then.
    /// `hook_since` is when the hook began that runs.
    fn watch(
        &mut self,
        shared: &Shared,
        reading: bool,
        mut status: Status,
        hook_since: Option<&mut Instant>,
        now: Instant,
    ) -> Status {
        let limits = shared.limits();
        let blocked = status.blocked.is_some();
        // A client that takes what waited is alive.
        if (reading && !self.clock.reading) || (!blocked && self.clock.blocked) {
            self.clock.received(now);
        }
        (self.clock.reading, self.clock.blocked) = (reading, blocked);
        let paused = self.clock.was_paused(limits, now);
        if paused {
            self.clock.resume(limits, now);
            if let Some(since) = hook_since {
                *since = now;
            }
        }
        let taken = usize::try_from(status.taken).unwrap_or(usize::MAX);
        if blocked && (paused || taken >= limits.stall_bytes) {
            status = shared.outbox().restart_stall(now);
        }
        if self.ends.closing {
            let closing = self.clock.rare.get_or_insert_default();
            let close_by = now + limits.close_timeout;
            closing.give_up.get_or_insert(close_by + limits.stall);
            if status.empty {
                closing.close_by.get_or_insert(close_by);
            }
        }
        status
    }

    fn has_progressed(&mut self) -> bool {
        let transport = self.transport.as_mut().map(Io::get_mut);
        transport.is_some_and(Transport::has_progressed)
    }

    /// Does what is due and does not concern the handler.
    fn do_due(&mut self, shared: &Shared, due: Due, now: Instant) {
        match due {
            // These are the handler's.
            Due::Cut | Due::Hook | Due::Timer => {}
            // A hook that still runs has its own time.
            Due::CloseBy => {
                self.ends.forced = true;
                shared.client_gone();
            }
            Due::Stall if self.has_progressed() => {
                shared.outbox().restart_stall(now);
            }
            Due::Stall => {
                let close = Close::new(CloseCode::TRY_AGAIN_LATER, "too little could be written");
                shared.fail(&close, CloseCause::Stalled);
                self.ends.closing = true;
                let close_by = now + shared.limits().close_timeout;
                self.clock.rare.get_or_insert_default().close_by = Some(close_by);
            }
            Due::Expiry => {
                if let Some(rare) = &mut self.clock.rare {
                    rare.expiry = None;
                }
                let close = Close::new(CloseCode::UNAUTHORIZED, "expired");
                self.close(shared, &close, CloseCause::Expired);
            }
            Due::Idle => {
                let cause = match shared.limits().ping {
                    Some(_) => CloseCause::PingTimeout,
                    None => CloseCause::IdleTimeout,
                };
                let close = Close::new(CloseCode::GOING_AWAY, "nothing was received");
                self.close(shared, &close, cause);
            }
            Due::Ping => {
                self.clock.pinged = Some(now);
                let ping = encode(OpCode::Ping, b"");
                shared.outbox().control(Control::Ping, ping);
            }
        }
    }
}
