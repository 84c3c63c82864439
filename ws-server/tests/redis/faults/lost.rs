//! Entries that disappear before all nodes have read them: whoever may miss one is notified.

use ws_server::prelude::*;
use ws_server::testkit::TestClient;

use crate::nodes::{assert_quiet, join, lane_of, node, node_on, options, publish, texts};
use crate::proxy::Proxy;
use crate::server::RedisServer;

async fn closed(client: &mut TestClient) {
    assert_eq!(client.closed().await.0, CloseCode::SERVICE_RESTART);
}

/// Two nodes, of which the second reads nothing for now, and their clients.
struct Lagging {
    server: RedisServer,
    proxy: Proxy,
    nodes: [ws_server::testkit::TestKit; 2],
    clients: [TestClient; 2],
}

impl Lagging {
    async fn start() -> Self {
        let server = RedisServer::start();
        let proxy = Proxy::start(server.port()).await;
        let nodes = [
            node(&server).await,
            node_on(proxy.redis(), &options()).await,
        ];
        let mut clients = [join(&nodes[0]).await, join(&nodes[1]).await];
        publish(&nodes[0], "before").await;
        for client in &mut clients {
            assert_eq!(client.text().await, "before");
        }
        proxy.hold_answers();
        Self {
            server,
            proxy,
            nodes,
            clients,
        }
    }

    /// Publishes on the first node.
    async fn publish(&mut self, line: &str) {
        publish(&self.nodes[0], line).await;
        assert_eq!(self.clients[0].text().await, line);
    }

    fn log(&self) -> String {
        self.server.log_of(lane_of("lines"))
    }

    /// The second node reads again; its client is notified before any later message.
    async fn check_reset(mut self) {
        self.proxy.cut();
        closed(&mut self.clients[1]).await;
        self.clients[1] = join(&self.nodes[1]).await;
        publish(&self.nodes[1], "after").await;
        while self.clients[1].text().await != "after" {}
        assert_quiet(&mut self.clients[1]).await;
    }
}

/// `max-deleted-entry-id` does not move when a stream is trimmed.
#[tokio::test]
async fn a_reader_that_falls_behind_the_window_gets_a_reset_before_later_messages() {
    let mut lagging = Lagging::start().await;
    for number in 0..20 {
        lagging.publish(&number.to_string()).await;
    }
    lagging
        .server
        .command(&format!("XTRIM {} MAXLEN 5", lagging.log()));
    lagging.publish("last").await;
    let mut ada = std::mem::replace(&mut lagging.clients[0], join(&lagging.nodes[0]).await);
    lagging.check_reset().await;
    // The first node has read everything.
    assert_eq!(texts(&mut ada, 1).await, ["after"]);
    assert_quiet(&mut ada).await;
}

/// An answer that is too late is as good as none: the reads of a node go on behind it.
#[tokio::test]
async fn a_reader_that_falls_behind_but_not_out_of_the_window_gets_everything() {
    let mut lagging = Lagging::start().await;
    let lines: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    for line in &lines {
        lagging.publish(line).await;
    }
    lagging.proxy.pass_answers();
    let client = &mut lagging.clients[1];
    assert_eq!(texts(client, lines.len()).await, lines);
    assert_quiet(client).await;
}

/// Its number is missing in the lane, and no later entry shows that: the heartbeats do.
#[tokio::test]
async fn a_last_entry_that_is_lost_is_noticed_by_the_heartbeats() {
    let mut lagging = Lagging::start().await;
    let (log, copy) = (lagging.log(), format!("ws:{{{}}}:copy", lane_of("lines").0));
    assert!(
        lagging
            .server
            .command(&format!("COPY {log} {copy}"))
            .starts_with(":1")
    );
    lagging.publish("lost").await;
    // Nothing counts it now: the stream is as it was before.
    let restored = lagging
        .server
        .command(&format!("COPY {copy} {log} REPLACE"));
    assert!(restored.starts_with(":1"), "{restored}");
    lagging.check_reset().await;
}

#[tokio::test]
async fn an_entry_that_an_operator_deletes_is_noticed() {
    let mut lagging = Lagging::start().await;
    lagging.publish("deleted").await;
    let log = lagging.log();
    let last = lagging
        .server
        .command(&format!("XREVRANGE {log} + - COUNT 1"));
    let id = last.lines().find(|line| line.contains('-')).unwrap();
    assert!(
        lagging
            .server
            .command(&format!("XDEL {log} {id}"))
            .starts_with(":1")
    );
    lagging.check_reset().await;
}
