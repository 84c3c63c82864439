//! A node of a Redis Cluster that accepts connections, but answers nothing.

use std::time::Duration;

use tokio::time::timeout;

use super::setup::RedisCluster;
use super::{Guest, TRIES, lane_of_room, publish, slot_of};
use crate::nodes::{Room, node_on, options};

/// Shorter than the time after which a command without an answer ends.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(2);

/// Messages on the other lanes for each publish that the stopped node does not answer. If each of them
/// waited for that node, they would take longer.
const MESSAGES: usize = 6;

#[tokio::test]
async fn while_a_node_is_stopped_the_lanes_of_the_others_go_on() {
    for _ in 0..TRIES {
        if others_go_on().await {
            return;
        }
    }
    panic!("in each of {TRIES} runs, a stopped node has delayed the lanes of the others");
}

/// Stops a node. Returns whether [`MESSAGES`] on a lane of another one were delivered before a publish
/// to the stopped one has failed.
async fn others_go_on() -> bool {
    let cluster = RedisCluster::with(3, &["--cluster-require-full-coverage", "no"]).await;
    let options = options().publish_timeout(PUBLISH_TIMEOUT);
    let (one, two) = (
        node_on(cluster.redis(), &options).await,
        node_on(cluster.redis(), &options).await,
    );
    let owner = |room| cluster.owner(slot_of(&cluster, lane_of_room(room)));
    assert_ne!(owner(1), owner(2));
    let stopped = &cluster.nodes[owner(2)];
    let mut ada = one.handler::<Guest<1>>().connect().await.unwrap();
    publish(&two, 1, "before").await;
    assert_eq!(ada.text().await, "before");
    stopped.pause();
    let unanswered = one.hub().publish(&Room(2), &"unanswered".to_owned());
    let mut hanging = unanswered.into_future();
    let round_trips = async {
        for number in 0..MESSAGES {
            publish(&two, 1, &number.to_string()).await;
            assert_eq!(ada.text().await, number.to_string());
        }
    };
    let limit = Duration::from_secs(120);
    tokio::select! {
        biased;
        outcome = &mut hanging => {
            assert!(outcome.is_err(), "the node is stopped");
            return false;
        }
        () = round_trips => {}
    }
    assert!(timeout(limit, hanging).await.unwrap().is_err());
    stopped.resume();
    // All lanes are read again.
    let is_whole = async || {
        while !one.hub().cluster().unwrap().stale_lanes.is_empty() {
            tokio::time::sleep(super::PAUSE).await;
        }
    };
    timeout(limit, is_whole()).await.unwrap();
    assert_eq!(one.hub().cluster().unwrap().nodes.len(), 2, "none is dead");
    true
}
