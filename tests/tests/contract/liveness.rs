//! Slow clients: a client that makes progress is alive, a client with too little progress is
//! closed.

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use ws_core::protocol::OpCode;
use ws_core::testkit::{Received, TestKit};
use ws_server::CloseCause;
use ws_server::limits::Limits;
use ws_server::prelude::*;

use crate::journal::{Journal, limits, seconds, secs, settle};
use crate::probe::{Probe, numbered};

/// Takes 75 s at 8 kB/s.
fn large() -> String {
    "x".repeat(599_990)
}

/// Pings after 0.4 s, and closes after 1.5 s.
fn short() -> Limits {
    limits(|limits| {
        limits.ping = Some(std::time::Duration::from_millis(400));
        limits.idle = Some(std::time::Duration::from_millis(1500));
    })
}

on_both_transports! {
    async fn a_steady_slow_reader_is_alive(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()).network_capacity(8_000));
        let mut client = builder.connect().await.unwrap();
        let start = Instant::now();
        // Pings wait behind the end of this one message.
        client.socket::<Probe>().send(large()).unwrap();
        let mut received = Vec::new();
        while received.is_empty() && client.sender().is_open() {
            sleep(secs(1)).await;
            received = client.received_in_one_read().await;
        }
        assert_eq!(received[0], Received::Message(large().into()));
        assert_eq!(seconds(start), 75);
        // From now on it has the same deadline as any client.
        while client.receive().await != Received::Ping(Bytes::new()) {}
        client.send_frame(OpCode::Pong, true, b"").await;
        sleep(secs(59)).await;
        assert!(client.socket::<Probe>().is_open());
    }

    async fn a_steady_slow_reader_of_many_replies_is_alive(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()).network_capacity(20_000));
        let mut client = builder.limits(short()).connect().await.unwrap();
        client.send("many 40 60000").await;
        let mut messages = 0;
        // 2.4 MB at 20 kB/s.
        for _ in 0..130 {
            sleep(secs(1)).await;
            for received in client.received_in_one_read().await {
                match received {
                    Received::Message(_) => messages += 1,
                    Received::Ping(payload) => client.send_frame(OpCode::Pong, true, &payload).await,
                    other => panic!("{other:?} after {messages} messages"),
                }
            }
        }
        assert_eq!(messages, 40);
        assert!(client.socket::<Probe>().is_open());
    }

    async fn one_byte_every_29_seconds_is_too_little_progress(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()).network_capacity(1));
        let builder = builder.limits(limits(|limits| (limits.ping, limits.idle) = (None, None)));
        let mut client = builder.connect().await.unwrap();
        client.socket::<Probe>().send(numbered(0, 1000)).unwrap();
        let start = Instant::now();
        let terminated = client.sender().clone();
        for _ in 0..10 {
            sleep(secs(29)).await;
            client.received_in_one_read().await;
            if !terminated.is_open() {
                break;
            }
        }
        assert_eq!(seconds(start), 58, "the stall is after 30 s");
        let reason = client.terminated().await;
        assert_eq!((reason.cause, reason.code.get()), (CloseCause::Stalled, 1013));
    }

    async fn stall_bytes_within_every_stall_is_enough_progress(on_transport: TransportChoice) {
        let enough = Limits::DEFAULT.stall_bytes;
        for (room, cause) in [(enough, None), (enough - 1, Some(CloseCause::Stalled))] {
            let journal = Journal::new();
            let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(room));
            let builder = builder.limits(limits(|limits| (limits.ping, limits.idle) = (None, None)));
            let mut client = builder.connect().await.unwrap();
            client.socket::<Probe>().send(numbered(0, 8 * enough)).unwrap();
            for _ in 0..5 {
                sleep(secs(29)).await;
                client.received_in_one_read().await;
                settle().await;
            }
            let ending = (!client.sender().is_open()).then_some(CloseCause::Stalled);
            assert_eq!(ending, cause, "{room} bytes every 29 s");
        }
    }

    async fn a_ping_that_waits_in_the_outbox_counts_when_it_is_written(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let mut client = builder.limits(short()).connect().await.unwrap();
        client.socket::<Probe>().send(numbered(0, 1000)).unwrap();
        sleep(secs(20)).await;
        let start = Instant::now();
        assert_eq!(client.receive().await, Received::Message(numbered(0, 1000).into()));
        assert_eq!(client.receive().await, Received::Ping(Bytes::new()));
        assert_eq!(start.elapsed(), secs(0), "the ping went before everything else");
        // It does not answer, although it could.
        assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
        assert_eq!(start.elapsed().as_millis(), 1500);
    }

    async fn a_client_that_reads_nothing_is_closed_although_pings_wait(on_transport: TransportChoice) {
        let journal = Journal::new();
        let builder = on_transport(journal.client::<Probe>(&TestKit::new()).network_capacity(10));
        let client = builder.limits(short()).connect().await.unwrap();
        let start = Instant::now();
        client.socket::<Probe>().send(numbered(0, 1000)).unwrap();
        assert_eq!(client.terminated().await.cause, CloseCause::Stalled);
        assert_eq!(seconds(start), 35);
    }
}
