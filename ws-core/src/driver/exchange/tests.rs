//! Bytes in, replies out: the order of messages, and the messages that have to wait.

use std::time::Duration;

use tokio::time::{Instant, advance};

use super::super::test_doubles::{Behavior, Bench, Read, binary, burst, close, ping, text};
use super::*;
use crate::limits::{Limits, Rate};
use crate::outbox::Uncork;
use crate::reply::IntoReply as _;

struct TestExchange {
    exchange: Exchange,
    bench: Bench,
}

impl TestExchange {
    fn new(limits: Limits, behavior: Behavior) -> Self {
        let bench = Bench::new(limits, behavior);
        let exchange = Exchange::new(bench.shared.clone());
        Self { exchange, bench }
    }

    /// Receives these bytes in one read.
    fn read(&mut self, read: Read) -> Poll<Liveness> {
        let Self { exchange, bench } = self;
        bench.transport.reads.push_back(read);
        bench.turn(|turn| exchange.poll_read(turn))
    }

    fn handle_queued(&mut self) {
        let Self { exchange, bench } = self;
        bench.turn(|turn| exchange.handle_queued(turn));
    }

    fn poll_hook(&mut self) {
        let Self { exchange, bench } = self;
        bench.turn(|turn| exchange.poll_hook(turn));
    }

    /// The frames of the burst.
    fn frames(&mut self) -> Vec<String> {
        let Self { exchange, bench } = self;
        bench.turn(|turn| exchange.out.flush(turn, Uncork::Now));
        bench.transport.frames()
    }

    fn notify(&self, number: u32) {
        self.bench.shared.mailbox().notify(number, 100).unwrap();
    }

    /// The calls so far.
    fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.bench.handler.log)
    }
}

#[tokio::test]
async fn the_messages_of_one_read_are_answered_in_order() {
    let mut test = TestExchange::new(Limits::DEFAULT, Behavior::Echo);
    let read = test.read(burst(&[text("one"), ping("p"), text("two")]));
    assert_eq!(read, Poll::Ready(Liveness::Alive));
    assert_eq!(test.calls(), ["message one", "message two"]);
    assert_eq!(test.frames(), ["text one", "pong p", "text two"]);
}

#[tokio::test]
async fn a_large_message_is_handled_when_its_last_read_completes_it() {
    let limits = Limits::DEFAULT.max_message(200_000);
    let mut test = TestExchange::new(limits, Behavior::Return);
    let large = binary(100_000);
    let (head, rest) = large.split_at(50);
    assert!(test.read(Read::Bytes(head.to_vec())).is_ready());
    let mut read = test.read(Read::Bytes(rest.to_vec()));
    while !test.bench.transport.reads.is_empty() {
        assert_eq!(read, Poll::Ready(Liveness::Alive));
        assert!(test.calls().is_empty());
        let TestExchange { exchange, bench } = &mut test;
        read = bench.turn(|turn| exchange.poll_read(turn));
    }
    assert_eq!(test.calls(), ["message of 100000 bytes"]);
}

#[tokio::test]
async fn bytes_behind_the_request_are_handled_before_any_read() {
    let mut test = TestExchange::new(Limits::DEFAULT, Behavior::Echo);
    let second = text("second");
    let early = [&text("first"), &second[..4]].concat();
    test.exchange.handle_early_bytes(&early);
    assert!(!test.exchange.may_read() && test.exchange.has_work());
    test.handle_queued();
    assert!(test.exchange.may_read() && !test.exchange.has_work());
    assert!(test.read(Read::Bytes(second[4..].to_vec())).is_ready());
    assert_eq!(test.frames(), ["text first", "text second"]);
}

#[tokio::test]
async fn messages_wait_in_order_for_the_running_hook_up_to_the_limit() {
    let limits = Limits::DEFAULT.read_ahead(100);
    let mut test = TestExchange::new(limits, Behavior::Echo);
    test.bench.handler.script = [Behavior::Wait, Behavior::Wait].into();
    let read = burst(&[
        text("hook"),
        text("two"),
        ping("p"),
        text("three"),
        text("four"),
    ]);
    assert!(test.read(read).is_ready());
    assert_eq!(test.calls(), ["message hook", "poll"]);
    // Two messages, and the bytes of one more, reach the limit.
    assert!(!test.exchange.may_read() && !test.exchange.has_work());
    test.handle_queued();
    assert_eq!(test.frames(), ["pong p"]);
    test.bench.handler.script = [Behavior::Return].into();
    test.poll_hook();
    assert!(test.exchange.has_work());
    test.handle_queued();
    assert!(test.exchange.may_read() && !test.exchange.has_work());
    assert_eq!(
        test.calls(),
        ["poll", "message two", "message three", "message four"]
    );
    assert_eq!(test.frames(), ["text two", "text three", "text four"]);
}

#[tokio::test]
async fn messages_and_notifications_alternate_in_a_burst_and_in_the_queues() {
    let mut test = TestExchange::new(Limits::DEFAULT, Behavior::Return);
    for number in 1..=3 {
        test.notify(number);
    }
    assert!(test.read(burst(&[text("one"), text("two")])).is_ready());
    assert_eq!(
        test.calls(),
        ["message one", "info 1", "message two", "info 2"]
    );
    test.handle_queued();
    assert_eq!(test.calls(), ["info 3"]);
    let early = [text("three"), text("four")].concat();
    test.exchange.handle_early_bytes(&early);
    test.notify(4);
    test.handle_queued();
    assert_eq!(test.calls(), ["message three", "info 4", "message four"]);
}

#[tokio::test]
async fn no_hook_is_called_after_a_close_of_its_own_in_the_same_burst() {
    let mut test = TestExchange::new(Limits::DEFAULT.outbox(10), Behavior::Echo);
    test.bench.handler.script = [Behavior::Echo, Behavior::CloseSocket].into();
    test.notify(1);
    // The cork buffer is full when the second hook closes.
    let read = burst(&[text("12345678"), text("late"), ping("p")]);
    assert!(test.read(read).is_ready());
    test.handle_queued();
    assert_eq!(test.calls(), ["message 12345678", "info 1"]);
    assert_eq!(test.frames(), ["text 12345678", "close 1000"]);
    assert!(test.exchange.out.closing.is_server_closing());
    // The client's Close is still decoded, and nothing else is handled.
    let read = burst(&[text("late"), ping("p"), close(CloseCode::NORMAL, "")]);
    assert!(test.exchange.may_read() && test.read(read).is_ready());
    assert!(test.exchange.out.closing.has_client_closed());
    assert!(test.calls().is_empty() && test.frames().is_empty());
}

#[tokio::test]
async fn data_that_was_read_ahead_is_discarded_after_a_close_but_for_that_of_the_client() {
    let limits = Limits::DEFAULT.read_ahead(1);
    let mut test = TestExchange::new(limits, Behavior::Wait);
    let read = [
        text("hook"),
        text("two"),
        text("three"),
        close(CloseCode::NORMAL, ""),
    ];
    assert!(test.read(burst(&read)).is_ready());
    assert!(!test.exchange.out.closing.has_client_closed());
    test.exchange
        .out
        .close(&Close::POLICY, CloseCause::ServerClosed);
    test.handle_queued();
    assert!(test.exchange.out.closing.has_client_closed());
    assert!(!test.exchange.has_work() && !test.exchange.may_read());
    assert_eq!(test.calls(), ["message hook", "poll"]);
    assert_eq!(test.frames(), ["close 1008"]);
}

#[tokio::test]
async fn the_client_s_close_is_answered_after_the_hook_and_the_messages_before_it() {
    let mut test = TestExchange::new(Limits::DEFAULT, Behavior::Echo);
    test.bench.handler.script = [Behavior::Wait, Behavior::Wait].into();
    let code = CloseCode::new(4000).unwrap();
    let read = burst(&[text("hook"), text("two"), close(code, "bye"), text("late")]);
    assert!(test.read(read).is_ready());
    test.exchange.answer_close();
    assert!(test.frames().is_empty() && !test.exchange.may_read());
    test.bench.handler.script = [Behavior::Reply(|| "of the hook".into_reply())].into();
    test.poll_hook();
    test.exchange.answer_close();
    assert!(!test.exchange.out.closing.is_server_closing());
    // After the client's Close no more notifications are delivered.
    test.notify(1);
    test.handle_queued();
    test.exchange.answer_close();
    assert_eq!(
        test.frames(),
        ["text of the hook", "text two", "close 4000"]
    );
    assert_eq!(test.bench.ending(), Some((CloseCause::ClientClosed, 4000)));
    assert_eq!(
        test.calls(),
        ["message hook", "poll", "poll", "message two"]
    );
}

#[tokio::test]
async fn a_violation_of_the_protocol_is_closed_with_its_code() {
    let unmasked = b"\x81\x02hi".to_vec();
    let mut invalid = text("abc");
    *invalid.last_mut().unwrap() = 0xff ^ 3;
    let too_big = text(&"x".repeat(2000));
    let protocol = CloseCause::ProtocolError;
    for (bytes, cause, code) in [
        (unmasked, protocol, 1002),
        (invalid, CloseCause::InvalidPayload, 1007),
        (too_big, protocol, 1009),
    ] {
        let limits = Limits::DEFAULT.max_message(1000);
        let mut test = TestExchange::new(limits, Behavior::Echo);
        let read = test.read(burst(&[text("one"), bytes, text("late")]));
        assert!(read.is_ready());
        assert!(test.exchange.has_protocol_error());
        assert_eq!(test.bench.ending(), Some((cause, code)));
        let frames = test.frames();
        assert_eq!((frames.len(), &*frames[0]), (2, "text one"));
        assert!(
            frames[1].starts_with(&format!("close {code}")),
            "{frames:?}"
        );
        assert!(test.read(burst(&[text("late")])).is_ready());
        assert_eq!(test.calls(), ["message one"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_above_the_rate_is_closed() {
    let limits = Limits::DEFAULT.rate(Some(Rate::new(2, Duration::from_secs(1))));
    let mut test = TestExchange::new(limits, Behavior::Echo);
    assert!(test.read(burst(&[text("one"), text("two")])).is_ready());
    advance(Duration::from_millis(500)).await;
    let read = burst(&[text("three"), text("four"), text("five")]);
    assert!(test.read(read).is_ready());
    assert_eq!(
        test.frames(),
        [
            "text one",
            "text two",
            "text three",
            "close 1008 too many messages"
        ]
    );
    assert_eq!(test.bench.ending(), Some((CloseCause::RateLimit, 1008)));
}

#[tokio::test]
async fn a_hook_that_fails_closes_with_1011() {
    let mut test = TestExchange::new(Limits::DEFAULT, Behavior::Echo);
    test.bench.handler.script = [Behavior::Echo, Behavior::Panic].into();
    let read = burst(&[text("one"), text("two"), text("three")]);
    assert!(test.read(read).is_ready());
    assert_eq!(test.frames(), ["text one", "close 1011"]);
    assert_eq!(test.bench.ending(), Some((CloseCause::HookPanic, 1011)));
    let mut test = TestExchange::new(Limits::DEFAULT, Behavior::Wait);
    assert!(test.read(burst(&[text("one")])).is_ready());
    let TestExchange { exchange, bench } = &mut test;
    bench.turn(|turn| exchange.cancel_hook(turn));
    assert_eq!(test.frames(), ["close 1011"]);
    assert_eq!(test.bench.ending(), Some((CloseCause::HookTimeout, 1011)));
    assert_eq!(test.calls(), ["message one", "poll", "poll", "drop"]);
}

#[tokio::test]
async fn the_end_of_the_stream_and_its_loss_are_no_sign_of_life() {
    for (read, lost) in [(Read::End, false), (Read::Error, true)] {
        let mut test = TestExchange::new(Limits::DEFAULT, Behavior::Echo);
        assert_eq!(test.read(read), Poll::Ready(Liveness::Unknown));
        assert!(!test.exchange.may_read());
        assert_eq!(test.exchange.out.closing.is_lost(), lost);
        let lost = lost.then_some((CloseCause::Lost, 1006));
        assert_eq!(test.bench.ending(), lost);
    }
}

#[tokio::test]
async fn a_turn_ends_after_its_calls_and_the_next_one_continues() {
    let mut test = TestExchange::new(Limits::DEFAULT, Behavior::Return);
    let all = vec![text("x"); 700];
    test.exchange.handle_early_bytes(&all.concat());
    test.handle_queued();
    let first = test.calls().len();
    assert!(test.exchange.is_turn_over() && (500..700).contains(&first));
    test.handle_queued();
    assert!(test.calls().is_empty());
    test.exchange.calls.begin_turn();
    assert!(!test.exchange.is_turn_over());
    test.handle_queued();
    assert_eq!(first + test.calls().len(), 700);
}

#[tokio::test(start_paused = true)]
async fn a_due_timer_becomes_a_notification_and_its_panic_a_close() {
    let set = |test: &TestExchange, make: fn() -> u32| {
        let every = Duration::from_secs(1);
        let mailbox = test.bench.shared.mailbox();
        let set = mailbox.set_timer(9, 0, |timers, _| {
            timers.every(Instant::now() + every, every, make)
        });
        set.unwrap();
    };
    let fire = |test: &mut TestExchange| {
        let TestExchange { exchange, bench } = test;
        bench.turn(|turn| exchange.fire_timers(turn));
    };
    let mut test = TestExchange::new(Limits::DEFAULT, Behavior::Return);
    set(&test, || 7);
    fire(&mut test);
    test.handle_queued();
    assert!(test.calls().is_empty());
    advance(Duration::from_secs(1)).await;
    fire(&mut test);
    test.handle_queued();
    assert_eq!(test.calls(), ["info 7"]);
    set(&test, || panic!("expected by the test"));
    advance(Duration::from_secs(1)).await;
    fire(&mut test);
    assert_eq!(test.frames(), ["close 1011"]);
    assert_eq!(test.bench.ending(), Some((CloseCause::HookPanic, 1011)));
}
