//! Pages that move to a server whose `init` takes some time: meanwhile, other servers go on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::{Notify, Semaphore};
use ws_server::extract::{Handshake, NoState};
use ws_server::page::{PAGE_PROTOCOL, Resumed};
use ws_server::prelude::*;
use ws_server::testkit::{ClientBuilder, Cluster, TestClient, TestKit, TestVisitor};

use crate::cursors::connect;
use crate::rooms::{News, Room};

/// Lets one `init` continue.
static GATE: Semaphore = Semaphore::const_new(0);

/// An `init` waits for that.
static WAITS: Notify = Notify::const_new();

/// A page whose `init` does what the handshake asks for.
struct Slow;

#[ws_handler]
impl Slow {
    async fn init(
        resumed: Resumed,
        page: Page,
        hub: &Hub,
        handshake: &Handshake,
    ) -> Result<Self, Refusal> {
        if handshake.header("x-wait").is_some() {
            WAITS.notify_one();
            GATE.acquire().await.expect("an open gate").forget();
        }
        if handshake.header("x-subscribe").is_some() {
            page.subscribe("said", News(1))?;
        }
        let rooms = handshake.header("x-rooms").map(|rooms| {
            let (one, other) = rooms.split_once(' ').expect("two rooms");
            [one, other].map(|room| Room(room.parse().expect("a number")))
        });
        if let Some([one, other]) = rooms {
            resumed.subscribe("said", &one)?;
            if handshake.header("x-publish").is_some() {
                let published = hub.publish(&one, &"live".to_owned()).await;
                published.map_err(|_| Refusal::INTERNAL_SERVER_ERROR)?;
            }
            resumed.subscribe("said", &other)?;
        }
        Ok(Slow)
    }
}

dispatch! {
    struct Routes;

    slow:   "/slow"   => Slow { attach: page };
    stream: "/stream" => PageStream;
}

async fn cluster(nodes: usize) -> Cluster {
    let set_up = |kit: TestKit| kit.with_table(Routes::table(), NoState).unwrap();
    Cluster::with(nodes, set_up).await
}

/// What happens while `init` runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meanwhile {
    /// Another server writes the subscription of the page again.
    WrittenAgain,
    /// `init` subscribes the page again.
    Subscribed,
}

#[tokio::test(start_paused = true)]
async fn a_page_gets_what_is_published_while_init_of_its_next_server_runs() {
    for meanwhile in [Meanwhile::WrittenAgain, Meanwhile::Subscribed] {
        let mut cluster = cluster(3).await;
        let visitor = cluster.node(0).visitor().await;
        let headers: Arc<Mutex<&[&str]>> = Arc::default();
        let of_page = headers.clone();
        let page = cluster.node(0).page("/slow").visitor(&visitor);
        let page = page.each_handshake(move |builder| {
            let headers = of_page.lock().unwrap();
            let add = |builder: ClientBuilder, name: &&str| builder.header(name, "1");
            headers.iter().fold(builder, add)
        });
        let mut page = page.connect().await.unwrap();
        page.page().subscribe("said", News(1)).unwrap();
        cluster.settle().await;
        page.disconnect().await;
        let id = page.page().id().to_owned();
        let say = async |hub: &Hub, text: &str| {
            let text = text.to_owned();
            hub.publish(News(1), &text).await.unwrap();
        };
        let hub = cluster.node(2).hub().clone();
        say(&hub, "1").await;
        cluster.shut_down(0).await;
        page.set_server(cluster.node(1));
        *headers.lock().unwrap() = match meanwhile {
            Meanwhile::WrittenAgain => &["x-wait"],
            Meanwhile::Subscribed => &["x-wait", "x-subscribe"],
        };
        let reconnected = tokio::spawn(async move {
            page.reconnect().await.unwrap();
            page
        });
        WAITS.notified().await;
        say(&hub, "2").await;
        if meanwhile == Meanwhile::WrittenAgain {
            let there = visitor.at(cluster.node(2)).await;
            let handle = hub.find_page(there.session(), &id).unwrap();
            handle.subscribe("said", News(1)).unwrap();
        }
        cluster.settle().await;
        GATE.add_permits(1);
        let mut page = reconnected.await.unwrap();
        say(&hub, "3").await;
        for expected in ["1", "2", "3"] {
            assert_eq!(
                page.event::<String>("said").await,
                expected,
                "{meanwhile:?}"
            );
        }
        assert_eq!(page.received_so_far().await, [], "{meanwhile:?}");
    }
}

/// Two rooms whose messages have one order.
async fn rooms_of_one_lane(cluster: &Cluster, visitor: &TestVisitor) -> [u64; 2] {
    let page = visitor.page();
    let query = format!("z_pid={}&client=7&attempt=1", page.id());
    let mut client = connect(cluster, (0, visitor), &query).await.unwrap();
    client.text().await;
    let mut lanes = HashMap::new();
    for room in 0..9 {
        page.subscribe("said", Room(room)).unwrap();
        let hub = cluster.node(0).hub();
        hub.publish(Room(room), &"x".to_owned()).await.unwrap();
        let event: Value = client.json().await;
        let place = event["at"].as_str().unwrap();
        let (lane, _) = place.split_once('.').unwrap();
        if let Some(other) = lanes.insert(lane.to_owned(), room) {
            return [other, room];
        }
    }
    unreachable!("there are 8 lanes")
}

/// Connects a page with a handler that is subscribed to these rooms.
async fn slow(
    (cluster, node): (&Cluster, usize),
    visitor: &TestVisitor,
    rooms: [u64; 2],
    query: &str,
) -> (TestClient, Value) {
    let kit = cluster.node(node);
    let builder = kit.open(&format!("/slow?client=7&{query}"));
    let builder = builder.session(&visitor.at(kit).await);
    let builder = builder.header("sec-websocket-protocol", PAGE_PROTOCOL);
    let builder = builder.header("x-rooms", &format!("{} {}", rooms[0], rooms[1]));
    let builder = if node == 1 {
        builder.header("x-publish", "1")
    } else {
        builder
    };
    let mut client = builder.connect().await.unwrap();
    let welcome = client.json().await;
    (client, welcome)
}

#[tokio::test(start_paused = true)]
async fn a_page_that_has_only_some_of_its_topics_does_not_move_as_if_it_had_all() {
    for has_all in [false, true] {
        let mut cluster = cluster(3).await;
        let visitor = cluster.node(0).visitor().await;
        let rooms = rooms_of_one_lane(&cluster, &visitor).await;
        let rendered = visitor.page();
        let (id, base) = (rendered.id(), rendered.base().unwrap());
        let query = |(attempt, offset): (u32, u32), (epoch, base): (&str, &str), at: &str| {
            format!(
                "z_pid={id}&attempt={attempt}&epoch={epoch}&offset={offset}&base={base}&at={at}"
            )
        };
        let epoch = rendered.epoch().unwrap();
        let first = query((1, 0), (&epoch, base), "");
        drop(slow((&cluster, 0), &visitor, rooms, &first).await);
        let hub = cluster.node(2).hub().clone();
        hub.publish(Room(rooms[1]), &"missed".to_owned())
            .await
            .unwrap();
        cluster.shut_down(0).await;
        let second = query((2, 0), (&epoch, base), "");
        let (mut client, welcome) = slow((&cluster, 1), &visitor, rooms, &second).await;
        assert_eq!(welcome["continued"], true, "{welcome}");
        let live: Value = client.json().await;
        assert_eq!(live["data"], "live", "{live}");
        let missed: Value = client.json().await;
        assert_eq!(missed["data"], "missed", "{missed}");
        let places: Value = client.json().await;
        assert_eq!(places["type"], "pong", "{places}");
        client.reset().await;
        hub.publish(Room(rooms[1]), &"last".to_owned())
            .await
            .unwrap();
        cluster.shut_down(1).await;
        // The connection may have broken after the first message.
        let (offset, last) = if has_all { (2, places) } else { (1, live) };
        let [epoch, base] = ["epoch", "base"].map(|name| welcome[name].as_str().unwrap());
        let third = query((3, offset), (epoch, base), last["at"].as_str().unwrap());
        let (mut client, welcome) = slow((&cluster, 2), &visitor, rooms, &third).await;
        let next: Value = client.json().await;
        if has_all {
            assert_eq!(welcome["continued"], true, "{welcome}");
            assert_eq!(next["data"], "last", "{next}");
        } else {
            assert_eq!(next["type"], "reset", "{welcome} {next}");
        }
    }
}
