//! The clock of a connection: actions that are due because time has passed.

use std::task::Context as TaskContext;
use std::time::Duration;

use tokio::time::Instant;

use super::alarm::{Alarm, AlarmState};
use crate::limits::Limits;
use crate::outbox::Status;
use crate::socket::{ExternalDeadlines, ShutdownTimes};
use crate::timeout;

#[cfg(test)]
mod tests;

/// The deadlines of one connection, served by one timer. The timer is not moved when data is
/// received; the clock checks again when it fires.
///
/// At the end of each burst, call [`is_alarm_early_enough`](Self::is_alarm_early_enough) first: it
/// nearly always returns true, and then nothing else is necessary. Otherwise call
/// [`handle_view`](Self::handle_view), and then [`poll_due`](Self::poll_due) for the actions that
/// are due.
pub(super) struct Clock {
    received: Instant,
    pinged: Option<Instant>,
    /// Whether the driver reads; while it does not, nothing can be received.
    reading: bool,
    /// Whether the client has a backlog that it does not read; a ping would not reach it.
    blocked: bool,
    /// How often the process was paused since something was last received.
    pauses: u8,
    optional: Option<Box<OptionalDeadlines>>,
    alarm: Alarm,
}

/// The deadlines that many connections do not have.
#[derive(Default)]
struct OptionalDeadlines {
    expiry: Option<Instant>,
    shutdown: Option<ShutdownTimes>,
    /// The Close frame is sent: the deadline for the client's answer.
    close_by: Option<Instant>,
    /// The deadline for closing, even if the client still reads a little now and then.
    force_close_by: Option<Instant>,
}

/// The state of the connection that the clock needs.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) outbox: Status,
    /// The driver reads from the client.
    pub(super) reading: bool,
    /// The server's Close is queued.
    pub(super) closing: bool,
    /// The connection is forced to end: no deadline for the Close applies.
    pub(super) forced: bool,
    /// When the running hook began.
    pub(super) hook_since: Option<Instant>,
    /// When the next timer of the mailbox fires.
    pub(super) timer: Option<Instant>,
}

/// An action that is due, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DueAction {
    /// A shutdown cuts off everything but `terminate`.
    ShutdownCutoff,
    /// A shutdown closes the connection, even if a hook runs.
    ShutdownClose,
    /// The deadline for the client's Close has passed.
    CloseTimeout,
    /// The running hook has reached its time limit.
    Hook,
    /// The client reads too little of its backlog.
    Stall,
    /// The session has ended, or the deadline that the application set has passed.
    Expiry,
    /// A timer of the mailbox fires.
    Timer,
    /// Nothing was received for too long.
    Idle,
    /// The client must show that it is alive.
    Ping,
}

/// Whether the process ran without a pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Process {
    Ran,
    WasPaused,
}

impl Clock {
    /// The clock of a new connection.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            received: now,
            pinged: None,
            reading: true,
            blocked: false,
            pauses: 0,
            optional: None,
            alarm: Alarm::default(),
        }
    }

    /// Applies the deadlines that other tasks have set.
    pub(super) fn handle_external_deadlines(&mut self, deadlines: ExternalDeadlines) {
        if self.optional.is_some() || deadlines.expiry.is_some() || deadlines.shutdown.is_some() {
            let optional = self.optional.get_or_insert_default();
            optional.expiry = deadlines.expiry;
            optional.shutdown = deadlines.shutdown;
        }
    }

    /// Records that something was received.
    pub(super) fn handle_received(&mut self, now: Instant) {
        self.received = now;
        self.pinged = None;
        self.pauses = 0;
    }

    /// Records that a ping was sent.
    pub(super) fn handle_ping_sent(&mut self, now: Instant) {
        self.pinged = Some(now);
    }

    /// Records that the connection has expired and is being closed for that reason.
    pub(super) fn handle_expired(&mut self) {
        if let Some(optional) = &mut self.optional {
            optional.expiry = None;
        }
    }

    /// Records that the server's Close has replaced the backlog that the client did not read: only
    /// that frame now has a deadline.
    pub(super) fn handle_stalled(&mut self, limits: &Limits, now: Instant) {
        let close_by = now + limits.close_timeout;
        self.optional.get_or_insert_default().close_by = Some(close_by);
    }

    /// When `terminate` must end because of a shutdown.
    pub(super) fn end_of_shutdown(&self) -> Option<Instant> {
        self.shutdown().map(|times| times.end)
    }

    fn shutdown(&self) -> Option<ShutdownTimes> {
        self.optional
            .as_ref()
            .and_then(|optional| optional.shutdown)
    }

    /// Whether the timer fires no later than the next deadline. Idle and ping deadlines only move
    /// later, so they need no check. If any deadline other than the expiry or a timer may apply,
    /// returns false.
    #[inline]
    pub(super) fn is_alarm_early_enough(&self, view: &View, now: Instant) -> bool {
        let Some(fires) = self.alarm.fires_after(now) else {
            return false;
        };
        let later = |due: Option<Instant>| due.is_none_or(|due| fires <= due);
        let optional = self.optional.as_deref();
        optional.is_none_or(|optional| optional.shutdown.is_none() && later(optional.expiry))
            && view.hook_since.is_none()
            && view.outbox.blocked.is_none()
            && !self.blocked
            && !view.closing
            && self.reading == view.reading
            && later(view.timer)
    }

    /// Pauses or restarts deadlines. After a pause of the process, they start again; the caller
    /// restarts the time limit of the running hook.
    pub(super) fn handle_view(&mut self, limits: &Limits, view: &View, now: Instant) -> Process {
        let blocked = view.outbox.blocked.is_some();
        // A client that has read its backlog is alive.
        if (view.reading && !self.reading) || (!blocked && self.blocked) {
            self.handle_received(now);
        }
        (self.reading, self.blocked) = (view.reading, blocked);
        let process = self.detect_pause(limits, now);
        if process == Process::WasPaused {
            self.resume(limits, now);
        }
        if view.closing {
            let closing = self.optional.get_or_insert_default();
            let close_by = now + limits.close_timeout;
            closing
                .force_close_by
                .get_or_insert(close_by + limits.stall);
            if view.outbox.empty {
                closing.close_by.get_or_insert(close_by);
            }
        }
        process
    }

    /// Whether the timer fired so late that the process must have been paused. The client may have
    /// answered during the pause, so its silence proves nothing.
    fn detect_pause(&mut self, limits: &Limits, now: Instant) -> Process {
        let Some(late) = self.alarm.take_fired(now) else {
            return Process::Ran;
        };
        let idle = limits.idle.unwrap_or(Duration::MAX);
        if late < timeout::PAUSE_THRESHOLD.min(idle / 4) || self.pauses >= timeout::MAX_PAUSES {
            return Process::Ran;
        }
        self.pauses += 1;
        Process::WasPaused
    }

    /// Resumes after a pause of the process: a ping is due, and the client has the usual time to
    /// answer.
    fn resume(&mut self, limits: &Limits, now: Instant) {
        let silent = limits.ping.unwrap_or(Duration::ZERO);
        let received = now.checked_sub(silent).unwrap_or(now);
        self.received = self.received.max(received);
        self.pinged = None;
        if let Some(optional) = &mut self.optional {
            let close_by = now + limits.close_timeout;
            optional.close_by = optional.close_by.map(|at| at.max(close_by));
            optional.force_close_by = optional
                .force_close_by
                .map(|at| at.max(close_by + limits.stall));
        }
    }

    /// Returns an action that is due now. If there is none, sets the timer, which wakes the task
    /// for the next one.
    pub(super) fn poll_due(
        &mut self,
        limits: &Limits,
        view: &View,
        now: &mut Instant,
        cx: &mut TaskContext<'_>,
    ) -> Option<DueAction> {
        loop {
            let (due, at) = self.next_due(limits, view)?;
            if at <= *now {
                return Some(due);
            }
            match self.alarm.set(at, *now, cx) {
                AlarmState::Pending => return None,
                AlarmState::Fired => *now = Instant::now(),
            }
        }
    }

    /// The next action, and its time.
    fn next_due(&self, limits: &Limits, view: &View) -> Option<(DueAction, Instant)> {
        let watched = self.reading && !view.closing;
        let quiet = |after| if watched { after } else { None };
        let optional = self.optional.as_deref();
        let answer_by = optional.and_then(|optional| optional.close_by);
        let end_by = answer_by.or(optional.and_then(|optional| optional.force_close_by));
        let stall = view.outbox.blocked.filter(|_| answer_by.is_none());
        let pinged = self.pinged.unwrap_or(self.received);
        let hook = view.hook_since.map(|since| since + limits.hook_timeout);
        let idle = quiet(limits.idle).filter(|_| !self.blocked);
        let idle = idle.map(|idle| self.received + idle);
        let ping = quiet(limits.ping).map(|ping| pinged + ping);
        let all = [
            (
                DueAction::ShutdownCutoff,
                self.shutdown().map(|times| times.cutoff),
            ),
            (
                DueAction::ShutdownClose,
                self.shutdown()
                    .filter(|_| !view.closing)
                    .map(|times| times.close),
            ),
            (DueAction::CloseTimeout, end_by.filter(|_| !view.forced)),
            (DueAction::Hook, hook),
            (
                DueAction::Stall,
                stall.map(|blocked| blocked + limits.stall),
            ),
            (
                DueAction::Expiry,
                optional.and_then(|optional| optional.expiry),
            ),
            (DueAction::Timer, view.timer.filter(|_| !view.closing)),
            (DueAction::Idle, idle),
            (DueAction::Ping, ping),
        ];
        let all = all
            .into_iter()
            .filter_map(|(due, at)| at.map(|at| (due, at)));
        // The first of equal times, which is the most urgent.
        all.reduce(|first, next| if next.1 < first.1 { next } else { first })
    }
}
