//! Replies in, frames out: their order, and the frames around a Close.

use super::super::test_doubles::{Behavior, Bench};
use super::*;
use crate::close::CloseCode;
use crate::limits::Limits;
use crate::outbox::{Frame, PushError};
use crate::protocol::TextData;
use crate::reply::Messages;

struct TestOutgoing {
    out: Outgoing,
    bench: Bench,
}

impl TestOutgoing {
    /// A corked connection whose outbox has room for this number of bytes.
    fn corked(outbox: usize) -> Self {
        let bench = Bench::new(Limits::DEFAULT.outbox(outbox), Behavior::Return);
        let out = Outgoing::new(bench.shared.clone());
        let mut test = Self { out, bench };
        test.cork();
        test
    }

    fn cork(&mut self) {
        let Self { out, bench } = self;
        bench.turn(|turn| out.cork(turn.cx));
    }

    fn put(&mut self, text: &str) {
        let Self { out, bench } = self;
        bench.turn(|turn| out.put(Message::from(text.to_owned()), turn));
    }

    fn put_pong(&mut self, payload: &str) {
        let Self { out, bench } = self;
        bench.turn(|turn| out.put_pong(payload.as_bytes(), turn));
    }

    fn deliver(&mut self, messages: &[&str], end: ReplyEnd) {
        let Self { out, bench } = self;
        let messages = messages.iter().map(|one| Message::from((*one).to_owned()));
        let messages = Messages::Many(messages.collect());
        bench.turn(|turn| out.deliver(Reply { messages, end }, turn));
    }

    fn continue_reply(&mut self) {
        let Self { out, bench } = self;
        bench.turn(|turn| out.continue_reply(turn));
    }

    fn handle_frames_of_hook(&mut self) {
        let Self { out, bench } = self;
        bench.turn(|turn| out.handle_frames_of_hook(turn));
    }

    fn flush(&mut self) -> Status {
        let Self { out, bench } = self;
        bench.turn(|turn| out.flush(turn, Uncork::Now))
    }

    /// The frames that are written now, and those of the rest of the burst.
    fn flushed(&mut self) -> (Vec<String>, Vec<String>) {
        let before = self.bench.transport.frames();
        self.flush();
        (before, self.bench.transport.frames())
    }

    fn push(&self, text: &str) -> Result<(), PushError> {
        let message = Message::from(text.to_owned());
        self.bench.shared.outbox().push(&Frame::owned(message))
    }
}

#[tokio::test]
async fn a_burst_is_written_in_order_at_its_end() {
    let mut test = TestOutgoing::corked(1000);
    test.put("one");
    test.put_pong("p");
    test.deliver(&["two", "three"], ReplyEnd::KeepOpen);
    // A frame of another task waits for the burst, and later replies follow it.
    assert_eq!(test.push("other"), Ok(()));
    test.put("four");
    assert!(test.bench.transport.frames().is_empty());
    let status = test.flush();
    assert!(status.empty && !status.ending);
    assert_eq!(
        test.bench.transport.frames(),
        [
            "text one",
            "pong p",
            "text two",
            "text three",
            "text other",
            "text four"
        ]
    );
}

#[tokio::test]
async fn a_full_cork_buffer_is_written_before_the_next_frame() {
    let mut test = TestOutgoing::corked(10);
    test.put("12345678");
    test.put("next");
    assert_eq!(
        test.flushed(),
        (
            vec!["text 12345678".to_owned()],
            vec!["text next".to_owned()]
        )
    );
    test.put("12345678");
    test.put_pong("next");
    assert_eq!(
        test.flushed(),
        (
            vec!["text 12345678".to_owned()],
            vec!["pong next".to_owned()]
        )
    );
    test.deliver(&["12345678", "next"], ReplyEnd::KeepOpen);
    assert_eq!(
        test.flushed(),
        (
            vec!["text 12345678".to_owned()],
            vec!["text next".to_owned()]
        )
    );
}

/// RFC 6455, section 5.5.1: no frame follows the Close.
#[tokio::test]
async fn no_pong_follows_a_close_that_the_flush_before_it_has_written() {
    let mut test = TestOutgoing::corked(10);
    test.put("12345678");
    // Another task closes during the burst; the cork buffer is full.
    let shared = test.bench.shared.clone();
    assert!(shared.close(&Close::NORMAL, CloseCause::ServerClosed));
    test.put_pong("late");
    let (before, rest) = test.flushed();
    assert_eq!(before, ["text 12345678", "close 1000"]);
    assert!(rest.is_empty(), "{rest:?}");
    assert!(test.out.closing.is_server_closing());
}

#[tokio::test]
async fn no_message_follows_a_close_that_the_flush_before_it_has_written() {
    for reply in [1, 2] {
        let mut test = TestOutgoing::corked(10);
        test.put("12345678");
        let shared = test.bench.shared.clone();
        assert!(shared.close(&Close::NORMAL, CloseCause::ServerClosed));
        if reply == 1 {
            test.put("late");
        } else {
            test.deliver(&["late", "later"], ReplyEnd::KeepOpen);
        }
        let (before, rest) = test.flushed();
        assert_eq!(before, ["text 12345678", "close 1000"]);
        assert!(rest.is_empty(), "{rest:?}");
        assert!(!test.out.has_waiting_reply());
    }
}

#[tokio::test]
async fn a_close_of_another_task_is_noticed_when_a_burst_begins_or_a_hook_ends() {
    let mut test = TestOutgoing::corked(100);
    let shared = test.bench.shared.clone();
    assert!(shared.close(&Close::POLICY, CloseCause::ServerClosed));
    assert!(!test.out.closing.is_server_closing());
    test.handle_frames_of_hook();
    assert!(test.out.closing.is_server_closing());
    let mut test = TestOutgoing::corked(100);
    test.flush();
    let shared = test.bench.shared.clone();
    assert!(shared.close(&Close::POLICY, CloseCause::ServerClosed));
    test.cork();
    assert!(test.out.closing.is_server_closing());
    // The transport is notified before the Close is written.
    test.flush();
    assert_eq!(test.bench.transport.log, ["closing", "write"]);
    assert_eq!(test.bench.transport.frames(), ["close 1008"]);
}

#[tokio::test]
async fn a_reply_without_room_waits_until_the_client_reads() {
    let mut test = TestOutgoing::corked(20);
    test.bench.transport.room = 0;
    test.put("first");
    let status = test.flush();
    assert!(!status.empty && status.blocked.is_some());
    test.cork();
    test.deliver(
        &["second", "much too long", "last"],
        ReplyEnd::Close(Box::new(Close::NORMAL)),
    );
    assert!(test.out.has_waiting_reply() && !test.out.can_continue());
    // The end of the reply waits too.
    assert!(!test.out.closing.is_server_closing());
    test.bench.transport.room = usize::MAX;
    assert!(test.flush().empty);
    assert_eq!(test.bench.transport.frames(), ["text first", "text second"]);
    assert!(test.out.can_continue());
    test.cork();
    test.continue_reply();
    assert!(!test.out.has_waiting_reply());
    test.flush();
    assert_eq!(
        test.bench.transport.frames(),
        ["text much too long", "text last", "close 1000"]
    );
}

#[tokio::test]
async fn a_single_message_without_room_waits_too_and_is_dropped_at_the_end() {
    let mut test = TestOutgoing::corked(20);
    test.bench.transport.room = 0;
    test.put("first");
    test.flush();
    test.put("much too long for it");
    assert!(test.out.has_waiting_reply());
    test.out.handle_end();
    assert!(!test.out.has_waiting_reply());
    test.bench.transport.room = usize::MAX;
    test.continue_reply();
    test.flush();
    assert_eq!(test.bench.transport.frames(), ["text first"]);
}

#[tokio::test]
async fn the_end_of_a_reply_is_a_close_with_its_cause() {
    let close = || Box::new(Close::new(CloseCode::POLICY, "why"));
    for (end, cause) in [
        (ReplyEnd::Close(close()), CloseCause::ServerClosed),
        (ReplyEnd::Error(close()), CloseCause::HookError),
        (ReplyEnd::Undecodable(close()), CloseCause::InvalidPayload),
    ] {
        let mut test = TestOutgoing::corked(100);
        test.deliver(&["before"], end);
        assert_eq!(test.bench.ending(), Some((cause, 1008)));
        assert!(test.out.closing.is_server_closing());
        test.put("after");
        test.deliver(&["after"], ReplyEnd::KeepOpen);
        test.put_pong("after");
        assert!(test.flush().ending);
        assert_eq!(
            test.bench.transport.frames(),
            ["text before", "close 1008 why"]
        );
    }
}

#[tokio::test]
async fn the_client_s_close_is_answered_once_and_is_the_reason() {
    let mut test = TestOutgoing::corked(100);
    test.put("before");
    let code = CloseCode::new(4000).unwrap();
    let body = Some((code, TextData::Borrowed("bye")));
    test.out.closing.handle_client_close(body);
    test.out.answer_close();
    test.out.answer_close();
    test.flush();
    assert_eq!(test.bench.transport.frames(), ["text before", "close 4000"]);
    let reason = test.bench.shared.ending().unwrap();
    assert_eq!(reason.text, "bye");
    assert_eq!(test.bench.ending(), Some((CloseCause::ClientClosed, 4000)));
}

#[tokio::test]
async fn a_failed_write_is_a_loss_and_shuts_the_outbox() {
    let mut test = TestOutgoing::corked(100);
    test.bench.transport.is_broken = true;
    test.put("lost");
    let status = test.flush();
    assert!(status.ending && status.empty);
    assert!(test.out.closing.is_lost() && !test.out.closing.is_server_closing());
    assert_eq!(test.bench.ending(), Some((CloseCause::Lost, 1006)));
    assert_eq!(test.push("more"), Err(PushError::Closed));
    // Received messages may still be handled; their replies go nowhere.
    test.put("reply");
    test.deliver(&["reply"], ReplyEnd::KeepOpen);
    assert!(test.bench.buffers.cork.is_empty());
}
