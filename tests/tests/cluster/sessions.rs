//! Sessions that several servers share: their ends, their logons, and connections that are closed
//! on all of them.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_server::cluster::ClusterOptions;
use ws_server::extract::NoState;
use ws_server::prelude::*;
use ws_server::testkit::{Cluster, TestClient, TestVisitor};

topics! {
    Lines: "lines" => String;
}

/// Gets what is published.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(&Lines);
        Reader
    }
}

dispatch! {
    struct Routes;

    reader: "/reader" => Reader { require_page: false, ping: off, idle: off };
    open: "/open" => Reader { require_session: false, ping: off, idle: off };
}

const SECOND: Duration = Duration::from_secs(1);

async fn cluster(options: ClusterOptions) -> Cluster {
    let set_up =
        |kit: ws_server::testkit::TestKit| kit.with_table(Routes::table(), NoState).unwrap();
    Cluster::with_options(2, options, set_up).await
}

async fn client(cluster: &Cluster, node: usize, visitor: &TestVisitor) -> TestClient {
    let builder = cluster.node(node).open("/reader").session(visitor);
    builder.connect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_closes_its_sockets_on_every_node_at_once() {
    let cluster = cluster(ClusterOptions::DEFAULT).await;
    let mut visitor = cluster.node(0).visitor().await;
    let other = cluster.node(0).visitor().await;
    let (mut socket, mut others) = (
        client(&cluster, 1, &visitor).await,
        client(&cluster, 1, &other).await,
    );
    let begin = Instant::now();
    visitor.logoff().await;
    assert_eq!(socket.closed().await.0, CloseCode::UNAUTHORIZED);
    assert!(begin.elapsed() < SECOND);
    cluster.node(0).hub().publish(Lines, &"on".to_owned());
    assert_eq!(others.text().await, "on");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_all_sessions_of_a_user_closes_them_on_every_node_but_no_later_ones() {
    let cluster = cluster(ClusterOptions::DEFAULT).await;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let ada = cluster.node(0).user("ada").await;
        sockets.push(client(&cluster, 1, &ada).await);
    }
    let ended = cluster.node(0).hub().sessions().end_user("ada").await;
    assert_eq!(ended.unwrap(), 2);
    // The other node has not read it yet.
    let again = cluster.node(1).user("ada").await;
    let mut later = client(&cluster, 1, &again).await;
    for socket in &mut sockets {
        assert_eq!(socket.closed().await.0, CloseCode::UNAUTHORIZED);
    }
    cluster.node(0).hub().publish(Lines, &"on".to_owned());
    assert_eq!(later.text().await, "on");
}

#[tokio::test(start_paused = true)]
async fn an_end_during_an_outage_closes_the_sockets_of_other_nodes_when_it_is_over() {
    let cluster = cluster(ClusterOptions::DEFAULT).await;
    let mut visitor = cluster.node(0).visitor().await;
    let mut socket = client(&cluster, 1, &visitor).await;
    cluster.cut(0);
    visitor.logoff().await;
    sleep(SECOND * 30).await;
    assert_eq!(socket.received_so_far().await, []);
    cluster.heal(0);
    assert_eq!(socket.closed().await.0, CloseCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_logon_replaces_the_session_on_every_node_but_keeps_its_sockets() {
    let cluster = cluster(ClusterOptions::DEFAULT).await;
    let mut visitor = cluster.node(0).visitor().await;
    let there = visitor.at(cluster.node(1)).await;
    let mut socket = client(&cluster, 1, &visitor).await;
    visitor.logon("ada").await;
    cluster.settle().await;
    assert!(!there.session().is_current());
    assert_eq!(there.session().push("n", &1), 0);
    // Both nodes know the new cookie: its session and the socket outlive several checks of the store.
    for _ in 0..4 {
        sleep(SECOND * 20 * 60).await;
        visitor.at(cluster.node(0)).await;
    }
    cluster.node(0).hub().publish(Lines, &"on".to_owned());
    assert_eq!(socket.text().await, "on");
    visitor.logoff().await;
    assert_eq!(socket.closed().await.0, CloseCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_closes_connections_with_a_session_if_so_configured() {
    let after = Some(SECOND * 60);
    let cluster = cluster(ClusterOptions::DEFAULT.fail_closed_after(after)).await;
    let visitor = cluster.node(0).visitor().await;
    let mut socket = client(&cluster, 0, &visitor).await;
    let mut elsewhere = client(&cluster, 1, &visitor).await;
    let kit = cluster.node(0);
    let mut open = kit.open("/open").connect().await.unwrap();
    let begin = Instant::now();
    cluster.cut(0);
    let (code, reason) = socket.closed().await;
    let reason: &str = &reason;
    let expected = "the server cannot reach its cluster";
    assert_eq!((code, reason), (CloseCode::TRY_AGAIN_LATER, expected));
    assert!((57..66).contains(&begin.elapsed().as_secs()));
    let refusal = kit.open("/reader").session(&visitor).connect().await;
    let refusal = refusal.unwrap_err();
    assert_eq!((refusal.status().as_u16(), refusal.text()), (503, expected));
    // Without a session nothing can have ended.
    kit.open("/open").connect().await.unwrap();
    cluster.heal(0);
    cluster.settle().await;
    client(&cluster, 0, &visitor).await;
    cluster.node(1).hub().publish(Lines, &"on".to_owned());
    assert_eq!(open.text().await, "on");
    assert_eq!(elsewhere.text().await, "on");
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_user_are_closed_on_every_node_after_what_was_published() {
    let cluster = cluster(ClusterOptions::DEFAULT).await;
    let ada = cluster.node(0).user("ada").await;
    let bob = cluster.node(0).user("bob").await;
    let mut sockets = [
        client(&cluster, 0, &ada).await,
        client(&cluster, 1, &ada).await,
    ];
    let mut other = client(&cluster, 1, &bob).await;
    let hub = cluster.node(0).hub();
    let close = Close::new(CloseCode::POLICY, "out");
    assert_eq!(hub.disconnect_user("ada", close), 1);
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, (CloseCode::POLICY, "out".into()));
    }
    assert!(ada.at(cluster.node(1)).await.session().is_current());
    hub.publish(Lines, &"on".to_owned());
    assert_eq!(other.text().await, "on");
}

#[tokio::test(start_paused = true)]
async fn the_subscribers_of_a_topic_are_closed_on_every_node_and_of_this_one_during_an_outage() {
    let cluster = cluster(ClusterOptions::DEFAULT).await;
    let visitor = cluster.node(0).visitor().await;
    let mut sockets = [
        client(&cluster, 0, &visitor).await,
        client(&cluster, 1, &visitor).await,
    ];
    assert_eq!(
        cluster.node(1).hub().disconnect_topic(Lines, Close::NORMAL),
        1
    );
    for socket in &mut sockets {
        assert_eq!(socket.closed().await.0, CloseCode::NORMAL);
    }
    let mut here = client(&cluster, 0, &visitor).await;
    let mut there = client(&cluster, 1, &visitor).await;
    cluster.cut(0);
    let begin = Instant::now();
    assert_eq!(
        cluster.node(0).hub().disconnect_topic(Lines, Close::NORMAL),
        1
    );
    assert_eq!(here.closed().await.0, CloseCode::NORMAL);
    assert_eq!(begin.elapsed().as_secs(), 5);
    cluster.heal(0);
    cluster.settle().await;
    // It is not repeated: clients may have come back meanwhile.
    cluster.node(1).hub().publish(Lines, &"on".to_owned());
    assert_eq!(there.text().await, "on");
}
