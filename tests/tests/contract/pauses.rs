//! A paused process has not read from its clients, so their silence proves nothing.

use bytes::Bytes;
use tokio::time::{Instant, advance, sleep};
use ws_core::protocol::OpCode;
use ws_core::testkit::{Received, TestKit};
use ws_server::CloseCause;
use ws_server::prelude::*;

use crate::journal::{Journal, limits, seconds, secs, settle};
use crate::probe::{Probe, numbered};
use crate::tab::{Tab, event};

/// Pauses the process for this long.
async fn pause(seconds: u64) {
    settle().await;
    advance(secs(seconds)).await;
}

on_both_transports! {
    async fn a_silent_client_is_pinged_first(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()));
        let mut client = builder.connect().await.unwrap();
        for before in [0, 24, 26, 49, 51, 59] {
            sleep(secs(before)).await;
            client.received_so_far().await;
            pause(70).await;
            let start = Instant::now();
            assert_eq!(client.receive().await, Received::Ping(Bytes::new()), "{before}");
            assert_eq!(start.elapsed(), secs(0), "{before}");
            client.send_frame(OpCode::Pong, true, b"").await;
        }
        pause(70).await;
        let start = Instant::now();
        assert_eq!(client.terminated().await.cause, CloseCause::PingTimeout);
        assert_eq!(seconds(start), 35 + 5, "the time for a Pong, and for a Close");
    }

    async fn the_idle_timeout_of_a_client_without_pings_restarts(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()));
        let builder = builder.limits(limits(|limits| limits.ping = None));
        let client = builder.connect().await.unwrap();
        pause(70).await;
        let start = Instant::now();
        assert_eq!(client.terminated().await.cause, CloseCause::IdleTimeout);
        assert_eq!(seconds(start), 60 + 5);
    }

    async fn a_server_that_is_always_late_still_closes_dead_clients(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()));
        let client = builder.connect().await.unwrap();
        for _ in 0..3 {
            pause(70).await;
            settle().await;
            assert!(client.sender().is_open());
        }
        pause(70).await;
        settle().await;
        assert!(!client.sender().is_open());
    }

    async fn a_slow_client_is_not_stalled(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()).network_capacity(10));
        let client = builder.connect().await.unwrap();
        client.socket::<Probe>().send(numbered(0, 1000)).unwrap();
        pause(70).await;
        let start = Instant::now();
        assert_eq!(client.terminated().await.cause, CloseCause::Stalled);
        assert_eq!(seconds(start), 30 + 5);
    }

    async fn the_timeout_of_an_async_hook_restarts(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("hold").await;
        pause(70).await;
        let start = Instant::now();
        assert_eq!(client.closed().await.0, CloseCode::INTERNAL_ERROR);
        assert_eq!(seconds(start), 30);
    }

    async fn the_timeout_for_the_answer_to_a_close_restarts(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.socket::<Probe>().close(Close::NORMAL);
        pause(70).await;
        sleep(secs(4)).await;
        assert_eq!(journal.lines_of("terminate"), Vec::<String>::new());
        client.close(CloseCode::NORMAL, "").await;
        client.terminated().await;
    }
}

/// `init` and `terminate` never return.
struct Endless;

#[ws_handler]
impl Endless {
    async fn init(handshake: &Handshake) -> Self {
        if handshake.query() == Some("hang") {
            std::future::pending::<()>().await;
        }
        Endless
    }

    async fn terminate(self) {
        std::future::pending::<()>().await;
    }
}

dispatch! {
    struct Routes;

    endless: "/" => Endless { require_session: false };
    stream: "/websocket" => PageStream;
}

#[tokio::test(start_paused = true)]
async fn the_timeouts_of_init_and_terminate_restart() {
    let kit = TestKit::table(Routes::table(), ws_server::extract::NoState).unwrap();
    let hanging = tokio::spawn(kit.open("/?hang").connect());
    pause(70).await;
    let start = Instant::now();
    assert_eq!(hanging.await.unwrap().unwrap_err().status(), 503);
    assert_eq!(seconds(start), 10);

    let mut client = kit.open("/").connect().await.unwrap();
    client.end().await;
    pause(70).await;
    let start = Instant::now();
    client.terminated().await;
    assert_eq!(seconds(start), 5);
}

#[tokio::test(start_paused = true)]
async fn the_grace_time_of_a_page_restarts() {
    let kit = TestKit::table(Routes::table(), ws_server::extract::NoState).unwrap();
    let visitor = kit.visitor().await;
    let page = visitor.page();
    page.push("before", &1);
    pause(70).await;
    sleep(secs(19)).await;
    let tab = Tab::of(&kit, &visitor, "/websocket", &page);
    let mut tab = tab.connected().await;
    assert_eq!(tab.next().await, event("before", 1));
}

#[tokio::test(start_paused = true)]
async fn the_expiry_of_a_connection_and_a_shutdown_count_every_second() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Probe>(&kit).connect().await.unwrap();
    client
        .socket::<Probe>()
        .expire_at(Instant::now() + secs(65));
    pause(70).await;
    assert_eq!(client.closed().await.0, CloseCode::UNAUTHORIZED);

    let mut client = journal.client::<Probe>(&kit).connect().await.unwrap();
    client.send("hold").await;
    let hub = kit.hub().clone();
    let shutdown = tokio::spawn(async move { hub.shutdown(secs(10)).await });
    pause(70).await;
    let start = Instant::now();
    shutdown.await.unwrap();
    assert_eq!(seconds(start), 0);
}
