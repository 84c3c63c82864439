//! Messages, histories and live topics on several nodes.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_server::cluster::{ClusterOptions, Generation, Lane, Lanes};
use ws_server::limits::ServerLimits;
use ws_server::session::{Secrets, Sessions};
use ws_server::testkit::{Cluster, MemoryEngine};
use ws_server::topic::SinceError;
use ws_server::{CloseCode, Hub, Socket, ws_handler};

use crate::rooms::Command::{News, Publish, PublishTyping, Replay, Since, Subscribe, Typing};
use crate::rooms::{Room, publish, said, text, visitor};

#[tokio::test(start_paused = true)]
async fn subscribers_of_all_nodes_get_every_message_once_and_in_one_order() {
    let cluster = Cluster::new(3).await;
    let mut clients = Vec::new();
    for node in [0, 1, 2] {
        clients.push(visitor(&cluster, node, &[Subscribe(7)]).await);
    }
    for number in 0..9 {
        let hub = cluster.node(number % 3).hub();
        assert_eq!(hub.publish(Room(7), &number.to_string()).reached(), 1);
    }
    cluster.settle().await;
    let mut orders = Vec::new();
    for client in &mut clients {
        let mut order = Vec::new();
        for _ in 0..9 {
            order.push(text(client).await);
        }
        orders.push(order);
    }
    assert_eq!((&orders[0], &orders[0]), (&orders[1], &orders[2]));
    // Those of one node are in the order of its calls.
    let of_first = orders[0]
        .iter()
        .filter(|text| ["0", "3", "6"].contains(&&***text));
    assert_eq!(of_first.collect::<Vec<_>>(), ["0", "3", "6"]);
    clients[0].send_json(&Publish(7, "not for me".into())).await;
    publish(&cluster, 0, "last").await.unwrap();
    assert_eq!(text(&mut clients[1]).await, "not for me");
    assert_eq!(text(&mut clients[0]).await, "last");
}

#[tokio::test(start_paused = true)]
async fn an_accepted_message_was_delivered_by_this_node() {
    let cluster = Cluster::new(2).await;
    let mut client = visitor(&cluster, 0, &[Subscribe(7)]).await;
    let position = publish(&cluster, 0, "x").await.unwrap();
    assert_eq!(said(&mut client).await, ("x".into(), position));
}

#[tokio::test(start_paused = true)]
async fn a_hub_has_the_lanes_of_its_engine() {
    for lanes in [1, 3, 64] {
        let engine = MemoryEngine::new(Lanes::new(lanes).unwrap(), Generation(1));
        let secrets = Secrets::new([[7; 32]]).unwrap();
        let (limits, options) = (ServerLimits::DEFAULT, ClusterOptions::DEFAULT);
        let hub = Hub::with_engine(limits, Sessions::default(), secrets, engine, &options);
        hub.ready().await;
        for id in 0..100 {
            let published = hub.publish(Room(id), &"hello".to_owned()).await;
            assert!(published.is_ok(), "{lanes} lanes: {published:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_of_one_node_continues_on_another() {
    let cluster = Cluster::new(2).await;
    let first = publish(&cluster, 0, "1").await.unwrap();
    publish(&cluster, 1, "2").await.unwrap();
    let third = publish(&cluster, 0, "3").await.unwrap();
    // The other node may not have read it yet: the subscription waits.
    let mut client = visitor(&cluster, 1, &[Since(7, third)]).await;
    publish(&cluster, 0, "4").await.unwrap();
    assert_eq!(text(&mut client).await, "4");
    let mut client = visitor(&cluster, 1, &[Since(7, first.clone())]).await;
    publish(&cluster, 0, "5").await.unwrap();
    for expected in ["2", "3", "4", "5"] {
        assert_eq!(text(&mut client).await, expected);
    }
    for number in 6..9 {
        publish(&cluster, 0, &number.to_string()).await.unwrap();
    }
    let mut client = visitor(&cluster, 1, &[Since(7, first.clone())]).await;
    for expected in ["2", "3", "4", "5", "6", "7", "8"] {
        assert_eq!(
            text(&mut client).await,
            expected,
            "the window goes back further"
        );
    }
    let other = visitor(&cluster, 1, &[Since(8, first)])
        .await
        .closed()
        .await;
    assert_eq!(
        other,
        (CloseCode::POLICY, SinceError::OfAnotherTopic.to_string())
    );
}

/// The log is trimmed, but for its last heartbeats; the history keeps five messages.
async fn trim(cluster: &Cluster) {
    sleep(Duration::from_secs(7)).await;
    cluster.server().trim(Lane(0), 2);
    for lane in 1..8 {
        cluster.server().trim(Lane(lane), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_late_replays_the_history_of_the_engine() {
    let mut cluster = Cluster::new(2).await;
    let mut positions = Vec::new();
    for number in 0..8 {
        positions.push(publish(&cluster, 0, &number.to_string()).await.unwrap());
    }
    trim(&cluster).await;
    cluster.restart(1).await;
    let mut client = visitor(&cluster, 1, &[Replay(7, 3)]).await;
    let mut since = visitor(&cluster, 1, &[Since(7, positions[5].clone())]).await;
    publish(&cluster, 0, "8").await.unwrap();
    for expected in ["5", "6", "7", "8"] {
        assert_eq!(text(&mut client).await, expected);
    }
    for expected in ["6", "7", "8"] {
        assert_eq!(text(&mut since).await, expected);
    }
    let gap = visitor(&cluster, 1, &[Since(7, positions[0].clone())]).await;
    let closed = { gap }.closed().await;
    assert_eq!(closed.0, CloseCode::POLICY, "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_waits_for_the_engine_without_losing_what_is_published_meanwhile() {
    let mut cluster = Cluster::new(2).await;
    publish(&cluster, 0, "1").await.unwrap();
    trim(&cluster).await;
    cluster.restart(1).await;
    let begin = Instant::now();
    let mut client = visitor(&cluster, 1, &[Replay(7, 1)]).await;
    for number in 2..9 {
        publish(&cluster, 0, &number.to_string()).await.unwrap();
    }
    for expected in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        assert_eq!(text(&mut client).await, expected);
    }
    assert!(begin.elapsed() < Duration::from_secs(2));
    // An engine that does not answer closes those who wait, and only those.
    trim(&cluster).await;
    cluster.restart(1).await;
    let mut live = visitor(&cluster, 1, &[News(7)]).await;
    cluster.cut(1);
    let mut waits = visitor(&cluster, 1, &[Replay(7, 1)]).await;
    let closed = waits.closed().await;
    assert_eq!(closed.0, CloseCode::TRY_AGAIN_LATER, "{closed:?}");
    cluster.heal(1);
    let news = crate::rooms::News(7);
    cluster
        .node(0)
        .hub()
        .publish(news, &"x".to_owned())
        .await
        .unwrap();
    assert_eq!(text(&mut live).await, "x");
}

#[tokio::test(start_paused = true)]
async fn a_live_topic_is_delivered_here_at_once_and_elsewhere_once() {
    let cluster = Cluster::new(2).await;
    let mut here = visitor(&cluster, 0, &[Typing(7)]).await;
    let mut there = visitor(&cluster, 1, &[Typing(7)]).await;
    cluster.pause();
    here.send_json(&PublishTyping(7, "1".into())).await;
    assert_eq!(text(&mut here).await, "1");
    sleep(Duration::from_secs(10)).await;
    cluster.resume().await;
    here.send_json(&PublishTyping(7, "2".into())).await;
    assert_eq!(text(&mut there).await, "2");
    cluster.settle().await;
    publish_typing(cluster.node(0).hub(), "3");
    assert_eq!(text(&mut here).await, "2");
    assert_eq!(text(&mut here).await, "3");
    assert_eq!(text(&mut there).await, "3");
}

fn publish_typing(hub: &Hub, text: &str) {
    assert_eq!(
        hub.publish(crate::rooms::Typing(7), &text.to_owned())
            .reached(),
        1
    );
}

/// Passes the messages of a room to its client.
struct Follower;

#[ws_handler]
impl Follower {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Room(7));
        Follower
    }
}

#[tokio::test(start_paused = true)]
async fn the_messages_of_one_entry_reach_a_socket_in_one_write() {
    let cluster = Cluster::new(2).await;
    let follower = cluster.node(1).handler::<Follower>();
    let mut client = follower.connect().await.unwrap();
    for count in [1, 40] {
        let before = client.writes();
        let receipts: Vec<_> = (0..count)
            .map(|number| cluster.node(0).hub().publish(Room(7), &number.to_string()))
            .collect();
        for receipt in receipts {
            receipt.await.unwrap();
        }
        for number in 0..count {
            assert_eq!(client.text().await, number.to_string());
        }
        assert_eq!(client.writes() - before, 1, "for {count} messages");
    }
}
