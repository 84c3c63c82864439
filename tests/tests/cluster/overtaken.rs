//! Subscriptions whose records are read later than something else happens.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::cluster::Lane;
use ws_server::prelude::*;
use ws_server::testkit::ResetReason;

use crate::moving::move_to;
use crate::pushes::{cluster, connect_rendered, page};
use crate::rooms::{News, Room, publish};

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_overtaken_by_its_page_misses_nothing() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    cluster.cut(0);
    page.page().subscribe("said", News(1)).unwrap();
    move_to(&mut page, &cluster, 1).await;
    let hub = cluster.node(1).hub();
    hub.publish(News(1), &"1".to_owned()).await.unwrap();
    assert_eq!(page.received_so_far().await, []);
    cluster.heal(0);
    assert_eq!(page.event::<String>("said").await, "1");
    hub.publish(News(1), &"2".to_owned()).await.unwrap();
    assert_eq!(page.event::<String>("said").await, "2");
    assert_eq!(page.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_another_node_makes_begins_when_it_is_made() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    move_to(&mut page, &cluster, 1).await;
    let hub = cluster.node(1).hub();
    hub.publish(News(1), &"before".to_owned()).await.unwrap();
    cluster.settle().await;
    let there = cluster.node(0).hub();
    let handle = there.find_page(visitor.session(), page.page().id());
    handle.unwrap().subscribe("said", News(1)).unwrap();
    cluster.settle().await;
    hub.publish(News(1), &"after".to_owned()).await.unwrap();
    assert_eq!(page.event::<String>("said").await, "after");
    assert_eq!(page.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_is_overtaken_by_its_page_begins_before_the_page() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    publish(&cluster, 1, "1").await.unwrap();
    cluster.settle().await;
    let rendered = visitor.page();
    cluster.cut(0);
    rendered.subscribe("said", Room(7).replay(5)).unwrap();
    let mut page = connect_rendered(&cluster, 1, (&visitor, &rendered), "/stream").await;
    publish(&cluster, 1, "2").await.unwrap();
    assert_eq!(page.received_so_far().await, []);
    cluster.heal(0);
    assert_eq!(page.event::<String>("said").await, "1");
    assert_eq!(page.event::<String>("said").await, "2");
    assert_eq!(page.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_overtaken_by_too_much_is_a_reset() {
    let mut cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    let hub = cluster.node(0).hub();
    hub.publish(News(1), &"1".to_owned()).await.unwrap();
    // Node 1 does not know what was published before it has started.
    for lane in 1..8 {
        cluster.server().trim(Lane(lane), 0);
    }
    cluster.restart(1).await;
    cluster.settle().await;
    cluster.cut(0);
    page.page().subscribe("said", News(1)).unwrap();
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.received_so_far().await, []);
    cluster.heal(0);
    assert_eq!(page.reset().await, ResetReason::History);
    let hub = cluster.node(1).hub();
    hub.publish(News(1), &"2".to_owned()).await.unwrap();
    assert_eq!(page.event::<String>("said").await, "2");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_has_ended_before_its_record_is_read_does_not_return() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let page = page(&cluster, 0, &visitor).await;
    let room = News(1);
    page.page().subscribe("said", room).unwrap();
    // Its record is under way.
    tokio::task::yield_now().await;
    assert!(page.page().unsubscribe(room));
    let hub = cluster.node(0).hub();
    for _ in 0..100 {
        assert_eq!(hub.publish(room, &"1".to_owned()).reached(), 0);
        sleep(Duration::from_millis(5)).await;
    }
    cluster.settle().await;
    for node in [0, 1] {
        let view = cluster.node(node).hub().cluster();
        assert_eq!(view.unwrap().subscriptions, 0, "node {node}");
    }
}
