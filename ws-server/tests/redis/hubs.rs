//! Hubs that share the log in one Redis.

use ws_server::cluster::{ClusterOptions, Lanes};
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_server::redis::RedisEngine;
use ws_server::session::{Secrets, Sessions};
use ws_server::testkit::{TestClient, TestKit};

use crate::server::RedisServer;

topics! {
    Lines: "lines" => String { history: 100, keep: 10m };
}

struct Chat;

#[ws_handler]
impl Chat {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Lines.replay(100));
        Chat
    }

    fn message(&mut self, line: String, hub: &Hub) {
        hub.publish(Lines, &line);
    }
}

/// A node that has read the log.
async fn node(server: &RedisServer) -> TestKit {
    let engine = RedisEngine::new(server.redis(), Lanes::DEFAULT);
    let secrets = Secrets::new([[7; 32]]).unwrap();
    let (limits, options) = (ServerLimits::DEFAULT, ClusterOptions::DEFAULT);
    let hub = Hub::with_engine(limits, Sessions::default(), secrets, engine, &options);
    hub.ready().await;
    TestKit::with_hub(hub)
}

async fn join(node: &TestKit) -> TestClient {
    node.handler::<Chat>().connect().await.unwrap()
}

async fn texts(client: &mut TestClient, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(client.text().await);
    }
    texts
}

#[tokio::test]
async fn clients_of_two_nodes_get_the_same_messages_in_the_same_order() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    for number in 0..50 {
        ada.send(format!("ada {number}")).await;
        bob.send(format!("bob {number}")).await;
    }
    let all = texts(&mut ada, 100).await;
    assert_eq!(texts(&mut bob, 100).await, all);
    for name in ["ada", "bob"] {
        let own: Vec<_> = all.iter().filter(|text| text.starts_with(name)).collect();
        let expected: Vec<_> = (0..50).map(|number| format!("{name} {number}")).collect();
        assert!(own.into_iter().eq(&expected), "{all:?}");
    }
    // A node that starts later has the history.
    let mut eve = join(&node(&server).await).await;
    assert_eq!(texts(&mut eve, 100).await, all);
}

#[tokio::test]
async fn clients_connect_again_after_redis_was_replaced_and_messages_flow() {
    let mut server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    ada.send("before").await;
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.text().await, "before");
    }
    server.kill();
    assert!(server.run());
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.closed().await.0, CloseCode::SERVICE_RESTART);
    }
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    bob.send("after").await;
    for client in [&mut ada, &mut bob] {
        assert_eq!(texts(client, 1).await, ["after"]);
    }
}
