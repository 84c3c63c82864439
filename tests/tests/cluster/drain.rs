//! Servers that end by a signal.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_server::cluster::ClusterOptions;
use ws_server::dispatch;
use ws_server::extract::NoState;
use ws_server::limits::ServerLimits;
use ws_server::testkit::{Cluster, TestKit};

use crate::rooms::Command::{Enter, Subscribe};
use crate::rooms::{Room, Visitor, connect, text, visitor};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn what_a_server_has_published_reaches_the_others_and_its_members_leave_at_once() {
    let mut cluster = Cluster::new(2).await;
    let enter = Enter(7, "ada".into(), "at home".into());
    let _member = visitor(&cluster, 1, &[enter]).await;
    let mut reader = visitor(&cluster, 0, &[Subscribe(7)]).await;
    cluster.settle().await;
    let here = cluster.node(0).hub().clone();
    assert_eq!(here.member_count(&Room(7)), 1);
    assert_eq!(here.cluster().unwrap().nodes.len(), 2);
    for number in 0..200 {
        cluster.node(1).hub().publish(Room(7), &number.to_string());
    }
    let begin = Instant::now();
    cluster.shut_down(1).await;
    // The client does not answer the Close, so half of the time passes.
    assert!(begin.elapsed() < SECOND * 6, "{:?}", begin.elapsed());
    for number in 0..200 {
        assert_eq!(text(&mut reader).await, number.to_string());
    }
    // A death would need twelve seconds; a leave is shown after two.
    sleep(SECOND * 4).await;
    assert_eq!(here.member_count(&Room(7)), 0);
    let nodes = here.cluster().unwrap().nodes;
    assert!(matches!(&*nodes, [node] if node.is_this), "{nodes:?}");
    // It does not die later, and another one can take its place.
    cluster.restart(1).await;
    sleep(SECOND * 20).await;
    assert_eq!(here.cluster().unwrap().nodes.len(), 2);
}

dispatch! {
    struct Routes;

    open: "/open" => Visitor { require_session: false };
}

#[tokio::test(start_paused = true)]
async fn a_server_admits_a_number_of_handshakes_per_second() {
    let kit = TestKit::with_limits(ServerLimits::DEFAULT.handshakes(Some(3)));
    let kit = kit.with_table(Routes::table(), NoState).unwrap();
    check_rate(&kit, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shares_its_log_admits_two_thousand_handshakes_per_second() {
    let set_up = |kit: TestKit| kit.with_table(Routes::table(), NoState).unwrap();
    let cluster = Cluster::with_options(1, ClusterOptions::DEFAULT, set_up).await;
    check_rate(cluster.node(0), 2_000).await;
}

async fn check_rate(kit: &TestKit, per_second: usize) {
    let open = || kit.open("/open").connect();
    for _ in 0..2 {
        sleep(SECOND).await;
        for _ in 0..per_second {
            open().await.unwrap();
        }
        let refusal = open().await.unwrap_err();
        let expected = "the server admits no more handshakes in this second";
        assert_eq!((refusal.status().as_u16(), refusal.text()), (503, expected));
        let response = refusal.into_response();
        let retry = response.headers()["retry-after"].to_str().unwrap();
        assert!(["1", "2", "3", "4", "5"].contains(&retry), "{retry}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_its_log_ends_by_its_deadline() {
    let mut cluster = Cluster::new(2).await;
    let client = connect(&cluster, 1).await;
    cluster.cut(1);
    cluster.node(1).hub().publish(Room(7), &"lost".to_owned());
    let begin = Instant::now();
    cluster.shut_down(1).await;
    assert!(begin.elapsed() <= SECOND * 10, "{:?}", begin.elapsed());
    drop(client);
}
