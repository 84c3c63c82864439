//! Pushes to pages on several servers.

use std::time::Duration;

use ws_server::CloseCode;
use ws_server::extract::NoState;
use ws_server::prelude::*;
use ws_server::testkit::{Cluster, TestPage, TestVisitor};
use ws_server::topic::PublishError;

dispatch! {
    pub(crate) struct Routes;

    stream: "/stream" => PageStream;
}

pub(crate) async fn cluster(nodes: usize) -> Cluster {
    Cluster::with(nodes, |kit| {
        kit.with_table(Routes::table(), NoState).unwrap()
    })
    .await
}

/// A page that this server has rendered, and is connected to it.
pub(crate) async fn page(cluster: &Cluster, node: usize, visitor: &TestVisitor) -> TestPage {
    page_on(cluster, node, visitor, "/stream").await
}

/// The same on this route.
pub(crate) async fn page_on(
    cluster: &Cluster,
    node: usize,
    visitor: &TestVisitor,
    route: &str,
) -> TestPage {
    let kit = cluster.node(node);
    let visitor = visitor.at(kit).await;
    let page = kit.page(route).visitor(&visitor).connect().await;
    page.unwrap()
}

/// A page that any server has rendered, and is connected to this one.
pub(crate) async fn connect_rendered(
    cluster: &Cluster,
    node: usize,
    (visitor, rendered): (&TestVisitor, &Page),
    route: &str,
) -> TestPage {
    let kit = cluster.node(node);
    let visitor = visitor.at(kit).await;
    let builder = kit.page(route).visitor(&visitor).page(rendered);
    builder.connect().await.unwrap()
}

async fn events(page: &mut TestPage, count: usize) -> Vec<u32> {
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(page.event::<u32>("n").await);
    }
    events
}

#[tokio::test(start_paused = true)]
async fn the_pushes_of_one_task_reach_the_pages_of_all_nodes_in_order_whatever_their_addresses() {
    let cluster = cluster(3).await;
    let ada = cluster.node(0).user("ada").await;
    let mut pages = Vec::new();
    for node in [0, 1, 2] {
        pages.push(page(&cluster, node, &ada).await);
    }
    let hub = cluster.node(0).hub();
    let there = hub.find_page(ada.session(), pages[2].page().id()).unwrap();
    for round in 0..5 {
        let n = |kind| 10 * round + kind;
        // Only pages of this server are counted; the first page is one.
        assert_eq!(hub.user("ada").push("n", &n(1)), 1);
        assert_eq!(hub.page_by_id(there.id()).push("n", &n(2)), 0);
        assert_eq!(ada.session().push("n", &n(3)), 1);
        assert_eq!(hub.session(ada.session().id()).push("n", &n(4)), 1);
        assert_eq!(hub.broadcast("n", &n(5)), 1);
        assert_eq!(there.push("n", &n(6)), 0);
    }
    let all = |kinds: &[u32]| -> Vec<_> {
        let rounds = 0..5;
        rounds
            .flat_map(|round| kinds.iter().map(move |kind| 10 * round + kind))
            .collect()
    };
    assert_eq!(events(&mut pages[0], 20).await, all(&[1, 3, 4, 5]));
    assert_eq!(events(&mut pages[1], 20).await, all(&[1, 3, 4, 5]));
    assert_eq!(events(&mut pages[2], 30).await, all(&[1, 2, 3, 4, 5, 6]));
}

#[tokio::test(start_paused = true)]
async fn all_nodes_have_one_order_of_the_pushes_of_several() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut first = page(&cluster, 0, &visitor).await;
    let mut second = page(&cluster, 1, &visitor).await;
    for number in 0..20_u32 {
        let hub = cluster.node(usize::try_from(number).unwrap() % 2).hub();
        hub.broadcast("n", &number);
        if number % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let order = events(&mut first, 20).await;
    assert_eq!(events(&mut second, 20).await, order);
}

#[tokio::test(start_paused = true)]
async fn users_with_long_names_get_their_pushes_and_no_others() {
    let cluster = cluster(2).await;
    let name = |last: char| format!("{}{last}", "x".repeat(400));
    let ada = cluster.node(0).user(&name('a')).await;
    let bob = cluster.node(0).user(&name('b')).await;
    let mut pages = [page(&cluster, 1, &ada).await, page(&cluster, 1, &bob).await];
    let hub = cluster.node(0).hub();
    hub.user(&name('b')).push("n", &1);
    hub.user(&name('a')).push("n", &2);
    assert_eq!(events(&mut pages[0], 1).await, [2]);
    assert_eq!(events(&mut pages[1], 1).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_sent_push_was_delivered_here_or_has_failed() {
    let cluster = cluster(2).await;
    let ada = cluster.node(0).user("ada").await;
    let mut here = page(&cluster, 0, &ada).await;
    let hub = cluster.node(0).hub();
    assert_eq!(hub.user("ada").send("n", &1).await, Ok(1));
    assert_eq!(here.received_so_far().await.len(), 1);
    assert_eq!(ada.session().send("n", &2).await, Ok(1));
    assert_eq!(here.page().send("n", &3).await, Ok(1));
    assert_eq!(events(&mut here, 2).await, [2, 3]);
    cluster.cut(0);
    let refused = hub.everyone().send("n", &4).await;
    assert_eq!(refused, Err(PublishError::Unavailable));
    cluster.heal(0);
    assert_eq!(hub.everyone().send("n", &5).await, Ok(1));
    assert_eq!(events(&mut here, 1).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn a_push_for_a_user_is_not_for_a_socket_from_before_the_logon() {
    let cluster = cluster(2).await;
    let mut visitor = cluster.node(0).visitor().await;
    let mut before = page(&cluster, 1, &visitor).await;
    visitor.logon("ada").await;
    let hub = cluster.node(0).hub();
    let id = before.page().id().to_owned();
    let found = hub.find_page(visitor.session(), &id).unwrap();
    assert_eq!(found.push("n", &7), 0);
    let (code, reason) = before.closed().await;
    assert_eq!(code, CloseCode::SERVICE_RESTART);
    assert_eq!(reason, "the visitor has logged on");
}
