//! `init`: its deadline, its panics, and the cleanup after it fails.

use std::pin::pin;

use futures::FutureExt;
use tokio::time::Instant;
use ws_core::protocol::OpCode;
use ws_core::protocol::encoder::encode_masked;
use ws_core::testkit::TestKit;
use ws_server::prelude::*;
use ws_server::{NotifyError, SendError, SpawnError};

use crate::journal::{Journal, NoteOnDrop, seconds, secs, settle};
use crate::probe::Probe;

fn news() -> Topic<String> {
    Topic::local("news")
}

/// Uses all features of a socket, hands out its handle, and then ends as the query selects.
struct Starts;

#[derive(Clone)]
struct Handles(std::sync::Arc<std::sync::Mutex<Option<Socket<Starts>>>>);

#[ws_handler]
impl Starts {
    async fn init(
        journal: Journal,
        handshake: &Handshake,
        socket: &Socket<Self>,
        handles: State<Handles>,
    ) -> Result<Self, Refusal> {
        let _dropped = NoteOnDrop(journal.clone(), "init dropped");
        *handles.0.0.lock().unwrap() = Some(socket.clone());
        socket.subscribe(news());
        socket.listen(news());
        socket.notify("kept".to_owned()).unwrap();
        let task = NoteOnDrop(journal.clone(), "task dropped");
        let task = async move {
            std::future::pending::<()>().await;
            drop(task);
        };
        socket.spawn(task).unwrap();
        match handshake.query() {
            Some("refuse") => Err(Refusal::CONFLICT),
            Some("panic") => panic!("on command"),
            Some("hang") => std::future::pending().await,
            _ => Ok(Starts),
        }
    }

    fn info(&mut self, _: String) {}
}

dispatch! {
    struct Routes;
    state: Handles;

    starts: "/" => Starts { require_session: false };
}

/// The status of a connection whose `init` failed, and its handle.
async fn undone(kit: &TestKit, journal: &Journal, uri: &str) -> (u16, Socket<Starts>) {
    let handles = Handles(std::sync::Arc::default());
    let builder = journal.attach(
        kit.clone()
            .with_table(Routes::table(), handles.clone())
            .unwrap()
            .open(uri),
    );
    let refusal = builder.connect().await.unwrap_err();
    let socket = handles.0.lock().unwrap().take();
    (refusal.status().as_u16(), socket.unwrap())
}

/// Checks that nothing of the connection is left.
async fn is_undone(kit: &TestKit, journal: &Journal, socket: &Socket<Starts>) {
    assert_eq!(kit.hub().subscriber_count(news()), 0);
    assert_eq!(kit.hub().connection_count(), 0);
    assert_eq!(kit.hub().publish(news(), &"nobody".to_owned()).reached(), 0);
    assert_eq!(socket.send("gone"), Err(SendError::Closed("gone".into())));
    let gone = "gone".to_owned();
    assert_eq!(socket.notify(gone.clone()), Err(NotifyError::Closed(gone)));
    assert_eq!(socket.spawn(async {}), Err(SpawnError::Closed));
    socket.closed().await;
    // Calls on the socket have no effect when `init` has failed.
    socket.subscribe(news());
    assert_eq!(kit.hub().subscriber_count(news()), 0);
    settle().await;
    assert_eq!(journal.lines(), ["init dropped", "task dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_init_undoes_subscriptions_and_tasks() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let (status, socket) = undone(&kit, &journal, "/?refuse").await;
    assert_eq!(status, 409);
    is_undone(&kit, &journal, &socket).await;
}

#[tokio::test(start_paused = true)]
async fn an_init_that_panics_is_refused_with_500_and_undone() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let (status, socket) = undone(&kit, &journal, "/?panic").await;
    assert_eq!(status, 500);
    is_undone(&kit, &journal, &socket).await;
}

#[tokio::test(start_paused = true)]
async fn an_init_that_takes_too_long_is_refused_with_503_and_undone() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let start = Instant::now();
    let (status, socket) = undone(&kit, &journal, "/?hang").await;
    assert_eq!((status, seconds(start)), (503, 10));
    is_undone(&kit, &journal, &socket).await;
}

#[tokio::test(start_paused = true)]
async fn an_init_is_dropped_when_the_client_is_gone() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let handles = Handles(std::sync::Arc::default());
    let builder = kit
        .clone()
        .with_table(Routes::table(), handles.clone())
        .unwrap()
        .open("/?hang");
    let mut connect = Box::pin(journal.attach(builder).connect());
    assert!(connect.as_mut().now_or_never().is_none());
    assert_eq!(kit.hub().subscriber_count(news()), 2);
    // If a client disconnects, hyper drops the future of the handshake.
    drop(connect);
    let socket = handles.0.lock().unwrap().take().unwrap();
    is_undone(&kit, &journal, &socket).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_an_init_that_is_under_way() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut refused = pin!(undone(&kit, &journal, "/?hang"));
    assert!(refused.as_mut().now_or_never().is_none());
    let start = Instant::now();
    let hub = kit.hub().clone();
    let shutdown = tokio::spawn(async move { hub.shutdown(secs(4)).await });
    let (status, _) = refused.await;
    assert_eq!((status, seconds(start)), (503, 3));
    shutdown.await.unwrap();
    assert_eq!((seconds(start), kit.hub().connection_count()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn handshakes_are_refused_after_a_shutdown() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    kit.hub().shutdown(secs(1)).await;
    let refusal = journal.client::<Probe>(&kit).connect().await.unwrap_err();
    assert_eq!(refusal.status(), 503);
    // `init` succeeded before the refusal, so its `terminate` runs.
    kit.hub().shutdown(secs(1)).await;
    let ended = "terminate Shutdown 1001 the server shuts down";
    assert_eq!(journal.lines(), ["init", ended]);
}

#[tokio::test(start_paused = true)]
async fn data_behind_the_request_waits_for_init() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut early = encode_masked(OpCode::Text, true, b"say early", [1, 2, 3, 4]);
    early.extend(encode_masked(OpCode::Text, true, b"say torn", [1, 2, 3, 4]));
    let late = early.split_off(early.len() - 5);
    let mut client = journal
        .client::<Probe>(&kit)
        .early_data(&early)
        .connect()
        .await
        .unwrap();
    client.send_bytes(&late).await;
    client.send("say late").await;
    for expected in ["early", "torn", "late"] {
        assert_eq!(client.text().await, expected);
    }
}
