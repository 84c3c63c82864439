//! Subscribers that wait for their first messages get as many as they can receive at once.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use ws_server::CloseCode;
use ws_server::cluster::Lane;
use ws_server::limits::Limits;
use ws_server::testkit::{Cluster, TestClient};

use crate::rooms::Command::{self, Replay, Since};
use crate::rooms::{Visitor, publish, text};

/// Connects a client whose handler can receive three messages at once.
async fn narrow(cluster: &Cluster, node: usize, command: &Command) -> TestClient {
    let limits = Limits::DEFAULT.ping(None).idle(None).mailbox(4);
    let client = cluster.node(node).handler::<Visitor>().limits(limits);
    let mut client = client.connect().await.unwrap();
    client.send_json(command).await;
    // It waits now.
    sleep(Duration::from_millis(1)).await;
    client
}

async fn publish_some(cluster: &Cluster, texts: &[&str]) {
    for text in texts {
        publish(cluster, 0, text).await.unwrap();
    }
}

/// Removes the entries, but not the histories: a node that starts must load those.
async fn forget_entries(cluster: &Cluster) {
    for lane in 0..8 {
        cluster.server().trim(Lane(lane), 0);
    }
    // Until the next heartbeats, a node that starts does not know the others.
    sleep(Duration::from_secs(4)).await;
}

async fn expect_nothing(client: &mut TestClient) {
    let received = timeout(Duration::from_secs(1), client.receive()).await;
    assert!(received.is_err(), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_waits_for_the_history_begins_with_the_newest_that_fit() {
    let mut cluster = Cluster::new(2).await;
    publish_some(&cluster, &["1", "2", "3", "4", "5"]).await;
    forget_entries(&cluster).await;
    cluster.restart(1).await;
    let mut client = narrow(&cluster, 1, &Replay(7, 5)).await;
    for expected in ["3", "4", "5"] {
        assert_eq!(text(&mut client).await, expected);
    }
    expect_nothing(&mut client).await;
    publish_some(&cluster, &["6"]).await;
    assert_eq!(text(&mut client).await, "6");
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_has_waited_never_leaves_out_what_came_meanwhile() {
    for (meanwhile, expected) in [
        (&["4", "5"][..], Some(["3", "4", "5"])),
        (&["4", "5", "6", "7"], None),
    ] {
        let mut cluster = Cluster::new(2).await;
        publish_some(&cluster, &["1", "2", "3"]).await;
        forget_entries(&cluster).await;
        cluster.restart(1).await;
        cluster.cut(1);
        let mut client = narrow(&cluster, 1, &Replay(7, 3)).await;
        publish_some(&cluster, meanwhile).await;
        cluster.heal(1);
        let Some(expected) = expected else {
            let (code, reason) = client.closed().await;
            assert_eq!(code, CloseCode::TRY_AGAIN_LATER);
            let expected = "more messages were published than the connection can receive at once";
            assert_eq!(reason, expected);
            continue;
        };
        for expected in expected {
            assert_eq!(text(&mut client).await, expected);
        }
        expect_nothing(&mut client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_behind_its_position_is_closed_if_too_many_messages_follow() {
    let cluster = Cluster::new(2).await;
    cluster.cut(1);
    sleep(Duration::from_secs(2)).await;
    let from = publish(&cluster, 0, "1").await.unwrap();
    let mut fitting = narrow(&cluster, 1, &Since(7, from.clone())).await;
    publish_some(&cluster, &["2", "3", "4"]).await;
    cluster.heal(1);
    for expected in ["2", "3", "4"] {
        assert_eq!(text(&mut fitting).await, expected);
    }
    cluster.cut(1);
    sleep(Duration::from_secs(2)).await;
    let from = publish(&cluster, 0, "5").await.unwrap();
    let mut behind = narrow(&cluster, 1, &Since(7, from)).await;
    publish_some(&cluster, &["6", "7", "8", "9"]).await;
    cluster.heal(1);
    let (code, reason) = behind.closed().await;
    assert_eq!(code, CloseCode::POLICY);
    let expected = "more messages follow this position than the connection can receive at once";
    assert_eq!(reason, expected);
}
