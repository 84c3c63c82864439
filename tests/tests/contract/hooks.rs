//! The four hooks: when each is called, what arguments and results it may have, and what it must
//! not disturb.

use std::pin::pin;

use futures::FutureExt;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::sync::Semaphore;
use ws_core::protocol::OpCode;
use ws_core::testkit::{Received, TestKit};
use ws_server::CloseCause;
use ws_server::extract::FromHandshake;
use ws_server::extract::Opening;
use ws_server::prelude::*;

use crate::journal::{Journal, assert_ended, secs};
use crate::probe::Probe;

/// Has every argument that `init` may have.
struct Guest(String);

#[derive(Deserialize)]
struct Greeting {
    hello: String,
}

/// An argument of the application, found in a header after a wait.
struct Language(String);

impl<'a, H, R> FromHandshake<'a, H, R> for Language {
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        tokio::task::yield_now().await;
        let language = opening.handshake().header("accept-language");
        let language = language.ok_or(Refusal::BAD_REQUEST.body("say your language"))?;
        Ok(Self(language.to_owned()))
    }
}

#[derive(Clone, FromRef)]
struct App {
    number: u32,
}

#[ws_handler]
impl Guest {
    #[allow(clippy::too_many_arguments)]
    async fn init(
        Path((id, room)): Path<(u64, String)>,
        Query(Greeting { hello }): Query<Greeting>,
        handshake: &Handshake,
        Language(language): Language,
        session: Session,
        page: Page,
        number: State<u32>,
        socket: &Socket<Self>,
        hub: &Hub,
    ) -> Result<Self, Refusal> {
        let count = hub.connection_count();
        let (host, socket) = (handshake.header("host").unwrap_or(""), socket.id());
        let (session, page) = (session.id(), page.id());
        let places = format!("{id} {room} {hello} {host} {language} {session} {page}");
        tokio::task::yield_now().await;
        Ok(Guest(format!("{places} {} {socket} {count}", *number)))
    }

    fn message(
        &mut self,
        _: String,
        socket: &Socket<Self>,
        hub: &Hub,
        number: State<u32>,
        session: Session,
        page: Page,
    ) -> String {
        let (count, socket) = (hub.connection_count(), socket.id());
        let (session, page) = (session.id(), page.id());
        format!("{} {socket} {count} {} {session} {page}", self.0, *number)
    }
}

dispatch! {
    struct Routes;
    state: App;

    guest: "/guests/{id: u64}/{room}" => Guest;
}

#[tokio::test(start_paused = true)]
async fn init_extracts_from_the_handshake_and_message_from_the_connection() {
    let kit = TestKit::new();
    let ada = kit.user("ada").await;
    let (session, page) = (ada.session().id(), ada.page());
    let builder = kit
        .clone()
        .with_table(Routes::table(), App { number: 7 })
        .unwrap()
        .open("/guests/4/blue?hello=you");
    let builder = builder
        .without_header("host")
        .header("host", "example")
        .header("accept-language", "nl")
        .session(&ada)
        .page(&page);
    let mut client = builder.connect().await.unwrap();
    client.send("?").await;
    let visitor = format!("{session} {}", page.id());
    let expected = format!("4 blue you example nl {visitor} 7 1 1 1 1 7 {visitor}");
    assert_eq!(client.text().await, expected);
}

#[tokio::test(start_paused = true)]
async fn an_extractor_of_the_application_can_refuse() {
    let kit = TestKit::new();
    let builder = kit
        .clone()
        .with_table(Routes::table(), App { number: 7 })
        .unwrap()
        .open("/guests/4/blue?hello=you");
    let builder = builder.visitor(&kit.visitor().await);
    let refusal = builder.connect().await.unwrap_err();
    assert_eq!(
        (refusal.status().as_u16(), refusal.text()),
        (400, "say your language")
    );
}

/// Waits in `init` until the test lets it continue.
struct Patient;

#[ws_handler]
impl Patient {
    async fn init(journal: Journal) -> Self {
        journal.note("init");
        tokio::time::sleep(secs(5)).await;
        journal.note("made");
        Patient
    }
}

#[tokio::test(start_paused = true)]
async fn the_response_to_the_handshake_follows_init() {
    let journal = Journal::new();
    let mut connect = pin!(journal.client::<Patient>(&TestKit::new()).connect());
    assert!(connect.as_mut().now_or_never().is_none());
    assert_eq!(journal.lines(), ["init"]);
    connect.await.unwrap();
    assert_eq!(journal.lines(), ["init", "made"]);
}

/// An error type of the application.
#[derive(Debug)]
struct NoCredit;

impl From<NoCredit> for Refusal {
    fn from(_: NoCredit) -> Self {
        let header = HeaderName::from_static("x-credit");
        let refusal = Refusal::new(http::StatusCode::PAYMENT_REQUIRED);
        refusal
            .header(header, HeaderValue::from_static("0"))
            .body("no credit left")
    }
}

impl From<NoCredit> for Close {
    fn from(_: NoCredit) -> Self {
        Close::policy("no credit left")
    }
}

/// Fails in the way that its header, or the message, selects.
struct Fails;

#[ws_handler]
impl Fails {
    fn init(handshake: &Handshake) -> Result<Self, Refusal> {
        match handshake.query() {
            Some("own") => Err(NoCredit.into()),
            Some("any") => Err("password=secret").or_refuse(),
            _ => Ok(Fails),
        }
    }

    fn message(&mut self, text: String) -> Result<(), Close> {
        match &*text {
            "own" => Err(NoCredit.into()),
            _ => Err("password=secret").or_close(),
        }
    }
}

/// `init` and `message` return the application's own errors.
struct Own;

#[ws_handler]
impl Own {
    fn init(handshake: &Handshake) -> Result<Self, NoCredit> {
        handshake.query().map(|_| Own).ok_or(NoCredit)
    }

    fn message(&mut self, _: String) -> Result<(), NoCredit> {
        Err(NoCredit)
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_carries_status_headers_and_body() {
    let kit = TestKit::new();
    for refused in [
        kit.handler::<Fails>().uri("/?own").connect().await,
        kit.handler::<Own>().connect().await,
    ] {
        let response = refused.unwrap_err().into_response();
        assert_eq!(response.status(), 402);
        assert_eq!(response.headers()["x-credit"], "0");
        assert_eq!(response.body(), "no credit left\n");
    }
}

#[tokio::test(start_paused = true)]
async fn or_refuse_and_or_close_hide_the_error() {
    let kit = TestKit::new();
    let refusal = kit
        .handler::<Fails>()
        .uri("/?any")
        .connect()
        .await
        .unwrap_err();
    assert_eq!(
        (refusal.status().as_u16(), refusal.text()),
        (500, "Internal Server Error")
    );
    let mut client = kit.handler::<Fails>().connect().await.unwrap();
    client.send("any").await;
    assert_eq!(
        client.closed().await,
        (CloseCode::INTERNAL_ERROR, String::new())
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_type_of_the_application_chooses_the_close() {
    let kit = TestKit::new();
    let mut client = kit.handler::<Own>().uri("/?in").connect().await.unwrap();
    client.send("?").await;
    assert_eq!(
        client.closed().await,
        (CloseCode::POLICY, "no credit left".to_owned())
    );
    let mut client = kit.handler::<Fails>().connect().await.unwrap();
    client.send("own").await;
    assert_eq!(
        client.closed().await,
        (CloseCode::POLICY, "no credit left".to_owned())
    );
}

/// Panics if two hooks run at the same time.
struct Alone {
    journal: Journal,
    inside: Semaphore,
}

#[ws_handler]
impl Alone {
    fn init(journal: Journal) -> Self {
        let inside = Semaphore::new(1);
        Alone { journal, inside }
    }

    async fn message(&mut self, text: String) {
        let _alone = self.inside.try_acquire().expect("no other hook runs");
        tokio::time::sleep(secs(1)).await;
        self.journal.note(format!("message {text}"));
    }

    async fn info(&mut self, number: u32) {
        let _alone = self.inside.try_acquire().expect("no other hook runs");
        tokio::time::sleep(secs(1)).await;
        self.journal.note(format!("info {number}"));
    }

    async fn terminate(self) {
        let _alone = self.inside.try_acquire().expect("no other hook runs");
        tokio::task::yield_now().await;
        self.journal.note("terminate");
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_of_one_connection_never_run_at_the_same_time() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Alone>(&kit).connect().await.unwrap();
    let socket = client.socket::<Alone>();
    client.send("a").await;
    socket.notify(1).unwrap();
    client.send("b").await;
    socket.notify(2).unwrap();
    socket.close(Close::NORMAL);
    client.close(CloseCode::NORMAL, "").await;
    client.terminated().await;
    assert_eq!(
        journal.lines(),
        ["message a", "terminate"],
        "what waits is discarded"
    );
    let mut client = journal.client::<Alone>(&kit).connect().await.unwrap();
    let socket = client.socket::<Alone>();
    client.send("c").await;
    socket.notify(3).unwrap();
    client.send("d").await;
    tokio::time::sleep(secs(10)).await;
    client.end().await;
    client.terminated().await;
    let expected = ["message c", "info 3", "message d", "terminate"];
    assert_eq!(journal.lines()[2..], expected);
}

#[tokio::test(start_paused = true)]
async fn hooks_of_different_connections_run_at_the_same_time() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut first = journal.client::<Probe>(&kit).connect().await.unwrap();
    let mut second = journal.client::<Probe>(&kit).connect().await.unwrap();
    first.send("wait 20").await;
    second.send("say at once").await;
    assert_eq!(second.text().await, "at once");
    assert_eq!(journal.lines_of("done"), ["done say at once"]);
}

on_both_transports! {
    async fn messages_of_other_tasks_are_written_while_a_hook_waits(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("wait 20").await;
        client.socket::<Probe>().send("meanwhile").unwrap();
        assert_eq!(client.text().await, "meanwhile");
        assert_eq!(journal.lines_of("done"), Vec::<String>::new());
        assert_eq!(client.text().await, "waited");
    }

    async fn pings_are_answered_while_a_hook_waits(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("wait 20").await;
        client.send("say later").await;
        client.send_frame(OpCode::Ping, true, b"there?").await;
        assert_eq!(client.receive().await, Received::Pong(Bytes::from_static(b"there?")));
        assert_eq!(journal.lines_of("done"), Vec::<String>::new());
        assert_eq!(client.text().await, "waited");
        assert_eq!(client.text().await, "later");
    }

    async fn a_waiting_hook_sees_the_close_of_the_client(on_transport: TransportChoice) {
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
        client.send("gone").await;
        client.send("say still answered").await;
        client.close(CloseCode::NORMAL, "").await;
        assert_eq!(client.text().await, "still answered");
        assert_eq!(client.closed().await.0, CloseCode::NORMAL);
        assert_eq!(journal.lines()[2], "saw the close");
    }

    async fn a_waiting_hook_sees_that_the_client_is_gone(on_transport: TransportChoice) {
        for reset in [false, true] {
            let journal = Journal::new();
            let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
            client.send("gone").await;
            if reset {
                client.reset().await;
            } else {
                client.end().await;
            }
            assert_ended(&client, &journal, CloseCause::Lost, 1006, "").await;
            assert_eq!(journal.lines()[2..4], ["saw the close", "done gone"]);
        }
    }
}
