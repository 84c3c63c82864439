//! Sending: which messages wait, which are refused, and which close the connection.

use std::pin::pin;

use futures::FutureExt;
use tokio::time::Instant;
use ws_core::testkit::{Knock, Received, TestKit};
use ws_server::CloseCause;
use ws_server::SendError;
use ws_server::limits::OnFull;
use ws_server::prelude::*;

use crate::journal::{Journal, Way, limits, quiet, seconds, secs};
use crate::probe::{Probe, numbered};

/// A client behind a network of ten bytes, with an outbox of a hundred.
fn narrow(way: Way, journal: &Journal, on_full: OnFull) -> Knock {
    let knock = way(journal.knock::<Probe>(&TestKit::new()).network_room(10));
    knock.limits(limits(|limits| {
        limits.outbox = 100;
        limits.on_full = on_full;
    }))
}

fn long() -> String {
    "x".repeat(60)
}

on_both_transports! {
    async fn a_reply_waits_for_room_while_reading_stops(way: Way) {
        let journal = Journal::new();
        let mut client = narrow(way, &journal, OnFull::Close).connect().await.unwrap();
        client.send("many 9 60").await;
        client.send("say next").await;
        quiet().await;
        let socket = client.socket::<Probe>();
        assert!(socket.buffered() <= 200, "{} bytes wait", socket.buffered());
        assert!(socket.is_open(), "a reply never overflows");
        // The server does not read further messages.
        client.send("x".repeat(60_000)).await;
        quiet().await;
        assert!(client.unsent() >= 60_000, "{} bytes not read", client.unsent());
        assert_eq!(journal.of("message"), ["message many 9 60"]);
        for number in 0..9 {
            assert_eq!(client.text().await, numbered(number, 60));
        }
        assert_eq!(client.text().await, "next");
        quiet().await;
        assert_eq!(client.unsent(), 0);
    }

    async fn send_past_the_limit_closes_with_1013(way: Way) {
        let journal = Journal::new();
        let client = narrow(way, &journal, OnFull::Close).connect().await;
        let mut client = client.unwrap();
        let socket = client.socket::<Probe>();
        socket.send(long()).unwrap();
        assert_eq!(socket.send(long()), Err(SendError::Closed(long().into())));
        let first = client.receive().await;
        let closed = Received::Close(CloseCode::TRY_AGAIN_LATER, "too slow".to_owned());
        if first != closed {
            assert_eq!(client.receive().await, closed);
        }
    }

    async fn send_past_the_limit_returns_the_message_if_the_route_refuses(way: Way) {
        let journal = Journal::new();
        let mut client = narrow(way, &journal, OnFull::Refuse).connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.send("first").unwrap();
        quiet().await;
        socket.send(long()).unwrap();
        quiet().await;
        assert_eq!(socket.send(long()), Err(SendError::Full(long().into())));
        assert!(socket.is_open());
        assert_eq!(client.text().await, "first");
        assert_eq!(client.text().await, long());
        socket.send("there is room again").unwrap();
        assert_eq!(client.text().await, "there is room again");
    }

    async fn the_number_of_frames_is_limited_too(way: Way) {
        let knock = way(Journal::new().knock::<Probe>(&TestKit::new()).network_room(3));
        let knock = knock.limits(limits(|limits| {
            limits.outbox_frames = 2;
            limits.on_full = OnFull::Refuse;
        }));
        let client = knock.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.send("a").unwrap();
        quiet().await;
        socket.send("b").unwrap();
        socket.send("c").unwrap();
        assert_eq!(socket.send("d"), Err(SendError::Full("d".into())));
    }

    async fn send_async_waits_for_room(way: Way) {
        let journal = Journal::new();
        let mut client = narrow(way, &journal, OnFull::Close).connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.send(long()).unwrap();
        let mut second = pin!(socket.send_async(long()));
        quiet().await;
        assert_eq!(second.as_mut().now_or_never(), None);
        assert!(socket.is_open());
        assert_eq!(client.text().await, long());
        assert_eq!(second.await, Ok(()));
        assert_eq!(client.text().await, long());
    }

    async fn a_waiting_send_async_fails_at_the_end(way: Way) {
        let journal = Journal::new();
        let mut client = narrow(way, &journal, OnFull::Close).connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.send(long()).unwrap();
        let mut second = pin!(socket.send_async(long()));
        assert_eq!(second.as_mut().now_or_never(), None);
        client.reset().await;
        assert_eq!(second.await, Err(SendError::Closed(long().into())));
    }

    async fn one_message_above_the_limit_fits_an_empty_outbox(way: Way) {
        let journal = Journal::new();
        let mut client = narrow(way, &journal, OnFull::Refuse).connect().await.unwrap();
        let socket = client.socket::<Probe>();
        let large = "x".repeat(50_000);
        socket.send(large.clone()).unwrap();
        assert_eq!(socket.send("y"), Err(SendError::Full("y".into())));
        assert_eq!(client.text().await, large);
        // The same for a reply and for `send_async`.
        client.send("many 2 50000").await;
        assert_eq!(client.text().await, numbered(0, 50_000));
        assert_eq!(client.text().await, numbered(1, 50_000));
        socket.send_async(large.clone()).await.unwrap();
        assert_eq!(client.text().await, large);
    }

    async fn a_client_that_reads_nothing_for_stall_is_closed(way: Way) {
        let journal = Journal::new();
        let knock = way(journal.knock::<Probe>(&TestKit::new()).network_room(10));
        let knock = knock.limits(limits(|limits| (limits.ping, limits.idle) = (None, None)));
        let client = knock.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        let start = Instant::now();
        socket.send(long()).unwrap();
        // It has the usual time to answer the Close.
        assert_eq!(client.terminated().await.cause, CloseCause::Stalled);
        assert_eq!(seconds(start), 35);
        assert_eq!(socket.send("gone"), Err(SendError::Closed("gone".into())));
    }

    async fn a_client_that_reads_slowly_is_not_stalled(way: Way) {
        let journal = Journal::new();
        let knock = way(journal.knock::<Probe>(&TestKit::new()).network_room(4096));
        let knock = knock.limits(limits(|limits| (limits.ping, limits.idle) = (None, None)));
        let mut client = knock.connect().await.unwrap();
        let text = "x".repeat(7 * 4096);
        client.socket::<Probe>().send(text.clone()).unwrap();
        let mut received = Vec::new();
        for _ in 0..8 {
            assert_eq!(received, []);
            tokio::time::sleep(secs(20)).await;
            received.extend(client.so_far_once().await);
        }
        assert_eq!(received, [Received::Message(text.into())]);
        assert!(client.socket::<Probe>().is_open());
    }

    async fn messages_sent_in_init_arrive_first(way: Way) {
        let mut client = way(TestKit::new().handler::<Eager>()).connect().await.unwrap();
        client.send("?").await;
        assert_eq!(client.text().await, "from init");
        assert_eq!(client.text().await, "from message");
    }

    async fn nothing_follows_the_close_of_a_hook_that_closes_and_then_replies(way: Way) {
        let knock = way(TestKit::new().handler::<Closes>());
        let knock = knock.limits(limits(|limits| limits.outbox = 10));
        let mut client = knock.connect().await.unwrap();
        let mut burst = Vec::new();
        for text in ["longer than ten", "close"] {
            burst.extend(ws_core::protocol::encoder::encode_masked(
                ws_core::protocol::OpCode::Text,
                true,
                text.as_bytes(),
                [1, 2, 3, 4],
            ));
        }
        client.bytes(&burst).await;
        assert_eq!(client.text().await, "longer than ten");
        assert_eq!(client.closed().await.0, CloseCode::NORMAL);
        client.close(CloseCode::NORMAL, "").await;
        assert_eq!(client.receive().await, Received::End);
    }
}

/// Sends before it is connected.
struct Eager;

#[ws_handler]
impl Eager {
    fn init(socket: &Socket<Self>) -> Self {
        socket
            .send("from init")
            .expect("a new connection takes messages");
        Eager
    }

    fn message(&mut self, _: String) -> &'static str {
        "from message"
    }
}

/// Echoes, and closes through its handle on command.
struct Closes;

#[ws_handler]
impl Closes {
    fn init() -> Self {
        Closes
    }

    fn message(&mut self, text: String, socket: &Socket<Self>) -> String {
        if text == "close" {
            socket.close(Close::NORMAL);
        }
        text
    }
}
