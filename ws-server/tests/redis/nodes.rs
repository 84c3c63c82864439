//! Nodes that share the log in Redis, and their clients.

use std::time::Duration;

use ws_server::cluster::{ClusterOptions, Engine, Lane, Lanes, TopicName};
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_server::redis::{Redis, RedisEngine};
use ws_server::session::{Secrets, Sessions};
use ws_server::testkit::{Received, TestClient, TestKit};
use ws_server::topic::PublishError;

use crate::server::RedisServer;

topics! {
    pub(crate) Lines: "lines" => String { history: 100, keep: 10m };
    pub(crate) Room: "room/{id: u64}" => String { history: 100, keep: 10m };
}

/// Subscribes to the lines with their history, and publishes what its client sends.
pub(crate) struct Chat;

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

/// The lane of a topic.
pub(crate) fn lane_of(topic: &str) -> Lane {
    Lanes::DEFAULT.of(&TopicName::new(topic.to_owned()))
}

/// The options of all nodes.
pub(crate) fn options() -> ClusterOptions {
    ClusterOptions::DEFAULT
}

/// A node that may not have read the log yet.
pub(crate) fn start(engine: impl Engine, options: &ClusterOptions) -> TestKit {
    let (limits, sessions) = (ServerLimits::DEFAULT, Sessions::default());
    let secrets = Secrets::new([[7; 32]]).unwrap();
    TestKit::with_hub(Hub::with_engine(limits, sessions, secrets, engine, options))
}

/// A node on this server that has read the log.
pub(crate) async fn node(server: &RedisServer) -> TestKit {
    node_on(server.redis(), &options()).await
}

/// A node that has read the log.
pub(crate) async fn node_on(redis: Redis, options: &ClusterOptions) -> TestKit {
    let node = start(RedisEngine::new(redis, options.lanes), options);
    node.hub().ready().await;
    node
}

/// A node whose publishes wait a second at most.
pub(crate) async fn impatient_node(redis: Redis) -> TestKit {
    node_on(redis, &options().publish_timeout(Duration::from_secs(1))).await
}

pub(crate) async fn join(node: &TestKit) -> TestClient {
    node.handler::<Chat>().connect().await.unwrap()
}

/// The next texts.
pub(crate) async fn texts(client: &mut TestClient, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(client.text().await);
    }
    texts
}

/// All texts up to and with the last one.
pub(crate) async fn texts_up_to(client: &mut TestClient, last: &str) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text| text != last) {
        texts.push(client.text().await);
    }
    texts
}

/// Publishes until it is accepted, at most for a minute.
///
/// # Panics
///
/// Panics if it is unconfirmed: then the message may be delivered, and another one would be its
/// double. [`publish_again`] is for that.
pub(crate) async fn publish(node: &TestKit, line: &str) {
    let published = async {
        let line = line.to_owned();
        while let Err(error) = node.hub().publish(Lines, &line).await {
            assert_ne!(error, PublishError::Unconfirmed, "{line}");
            tracing::debug!(%error, "published again");
        }
    };
    let published = tokio::time::timeout(Duration::from_secs(60), published);
    published.await.expect("the log accepts messages");
}

/// Publishes until a message is accepted, each time another one, and returns that. Those before it
/// that are unconfirmed may be delivered too.
pub(crate) async fn publish_again(node: &TestKit, line: &str) -> String {
    let published = async {
        for attempt in 1.. {
            let line = format!("{line}, attempt {attempt}");
            if node.hub().publish(Lines, &line).await.is_ok() {
                return line;
            }
        }
        unreachable!("the attempts do not end");
    };
    let published = tokio::time::timeout(Duration::from_secs(60), published);
    published.await.expect("the log accepts messages")
}

/// Asserts that a client has received nothing.
pub(crate) async fn assert_quiet(client: &mut TestClient) {
    assert_eq!(client.received_so_far().await, [] as [Received; 0]);
}

/// Waits until clients are closed because messages may be missing, and connects them again.
pub(crate) async fn reset(nodes: [&TestKit; 2], clients: [TestClient; 2]) -> [TestClient; 2] {
    for mut client in clients {
        assert_eq!(client.closed().await.0, CloseCode::SERVICE_RESTART);
    }
    [join(nodes[0]).await, join(nodes[1]).await]
}
