//! Topics declared with `topics!`: history, positions, and what is not logged.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ws_core::testkit::{TestClient, TestKit};
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_server::topic::{Position, PublishError, Received, SinceError};

use crate::journal::settle;

topics! {
    /// What is said in a room.
    pub(crate) Room: "room/{id}" => Said { history: 3, keep: 10m };
    /// Only the newest price.
    pub(crate) Price: "price/{symbol}" => u32 { history: latest, keep: 1h };
    /// Never kept.
    pub(crate) Typing: "room/{id}/typing" => String { relay: live };
    pub(crate) Notice: "notices" => String;
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    text: String,
}

fn said(text: &str) -> Said {
    Said { text: text.into() }
}

/// Joins a room, with the last messages, or from the position in the query on.
struct Visitor {
    room: Room,
}

#[derive(Deserialize)]
struct Join {
    room: String,
    last: Option<usize>,
    since: Option<Position>,
}

#[ws_handler]
impl Visitor {
    fn init(Query(join): Query<Join>, socket: &Socket<Self>) -> Result<Self, Refusal> {
        let room = Room(join.room);
        match (join.last, join.since) {
            (_, Some(position)) => socket.subscribe(room.since(position))?,
            (Some(last), None) => socket.subscribe(room.replay(last)),
            (None, None) => socket.subscribe(&room),
        }
        Ok(Visitor { room })
    }

    async fn message(&mut self, text: String, hub: &Hub) -> Result<String, Close> {
        let position = hub.publish(&self.room, &said(&text)).await?;
        Ok(position.to_string())
    }
}

fn kit() -> TestKit {
    TestKit::new()
}

fn publish(kit: &TestKit, room: &str, texts: &[&str]) {
    for text in texts {
        kit.hub().publish(Room(room.into()), &said(text));
    }
}

async fn join(kit: &TestKit, query: &str) -> TestClient {
    let client = kit.handler::<Visitor>().uri(&format!("/?{query}"));
    client.connect().await.unwrap()
}

/// The texts of the messages that have arrived.
async fn texts(client: &mut TestClient) -> Vec<String> {
    settle().await;
    let received = client.received_so_far().await.into_iter();
    let text = |received: ws_core::testkit::Received| match received {
        ws_core::testkit::Received::Message(message) => {
            let said: Said = serde_json::from_str(message.as_text().unwrap()).unwrap();
            said.text
        }
        other => panic!("{other:?}"),
    };
    received.map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_late_client_gets_the_last_messages_and_then_the_new_ones() {
    let kit = kit();
    publish(&kit, "7", &["1", "2", "3", "4"]);
    publish(&kit, "8", &["of another room"]);
    let mut all = join(&kit, "room=7&last=9").await;
    let mut one = join(&kit, "room=7&last=1").await;
    let mut none = join(&kit, "room=7").await;
    publish(&kit, "8", &["of another room"]);
    publish(&kit, "7", &["5"]);
    assert_eq!(texts(&mut all).await, ["2", "3", "4", "5"]);
    assert_eq!(texts(&mut one).await, ["4", "5"]);
    assert_eq!(texts(&mut none).await, ["5"]);
    tokio::time::advance(Duration::from_secs(600)).await;
    let mut late = join(&kit, "room=7&last=9").await;
    assert_eq!(texts(&mut late).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_client_continues_behind_the_position_that_it_was_given() {
    let kit = kit();
    let mut client = join(&kit, "room=8").await;
    client.send("first").await;
    let own: Said = client.json().await;
    assert_eq!(own, said("first"));
    let position = client.text().await;
    drop(client);
    publish(&kit, "8", &["second", "third"]);
    let mut client = join(&kit, &format!("room=8&since={position}")).await;
    publish(&kit, "8", &["fourth"]);
    assert_eq!(texts(&mut client).await, ["second", "third", "fourth"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_cannot_be_continued_refuses_the_handshake() {
    let kit = kit();
    let mut client = join(&kit, "room=7").await;
    client.send("first").await;
    let _: Said = client.json().await;
    let position = client.text().await;
    let refused = async |query: String| {
        let client = kit.handler::<Visitor>().uri(&format!("/?{query}"));
        let response = client.connect().await.err().unwrap().into_response();
        (response.status().as_u16(), response.into_body())
    };
    let of_another = "the position belongs to another topic\n".to_owned();
    let other_room = format!("room=8&since={position}");
    assert_eq!(refused(other_room).await, (400, of_another));
    let invalid = "the position is invalid\n".to_owned();
    let changed = if position.starts_with("AQ") {
        "AR"
    } else {
        "AQ"
    };
    let forged = format!("room=7&since={changed}{}", &position[2..]);
    assert_eq!(refused(forged).await, (400, invalid));
    publish(&kit, "7", &["2", "3", "4", "5"]);
    let gap = "messages after this position are no longer kept\n".to_owned();
    let old = format!("room=7&since={position}");
    assert_eq!(refused(old).await, (410, gap));
    assert_eq!(kit.hub().subscriber_count(Room("8".into())), 0);
}

/// Records what it hears about a room, and a price.
struct Observer;

enum Heard {
    Said(Received<Said>),
    Price(u32),
}

impl From<Received<Said>> for Heard {
    fn from(received: Received<Said>) -> Self {
        Self::Said(received)
    }
}

impl From<u32> for Heard {
    fn from(price: u32) -> Self {
        Self::Price(price)
    }
}

#[ws_handler]
impl Observer {
    fn init(socket: &Socket<Self>) -> Self {
        socket.listen(Room("7".into()).replay(9).with_position());
        socket.listen(Price("EUR".into()).replay(1));
        Observer
    }

    fn info(&mut self, heard: Heard) -> String {
        match heard {
            Heard::Said(Received { value, position }) => format!("{} {position}", value.text),
            Heard::Price(price) => price.to_string(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listening_handler_gets_the_history_and_positions() {
    let kit = kit();
    for cents in [107, 108] {
        kit.hub().publish(Price("EUR".into()), &cents);
    }
    let room = Room("7".into());
    let first = kit.hub().publish(&room, &said("1")).await.unwrap();
    let mut client = kit.handler::<Observer>().connect().await.unwrap();
    let second = kit.hub().publish(&room, &said("2")).await.unwrap();
    kit.hub().publish(Price("EUR".into()), &109);
    assert_eq!(client.text().await, format!("1 {first}"));
    assert_eq!(client.text().await, "108");
    assert_eq!(client.text().await, format!("2 {second}"));
    assert_eq!(client.text().await, "109");
}

#[tokio::test(start_paused = true)]
async fn parameters_cannot_name_another_topic() {
    let kit = kit();
    let mut typing = kit.handler::<Typer>().connect().await.unwrap();
    assert_eq!(typing.text().await, "ready");
    // As if a client chose the room "7/typing".
    assert_eq!(Room("7/typing".into()).name(), "room/7%2Ftyping");
    publish(&kit, "7/typing", &["not for you"]);
    kit.hub().publish(Typing("7".into()), &"ann".into());
    assert_eq!(typing.text().await, "ann");
}

struct Typer;

#[ws_handler]
impl Typer {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Typing("7".into()));
        let _ = socket.send("ready");
        Typer
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_large_is_an_error_or_is_counted() {
    let kit = kit();
    let hub = kit.hub();
    let large = "x".repeat(1 << 20);
    assert_eq!(hub.publish(Notice, &large).reached(), 0);
    assert_eq!(hub.refused_publishes(), 0);
    let larger = format!("{large}x");
    let refused = hub.publish(Notice, &larger).await;
    assert_eq!(refused, Err(PublishError::TooLarge { len: 1_048_577 }));
    assert_eq!(hub.refused_publishes(), 0);
    hub.publish(Notice, &larger);
    assert_eq!(hub.refused_publishes(), 1);
}

#[tokio::test(start_paused = true)]
async fn past_the_limit_the_topics_published_least_recently_lose_their_histories() {
    // Eight lanes share the limit: 257 bytes and more for each room with one message.
    let kit = TestKit::with_limits(ServerLimits::DEFAULT.history(8 * 3 * 300));
    for room in 0..100 {
        publish(&kit, &room.to_string(), &["hello"]);
    }
    let mut kept = 0;
    for room in 0..100 {
        let mut client = join(&kit, &format!("room={room}&last=9")).await;
        kept += texts(&mut client).await.len();
    }
    assert!((8..=24).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn a_page_begins_with_the_history_and_continues_from_a_position() {
    let kit = kit();
    let visitor = kit.visitor().await;
    publish(&kit, "7", &["1"]);
    let room = Room("7".into());
    let second = kit.hub().publish(&room, &said("2")).await.unwrap();
    publish(&kit, "7", &["3"]);
    let (first, other) = (visitor.page(), visitor.page());
    first.subscribe("said", room.replay(2)).unwrap();
    other.subscribe("said", room.since(second)).unwrap();
    publish(&kit, "7", &["4"]);
    let kit = kit
        .with_table(Streams::table(), ws_server::extract::NoState)
        .unwrap();
    for (page, expected) in [(&first, &["2", "3", "4"][..]), (&other, &["3", "4"])] {
        let page = kit.page("/stream").visitor(&visitor).page(page);
        let mut page = page.connect().await.unwrap();
        for text in expected {
            assert_eq!(page.event::<Said>("said").await, said(text));
        }
    }
    let of_another_room = Position::from_text("AAAA").unwrap();
    let refused = first.subscribe("price", Price("EUR".into()).since(of_another_room));
    assert_eq!(refused, Err(SinceError::Invalid.into()));
}

dispatch! {
    struct Streams;

    stream: "/stream" => PageStream;
}
