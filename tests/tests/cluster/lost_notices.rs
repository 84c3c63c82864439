//! Notices that only some servers have read before the log has lost them: sessions that have ended, and
//! connections that are closed.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use ws_server::cluster::{ClusterOptions, Lane};
use ws_server::extract::NoState;
use ws_server::prelude::*;
use ws_server::testkit::{Cluster, Restart, TestClient, TestKit, TestVisitor};

/// Subscribes to nothing, so that no reset closes its connections.
struct Quiet;

#[ws_handler]
impl Quiet {
    fn init() -> Self {
        Quiet
    }
}

dispatch! {
    struct Routes;

    quiet: "/quiet" => Quiet { require_page: false, ping: off, idle: off };
}

const SECOND: Duration = Duration::from_secs(1);

/// The time after which a dead node is known, and a later version is written.
const SETTLED: Duration = Duration::from_secs(30);

async fn cluster(nodes: usize) -> Cluster {
    let set_up = |kit: TestKit| kit.with_table(Routes::table(), NoState).unwrap();
    let cluster = Cluster::with_options(nodes, ClusterOptions::DEFAULT, set_up).await;
    cluster.settle().await;
    cluster
}

async fn client(cluster: &Cluster, node: usize, visitor: &TestVisitor) -> TestClient {
    let builder = cluster.node(node).open("/quiet").session(visitor);
    builder.connect().await.unwrap()
}

/// How a connection ends. Without the notice it stays open.
async fn end(client: &mut TestClient) -> (CloseCode, String) {
    let closed = timeout(60 * SECOND, client.closed()).await;
    let (code, reason) = closed.expect("the connection is closed");
    (code, reason.clone())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Loss {
    /// The server of the log restarts with what it has saved before.
    Snapshot,
    /// The last entry disappears.
    Entry,
    /// All entries are removed: only node 1 has not read them, so only it knows of a loss.
    Unread,
}

const LOSSES: [Loss; 3] = [Loss::Snapshot, Loss::Entry, Loss::Unread];

/// Only node 0 reads the notice.
async fn lose(cluster: &Cluster, loss: Loss, notice: impl AsyncFnOnce()) {
    cluster.server().save();
    cluster.cut(1);
    notice().await;
    sleep(SECOND / 5).await;
    match loss {
        Loss::Snapshot => cluster.server().restart(Restart::Saved),
        Loss::Entry => assert_eq!(cluster.server().lose_last(Lane(0)), Some(Vec::new())),
        Loss::Unread => cluster.server().trim(Lane(0), 0),
    }
    cluster.heal(1);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_end_the_log_has_lost_ends_on_every_node() {
    for loss in LOSSES {
        let cluster = cluster(2).await;
        let mut visitor = cluster.node(0).visitor().await;
        let other = cluster.node(0).visitor().await;
        let mut socket = client(&cluster, 1, &visitor).await;
        let mut others = client(&cluster, 1, &other).await;
        lose(&cluster, loss, async || visitor.logoff().await).await;
        assert_eq!(
            end(&mut socket).await.0,
            CloseCode::UNAUTHORIZED,
            "{loss:?}"
        );
        assert_eq!(others.received_so_far().await, [], "{loss:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_that_the_log_has_lost_is_repeated_only_where_it_was_not_read() {
    for loss in LOSSES {
        let cluster = cluster(2).await;
        let ada = cluster.node(0).user("ada").await;
        let mut here = client(&cluster, 0, &ada).await;
        let mut there = client(&cluster, 1, &ada).await;
        let mut again = None;
        lose(&cluster, loss, async || {
            let close = Close::new(CloseCode::POLICY, "out");
            cluster.node(0).hub().disconnect_user("ada", close);
            assert_eq!(end(&mut here).await.0, CloseCode::POLICY);
            again = Some(client(&cluster, 0, &ada).await);
        })
        .await;
        let expected = (CloseCode::POLICY, "out".to_owned());
        assert_eq!(end(&mut there).await, expected, "{loss:?}");
        cluster.settle().await;
        assert_eq!(again.unwrap().received_so_far().await, [], "{loss:?}");
    }
}

/// As when a deploy is rolled back: the others write what the node cannot read, until they know of it.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_reaches_a_node_of_an_earlier_version_that_cannot_read_it() {
    let mut cluster = cluster(3).await;
    for node in [0, 1] {
        cluster.restart_as_version(node, 2).await;
    }
    cluster.shut_down(2).await;
    sleep(SETTLED).await;
    let version = |cluster: &Cluster| cluster.node(0).hub().cluster().unwrap().version;
    assert_eq!(version(&cluster), 2);
    let mut visitor = cluster.node(0).visitor().await;
    cluster.cut(0);
    cluster.restart(2).await;
    let mut socket = client(&cluster, 2, &visitor).await;
    visitor.logoff().await;
    cluster.heal(0);
    assert_eq!(end(&mut socket).await.0, CloseCode::UNAUTHORIZED);
    let skipped = cluster.node(2).hub().cluster().unwrap().skipped;
    assert!(skipped > 0, "the notice is of the later version");
    sleep(SETTLED).await;
    assert_eq!(version(&cluster), 1);
}
