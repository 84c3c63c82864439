//! The clock of a connection: what happens because time has passed.

use std::task::Context as TaskContext;
use std::time::Duration;

use tokio::time::Instant;

use super::alarm::{Alarm, Set};
use crate::late;
use crate::limits::Limits;
use crate::outbox::Status;
use crate::socket::Orders;

#[cfg(test)]
mod tests;

/// The times of one connection. One timer serves them all; it is not moved when something
/// is received, but looks again when it fires.
///
/// At the end of each burst, [`is_early`](Self::is_early) comes first: nearly always there is
/// nothing else to do. Otherwise [`handle_view`](Self::handle_view), and then
/// [`poll_due`](Self::poll_due) for what is due.
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
    alarm: Alarm,
}

/// The times that many connections do not have.
#[derive(Default)]
struct Rare {
    expiry: Option<Instant>,
    shutdown: Option<(Instant, Instant)>,
    /// The Close frame is out: the client's answer is not waited for any longer.
    close_by: Option<Instant>,
    /// A client that reads a little now and then does not keep a closing connection longer.
    give_up: Option<Instant>,
}

/// What the clock sees of the connection.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) outbox: Status,
    /// Bytes of the client are read.
    pub(super) reading: bool,
    /// Our Close is queued.
    pub(super) closing: bool,
    /// Time is up already.
    pub(super) forced: bool,
    /// When the hook began that is under way.
    pub(super) hook_since: Option<Instant>,
    /// When the next timer of the mailbox fires.
    pub(super) timer: Option<Instant>,
}

/// What is due, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// A shutdown cuts everything but `terminate`.
    Cut,
    /// The client's Close is not waited for any longer.
    CloseBy,
    /// The hook that is under way has run out of time.
    Hook,
    /// The client takes too little of what waits.
    Stall,
    /// The session, or what the application has set, ends.
    Expiry,
    /// A timer of the mailbox fires.
    Timer,
    /// Nothing was received for too long.
    Idle,
    /// The client is to show that it is there.
    Ping,
}

/// Whether the process ran all the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Process {
    Ran,
    WasPaused,
}

impl Clock {
    /// The clock of a connection that was made now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            received: now,
            pinged: None,
            reading: true,
            blocked: false,
            pauses: 0,
            rare: None,
            alarm: Alarm::default(),
        }
    }

    /// Others have set the times at which the connection ends.
    pub(super) fn handle_orders(&mut self, orders: Orders) {
        if self.rare.is_some() || orders.expiry.is_some() || orders.shutdown.is_some() {
            let rare = self.rare.get_or_insert_default();
            rare.expiry = orders.expiry;
            rare.shutdown = orders.shutdown;
        }
    }

    /// Something came from the client.
    pub(super) fn handle_received(&mut self, now: Instant) {
        self.received = now;
        self.pinged = None;
        self.pauses = 0;
    }

    /// A ping was sent.
    pub(super) fn handle_ping_sent(&mut self, now: Instant) {
        self.pinged = Some(now);
    }

    /// The connection has expired, and is being closed for it.
    pub(super) fn handle_expired(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.expiry = None;
        }
    }

    /// Our Close was queued in the place of what the client did not take: from now on only that
    /// is waited for.
    pub(super) fn handle_stalled(&mut self, limits: &Limits, now: Instant) {
        let close_by = now + limits.close_timeout;
        self.rare.get_or_insert_default().close_by = Some(close_by);
    }

    /// When a shutdown allows `terminate` no more time.
    pub(super) fn end_of_shutdown(&self) -> Option<Instant> {
        self.shutdown().map(|(_, end)| end)
    }

    fn shutdown(&self) -> Option<(Instant, Instant)> {
        self.rare.as_ref().and_then(|rare| rare.shutdown)
    }

    /// Whether the timer fires early enough for everything: what is due by the client's silence
    /// only moves away, and there is nothing else.
    #[inline]
    pub(super) fn is_early(&self, view: &View, now: Instant) -> bool {
        let Some(fires) = self.alarm.fires_after(now) else {
            return false;
        };
        let later = |due: Option<Instant>| due.is_none_or(|due| fires <= due);
        let rare = self.rare.as_deref();
        rare.is_none_or(|rare| rare.shutdown.is_none() && later(rare.expiry))
            && view.hook_since.is_none()
            && view.outbox.blocked.is_none()
            && !self.blocked
            && !view.closing
            && self.reading == view.reading
            && later(view.timer)
    }

    /// Lets times stand still, or begin to run. After a pause of the process they start again; so
    /// does that of the hook under way, which the caller has.
    pub(super) fn handle_view(&mut self, limits: &Limits, view: &View, now: Instant) -> Process {
        let blocked = view.outbox.blocked.is_some();
        // A client that takes what waited is alive.
        if (view.reading && !self.reading) || (!blocked && self.blocked) {
            self.handle_received(now);
        }
        (self.reading, self.blocked) = (view.reading, blocked);
        let process = self.look_for_pause(limits, now);
        if process == Process::WasPaused {
            self.resume(limits, now);
        }
        if view.closing {
            let closing = self.rare.get_or_insert_default();
            let close_by = now + limits.close_timeout;
            closing.give_up.get_or_insert(close_by + limits.stall);
            if view.outbox.empty {
                closing.close_by.get_or_insert(close_by);
            }
        }
        process
    }

    /// Whether the timer fires so late that the process must have been paused. The client may
    /// have answered meanwhile without being heard, so its silence proves nothing.
    fn look_for_pause(&mut self, limits: &Limits, now: Instant) -> Process {
        let Some(late) = self.alarm.take_fired(now) else {
            return Process::Ran;
        };
        let idle = limits.idle.unwrap_or(Duration::MAX);
        if late < late::LATE.min(idle / 4) || self.pauses >= late::MOST_PAUSES {
            return Process::Ran;
        }
        self.pauses += 1;
        Process::WasPaused
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

    /// What is due now. If nothing is, the timer is set, and wakes the task when something will
    /// be.
    pub(super) fn poll_due(
        &mut self,
        limits: &Limits,
        view: &View,
        now: &mut Instant,
        cx: &mut TaskContext<'_>,
    ) -> Option<Due> {
        loop {
            let (due, at) = self.next_due(limits, view)?;
            if at <= *now {
                return Some(due);
            }
            match self.alarm.set(at, *now, cx) {
                Set::Waits => return None,
                Set::Fired => *now = Instant::now(),
            }
        }
    }

    /// What is due next, and when.
    fn next_due(&self, limits: &Limits, view: &View) -> Option<(Due, Instant)> {
        let watched = self.reading && !view.closing;
        let quiet = |after| if watched { after } else { None };
        let rare = self.rare.as_deref();
        let answer_by = rare.and_then(|rare| rare.close_by);
        let end_by = answer_by.or(rare.and_then(|rare| rare.give_up));
        let stall = view.outbox.blocked.filter(|_| answer_by.is_none());
        let pinged = self.pinged.unwrap_or(self.received);
        let hook = view.hook_since.map(|since| since + limits.hook_timeout);
        let idle = quiet(limits.idle).filter(|_| !self.blocked);
        let idle = idle.map(|idle| self.received + idle);
        let ping = quiet(limits.ping).map(|ping| pinged + ping);
        let all = [
            (Due::Cut, self.shutdown().map(|(cut, _)| cut)),
            (Due::CloseBy, end_by.filter(|_| !view.forced)),
            (Due::Hook, hook),
            (Due::Stall, stall.map(|blocked| blocked + limits.stall)),
            (Due::Expiry, rare.and_then(|rare| rare.expiry)),
            (Due::Timer, view.timer.filter(|_| !view.closing)),
            (Due::Idle, idle),
            (Due::Ping, ping),
        ];
        let all = all
            .into_iter()
            .filter_map(|(due, at)| at.map(|at| (due, at)));
        // The first of equal times, which is the most urgent.
        all.reduce(|first, next| if next.1 < first.1 { next } else { first })
    }
}
