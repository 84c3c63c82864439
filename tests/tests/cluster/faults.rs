//! What clients see if the log is slow, down, or replaced.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use ws_server::CloseCode;
use ws_server::testkit::{Cluster, Restart};
use ws_server::topic::PublishError;

use crate::rooms::Command::{Enter, News, Replay, Subscribe};
use crate::rooms::{Room, names, publish, text, visitor};

#[tokio::test(start_paused = true)]
async fn while_the_log_is_down_publishes_fail_and_nothing_closes() {
    let cluster = Cluster::new(2).await;
    let mut client = visitor(&cluster, 0, &[Subscribe(7)]).await;
    cluster.cut(0);
    let begin = Instant::now();
    assert_eq!(
        publish(&cluster, 0, "1").await,
        Err(PublishError::Unavailable)
    );
    assert_eq!(begin.elapsed().as_secs(), 5);
    let hub = cluster.node(0).hub();
    drop(hub.publish(Room(7), &"2".to_owned()));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(hub.refused_publishes(), 1);
    cluster.heal(0);
    publish(&cluster, 1, "3").await.unwrap();
    assert_eq!(text(&mut client).await, "3");
}

#[tokio::test(start_paused = true)]
async fn a_publish_to_a_log_that_does_not_answer_is_unconfirmed_and_delivered_once_at_most() {
    let cluster = Cluster::new(2).await;
    let mut client = visitor(&cluster, 1, &[Subscribe(7)]).await;
    cluster.pause();
    assert_eq!(
        publish(&cluster, 0, "1").await,
        Err(PublishError::Unconfirmed)
    );
    cluster.resume().await;
    publish(&cluster, 0, "2").await.unwrap();
    assert_eq!(text(&mut client).await, "1");
    assert_eq!(text(&mut client).await, "2");
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded() {
    let cluster = Cluster::new(1).await;
    cluster.cut(0);
    let hub = cluster.node(0).hub();
    let receipts: Vec<_> = (0..8_193)
        .map(|_| hub.publish(Room(7), &"x".to_owned()))
        .collect();
    let mut refused = Vec::new();
    for receipt in receipts {
        refused.push(receipt.await.unwrap_err());
    }
    let full = refused.iter().filter(|error| **error == PublishError::Full);
    assert_eq!(
        (full.count(), refused.last()),
        (1, Some(&PublishError::Full))
    );
    let large = hub.publish(Room(7), &"x".repeat(2 << 20)).await;
    assert_eq!(large, Err(PublishError::TooLarge { len: 2 << 20 }));
}

#[tokio::test(start_paused = true)]
async fn a_new_generation_closes_subscribers_and_keeps_members() {
    let cluster = Cluster::new(2).await;
    let ada = [Subscribe(7), Enter(7, "ada".into(), "1".into())];
    let mut subscriber = visitor(&cluster, 0, &ada).await;
    let mut news = visitor(&cluster, 1, &[News(7)]).await;
    let mut member = visitor(&cluster, 1, &[Enter(7, "bob".into(), "1".into())]).await;
    let old = publish(&cluster, 0, "1").await.unwrap();
    assert_eq!(text(&mut subscriber).await, "1");
    cluster.settle().await;
    cluster.server().save();
    publish(&cluster, 0, "lost").await.unwrap();
    cluster.server().restart(Restart::Saved);
    // Nothing is delivered after the gap.
    publish(&cluster, 1, "2").await.unwrap();
    for client in [&mut subscriber, &mut news] {
        let (code, reason) = loop {
            match client.receive().await {
                ws_server::testkit::Received::Close(code, reason) => break (code, reason),
                ws_server::testkit::Received::Message(message) => {
                    let text = message.as_text().unwrap();
                    assert!(text.contains("lost"), "{text}");
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(code, CloseCode::SERVICE_RESTART);
        assert_eq!(
            reason,
            "messages of a topic may be missing; subscribe again"
        );
    }
    // The client has answered no Close.
    sleep(Duration::from_secs(60)).await;
    for node in 0..2 {
        assert_eq!(
            names(&cluster, node),
            ["bob=1"],
            "ada's connection was closed"
        );
    }
    member.send_json(&Subscribe(7)).await;
    publish(&cluster, 0, "3").await.unwrap();
    assert_eq!(text(&mut member).await, "3");
    let gap = visitor(&cluster, 0, &[crate::rooms::Command::Since(7, old)]).await;
    assert_eq!({ gap }.closed().await.0, CloseCode::POLICY);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_node_resets_its_own_subscribers_only() {
    let cluster = Cluster::new(2).await;
    let mut here = visitor(&cluster, 0, &[Subscribe(7)]).await;
    let mut there = visitor(&cluster, 1, &[Subscribe(7)]).await;
    cluster.cut(1);
    // A read may be under way.
    sleep(Duration::from_secs(2)).await;
    publish(&cluster, 0, "1").await.unwrap();
    publish(&cluster, 0, "2").await.unwrap();
    for lane in 0..8 {
        cluster.server().trim(ws_server::cluster::Lane(lane), 1);
    }
    cluster.heal(1);
    assert_eq!(there.closed().await.0, CloseCode::SERVICE_RESTART);
    assert_eq!(text(&mut here).await, "1");
    assert_eq!(text(&mut here).await, "2");
}

/// The log has executed an append that it did not answer, and is replaced with its content before
/// any node has read it.
#[tokio::test(start_paused = true)]
async fn an_unanswered_publish_is_not_doubled_when_the_log_is_replaced() {
    let cluster = Cluster::new(2).await;
    publish(&cluster, 1, "before").await.unwrap();
    cluster.settle().await;
    cluster.pause();
    let hub = cluster.node(0).hub();
    let unanswered = hub.publish(Room(7), &"once".to_owned());
    sleep(Duration::from_millis(50)).await;
    for node in 0..2 {
        cluster.cut(node);
    }
    cluster.resume().await;
    cluster.new_generation();
    for node in 0..2 {
        cluster.heal(node);
    }
    assert_eq!(unanswered.await, Err(PublishError::Unconfirmed));
    publish(&cluster, 1, "after").await.unwrap();
    cluster.settle().await;
    for node in 0..2 {
        let mut client = visitor(&cluster, node, &[Replay(7, 5)]).await;
        for expected in ["before", "once", "after"] {
            assert_eq!(text(&mut client).await, expected);
        }
        let more = timeout(Duration::from_secs(1), client.receive()).await;
        assert!(more.is_err(), "{more:?}");
    }
}
