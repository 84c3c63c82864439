//! The deadline of `terminate`, and the effect of a shutdown on everything else.

use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};

use futures::FutureExt;
use tokio::sync::Notify;
use tokio::time::Instant;
use ws_core::testkit::TestKit;
use ws_server::CloseCause;
use ws_server::prelude::*;

use crate::journal::{Journal, NoteOnDrop, assert_ended, seconds, secs, settle};
use crate::probe::Probe;

/// A slow `terminate`.
struct Slow(Journal);

#[ws_handler]
impl Slow {
    fn init(journal: Journal) -> Self {
        Slow(journal)
    }

    async fn message(&mut self, text: String) {
        if text == "hold" {
            std::future::pending::<()>().await;
        }
    }

    async fn terminate(self, reason: CloseReason) {
        let _cut = NoteOnDrop(self.0.clone(), "cut");
        self.0.note(format!("terminate {:?}", reason.cause));
        tokio::time::sleep(secs(3)).await;
        self.0.note("saved");
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn terminate_is_cut_after_terminate_timeout() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Slow>(&kit).connect().await.unwrap();
    let start = Instant::now();
    client.end().await;
    client.terminated().await;
    assert_eq!(seconds(start), 5);
    assert_eq!(journal.lines(), ["terminate Lost", "saved", "cut"]);
}

async fn shutdown_of(kit: &TestKit, deadline: u64) -> u64 {
    let start = Instant::now();
    kit.hub().shutdown(secs(deadline)).await;
    seconds(start)
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_every_terminate() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Probe>(&kit).connect().await.unwrap();
    let hub = kit.hub().clone();
    let mut shutdown = pin!(async move { hub.shutdown(secs(10)).await });
    assert_eq!(shutdown.as_mut().now_or_never(), None);
    client.close(CloseCode::GOING_AWAY, "").await;
    shutdown.await;
    assert_eq!(journal.lines_of("terminate").len(), 1);
    assert_eq!(kit.hub().connection_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_hooks_and_closes_and_reserves_time_for_terminate() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Slow>(&kit).connect().await.unwrap();
    client.send("hold").await;
    // A quarter of the time is reserved, which is more than `terminate` needs to save.
    assert_eq!(shutdown_of(&kit, 16).await, 16);
    assert_eq!(journal.lines(), ["terminate Shutdown", "saved", "cut"]);
    assert_eq!(kit.hub().connection_count(), 0);
}

/// Replies after a while.
struct Late;

#[ws_handler]
impl Late {
    fn init() -> Self {
        Late
    }

    async fn message(&mut self, after: String) -> String {
        tokio::time::sleep(secs(after.parse().unwrap())).await;
        format!("after {after}")
    }
}

#[tokio::test(start_paused = true)]
async fn the_reply_of_a_running_hook_precedes_the_close_of_a_shutdown() {
    let kit = TestKit::new();
    let mut client = kit.handler::<Late>().connect().await.unwrap();
    client.send("2").await;
    client.send("1").await;
    settle().await;
    let hub = kit.hub().clone();
    let shutdown = tokio::spawn(async move { hub.shutdown(secs(16)).await });
    assert_eq!(client.text().await, "after 2");
    // No further hook is called.
    let close = (CloseCode::GOING_AWAY, "the server shuts down".to_owned());
    assert_eq!(client.closed().await, close);
    client.close(CloseCode::GOING_AWAY, "").await;
    assert_eq!(client.terminated().await.cause, CloseCause::Shutdown);
    shutdown.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_runs_too_long_does_not_hold_up_the_close_of_a_shutdown() {
    let kit = TestKit::new();
    let mut client = kit.handler::<Late>().connect().await.unwrap();
    client.send("20").await;
    settle().await;
    let start = Instant::now();
    let hub = kit.hub().clone();
    let shutdown = tokio::spawn(async move { hub.shutdown(secs(16)).await });
    assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
    // A quarter is kept for `terminate`, and half of the rest for the client's answer.
    assert_eq!(seconds(start), 6);
    shutdown.await.unwrap();
    assert_eq!(seconds(start), 12);
    assert_eq!(client.terminated().await.cause, CloseCause::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a_drain_closes_the_connections_one_by_one_and_spreads_their_return() {
    let kit = TestKit::new();
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(kit.handler::<Late>().connect().await.unwrap());
    }
    let start = Instant::now();
    let hub = kit.hub().clone();
    let drain = tokio::spawn(async move { hub.drain(secs(20), secs(16)).await });
    settle().await;
    assert!(kit.hub().is_shutting_down());
    let (mut ended, mut retries) = (Vec::new(), Vec::new());
    // A connection that is not closed yet still works.
    let last = &mut clients[9];
    last.send("1").await;
    assert_eq!(last.text().await, "after 1");
    for client in &mut clients {
        let (code, text) = client.closed().await;
        assert_eq!(code, CloseCode::SERVICE_RESTART);
        ended.push(seconds(start));
        let retry = text.strip_prefix("retry=").unwrap();
        retries.push(retry.parse::<u64>().unwrap());
        client.close(CloseCode::SERVICE_RESTART, "").await;
    }
    ended.sort_unstable();
    assert_eq!(ended[1..], [2, 4, 6, 8, 10, 12, 14, 16, 18]);
    assert!(retries.iter().all(|retry| *retry < 1_000), "{retries:?}");
    retries.sort_unstable();
    retries.dedup();
    assert_eq!(retries.len(), 10);
    drain.await.unwrap();
    assert_eq!(seconds(start), 20);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_the_wait_for_an_answer() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let client = journal.client::<Probe>(&kit).connect().await.unwrap();
    let start = Instant::now();
    kit.hub().shutdown(secs(4)).await;
    assert_eq!(
        seconds(start),
        3,
        "the last quarter is kept for `terminate`"
    );
    assert_ended(
        &client,
        &journal,
        CloseCause::Shutdown,
        1001,
        "the server shuts down",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_a_terminate_that_is_under_way() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Slow>(&kit).connect().await.unwrap();
    client.end().await;
    settle().await;
    assert_eq!(shutdown_of(&kit, 1).await, 1);
    assert_eq!(journal.lines(), ["terminate Lost", "cut"]);
    assert_eq!(kit.hub().connection_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_a_stall() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let builder = journal.client::<Probe>(&kit).network_capacity(10);
    let mut client = builder.connect().await.unwrap();
    client.send("many 1 1000").await;
    settle().await;
    assert_eq!(shutdown_of(&kit, 8).await, 6);
    assert_ended(
        &client,
        &journal,
        CloseCause::Shutdown,
        1001,
        "the server shuts down",
    )
    .await;
}

/// Blocks its thread until the test releases it.
struct Blocks;

/// Signals that the hook runs, and releases it.
#[derive(Clone)]
struct Gate(Arc<Notify>, Arc<Mutex<mpsc::Receiver<()>>>);

#[ws_handler]
impl Blocks {
    fn init() -> Self {
        Blocks
    }

    fn message(&mut self, _: String, State(Gate(runs, go)): State<Gate>) -> &'static str {
        runs.notify_one();
        go.lock().unwrap().recv().expect("the test lets it go");
        "unhurt"
    }
}

dispatch! {
    struct Routes;
    state: Gate;

    blocks: "/" => Blocks { hook_timeout: 1ms, require_session: false };
}

/// In real time, because a blocked thread does not see the paused clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_hook_cannot_be_cut() {
    let kit = TestKit::new();
    let (open, gate) = mpsc::channel();
    let gate = Gate(Arc::default(), Arc::new(Mutex::new(gate)));
    let builder = kit
        .clone()
        .with_table(Routes::table(), gate.clone())
        .unwrap()
        .open("/");
    let mut client = builder.connect().await.unwrap();
    client.send("block").await;
    gate.0.notified().await;
    // Returns at its deadline even if the hook still blocks.
    kit.hub().shutdown(secs(0)).await;
    assert_eq!(kit.hub().connection_count(), 1, "the hook still runs");
    open.send(()).unwrap();
    assert_eq!(client.terminated().await.cause, CloseCause::Shutdown);
}
