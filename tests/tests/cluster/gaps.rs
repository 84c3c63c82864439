//! Pages that miss more than can wait for them: they get a reset, also on another server.

use serde_json::Value;
use ws_server::testkit::{Cluster, PageReceived, ResetReason, TestClient, TestPage};

use crate::cursors::connect;
use crate::moving::move_to;
use crate::pushes::{cluster, page};
use crate::rooms::News;

/// The messages that a page can get at once when it continues: three quarters of its queue.
const CAPACITY: usize = 768;

/// The messages in the queue of a page.
const QUEUE: usize = 1_024;

async fn publish(cluster: &Cluster, id: u64, count: usize) {
    let hub = cluster.node(1).hub();
    for number in 1..count {
        _ = hub.publish(News(id), &number.to_string());
    }
    hub.publish(News(id), &"last".to_owned()).await.unwrap();
}

/// A page that is subscribed to two topics, and not connected.
async fn subscribed(cluster: &Cluster) -> TestPage {
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(cluster, 0, &visitor).await;
    for id in [1, 2] {
        page.page().subscribe("said", News(id)).unwrap();
    }
    cluster.settle().await;
    page.disconnect().await;
    page
}

#[tokio::test(start_paused = true)]
async fn a_page_that_moves_gets_what_it_has_missed_up_to_its_limit() {
    let cluster = cluster(2).await;
    let mut page = subscribed(&cluster).await;
    publish(&cluster, 1, CAPACITY / 2).await;
    publish(&cluster, 2, CAPACITY / 2).await;
    move_to(&mut page, &cluster, 1).await;
    for _ in 0..CAPACITY {
        page.event::<String>("said").await;
    }
    assert_eq!(page.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_moves_gets_a_reset_and_nothing_before_it_if_it_has_missed_too_much() {
    for counts in [[1, CAPACITY], [CAPACITY, 1], [CAPACITY / 2, CAPACITY]] {
        let cluster = cluster(2).await;
        let mut page = subscribed(&cluster).await;
        publish(&cluster, 1, counts[0]).await;
        publish(&cluster, 2, counts[1]).await;
        move_to(&mut page, &cluster, 1).await;
        assert_eq!(page.reset().await, ResetReason::Restart, "{counts:?}");
        for id in [1, 2] {
            publish(&cluster, id, 1).await;
            assert_eq!(page.event::<String>("said").await, "last", "{counts:?}");
        }
        assert_eq!(page.received_so_far().await, [], "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_moves_gets_a_reset_if_more_pushes_wait_than_its_queue_holds() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.disconnect().await;
    let hub = cluster.node(1).hub();
    for number in 0..=QUEUE + 75 {
        _ = hub.everyone().push("n", &number);
    }
    hub.everyone().send("n", &0).await.unwrap();
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.reset().await, ResetReason::Restart);
    hub.everyone().send("n", &1).await.unwrap();
    let event = PageReceived::Event("n".to_owned(), 1.into());
    assert_eq!(page.received_so_far().await, [event]);
}

async fn next(client: &mut TestClient) -> Value {
    client.json().await
}

/// The query of a page's next handshake: its cursor is the base.
fn query(id: &str, welcome: &Value, (attempt, offset): (u32, &Value), base: &Value) -> String {
    let base = base.as_str().unwrap();
    let epoch = welcome["epoch"].as_str().unwrap();
    format!("z_pid={id}&client=7&attempt={attempt}&epoch={epoch}&offset={offset}&base={base}&at=")
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_queue_has_overflowed_gets_another_base_and_moves_again() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let rendered = visitor.page();
    let id = rendered.id().to_owned();
    let first = format!("z_pid={id}&client=7&attempt=1");
    let mut client = connect(&cluster, (0, &visitor), &first).await.unwrap();
    let welcome = next(&mut client).await;
    let hub = cluster.node(1).hub();
    for number in 0..=QUEUE {
        _ = hub.everyone().push("n", &number);
    }
    let mut reset = next(&mut client).await;
    while reset["type"] == "event" {
        reset = next(&mut client).await;
    }
    assert_eq!(
        (&reset["type"], &reset["why"]),
        (&"reset".into(), &"overflow".into())
    );
    client.send(r#"{"type":"ping"}"#).await;
    let renewed = next(&mut client).await;
    assert_eq!(renewed["type"], "base", "{renewed}");
    hub.everyone().send("n", &"missed").await.unwrap();
    client.reset().await;
    let there = visitor.at(cluster.node(1)).await;
    let second = query(&id, &welcome, (2, &reset["offset"]), &renewed["base"]);
    let mut client = connect(&cluster, (1, &there), &second).await.unwrap();
    let welcome = next(&mut client).await;
    assert_eq!(welcome["continued"], true, "{welcome}");
    let event = next(&mut client).await;
    assert_eq!(event["data"], "missed", "{event}");
}

#[tokio::test(start_paused = true)]
async fn a_tab_that_is_duplicated_moves_like_any_other() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let rendered = visitor.page();
    let (id, epoch) = (rendered.id(), rendered.epoch().unwrap());
    let first = format!("z_pid={id}&client=7&attempt=1&epoch={epoch}&offset=0");
    let mut first = connect(&cluster, (0, &visitor), &first).await.unwrap();
    first.text().await;
    let base = rendered.base().unwrap();
    let second = format!("z_pid={id}&client=8&attempt=1&epoch={epoch}&offset=0&base={base}&at=");
    let mut client = connect(&cluster, (0, &visitor), &second).await.unwrap();
    let welcome = next(&mut client).await;
    let reset = next(&mut client).await;
    assert_eq!(reset["why"], "restart", "{reset}");
    client.send(r#"{"type":"ping"}"#).await;
    let renewed = next(&mut client).await;
    assert_eq!(renewed["type"], "base", "{renewed}");
    let there = visitor.at(cluster.node(1)).await;
    let third = query(id, &welcome, (2, &reset["offset"]), &renewed["base"]);
    let third = third.replace("client=7", "client=8");
    let mut client = connect(&cluster, (1, &there), &third).await.unwrap();
    let welcome = next(&mut client).await;
    assert_eq!(welcome["continued"], true, "{welcome}");
}
