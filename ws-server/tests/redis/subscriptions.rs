//! Pages and sessions that are subscribed, on nodes that share one Redis.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use ws_server::cluster::Lane;
use ws_server::extract::NoState;
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_server::redis::{RedisEngine, RedisStore};
use ws_server::session::{Secrets, SessionOptions, Sessions};
use ws_server::testkit::{PageReceived, TestKit, TestPage};

use crate::nodes::{Room, options};
use crate::server::RedisServer;

/// The longest time that a node may need to learn something.
const DEADLINE: Duration = Duration::from_secs(30);

dispatch! {
    struct Routes;

    stream: "/stream" => PageStream;
}

/// A node whose sessions are in Redis too.
async fn node(server: &RedisServer) -> TestKit {
    let options = options();
    let engine = RedisEngine::new(server.redis(), options.lanes);
    let store = RedisStore::new(server.redis());
    let sessions = Sessions::new(SessionOptions::default().store(store));
    let secrets = Secrets::new([[7; 32]]).unwrap();
    let hub = Hub::with_engine(ServerLimits::DEFAULT, sessions, secrets, engine, &options);
    hub.ready().await;
    TestKit::with_hub(hub)
        .with_table(Routes::table(), NoState)
        .unwrap()
}

/// Waits until a node knows this number of subscriptions.
async fn knows(node: &TestKit, count: usize) {
    let known = async {
        while node.hub().cluster().unwrap().subscriptions != count {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let known = timeout(DEADLINE, known).await;
    known.expect("the node learns of the subscriptions");
}

/// The next event; there may be a reset before it.
async fn event(page: &mut TestPage) -> (String, String) {
    loop {
        if let PageReceived::Event(event, data) = page.receive().await {
            return (event, data.as_str().unwrap().to_owned());
        }
    }
}

async fn assert_subscribed(page: &mut TestPage, node: &TestKit, text: &str) {
    let said = text.to_owned();
    for (id, name) in [(7, "page"), (8, "session")] {
        node.hub().publish(Room(id), &said).await.unwrap();
        assert_eq!(event(page).await, (name.to_owned(), said.clone()));
    }
}

#[tokio::test]
async fn a_page_has_its_topics_on_every_node_also_on_one_that_starts_late() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let visitor = one.visitor().await;
    let page = one.page("/stream").visitor(&visitor).connect().await;
    let mut page = page.unwrap();
    page.page().subscribe("page", Room(7)).unwrap();
    visitor.session().subscribe("session", Room(8)).unwrap();
    knows(&one, 2).await;
    knows(&two, 2).await;
    assert_subscribed(&mut page, &two, "on one").await;
    page.set_server(&two);
    page.reconnect().await.unwrap();
    assert_subscribed(&mut page, &one, "on two").await;
    // Redis has them beside the log, for nodes that start later.
    let recorded = "HLEN ws:{members}:node:0000000000000000";
    while server.command(recorded) != ":2\r\n" {
        sleep(Duration::from_millis(10)).await;
    }
    server.command(&format!("XTRIM {} MAXLEN 0", server.log_of(Lane(0))));
    let late = node(&server).await;
    knows(&late, 2).await;
    page.set_server(&late);
    page.reconnect().await.unwrap();
    assert_subscribed(&mut page, &two, "on the late one").await;
    page.bye().await;
    for node in [&one, &two, &late] {
        knows(node, 1).await;
    }
    visitor.session().unsubscribe(Room(8));
    for node in [&one, &two, &late] {
        knows(node, 0).await;
    }
    while server.command(recorded) != ":0\r\n" {
        sleep(Duration::from_millis(10)).await;
    }
}
