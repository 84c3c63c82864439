//! Panics: each closes its own connection with 1011 and no other, and `terminate` gets the state as
//! the panic left it.

use serde::Deserialize;
use ws_core::testkit::TestKit;
use ws_server::CloseCause;
use ws_server::prelude::*;

use crate::journal::{Journal, limits, secs, settle};
use crate::probe::Probe;

/// Panics on command, in a message or a notification, in the middle of a change.
struct Breaks {
    journal: Journal,
    state: Vec<&'static str>,
}

/// A value that panics when it is cloned or decoded.
#[derive(Debug)]
struct Bomb;

impl Clone for Bomb {
    fn clone(&self) -> Self {
        panic!("on command")
    }
}

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("on command")
    }
}

impl serde::Serialize for Bomb {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("on command")
    }
}

#[ws_handler]
impl Breaks {
    fn init(journal: Journal) -> Self {
        let state = vec!["made"];
        Breaks { journal, state }
    }

    fn message(&mut self, _: String) {
        self.state.push("half");
        panic!("on command")
    }

    async fn info(&mut self, number: u32) {
        self.state.push("begun");
        tokio::time::sleep(secs(1)).await;
        self.state.push("half");
        assert_ne!(number, 0, "on command");
    }

    fn terminate(self, reason: CloseReason) {
        let state = self.state.join(" ");
        self.journal
            .note(format!("{:?} {} {state}", reason.cause, reason.code.get()));
    }
}

on_both_transports! {
    async fn a_panic_closes_that_connection_with_1011_and_no_other(on_transport: TransportChoice) {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let mut other = on_transport(journal.client::<Probe>(&kit)).connect().await.unwrap();
        let mut client = on_transport(journal.client::<Breaks>(&kit)).connect().await.unwrap();
        client.send("now").await;
        client.send("not handled any more").await;
        assert_eq!(client.closed().await, (CloseCode::INTERNAL_ERROR, String::new()));
        client.close(CloseCode::INTERNAL_ERROR, "").await;
        client.terminated().await;
        other.send("say still here").await;
        assert_eq!(other.text().await, "still here");
        assert_eq!(journal.lines_of("HookPanic"), ["HookPanic 1011 made half"]);
    }
}

#[tokio::test(start_paused = true)]
async fn terminate_gets_the_state_as_the_panic_of_an_async_hook_left_it() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Breaks>(&kit).connect().await.unwrap();
    client.socket::<Breaks>().notify(0).unwrap();
    assert_eq!(
        client.closed().await,
        (CloseCode::INTERNAL_ERROR, String::new())
    );
    client.close(CloseCode::INTERNAL_ERROR, "").await;
    client.terminated().await;
    assert_eq!(journal.lines(), ["HookPanic 1011 made begun half"]);
}

/// Panics in code of the application's types: in the payload, the notification, the reply.
struct Types(Journal);

#[ws_handler]
impl Types {
    fn init(journal: Journal) -> Self {
        Types(journal)
    }

    fn message(&mut self, _: Json<Bomb>) {}

    fn info(&mut self, bomb: Bomb) -> Json<Bomb> {
        Json(bomb)
    }

    fn terminate(self, reason: CloseReason) {
        self.0
            .note(format!("{:?} {}", reason.cause, reason.code.get()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_payload_a_reply_or_a_timers_value_is_a_panic_of_the_hook() {
    for place in ["payload", "reply", "timer"] {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let mut client = journal.client::<Types>(&kit).connect().await.unwrap();
        let socket = client.socket::<Types>();
        match place {
            "payload" => client.send("{}").await,
            "reply" => socket.notify(Bomb).unwrap(),
            _ => drop(socket.notify_every(secs(1), Bomb)),
        }
        let closed = client.closed().await;
        assert_eq!(
            closed,
            (CloseCode::INTERNAL_ERROR, String::new()),
            "{place}"
        );
        client.close(CloseCode::INTERNAL_ERROR, "").await;
        client.terminated().await;
        assert_eq!(journal.lines(), ["HookPanic 1011"], "{place}");
    }
}

/// Holds a value that panics in its `drop` when the hook is cut.
struct Leaves(Journal);

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("on command");
    }
}

#[ws_handler]
impl Leaves {
    fn init(journal: Journal) -> Self {
        Leaves(journal)
    }

    async fn message(&mut self, _: String) {
        let _left = PanicsInDrop;
        std::future::pending::<()>().await;
    }

    async fn terminate(self, reason: CloseReason) {
        self.0.note(format!("{:?}", reason.cause));
        tokio::task::yield_now().await;
        panic!("on command, in terminate")
    }
}

#[tokio::test(start_paused = true)]
async fn terminate_is_called_after_a_cut_hook_panics_while_it_is_dropped() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Leaves>(&kit).connect().await.unwrap();
    client.send("?").await;
    assert_eq!(
        client.closed().await,
        (CloseCode::INTERNAL_ERROR, String::new())
    );
    client.close(CloseCode::INTERNAL_ERROR, "").await;
    client.terminated().await;
    assert_eq!(journal.lines(), ["HookPanic"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_terminate_leaks_nothing() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Leaves>(&kit).connect().await.unwrap();
    client
        .socket::<Leaves>()
        .subscribe(Topic::<String>::local("news"));
    client.end().await;
    assert_eq!(client.terminated().await.cause, CloseCause::Lost);
    settle().await;
    assert_eq!(
        kit.hub().subscriber_count(Topic::<String>::local("news")),
        0
    );
    assert_eq!(kit.hub().connection_count(), 0);
}

/// Bytes whose owner panics when it is dropped.
struct Owner;

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &[7; 16_000]
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        panic!("on command")
    }
}

/// Replies with more than the outbox takes.
struct Floods {
    journal: Journal,
}

#[ws_handler]
impl Floods {
    fn init(journal: Journal) -> Self {
        Floods { journal }
    }

    fn message(&mut self, _: String) -> Vec<Bytes> {
        let small = Bytes::from_static(&[7; 16_000]);
        vec![small.clone(), small, Bytes::from_owner(Owner)]
    }

    fn terminate(self, reason: CloseReason) {
        self.journal.note(format!("terminated {:?}", reason.cause));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_drop_of_a_reply_that_waits_does_not_skip_terminate() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let limits = limits(|limits| limits.outbox = 20_000);
    let builder = journal
        .client::<Floods>(&kit)
        .network_capacity(10)
        .limits(limits);
    let mut client = builder.connect().await.unwrap();
    client.send("now").await;
    settle().await;
    client.reset().await;
    client.terminated().await;
    assert_eq!(journal.lines_of("terminated").len(), 1);
}

/// Replies twice to each message.
struct Twice;

#[ws_handler]
impl Twice {
    fn init() -> Self {
        Twice
    }

    fn message(&mut self, text: String) -> Vec<String> {
        vec![text.clone(), text]
    }
}

#[tokio::test(start_paused = true)]
async fn an_outbox_without_room_is_no_endless_loop() {
    let kit = TestKit::new();
    let builder = kit.handler::<Twice>().limits(limits(|it| it.outbox = 0));
    let mut client = builder.connect().await.unwrap();
    client.send("a").await;
    assert_eq!(client.text().await, "a");
    assert_eq!(client.text().await, "a");
}
