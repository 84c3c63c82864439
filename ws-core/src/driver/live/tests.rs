//! The driver from its start to its end: what it writes, how it ends, and when.

use std::future::poll_fn;
use std::task::Waker;
use std::time::Duration;

use tokio::time::advance;

use super::super::test_doubles::{Behavior, Bench, Read, burst, close, text};
use super::*;
use crate::limits::Limits;
use crate::outbox::Frame;
use crate::socket::{ShutdownTimes, Socket, going_away};

const LIMITS: Limits = Limits::DEFAULT
    .ping(Some(Duration::from_secs(20)))
    .idle(Some(Duration::from_secs(50)))
    .hook_timeout(Duration::from_secs(30))
    .close_timeout(Duration::from_secs(10))
    .stall(Duration::from_secs(40));

struct TestDriver {
    driver: Driver,
    bench: Bench,
    start: Instant,
}

impl TestDriver {
    fn new(limits: Limits, behavior: Behavior, reads: impl IntoIterator<Item = Read>) -> Self {
        let mut bench = Bench::new(limits, behavior);
        bench.transport.reads.extend(reads);
        Self {
            driver: Driver::new(bench.shared.clone()),
            bench,
            start: Instant::now(),
        }
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<CloseReason> {
        let Bench {
            handler, transport, ..
        } = &mut self.bench;
        self.driver.poll(handler, transport, cx)
    }

    /// Polls once; the driver must still run.
    fn run(&mut self) {
        let polled = self.poll(&mut TaskContext::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "{polled:?}");
    }

    /// Polls until the connection is over. Returns after how many seconds, and the frames.
    async fn over(&mut self) -> (u64, Vec<String>) {
        let reason = poll_fn(|cx| self.poll(cx)).await;
        self.bench.shared.end(reason);
        let seconds = self.start.elapsed().as_secs();
        (seconds, self.bench.transport.frames())
    }

    fn ending(&self) -> (CloseCause, u16) {
        self.bench.ending().unwrap()
    }
}

fn of_client() -> Vec<u8> {
    close(CloseCode::NORMAL, "bye")
}

#[tokio::test(start_paused = true)]
async fn a_client_is_answered_from_its_first_bytes_to_its_close() {
    let read = burst(&[text("two"), of_client()]);
    let mut test = TestDriver::new(LIMITS, Behavior::Echo, [read]);
    test.driver
        .handle_start(&test.bench.transport, &text("early"));
    let expected = ["text early", "text two", "close 1000"];
    assert_eq!(test.over().await, (0, expected.map(str::to_owned).into()));
    assert_eq!(test.ending(), (CloseCause::ClientClosed, 1000));
    // The server ends its side after its Close is written.
    let log = &test.bench.transport.log;
    assert_eq!(log.last(), Some(&"shutdown"), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_when_it_is_dropped_is_not_shut_down() {
    let mut test = TestDriver::new(LIMITS, Behavior::Echo, [burst(&[of_client()])]);
    test.bench.transport.ends_on_drop = true;
    assert_eq!(test.over().await, (0, vec!["close 1000".to_owned()]));
    assert!(!test.bench.transport.log.contains(&"shutdown"));
}

#[tokio::test(start_paused = true)]
async fn after_a_protocol_error_the_server_ends_its_stream_and_waits_for_the_client_s_end() {
    let unmasked = Read::Bytes(b"\x81\x02hi".to_vec());
    let mut test = TestDriver::new(LIMITS, Behavior::Echo, [unmasked]);
    test.run();
    assert_eq!(test.bench.transport.log.last(), Some(&"shutdown"));
    test.bench.transport.reads.push_back(Read::End);
    let (seconds, frames) = test.over().await;
    assert!(
        seconds == 0 && frames[0].starts_with("close 1002"),
        "{frames:?}"
    );
    assert_eq!(test.ending(), (CloseCause::ProtocolError, 1002));
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_close_is_lost_after_its_messages_are_handled() {
    for end in [Read::End, Read::Error] {
        let reads = [burst(&[text("last")]), end];
        let mut test = TestDriver::new(LIMITS, Behavior::Return, reads);
        test.bench.handler.script = [Behavior::Wait, Behavior::Wait].into();
        test.run();
        assert_eq!(test.over().await, (0, Vec::new()));
        assert_eq!(test.ending(), (CloseCause::Lost, 1006));
        assert_eq!(test.bench.handler.log, ["message last", "poll", "poll"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_closed() {
    let ping = Some(Duration::from_secs(20));
    for (ping, cause, expected) in [
        (ping, CloseCause::PingTimeout, &["ping", "ping"][..]),
        (None, CloseCause::IdleTimeout, &[]),
    ] {
        let mut test = TestDriver::new(LIMITS.ping(ping), Behavior::Echo, []);
        let (seconds, frames) = test.over().await;
        // The client does not answer the Close either.
        assert_eq!(seconds, 60);
        let (close, pings) = frames.split_last().unwrap();
        assert_eq!(
            (&**close, pings),
            ("close 1001 nothing was received", &owned(expected)[..])
        );
        assert_eq!(test.ending(), (cause, 1001));
    }
}

fn owned(frames: &[&str]) -> Vec<String> {
    frames.iter().map(|&frame| frame.to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_received_message_postpones_the_ping() {
    let mut test = TestDriver::new(LIMITS, Behavior::Return, []);
    test.run();
    advance(Duration::from_secs(15)).await;
    test.bench.transport.reads.push_back(burst(&[text("one")]));
    test.run();
    for seconds in [5, 14] {
        advance(Duration::from_secs(seconds)).await;
        test.run();
    }
    assert!(test.bench.transport.frames().is_empty());
    advance(Duration::from_secs(1)).await;
    test.run();
    assert_eq!(test.bench.transport.frames(), ["ping"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_does_not_end_is_cancelled_at_its_time_limit() {
    let reads = [burst(&[text("one"), of_client()])];
    let mut test = TestDriver::new(LIMITS, Behavior::Wait, reads);
    assert_eq!(test.over().await, (30, owned(&["close 1011"])));
    assert_eq!(test.ending(), (CloseCause::HookTimeout, 1011));
    assert_eq!(test.bench.handler.log.last().unwrap(), "drop");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_closed_as_stalled() {
    for (has_progressed, over) in [(false, 50), (true, 90)] {
        let mut test = TestDriver::new(LIMITS.ping(None), Behavior::Return, []);
        test.bench.transport.room = 1;
        test.bench.transport.has_progressed = has_progressed;
        for text in ["first", "second"] {
            let frame = Frame::owned(crate::message::Message::from(text.to_owned()));
            test.bench.shared.outbox().push(&frame).unwrap();
        }
        let _ = poll_fn(|cx| test.poll(cx)).await;
        assert_eq!(test.start.elapsed().as_secs(), over);
        assert_eq!(test.ending(), (CloseCause::Stalled, 1013));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_closes_when_it_expires() {
    let mut test = TestDriver::new(LIMITS, Behavior::Return, []);
    let socket = Socket::<()>::new(test.bench.shared.clone());
    test.run();
    socket.expire_at(test.start + Duration::from_secs(5));
    let frames = owned(&["close 4401 expired"]);
    assert_eq!(test.over().await, (15, frames));
    assert_eq!(test.ending(), (CloseCause::Expired, 4401));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_the_running_hook() {
    let reads = [burst(&[text("one")])];
    let mut test = TestDriver::new(LIMITS, Behavior::Wait, reads);
    test.run();
    let cutoff = test.start + Duration::from_secs(6);
    let end = test.start + Duration::from_secs(8);
    let close = test.start + Duration::from_secs(3);
    let times = ShutdownTimes { close, cutoff, end };
    test.bench.shared.shut_down(times, going_away());
    let (seconds, frames) = test.over().await;
    assert_eq!(
        (seconds, &*frames[0]),
        (6, "close 1001 the server shuts down")
    );
    assert_eq!(frames.len(), 1);
    assert_eq!(test.ending(), (CloseCause::Shutdown, 1001));
    assert_eq!(test.driver.end_of_shutdown(), Some(end));
    assert_eq!(test.bench.handler.log.last().unwrap(), "drop");
}

#[tokio::test(start_paused = true)]
async fn a_timer_calls_info_when_it_is_due() {
    let mut test = TestDriver::new(LIMITS, Behavior::Return, []);
    let due = test.start + Duration::from_secs(3);
    let mailbox = test.bench.shared.mailbox();
    let set = mailbox.set_timer(9, 7_u32, |timers, value| timers.after(due, value));
    set.unwrap();
    test.run();
    assert!(test.bench.handler.log.is_empty());
    advance(Duration::from_secs(3)).await;
    test.run();
    assert_eq!(test.bench.handler.log, ["info 7"]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_keep_other_connections_from_running() {
    let reads = (0..50).map(|_| burst(&[text("x")]));
    let end = [burst(&[of_client()])];
    let mut test = TestDriver::new(LIMITS, Behavior::Return, reads.chain(end));
    test.run();
    assert_eq!(test.bench.handler.log.len(), READS_PER_TURN);
    // It continues by itself.
    let over = tokio::time::timeout(Duration::from_secs(1), test.over());
    assert_eq!(over.await.unwrap(), (0, owned(&["close 1000"])));
    assert_eq!(test.bench.handler.log.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_panic_outside_of_the_hooks_ends_this_connection_only() {
    let reads = [burst(&[text("one")]), Read::Panic];
    let mut test = TestDriver::new(LIMITS, Behavior::Echo, reads);
    assert_eq!(test.over().await, (0, Vec::new()));
    assert_eq!(test.ending(), (CloseCause::HookPanic, 1011));
    // The output of that burst does not reach the next client of this thread.
    let mut next = TestDriver::new(LIMITS, Behavior::Echo, [burst(&[of_client()])]);
    assert_eq!(next.over().await, (0, owned(&["close 1000"])));
}
