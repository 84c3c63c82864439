//! `Socket::spawn`: futures that run beside the hooks.

use ws_core::testkit::TestKit;
use ws_server::SpawnError;
use ws_server::prelude::*;

use crate::journal::{Journal, NoteOnDrop, limits, secs, settle};
use crate::probe::Probe;

fn panic_on_command() {
    panic!("on command")
}

/// Spawns the futures that a message selects.
struct Spawns(Journal);

#[ws_handler]
impl Spawns {
    fn init(journal: Journal) -> Self {
        Spawns(journal)
    }

    fn message(&mut self, text: String, socket: &Socket<Self>) -> String {
        let dropped = NoteOnDrop(self.0.clone(), "dropped");
        let spawned = match &*text {
            "later" => socket.spawn(async {
                tokio::time::sleep(secs(5)).await;
                vec!["later", "and more"]
            }),
            "close" => socket.spawn(async { ("last", Close::normal("task")) }),
            "fail" => socket.spawn(async { Err::<(), _>("secret").or_close() }),
            "panic" => socket.spawn(async { panic_on_command() }),
            _ => socket.spawn(async move {
                let _dropped = dropped;
                std::future::pending::<()>().await;
            }),
        };
        spawned.map_or_else(|error| error.to_string(), |()| text)
    }

    fn terminate(self, reason: CloseReason) {
        self.0.note(format!(
            "terminate {:?} {}",
            reason.cause,
            reason.code.get()
        ));
    }
}

on_both_transports! {
    async fn a_spawned_future_runs_beside_the_hooks_and_its_output_is_a_reply(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Spawns>(&TestKit::new())).connect().await.unwrap();
        client.send("later").await;
        client.send("now").await;
        assert_eq!(client.text().await, "later", "the reply of the hook");
        assert_eq!(client.text().await, "now");
        assert_eq!(client.text().await, "later");
        assert_eq!(client.text().await, "and more");
        client.send("close").await;
        assert_eq!(client.text().await, "close");
        assert_eq!(client.text().await, "last");
        assert_eq!(client.closed().await, (CloseCode::NORMAL, "task".to_owned()));
    }

    async fn the_output_of_a_spawned_future_waits_for_room(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()).network_capacity(10));
        let builder = builder.limits(limits(|limits| limits.outbox = 100));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        let long = || vec!["x".repeat(90); 5];
        socket.spawn(async move { long() }).unwrap();
        settle().await;
        for text in long() {
            assert_eq!(client.text().await, text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_spawned_future_is_cancelled_at_the_end() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Spawns>(&kit).connect().await.unwrap();
    client.send("forever").await;
    settle().await;
    client.end().await;
    client.terminated().await;
    settle().await;
    assert_eq!(journal.lines_of("dropped"), ["dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_bounded_number_of_futures_runs_beside_one_connection() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let builder = journal.client::<Spawns>(&kit);
    let mut client = builder
        .limits(limits(|limits| limits.tasks = 2))
        .connect()
        .await
        .unwrap();
    let socket = client.socket::<Spawns>();
    client.send("later").await;
    socket.spawn(std::future::pending::<()>()).unwrap();
    assert_eq!(socket.spawn(async {}), Err(SpawnError::Full));
    // When one ends, its permit is free for one more.
    assert_eq!(client.text().await, "later");
    assert_eq!(client.text().await, "later");
    assert_eq!(client.text().await, "and more");
    settle().await;
    assert_eq!(socket.spawn(async {}), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_panic_or_an_error_of_a_spawned_future_closes_with_1011() {
    for (command, cause) in [("panic", "HookPanic"), ("fail", "HookError")] {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let mut client = journal.client::<Spawns>(&kit).connect().await.unwrap();
        client.send(command).await;
        assert_eq!(client.text().await, command);
        assert_eq!(
            client.closed().await,
            (CloseCode::INTERNAL_ERROR, String::new())
        );
        client.close(CloseCode::INTERNAL_ERROR, "").await;
        client.terminated().await;
        assert_eq!(
            journal.lines_of("terminate"),
            [format!("terminate {cause} 1011")]
        );
    }
}
