//! Pages and sessions that are subscribed: every node knows it.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::CloseCode;
use ws_server::cluster::Lane;
use ws_server::page::PageSubscribeError;
use ws_server::testkit::{Cluster, PageReceived, Restart, TestPage, TestVisitor};

use crate::moving::move_to;
use crate::pushes::{cluster, page};
use crate::rooms::{News, Room, Typing, publish};

const MINUTE: Duration = Duration::from_secs(60);

/// The number of subscriptions that each of these nodes knows.
fn known<const N: usize>(cluster: &Cluster, nodes: [usize; N]) -> [usize; N] {
    nodes.map(|node| {
        let view = cluster.node(node).hub().cluster();
        view.unwrap().subscriptions
    })
}

/// The events that a page has received; it may have got a reset before.
async fn events(page: &mut TestPage) -> Vec<(String, String)> {
    let received = page.received_so_far().await.into_iter();
    let event = |received| match received {
        PageReceived::Event(event, data) => Some((event, data.as_str()?.to_owned())),
        _ => None,
    };
    received.filter_map(event).collect()
}

fn event(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

/// A page of this visitor on node 0, subscribed to room 7 by itself and to room 8 by its session.
async fn subscribed(cluster: &Cluster, visitor: &TestVisitor) -> TestPage {
    let page = page(cluster, 0, visitor).await;
    page.page().subscribe("page", Room(7)).unwrap();
    visitor.session().subscribe("session", Room(8)).unwrap();
    page
}

/// What is published to both rooms arrives at the page.
async fn assert_subscribed(cluster: &Cluster, page: &mut TestPage, node: usize) {
    publish(cluster, node, "7").await.unwrap();
    let hub = cluster.node(node).hub();
    hub.publish(Room(8), &"8".to_owned()).await.unwrap();
    // The page may be on another node.
    cluster.settle().await;
    let mut events = events(page).await;
    events.sort();
    assert_eq!(events, [event("page", "7"), event("session", "8")]);
}

#[tokio::test(start_paused = true)]
async fn a_page_has_its_topics_on_another_node_after_its_own_has_died() {
    let mut cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = subscribed(&cluster, &visitor).await;
    cluster.settle().await;
    assert_eq!(known(&cluster, [0, 1]), [2, 2]);
    cluster.kill(0).await;
    move_to(&mut page, &cluster, 1).await;
    assert_subscribed(&cluster, &mut page, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_later_knows_them_also_if_the_log_is_trimmed() {
    let mut cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = subscribed(&cluster, &visitor).await;
    cluster.settle().await;
    cluster.server().trim(Lane(0), 0);
    cluster.restart(1).await;
    assert_eq!(known(&cluster, [1]), [2]);
    cluster.kill(0).await;
    move_to(&mut page, &cluster, 1).await;
    assert_subscribed(&cluster, &mut page, 1).await;
}

#[tokio::test(start_paused = true)]
async fn they_survive_a_log_that_has_lost_everything() {
    let mut cluster = cluster(2).await;
    cluster.server().save();
    let visitor = cluster.node(0).visitor().await;
    let mut page = subscribed(&cluster, &visitor).await;
    cluster.settle().await;
    // The snapshot is from before the subscriptions, so they are not recorded there.
    cluster.server().restart(Restart::Saved);
    cluster.settle().await;
    assert_eq!(known(&cluster, [0, 1]), [2, 2]);
    cluster.server().trim(Lane(0), 0);
    cluster.restart(1).await;
    cluster.kill(0).await;
    move_to(&mut page, &cluster, 1).await;
    assert_subscribed(&cluster, &mut page, 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_lost_with_the_log_is_made_up_for() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let page = subscribed(&cluster, &visitor).await;
    cluster.settle().await;
    cluster.server().save();
    cluster.cut(1);
    // Its last read ends.
    sleep(Duration::from_secs(2)).await;
    assert!(page.page().unsubscribe(Room(7)));
    // Node 1 never reads the end.
    while known(&cluster, [0]) != [1] {
        sleep(Duration::from_millis(10)).await;
    }
    cluster.server().restart(Restart::Saved);
    cluster.heal(1);
    cluster.settle().await;
    assert_eq!(known(&cluster, [0, 1]), [1, 2]);
    sleep(5 * MINUTE).await;
    assert_eq!(known(&cluster, [0, 1]), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_the_log_does_not_take_reaches_the_others_later() {
    let mut cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    cluster.cut(0);
    page.page().subscribe("page", Room(6)).unwrap();
    sleep(Duration::from_secs(3)).await;
    // The last change counts, whichever of them is written first.
    assert!(page.page().unsubscribe(Room(6)));
    page.page().subscribe("page", Room(7)).unwrap();
    visitor.session().subscribe("session", Room(8)).unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(known(&cluster, [0, 1]), [0, 0]);
    cluster.heal(0);
    cluster.settle().await;
    assert_eq!(known(&cluster, [0, 1]), [2, 2]);
    cluster.kill(0).await;
    move_to(&mut page, &cluster, 1).await;
    assert_subscribed(&cluster, &mut page, 1).await;
}

#[tokio::test(start_paused = true)]
async fn any_node_subscribes_a_page_and_ends_its_subscriptions() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    let there = visitor.at(cluster.node(1)).await;
    let hub = cluster.node(1).hub();
    let handle = hub.find_page(there.session(), page.page().id()).unwrap();
    handle.subscribe("page", Room(7)).unwrap();
    there.session().subscribe("session", Room(8)).unwrap();
    handle.subscribe("typing", Typing(1)).unwrap();
    cluster.settle().await;
    assert_subscribed(&cluster, &mut page, 1).await;
    hub.publish(Typing(1), &"ada".to_owned());
    cluster.settle().await;
    assert_eq!(events(&mut page).await, [event("typing", "ada")]);
    assert!(handle.unsubscribe(Room(7)));
    assert!(!handle.unsubscribe(Room(7)));
    assert!(there.session().unsubscribe(Room(8)));
    cluster.settle().await;
    publish(&cluster, 1, "7").await.unwrap();
    hub.publish(Room(8), &"8".to_owned()).await.unwrap();
    assert_eq!(events(&mut page).await, []);
    assert_eq!(known(&cluster, [0, 1]), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn they_end_with_the_page_and_with_the_session() {
    let mut cluster = cluster(2).await;
    let mut visitor = cluster.node(0).visitor().await;
    let mut page = subscribed(&cluster, &visitor).await;
    cluster.settle().await;
    page.bye().await;
    cluster.settle().await;
    assert_eq!(known(&cluster, [0, 1]), [1, 1]);
    visitor.logoff().await;
    cluster.settle().await;
    assert_eq!(known(&cluster, [0, 1]), [0, 0]);
    // Nothing is left for a node that starts later.
    cluster.server().trim(Lane(0), 0);
    cluster.restart(1).await;
    assert_eq!(known(&cluster, [1]), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_has_moved_does_not_end_on_its_former_node() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = subscribed(&cluster, &visitor).await;
    page.disconnect().await;
    cluster.settle().await;
    move_to(&mut page, &cluster, 1).await;
    // The grace time on node 0 ends.
    sleep(MINUTE).await;
    cluster.settle().await;
    assert_eq!(known(&cluster, [0, 1]), [2, 2]);
    assert_subscribed(&cluster, &mut page, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_nobody_has_loses_them_and_one_that_lives_keeps_them() {
    let mut cluster = cluster(3).await;
    let visitors = [
        cluster.node(0).visitor().await,
        cluster.node(2).visitor().await,
    ];
    let gone = page(&cluster, 0, &visitors[0]).await;
    gone.page().subscribe("page", Room(7)).unwrap();
    let lives = page(&cluster, 2, &visitors[1]).await;
    lives.page().subscribe("page", Room(7)).unwrap();
    cluster.settle().await;
    cluster.kill(0).await;
    sleep(10 * MINUTE).await;
    assert_eq!(known(&cluster, [1, 2]), [2, 2]);
    sleep(10 * MINUTE).await;
    assert_eq!(known(&cluster, [1, 2]), [1, 1]);
    cluster.server().trim(Lane(0), 0);
    cluster.restart(1).await;
    assert_eq!(known(&cluster, [1]), [1]);
}

#[tokio::test(start_paused = true)]
async fn nothing_expires_while_the_log_is_away() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let _page = subscribed(&cluster, &visitor).await;
    cluster.settle().await;
    cluster.cut(1);
    sleep(60 * MINUTE).await;
    assert_eq!(known(&cluster, [0, 1]), [2, 2]);
    cluster.heal(1);
    cluster.settle().await;
    assert_eq!(known(&cluster, [0, 1]), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn another_user_of_the_page_does_not_get_them_on_another_node() {
    let mut cluster = cluster(2).await;
    let mut visitor = cluster.node(0).user("ada").await;
    let mut page = subscribed(&cluster, &visitor).await;
    cluster.settle().await;
    page.disconnect().await;
    cluster.kill(0).await;
    visitor = visitor.at(cluster.node(1)).await;
    visitor.logon("bob").await;
    page.set_visitor(&visitor);
    move_to(&mut page, &cluster, 1).await;
    cluster.settle().await;
    publish(&cluster, 1, "7").await.unwrap();
    let hub = cluster.node(1).hub();
    hub.publish(Room(8), &"8".to_owned()).await.unwrap();
    assert_eq!(events(&mut page).await, []);
    // The page gets its own.
    let handle = hub.find_page(visitor.session(), page.page().id()).unwrap();
    handle.subscribe("page", News(1)).unwrap();
    hub.publish(News(1), &"new".to_owned()).await.unwrap();
    assert_eq!(events(&mut page).await, [event("page", "new")]);
}

#[tokio::test(start_paused = true)]
async fn a_page_on_another_node_has_the_same_limit() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let page = page(&cluster, 0, &visitor).await;
    let there = visitor.at(cluster.node(1)).await;
    let handle = cluster
        .node(1)
        .hub()
        .find_page(there.session(), page.page().id());
    let handle = handle.unwrap();
    for id in 0..64 {
        handle.subscribe("page", Room(id)).unwrap();
    }
    let refused = handle.subscribe("page", Room(64));
    assert_eq!(refused, Err(PageSubscribeError::TooMany { max: 64 }));
    cluster.settle().await;
    assert_eq!(known(&cluster, [0, 1]), [64, 64]);
    let refused = page.page().subscribe("page", Room(64));
    assert_eq!(refused, Err(PageSubscribeError::TooMany { max: 64 }));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_drains_leaves_the_pages_their_topics() {
    let mut cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = subscribed(&cluster, &visitor).await;
    cluster.settle().await;
    cluster.shut_down(0).await;
    assert_eq!(page.closed().await.0, CloseCode::GOING_AWAY);
    move_to(&mut page, &cluster, 1).await;
    assert_subscribed(&cluster, &mut page, 1).await;
    cluster.settle().await;
    assert_eq!(known(&cluster, [1]), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_logon_ends_the_topics_of_the_former_user_on_every_node() {
    let cluster = cluster(2).await;
    let mut visitor = cluster.node(0).user("ada").await;
    let mut page = page(&cluster, 1, &visitor).await;
    visitor.session().subscribe("session", Room(8)).unwrap();
    cluster.settle().await;
    let publish = async |text: &str| {
        let hub = cluster.node(1).hub();
        hub.publish(Room(8), &text.to_owned()).await.unwrap();
    };
    publish("1").await;
    assert_eq!(page.event::<String>("session").await, "1");
    visitor.logon("bob").await;
    cluster.settle().await;
    publish("2").await;
    // It can connect again with its new cookie.
    assert_eq!(page.received_so_far().await, [PageReceived::Renewed]);
}
