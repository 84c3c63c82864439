//! How a connection is closed: in order, by either side, and what is stopped.

use std::pin::pin;

use futures::FutureExt;
use tokio::time::Instant;
use ws_core::protocol::OpCode;
use ws_core::protocol::encoder::encode_masked;
use ws_core::testkit::{Received, TestKit};
use ws_server::CloseCause;
use ws_server::prelude::*;
use ws_server::{NotifyError, SendError, SpawnError};

use crate::journal::{Journal, NoteOnDrop, assert_ended, limits, seconds, secs, settle};
use crate::probe::{Probe, numbered};

on_both_transports! {
    async fn the_close_of_the_client_waits_for_earlier_messages_and_their_replies(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("wait 20").await;
        client.send("many 2 10").await;
        client.close(CloseCode::NORMAL, "bye").await;
        client.send("say not behind a Close").await;
        assert_eq!(client.text().await, "waited");
        assert_eq!(client.text().await, numbered(0, 10));
        assert_eq!(client.text().await, numbered(1, 10));
        assert_eq!(client.closed().await.0, CloseCode::NORMAL);
        assert_eq!(client.receive().await, Received::End);
        assert_eq!(journal.lines_of("message").len(), 2);
        assert_ended(&client, &journal, CloseCause::ClientClosed, 1000, "bye").await;
    }

    async fn the_close_of_the_client_waits_for_replies_that_wait_for_room(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let builder = builder.limits(limits(|limits| limits.outbox = 100));
        let mut client = builder.connect().await.unwrap();
        client.send("many 8 90").await;
        client.close(CloseCode::NORMAL, "").await;
        settle().await;
        for number in 0..8 {
            assert_eq!(client.text().await, numbered(number, 90));
        }
        assert_eq!(client.closed().await.0, CloseCode::NORMAL);
    }

    async fn closed_resolves_when_the_close_of_the_client_arrives(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("wait 10").await;
        let socket = client.socket::<Probe>();
        let mut closed = pin!(socket.closed());
        settle().await;
        assert_eq!(closed.as_mut().now_or_never(), None);
        let start = Instant::now();
        client.close(CloseCode::NORMAL, "").await;
        closed.await;
        assert_eq!(seconds(start), 0);
        assert_eq!(journal.lines_of("done"), Vec::<String>::new(), "the hook still runs");
    }

    async fn our_close_follows_the_queued_messages(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        for number in 0..3 {
            socket.send(numbered(number, 1000)).unwrap();
        }
        socket.close(Close::normal("done"));
        for number in 0..3 {
            assert_eq!(client.text().await, numbered(number, 1000));
        }
        assert_eq!(client.closed().await, (CloseCode::NORMAL, "done".to_owned()));
    }

    async fn data_after_our_close_is_discarded_and_nothing_follows_the_close(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.socket::<Probe>().close(Close::NORMAL);
        client.send("say too late").await;
        client.send_frame(OpCode::Ping, true, b"too late").await;
        client.close(CloseCode::NORMAL, "").await;
        assert_eq!(client.receive().await, Received::Close(CloseCode::NORMAL, String::new()));
        assert_eq!(client.receive().await, Received::End);
        assert_eq!(journal.lines_of("message"), Vec::<String>::new());
    }

    async fn data_after_our_close_is_not_decoded(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).deflate());
        let mut client = builder.connect().await.unwrap();
        let start = Instant::now();
        client.socket::<Probe>().close(Close::NORMAL);
        assert_eq!(client.receive().await, Received::Close(CloseCode::NORMAL, String::new()));
        // Compressed data that cannot be inflated, and text that is not UTF-8. If either were
        // decoded, it would be an error, and the decoder would skip everything behind it.
        for opcode in [OpCode::Text, OpCode::Binary] {
            let mut frame = encode_masked(opcode, true, &[0xff; 500], [1, 2, 3, 4]);
            frame[0] |= 0x40;
            client.send_bytes(&frame).await;
        }
        client.send_frame(OpCode::Text, false, &[0xff; 500]).await;
        client.send_frame(OpCode::Continuation, true, b"").await;
        client.close(CloseCode::NORMAL, "").await;
        assert_ended(&client, &journal, CloseCause::ServerClosed, 1000, "").await;
        assert_eq!(seconds(start), 0, "the client's Close was understood");
        assert_eq!(journal.lines_of("message"), Vec::<String>::new());
    }

    async fn the_close_of_the_client_is_found_in_bytes_that_were_read_ahead(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()));
        let builder = builder.limits(limits(|limits| limits.read_ahead = 100));
        let mut client = builder.connect().await.unwrap();
        let start = Instant::now();
        // All in one read: a message, more than is decoded ahead of the hook, and a Close behind
        // it.
        let mut read = encode_masked(OpCode::Text, true, b"gone", [1, 2, 3, 4]);
        for _ in 0..20 {
            read.extend(encode_masked(OpCode::Text, true, b"say too late", [1, 2, 3, 4]));
        }
        read.extend(encode_masked(OpCode::Close, true, b"\x03\xe8", [1, 2, 3, 4]));
        client.send_bytes(&read).await;
        settle().await;
        assert_eq!(journal.lines_of("saw"), Vec::<String>::new());
        client.socket::<Probe>().close(Close::NORMAL);
        assert_ended(&client, &journal, CloseCause::ServerClosed, 1000, "").await;
        assert_eq!(journal.lines_of("saw"), ["saw the close"]);
        assert_eq!(journal.lines_of("message"), ["message gone"]);
        assert_eq!(seconds(start), 0);
    }

    async fn the_answer_of_the_client_is_awaited_for_close_timeout(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        let start = Instant::now();
        client.socket::<Probe>().close(Close::NORMAL);
        assert_eq!(client.closed().await.0, CloseCode::NORMAL);
        tokio::time::sleep(secs(4)).await;
        assert_eq!(journal.lines_of("terminate"), Vec::<String>::new());
        assert_eq!(client.receive().await, Received::End);
        assert_eq!(seconds(start), 5);
        assert_ended(&client, &journal, CloseCause::ServerClosed, 1000, "").await;
    }

    async fn an_overflow_discards_the_outbox_at_a_frame_boundary(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let builder = builder.limits(limits(|limits| limits.outbox_frames = 3));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        for number in 0..3 {
            socket.send(numbered(number, 20_000)).unwrap();
            settle().await;
        }
        assert_eq!(client.unread(), 10, "the first frame is written in part");
        assert_eq!(socket.send("one too many"), Err(SendError::Closed("one too many".into())));
        assert_eq!(client.text().await, numbered(0, 20_000), "it is completed");
        assert_eq!(client.closed().await, (CloseCode::TRY_AGAIN_LATER, "too slow".to_owned()));
    }

    async fn an_overflow_discards_a_frame_that_was_not_begun(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(7));
        let builder = builder.limits(limits(|limits| limits.outbox_frames = 1));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        // This frame fills the network to its last byte.
        socket.send("whole").unwrap();
        settle().await;
        socket.send("never").unwrap();
        settle().await;
        assert_eq!(socket.send("one too many"), Err(SendError::Closed("one too many".into())));
        assert_eq!(client.text().await, "whole");
        assert_eq!(client.closed().await.0, CloseCode::TRY_AGAIN_LATER);
    }

    async fn an_overflow_discards_replies_of_a_burst_that_were_not_begun(on_transport: TransportChoice) {
        // Frames of 62 bytes in a network of 100 bytes: after each read of the client one more
        // frame is half written.
        for (reads, begun) in [(0, 1), (1, 3), (2, 4)] {
            let journal = Journal::new();
            let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(100));
            let builder = builder.limits(limits(|limits| limits.outbox_frames = 2));
            let mut client = builder.connect().await.unwrap();
            client.send("many 9 60").await;
            settle().await;
            let mut received = Vec::new();
            for _ in 0..reads {
                received.extend(client.received_in_one_read().await);
                settle().await;
            }
            assert_eq!(client.unread(), 100);
            let socket = client.socket::<Probe>();
            while socket.send("too much").is_ok() {}
            while received.len() <= begun {
                received.push(client.receive().await);
            }
            let texts = (0..=begun).map(|number| numbered(number, 60).into());
            assert_eq!(received, texts.map(Received::Message).collect::<Vec<_>>());
            assert_eq!(client.closed().await.0, CloseCode::TRY_AGAIN_LATER);
        }
    }

    async fn a_stall_discards_the_outbox_at_a_frame_boundary(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let builder = builder.limits(limits(|limits| (limits.ping, limits.idle) = (None, None)));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        for number in 0..3 {
            socket.send(numbered(number, 100)).unwrap();
        }
        tokio::time::sleep(secs(31)).await;
        assert_eq!(client.text().await, numbered(0, 100));
        assert_eq!(client.closed().await.0, CloseCode::TRY_AGAIN_LATER);
    }

    async fn a_stream_that_ends_without_a_close_is_a_lost_connection(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("say what was asked before the end").await;
        client.end().await;
        assert_eq!(client.text().await, "what was asked before the end");
        assert_eq!(client.receive().await, Received::End, "no Close is sent");
        assert_ended(&client, &journal, CloseCause::Lost, 1006, "").await;
    }

    async fn a_running_hook_outlives_the_client_until_hook_timeout(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("wait 29").await;
        client.reset().await;
        client.terminated().await;
        let expected = ["init", "message wait 29", "done wait 29", "terminate Lost 1006"];
        assert_eq!(journal.lines(), expected);
    }

    async fn a_hook_is_cut_at_hook_timeout_and_not_before(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        let start = Instant::now();
        client.send("hold").await;
        assert_eq!(client.closed().await, (CloseCode::INTERNAL_ERROR, String::new()));
        assert_eq!(seconds(start), 30);
    }
}

/// Has a timer and a task, which the end of the connection must stop.
struct Busy(Journal);

#[ws_handler]
impl Busy {
    fn init(journal: Journal, socket: &Socket<Self>) -> Self {
        let _timer = socket.notify_every(secs(1), "tick");
        let farewell = NoteOnDrop(journal.clone(), "task dropped");
        let task = async move {
            std::future::pending::<()>().await;
            drop(farewell);
        };
        socket.spawn(task).expect("the first task");
        Busy(journal)
    }

    fn info(&mut self, tick: &'static str) {
        self.0.note(tick);
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_end_send_notify_and_spawn_return_closed_and_timers_stop() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Busy>(&kit).connect().await.unwrap();
    let socket = client.socket::<Busy>();
    let timer = socket.notify_after(secs(5), "never");
    tokio::time::sleep(secs(2) + secs(1) / 2).await;
    client.end().await;
    client.terminated().await;
    let gone = Message::from("gone");
    assert_eq!(socket.send("gone"), Err(SendError::Closed(gone.clone())));
    assert_eq!(
        socket.send_async("gone").await,
        Err(SendError::Closed(gone))
    );
    assert_eq!(socket.notify("gone"), Err(NotifyError::Closed("gone")));
    assert_eq!(
        socket.notify_async("gone").await,
        Err(NotifyError::Closed("gone"))
    );
    assert_eq!(socket.spawn(async {}), Err(SpawnError::Closed));
    let late = socket.try_notify_after(secs(1), "gone").map(|_| ());
    assert_eq!(late, Err(NotifyError::Closed("gone")));
    assert!(!timer.is_set());
    assert!(!socket.is_open());
    tokio::time::sleep(secs(10)).await;
    assert_eq!(journal.lines(), ["tick", "tick", "task dropped"]);
}

#[tokio::test(start_paused = true)]
async fn no_hook_is_called_between_our_close_and_the_answer() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Busy>(&kit).connect().await.unwrap();
    let socket = client.socket::<Busy>();
    socket.close(Close::NORMAL);
    assert_eq!(socket.send("late"), Err(SendError::Closed("late".into())));
    assert_eq!(client.closed().await.0, CloseCode::NORMAL);
    tokio::time::sleep(secs(4)).await;
    assert_eq!(journal.lines(), Vec::<String>::new());
    client.close(CloseCode::NORMAL, "").await;
    assert_eq!(client.terminated().await.cause, CloseCause::ServerClosed);
}
