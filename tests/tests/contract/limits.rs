//! The costs and deadlines of a connection: read-ahead, clocks, rates, expiry.

use tokio::time::Instant;
use ws_core::protocol::OpCode;
use ws_core::testkit::{Received, TestKit};
use ws_server::CloseCause;
use ws_server::limits::Rate;
use ws_server::prelude::*;

use crate::journal::{Journal, assert_ended, limits, seconds, secs, settle};
use crate::probe::Probe;

/// Pings after two seconds, and closes after five.
fn strict() -> ws_server::limits::Limits {
    limits(|limits| (limits.ping, limits.idle) = (Some(secs(2)), Some(secs(5))))
}

/// Sends more than is read ahead, in messages of one kibibyte.
async fn flood(client: &mut ws_core::testkit::TestClient) {
    for _ in 0..300 {
        client.send(format!("say {}", "x".repeat(1020))).await;
    }
}

on_both_transports! {
    async fn a_bounded_amount_is_read_while_a_hook_waits(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("wait 1").await;
        flood(&mut client).await;
        settle().await;
        let read = 300 * 1032 - client.unsent();
        assert!((60_000..=140_000).contains(&read), "{read} bytes were read ahead");
        tokio::time::sleep(secs(2)).await;
        assert_eq!(client.unsent(), 0);
        assert_eq!(journal.lines_of("message").len(), 301);
    }

    async fn one_large_message_is_not_read_to_its_end_while_a_hook_waits(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()));
        let bounds = limits(|limits| limits.max_message = 1 << 20);
        let mut client = builder.limits(bounds).connect().await.unwrap();
        client.send("wait 1").await;
        client.send(format!("say {}", "x".repeat(900_000))).await;
        settle().await;
        assert!(client.unsent() >= 700_000, "{} bytes not read", client.unsent());
        assert_eq!(client.text().await, "waited");
        assert_eq!(client.text().await.len(), 900_000);
    }

    async fn clocks_stop_while_a_hook_stops_reading(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(1 << 20));
        let mut client = builder.limits(strict()).connect().await.unwrap();
        let start = Instant::now();
        client.send("wait 20").await;
        flood(&mut client).await;
        tokio::time::sleep(secs(19)).await;
        assert_eq!(client.received_so_far().await, [], "no Ping, no Close");
        // When reading resumes, the client's deadline starts again.
        client.terminated().await;
        assert_eq!(seconds(start), 20 + 5 + 5, "idle, then the wait for an answer");
        assert_eq!(journal.lines_of("message").len(), 301);
        assert_eq!(journal.lines_of("terminate"), ["terminate PingTimeout 1001 nothing was received"]);
    }

    async fn clocks_stop_while_a_reply_waits_for_room(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let mut bounds = strict();
        bounds.outbox = 100;
        let mut client = builder.limits(bounds).connect().await.unwrap();
        client.send("many 9 60").await;
        assert_ended(&client, &journal, CloseCause::Stalled, 1013, "the client reads too slowly").await;
    }

    async fn clocks_run_while_a_hook_waits_and_nothing_is_unread(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()));
        let mut client = builder.limits(strict()).connect().await.unwrap();
        client.send("wait 20").await;
        assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
        assert_eq!(journal.lines_of("done"), Vec::<String>::new());
        assert_ended(&client, &journal, CloseCause::PingTimeout, 1001, "nothing was received").await;
        assert_eq!(journal.lines_of("done"), ["done wait 20"]);
    }

    async fn a_client_that_answers_pings_stays_connected(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()));
        let mut client = builder.connect().await.unwrap();
        let start = Instant::now();
        for count in 1..=20 {
            let Received::Ping(payload) = client.receive().await else {
                panic!("a Ping is due");
            };
            assert_eq!(seconds(start), count * 25);
            client.send_frame(OpCode::Pong, true, &payload).await;
        }
    }

    async fn a_message_above_max_message_closes_with_1009(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()));
        let bounds = limits(|limits| limits.max_message = 10);
        let mut client = builder.limits(bounds).connect().await.unwrap();
        client.send("say 567890").await;
        assert_eq!(client.text().await, "567890");
        client.send_frame(OpCode::Text, false, b"say 56").await;
        client.send_frame(OpCode::Continuation, true, b"78901").await;
        assert_eq!(client.closed().await.0, CloseCode::TOO_BIG);
        assert_eq!(journal.lines_of("message").len(), 1);
    }

    async fn a_rate_allows_one_burst_in_every_interval(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()));
        let bounds = limits(|limits| limits.rate = Some(Rate::new(2, secs(1))));
        let mut client = builder.limits(bounds).connect().await.unwrap();
        for _ in 0..3 {
            client.send("say a").await;
            client.send("say b").await;
            assert_eq!(client.text().await, "a");
            assert_eq!(client.text().await, "b");
            tokio::time::sleep(secs(1)).await;
        }
        for _ in 0..3 {
            client.send("say c").await;
        }
        assert_eq!(client.text().await, "c");
        assert_eq!(client.text().await, "c");
        assert_eq!(client.closed().await.0, CloseCode::POLICY);
    }

    async fn expire_at_closes_at_its_time_however_busy_the_connection_is(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        let (socket, start) = (client.socket::<Probe>(), Instant::now());
        socket.expire_at(start + secs(3));
        socket.expire_at(start + secs(7));
        client.send("wait 20").await;
        client.send("say never").await;
        assert_eq!(client.closed().await, (CloseCode::UNAUTHORIZED, "expired".to_owned()));
        assert_eq!(seconds(start), 7, "a later call replaces an earlier one");
        client.close(CloseCode::UNAUTHORIZED, "").await;
        assert_ended(&client, &journal, CloseCause::Expired, 4401, "expired").await;
        assert_eq!(journal.lines_of("message"), ["message wait 20"]);
    }
}

#[test]
fn every_limit_has_its_documented_default() {
    let limits = ws_server::limits::Limits::DEFAULT;
    let server = ws_server::limits::ServerLimits::DEFAULT;
    let kib = 1024;
    assert_eq!((server.head, server.head_timeout), (16 * kib, secs(10)));
    assert_eq!(limits.init_timeout, secs(10));
    assert_eq!((limits.max_message, limits.rate), (64 * kib, None));
    assert_eq!((limits.outbox, limits.outbox_frames), (kib * kib, 1024));
    assert_eq!(
        (limits.mailbox, limits.timers, limits.tasks),
        (256, 256, 64)
    );
    assert_eq!(limits.read_ahead, 64 * kib);
    assert_eq!((limits.ping, limits.idle), (Some(secs(25)), Some(secs(60))));
    assert_eq!((limits.stall, limits.hook_timeout), (secs(30), secs(30)));
    assert_eq!(limits.stall_bytes, 4 * kib);
    assert_eq!(
        (limits.close_timeout, limits.terminate_timeout),
        (secs(5), secs(5))
    );
    assert_eq!(
        (server.per_address, server.max_connections),
        (Some(256), None)
    );
}

#[tokio::test(start_paused = true)]
async fn subscriptions_of_a_connection_are_limited() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let two = limits(|limits| limits.subscriptions = 2);
    let builder = journal.client::<Probe>(&kit).limits(two);
    let mut client = builder.connect().await.unwrap();
    let socket = client.socket::<Probe>();
    for name in ["a", "b", "a", "c"] {
        socket.subscribe(Topic::<Message>::local(name));
    }
    assert_eq!(client.closed().await.0, CloseCode::INTERNAL_ERROR);
    assert_eq!(kit.hub().subscriber_count(Topic::<Message>::local("c")), 0);
}
