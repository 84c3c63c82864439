//! Pages without a session: `attach: page` with `require_session: false`, for devices.

use ws_server::page::{PageMessage, Resumed};
use ws_server::session::{Secrets, SessionOptions, Sessions};
use ws_server::testkit::{ClientBuilder, PageReceived, ResetReason, TestClient, TestPage};

use super::*;
use crate::journal::Journal;

mod attacks;
mod credentials;
mod limits;

topics! {
    /// The commands for all lamps.
    Commands: "commands" => u64 { history: 10, keep: 10m };
}

/// A device. It reports whose session its connection has, and what it has received.
struct Lamp {
    journal: Journal,
    count: u64,
}

#[ws_handler]
impl Lamp {
    fn init(
        State(journal): State<Journal>,
        session: Option<Session>,
        page: Page,
        resumed: Resumed,
        handshake: &Handshake,
    ) -> Result<Self, Refusal> {
        if handshake.header("x-refused").is_some() {
            return Err(Refusal::UNAUTHORIZED);
        }
        let user = session.as_ref().map(|it| it.user().unwrap_or("a visitor"));
        let reason = resumed.reason();
        journal.note(format!("init {} {reason:?}", user.unwrap_or("no session")));
        resumed.subscribe("command", &Commands)?;
        assert_eq!(Some(page.id()), handshake.page().map(Page::id));
        Ok(Lamp { journal, count: 0 })
    }

    fn message(&mut self, text: String, session: Option<Session>, page: Page) -> String {
        self.count += 1;
        if text == "push" {
            page.push("pushed", &self.count);
        }
        format!("{} {text} {}", self.count, session.is_some())
    }

    fn terminate(self, session: Option<Session>) {
        self.journal
            .note(format!("terminate {}", session.is_some()));
    }
}

/// A handler for visitors only.
struct Desk;

#[ws_handler]
impl Desk {
    fn init(_: Session, _: Page) -> Self {
        Desk
    }
}

dispatch! {
    struct Devices;
    state: Journal;

    lamp:   "/lamp"   => Lamp { attach: page, require_session: false };
    any:    "/any"    => Lamp { attach: page, require_session: false, origins: any };
    stream: "/stream" => PageStream { attach: page, require_session: false };
    desk:   "/desk"   => Desk { attach: page };
}

fn kit_of(hub: Hub) -> (TestKit, Journal) {
    let journal = Journal::new();
    let kit = TestKit::with_hub(hub);
    let kit = kit.with_table(Devices::table(), journal.clone()).unwrap();
    (kit, journal)
}

fn kit() -> (TestKit, Journal) {
    kit_of(Hub::default())
}

fn secrets(bytes: &[u8]) -> Secrets {
    Secrets::new(bytes.iter().map(|byte| [*byte; 32])).unwrap()
}

/// A device with a page of its own.
async fn device(kit: &TestKit, path: &str) -> TestPage {
    let page = kit.page(path).without_cookies();
    page.connect().await.unwrap()
}

/// A handshake with this query.
fn with_query(kit: &TestKit, path: &str, query: &str) -> ClientBuilder {
    let builder = kit.open(&format!("{path}?{query}"));
    builder.header("sec-websocket-protocol", "page.v1")
}

/// The first message of a connection.
async fn welcome(builder: ClientBuilder) -> (serde_json::Value, TestClient) {
    let mut client = builder.connect().await.unwrap();
    let welcome: serde_json::Value = client.json().await;
    assert_eq!(welcome["type"], "welcome");
    (welcome, client)
}

#[tokio::test(start_paused = true)]
async fn a_client_without_an_id_gets_one_and_returns_with_it() {
    let (kit, journal) = kit();
    let (first, client) = welcome(with_query(&kit, "/lamp", "")).await;
    let id = first["page"].as_str().unwrap();
    assert!(id.len() == 55 && first["base"].is_string(), "{first}");
    drop(client);
    let (epoch, page) = (
        first["epoch"].as_str().unwrap(),
        kit.hub().page(id).unwrap(),
    );
    assert_eq!((page.id(), page.push("switch", &true)), (id, 1));
    let query = format!("z_pid={id}&epoch={epoch}&offset=0");
    let (second, mut client) = welcome(with_query(&kit, "/lamp", &query)).await;
    let expected =
        json!({"type": "welcome", "epoch": epoch, "offset": 0, "seen": 0, "base": first["base"]});
    assert_eq!(second, expected, "the id is not repeated");
    let switch = json!({"type": "event", "offset": 1, "event": "switch", "data": true});
    assert_eq!(client.json::<serde_json::Value>().await, switch);
    assert_eq!(journal.lines(), ["init no session New"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_lives_as_long_as_the_page_and_messages_arrive_once() {
    let (kit, journal) = kit();
    let mut lamp = device(&kit, "/lamp").await;
    lamp.send("on").await;
    assert_eq!(lamp.text().await, "1 on false");
    lamp.disconnect().await;
    lamp.send("push").await;
    let _ = kit.hub().publish(Commands, &7);
    tokio::time::sleep(secs(15)).await;
    lamp.reconnect().await.unwrap();
    let event = |name: &str, data: u64| PageReceived::Event(name.to_owned(), data.into());
    assert_eq!(
        lamp.received_so_far().await,
        [
            event("command", 7),
            event("pushed", 2),
            PageReceived::Text("2 push false".to_owned())
        ]
    );
    assert_eq!((lamp.unseen(), kit.hub().page_count()), (0, 1));
    lamp.bye().await;
    settle().await;
    assert_eq!(journal.lines(), ["init no session New", "terminate false"]);
    assert_eq!(kit.hub().page_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_stream_passes_pushes_and_messages() {
    let (kit, _) = kit();
    let (sent, mut received) = tokio::sync::mpsc::unbounded_channel();
    kit.hub().on_page_message(move |message: &PageMessage, _| {
        let text = message.message.as_text().unwrap().to_owned();
        let _ = sent.send((message.page.clone(), message.session.is_some(), text));
        "taken"
    });
    let mut lamp = device(&kit, "/stream").await;
    lamp.send("hello").await;
    assert_eq!(lamp.text().await, "taken");
    let (page, has_session, text) = received.recv().await.unwrap();
    assert_eq!((has_session, &*text), (false, "hello"));
    assert!(page == *lamp.page());
    page.subscribe("command", Commands).unwrap();
    let _ = kit.hub().publish(Commands, &1);
    assert_eq!(lamp.event::<u64>("command").await, 1);
    assert_eq!(kit.hub().broadcast("all", &2), 1);
    assert_eq!(lamp.event::<u64>("all").await, 2);
    assert_eq!(
        kit.hub()
            .stats()
            .routes
            .iter()
            .filter(|it| it.connections == 1)
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_away_for_longer_than_its_grace_time_continues_its_topics() {
    let (kit, journal) = kit();
    let mut lamp = device(&kit, "/lamp").await;
    let _ = kit.hub().publish(Commands, &1);
    assert_eq!(lamp.event::<u64>("command").await, 1);
    lamp.disconnect().await;
    tokio::time::sleep(secs(30)).await;
    assert_eq!(
        (kit.hub().page_count(), lamp.page().push("lost", &1)),
        (0, 0)
    );
    let _ = kit.hub().publish(Commands, &2);
    let id = lamp.page().id().to_owned();
    lamp.reconnect().await.unwrap();
    assert_eq!(lamp.event::<u64>("command").await, 2);
    assert_eq!(
        (lamp.received_so_far().await.len(), lamp.page().id()),
        (0, &*id)
    );
    assert_eq!(
        journal.lines(),
        [
            "init no session New",
            "terminate false",
            "init no session Continued"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_visitor_keeps_the_page_of_the_session() {
    let (kit, journal) = kit();
    let ada = kit.user("ada").await;
    let mut page = kit.page("/lamp").visitor(&ada).connect().await.unwrap();
    assert_eq!(kit.hub().user("ada").push("n", &1), 1);
    assert_eq!(page.event::<u64>("n").await, 1);
    page.send("hi").await;
    assert_eq!(page.text().await, "1 hi true");
    // A page of a session is found with the session only.
    assert!(kit.hub().page(page.page().id()).is_none());
    assert_eq!(journal.lines(), ["init ada New"]);
    kit.hub().sessions().end(ada.session()).await.unwrap();
    assert_eq!(page.closed().await.0.get(), 4401);
}

#[tokio::test(start_paused = true)]
async fn an_id_is_valid_on_every_server_with_the_secret_and_without_it_the_page_is_replaced() {
    let hub = |bytes: &[u8]| {
        Hub::with_secrets(ServerLimits::DEFAULT, Sessions::default(), secrets(bytes))
    };
    let (before, _) = kit_of(hub(&[1]));
    let (first, _client) = welcome(with_query(&before, "/lamp", "")).await;
    let query = |of: &serde_json::Value| {
        let member = |name: &str| of[name].as_str().unwrap().to_owned();
        let (id, epoch, base) = (member("page"), member("epoch"), member("base"));
        format!("z_pid={id}&epoch={epoch}&offset=0&base={base}")
    };
    let reset = json!({"type": "reset", "why": "restart", "offset": 0});
    // The secret was rotated: the page keeps its id, and loads its state again.
    let (rotated, _) = kit_of(hub(&[2, 1]));
    let (second, mut client) = welcome(with_query(&rotated, "/lamp", &query(&first))).await;
    assert_eq!(
        (second.get("page"), client.json().await),
        (None, reset.clone())
    );
    // A server without the secret issues another id.
    let (other, journal) = kit_of(hub(&[2]));
    let (third, mut client) = welcome(with_query(&other, "/lamp", &query(&first))).await;
    assert!(third["page"].is_string() && third["page"] != first["page"]);
    assert_eq!(client.json::<serde_json::Value>().await, reset);
    assert_eq!(journal.lines(), ["init no session Lost"]);
    // The new id is valid from then on.
    drop(client);
    let mut query = query(&third);
    query.truncate(query.find("&epoch").unwrap());
    let (fourth, _client) = welcome(with_query(&other, "/lamp", &query)).await;
    assert_eq!(
        (fourth.get("page"), &fourth["epoch"]),
        (None, &third["epoch"])
    );
}

#[tokio::test(start_paused = true)]
async fn an_old_id_is_replaced_unless_its_page_still_waits() {
    let limits = ws_server::limits::SessionLimits::DEFAULT.page_lifetime(std::time::Duration::ZERO);
    let sessions = Sessions::new(SessionOptions::new(limits));
    let (kit, _) = kit_of(Hub::with_sessions(ServerLimits::DEFAULT, sessions));
    let mut lamp = device(&kit, "/lamp").await;
    let id = lamp.page().id().to_owned();
    lamp.disconnect().await;
    assert_eq!(lamp.page().push("n", &1), 1);
    lamp.reconnect().await.unwrap();
    assert_eq!((lamp.event::<u64>("n").await, lamp.page().id()), (1, &*id));
    lamp.disconnect().await;
    tokio::time::sleep(secs(30)).await;
    assert!(kit.hub().page(&id).is_none());
    lamp.reconnect().await.unwrap();
    assert_eq!(lamp.reset().await, ResetReason::Restart);
    assert_ne!(lamp.page().id(), id);
}
