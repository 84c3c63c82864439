//! Sending: which messages wait, which are refused, and which close the connection.

use std::pin::pin;

use futures::FutureExt;
use tokio::time::Instant;
use ws_core::testkit::{ClientBuilder, Received, TestKit};
use ws_server::CloseCause;
use ws_server::SendError;
use ws_server::limits::OnFull;
use ws_server::prelude::*;

use crate::journal::{Journal, TransportChoice, limits, seconds, secs, settle};
use crate::probe::{Probe, numbered};

/// A client behind a network of ten bytes, with an outbox of a hundred.
fn narrow(on_transport: TransportChoice, journal: &Journal, on_full: OnFull) -> ClientBuilder {
    let builder = on_transport(
        journal
            .client::<Probe>(&TestKit::new())
            .network_capacity(10),
    );
    builder.limits(limits(|limits| {
        limits.outbox = 100;
        limits.on_full = on_full;
    }))
}

fn long() -> String {
    "x".repeat(60)
}

on_both_transports! {
    async fn a_reply_waits_for_room_while_reading_stops(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = narrow(on_transport, &journal, OnFull::Close).connect().await.unwrap();
        client.send("many 9 60").await;
        client.send("say next").await;
        settle().await;
        let socket = client.socket::<Probe>();
        assert!(socket.buffered() <= 200, "{} bytes wait", socket.buffered());
        assert!(socket.is_open(), "a reply never overflows");
        // The server does not read further messages.
        client.send("x".repeat(60_000)).await;
        settle().await;
        assert!(client.unsent() >= 60_000, "{} bytes not read", client.unsent());
        assert_eq!(journal.lines_of("message"), ["message many 9 60"]);
        for number in 0..9 {
            assert_eq!(client.text().await, numbered(number, 60));
        }
        assert_eq!(client.text().await, "next");
        settle().await;
        assert_eq!(client.unsent(), 0);
    }

    async fn send_past_the_limit_closes_with_1013(on_transport: TransportChoice) {
        let journal = Journal::new();
        let client = narrow(on_transport, &journal, OnFull::Close).connect().await;
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

    async fn send_past_the_limit_returns_the_message_if_the_route_refuses(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = narrow(on_transport, &journal, OnFull::Refuse).connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.send("first").unwrap();
        settle().await;
        socket.send(long()).unwrap();
        settle().await;
        assert_eq!(socket.send(long()), Err(SendError::Full(long().into())));
        assert!(socket.is_open());
        assert_eq!(client.text().await, "first");
        assert_eq!(client.text().await, long());
        socket.send("there is room again").unwrap();
        assert_eq!(client.text().await, "there is room again");
    }

    async fn the_number_of_frames_is_limited_too(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()).network_capacity(3));
        let builder = builder.limits(limits(|limits| {
            limits.outbox_frames = 2;
            limits.on_full = OnFull::Refuse;
        }));
        let client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.send("a").unwrap();
        settle().await;
        socket.send("b").unwrap();
        socket.send("c").unwrap();
        assert_eq!(socket.send("d"), Err(SendError::Full("d".into())));
    }

    async fn send_async_waits_for_room(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = narrow(on_transport, &journal, OnFull::Close).connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.send(long()).unwrap();
        let mut second = pin!(socket.send_async(long()));
        settle().await;
        assert_eq!(second.as_mut().now_or_never(), None);
        assert!(socket.is_open());
        assert_eq!(client.text().await, long());
        assert_eq!(second.await, Ok(()));
        assert_eq!(client.text().await, long());
    }

    async fn a_waiting_send_async_fails_at_the_end(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = narrow(on_transport, &journal, OnFull::Close).connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.send(long()).unwrap();
        let mut second = pin!(socket.send_async(long()));
        assert_eq!(second.as_mut().now_or_never(), None);
        client.reset().await;
        assert_eq!(second.await, Err(SendError::Closed(long().into())));
    }

    async fn one_message_above_the_limit_fits_an_empty_outbox(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = narrow(on_transport, &journal, OnFull::Refuse).connect().await.unwrap();
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

    async fn a_client_that_reads_nothing_for_stall_is_closed(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let builder = builder.limits(limits(|limits| (limits.ping, limits.idle) = (None, None)));
        let client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        let start = Instant::now();
        socket.send(long()).unwrap();
        // It has the usual time to answer the Close.
        assert_eq!(client.terminated().await.cause, CloseCause::Stalled);
        assert_eq!(seconds(start), 35);
        assert_eq!(socket.send("gone"), Err(SendError::Closed("gone".into())));
    }

    async fn a_client_that_reads_slowly_is_not_stalled(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(4096));
        let builder = builder.limits(limits(|limits| (limits.ping, limits.idle) = (None, None)));
        let mut client = builder.connect().await.unwrap();
        let text = "x".repeat(7 * 4096);
        client.socket::<Probe>().send(text.clone()).unwrap();
        let mut received = Vec::new();
        for _ in 0..8 {
            assert_eq!(received, []);
            tokio::time::sleep(secs(20)).await;
            received.extend(client.received_in_one_read().await);
        }
        assert_eq!(received, [Received::Message(text.into())]);
        assert!(client.socket::<Probe>().is_open());
    }

    async fn messages_sent_in_init_arrive_first(on_transport: TransportChoice) {
        let mut client = on_transport(TestKit::new().handler::<Eager>()).connect().await.unwrap();
        client.send("?").await;
        assert_eq!(client.text().await, "from init");
        assert_eq!(client.text().await, "from message");
    }

    async fn nothing_follows_the_close_of_a_hook_that_closes_and_then_replies(on_transport: TransportChoice) {
        let builder = on_transport(TestKit::new().handler::<Closes>());
        let builder = builder.limits(limits(|limits| limits.outbox = 10));
        let mut client = builder.connect().await.unwrap();
        let mut burst = Vec::new();
        for text in ["longer than ten", "close"] {
            burst.extend(ws_core::protocol::encoder::encode_masked(
                ws_core::protocol::OpCode::Text,
                true,
                text.as_bytes(),
                [1, 2, 3, 4],
            ));
        }
        client.send_bytes(&burst).await;
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
