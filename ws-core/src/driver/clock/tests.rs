//! The clock with paused time.

use std::task::Waker;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

const LIMITS: Limits = Limits {
    ping: Some(Duration::from_secs(20)),
    idle: Some(Duration::from_secs(50)),
    hook_timeout: Duration::from_secs(30),
    close_timeout: Duration::from_secs(10),
    stall: Duration::from_secs(40),
    ..Limits::DEFAULT
};

/// A connection that reads and has no backlog.
const IDLE: View = View {
    outbox: Status {
        empty: true,
        blocked: None,
        accepted: 0,
        ending: false,
    },
    reading: true,
    closing: false,
    forced: false,
    hook_since: None,
    timer: None,
};

struct TestClock {
    clock: Clock,
    start: Instant,
}

impl TestClock {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            clock: Clock::new(start),
            start,
        }
    }

    fn at(&self, seconds: u32) -> Instant {
        self.start + SECOND * seconds
    }

    /// The action that is due after this many seconds in total.
    async fn due(&mut self, seconds: u32, view: &View) -> Option<DueAction> {
        let mut now = self.at(seconds);
        tokio::time::advance(now - Instant::now()).await;
        if self.clock.is_alarm_early_enough(view, now) {
            return None;
        }
        self.clock.handle_view(&LIMITS, view, now);
        let cx = &mut TaskContext::from_waker(Waker::noop());
        self.clock.poll_due(&LIMITS, view, &mut now, cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_then_idle() {
    let mut test = TestClock::new();
    assert_eq!(test.due(19, &IDLE).await, None);
    assert_eq!(test.due(20, &IDLE).await, Some(DueAction::Ping));
    test.clock.handle_ping_sent(test.at(20));
    assert_eq!(test.due(39, &IDLE).await, None);
    assert_eq!(test.due(40, &IDLE).await, Some(DueAction::Ping));
    test.clock.handle_ping_sent(test.at(40));
    assert_eq!(test.due(50, &IDLE).await, Some(DueAction::Idle));
    test.clock.handle_received(test.at(50));
    assert_eq!(test.due(69, &IDLE).await, None);
    assert_eq!(test.due(70, &IDLE).await, Some(DueAction::Ping));
}

#[tokio::test(start_paused = true)]
async fn silence_does_not_count_while_nothing_is_read() {
    let mut test = TestClock::new();
    let not_reading = View {
        reading: false,
        ..IDLE
    };
    assert_eq!(test.due(19, &not_reading).await, None);
    assert_eq!(test.due(90, &not_reading).await, None);
    assert_eq!(test.due(100, &IDLE).await, None);
    assert_eq!(test.due(120, &IDLE).await, Some(DueAction::Ping));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_stalls_instead_of_being_idle() {
    let mut test = TestClock::new();
    let mut view = IDLE;
    view.outbox.empty = false;
    view.outbox.blocked = Some(test.at(10));
    assert_eq!(test.due(10, &view).await, None);
    assert_eq!(test.due(20, &view).await, Some(DueAction::Ping));
    test.clock.handle_ping_sent(test.at(20));
    assert_eq!(test.due(40, &view).await, Some(DueAction::Ping));
    test.clock.handle_ping_sent(test.at(49));
    assert_eq!(test.due(50, &view).await, Some(DueAction::Stall));
    test.clock.handle_stalled(&LIMITS, test.at(50));
    view.closing = true;
    assert_eq!(test.due(59, &view).await, None);
    assert_eq!(test.due(60, &view).await, Some(DueAction::CloseTimeout));
    view.forced = true;
    assert_eq!(test.due(61, &view).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_closing_client_has_both_limits_until_the_server_s_close_is_written() {
    let mut test = TestClock::new();
    let mut view = View {
        closing: true,
        ..IDLE
    };
    view.outbox.empty = false;
    assert_eq!(test.due(0, &view).await, None);
    assert_eq!(test.due(49, &view).await, None);
    assert_eq!(test.due(50, &view).await, Some(DueAction::CloseTimeout));
    let mut test = TestClock::new();
    view.outbox.empty = true;
    assert_eq!(test.due(0, &view).await, None);
    assert_eq!(test.due(9, &view).await, None);
    assert_eq!(test.due(10, &view).await, Some(DueAction::CloseTimeout));
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_due_action_comes_first() {
    let mut test = TestClock::new();
    let deadlines = |expiry, shutdown| ExternalDeadlines { expiry, shutdown };
    let at = test.at(5);
    let view = View {
        hook_since: Some(test.start),
        timer: Some(at),
        ..IDLE
    };
    let times = ShutdownTimes {
        close: at,
        cutoff: at,
        end: test.at(8),
    };
    test.clock
        .handle_external_deadlines(deadlines(Some(at), Some(times)));
    assert_eq!(test.clock.end_of_shutdown(), Some(test.at(8)));
    assert_eq!(test.due(5, &view).await, Some(DueAction::ShutdownCutoff));
    test.clock
        .handle_external_deadlines(deadlines(Some(at), None));
    assert_eq!(test.due(5, &view).await, Some(DueAction::Expiry));
    test.clock.handle_expired();
    assert_eq!(test.due(5, &view).await, Some(DueAction::Timer));
    let view = View {
        timer: None,
        ..view
    };
    assert_eq!(test.due(19, &view).await, None);
    assert_eq!(test.due(20, &view).await, Some(DueAction::Ping));
    test.clock.handle_ping_sent(test.at(20));
    assert_eq!(test.due(29, &view).await, None);
    assert_eq!(test.due(30, &view).await, Some(DueAction::Hook));
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_process_restarts_the_deadlines_at_most_three_times() {
    let mut test = TestClock::new();
    for round in 1..=4 {
        assert_eq!(test.due((round - 1) * 200, &IDLE).await, None);
        // The timer should fire after 20 seconds; the process wakes up long after that.
        let now = test.at(round * 200);
        let process = test.clock.handle_view(&LIMITS, &IDLE, now);
        let expected = if round < 4 {
            Process::WasPaused
        } else {
            Process::Ran
        };
        assert_eq!(process, expected, "round {round}");
        assert_eq!(test.due(round * 200, &IDLE).await, Some(DueAction::Ping));
        test.clock.handle_ping_sent(now);
    }
    assert_eq!(test.due(800, &IDLE).await, Some(DueAction::Idle));
}
