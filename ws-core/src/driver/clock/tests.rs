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
        taken: 0,
        ending: false,
    },
    reading: true,
    closing: false,
    forced: false,
    hook_since: None,
    timer: None,
};

struct Kit {
    clock: Clock,
    start: Instant,
}

impl Kit {
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
    async fn due(&mut self, seconds: u32, view: &View) -> Option<Due> {
        let mut now = self.at(seconds);
        tokio::time::advance(now - Instant::now()).await;
        if self.clock.is_early(view, now) {
            return None;
        }
        self.clock.handle_view(&LIMITS, view, now);
        let cx = &mut TaskContext::from_waker(Waker::noop());
        self.clock.poll_due(&LIMITS, view, &mut now, cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_given_up() {
    let mut kit = Kit::new();
    assert_eq!(kit.due(19, &IDLE).await, None);
    assert_eq!(kit.due(20, &IDLE).await, Some(Due::Ping));
    kit.clock.handle_ping_sent(kit.at(20));
    assert_eq!(kit.due(39, &IDLE).await, None);
    assert_eq!(kit.due(40, &IDLE).await, Some(Due::Ping));
    kit.clock.handle_ping_sent(kit.at(40));
    assert_eq!(kit.due(50, &IDLE).await, Some(Due::Idle));
    kit.clock.handle_received(kit.at(50));
    assert_eq!(kit.due(69, &IDLE).await, None);
    assert_eq!(kit.due(70, &IDLE).await, Some(Due::Ping));
}

#[tokio::test(start_paused = true)]
async fn silence_does_not_count_while_nothing_is_read() {
    let mut kit = Kit::new();
    let deaf = View {
        reading: false,
        ..IDLE
    };
    assert_eq!(kit.due(19, &deaf).await, None);
    assert_eq!(kit.due(90, &deaf).await, None);
    assert_eq!(kit.due(100, &IDLE).await, None);
    assert_eq!(kit.due(120, &IDLE).await, Some(Due::Ping));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_stalls_instead_of_being_idle() {
    let mut kit = Kit::new();
    let mut view = IDLE;
    view.outbox.empty = false;
    view.outbox.blocked = Some(kit.at(10));
    assert_eq!(kit.due(10, &view).await, None);
    assert_eq!(kit.due(20, &view).await, Some(Due::Ping));
    kit.clock.handle_ping_sent(kit.at(20));
    assert_eq!(kit.due(40, &view).await, Some(Due::Ping));
    kit.clock.handle_ping_sent(kit.at(49));
    assert_eq!(kit.due(50, &view).await, Some(Due::Stall));
    kit.clock.handle_stalled(&LIMITS, kit.at(50));
    view.closing = true;
    assert_eq!(kit.due(59, &view).await, None);
    assert_eq!(kit.due(60, &view).await, Some(Due::CloseBy));
    view.forced = true;
    assert_eq!(kit.due(61, &view).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_closing_client_has_the_time_of_both_limits_until_our_close_is_written() {
    let mut kit = Kit::new();
    let mut view = View {
        closing: true,
        ..IDLE
    };
    view.outbox.empty = false;
    assert_eq!(kit.due(0, &view).await, None);
    assert_eq!(kit.due(49, &view).await, None);
    assert_eq!(kit.due(50, &view).await, Some(Due::CloseBy));
    let mut kit = Kit::new();
    view.outbox.empty = true;
    assert_eq!(kit.due(0, &view).await, None);
    assert_eq!(kit.due(9, &view).await, None);
    assert_eq!(kit.due(10, &view).await, Some(Due::CloseBy));
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_of_what_is_due_comes_first() {
    let mut kit = Kit::new();
    let orders = |expiry, shutdown| Orders { expiry, shutdown };
    let at = kit.at(5);
    let view = View {
        hook_since: Some(kit.start),
        timer: Some(at),
        ..IDLE
    };
    kit.clock
        .handle_orders(orders(Some(at), Some((at, kit.at(8)))));
    assert_eq!(kit.clock.end_of_shutdown(), Some(kit.at(8)));
    assert_eq!(kit.due(5, &view).await, Some(Due::Cut));
    kit.clock.handle_orders(orders(Some(at), None));
    assert_eq!(kit.due(5, &view).await, Some(Due::Expiry));
    kit.clock.handle_expired();
    assert_eq!(kit.due(5, &view).await, Some(Due::Timer));
    let view = View {
        timer: None,
        ..view
    };
    assert_eq!(kit.due(19, &view).await, None);
    assert_eq!(kit.due(20, &view).await, Some(Due::Ping));
    kit.clock.handle_ping_sent(kit.at(20));
    assert_eq!(kit.due(29, &view).await, None);
    assert_eq!(kit.due(30, &view).await, Some(Due::Hook));
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_process_gives_the_client_its_time_again_three_times() {
    let mut kit = Kit::new();
    for round in 1..=4 {
        assert_eq!(kit.due((round - 1) * 200, &IDLE).await, None);
        // The timer should fire after 20 seconds; the process wakes up long after that.
        let now = kit.at(round * 200);
        let process = kit.clock.handle_view(&LIMITS, &IDLE, now);
        let expected = if round < 4 {
            Process::WasPaused
        } else {
            Process::Ran
        };
        assert_eq!(process, expected, "round {round}");
        assert_eq!(kit.due(round * 200, &IDLE).await, Some(Due::Ping));
        kit.clock.handle_ping_sent(now);
    }
    assert_eq!(kit.due(800, &IDLE).await, Some(Due::Idle));
}
