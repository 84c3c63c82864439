//! Histories of which a node has lost messages, because they take too many bytes.

use super::*;

/// Room for a few messages: 128 bytes each, besides their text, and 128 for each topic.
const FEW: usize = 1_000;

fn start_small(server: &FaultyServer, incarnation: u64) -> TestNode {
    let options = NodeOptions {
        history_bytes: FEW,
        ..options(incarnation)
    };
    start_with(server.connect(), options)
}

/// Publishes to another topic what takes the place of all other histories. Waits until the node has
/// read it.
async fn evict(node: &TestNode) {
    let (sender, outcome) = tokio::sync::oneshot::channel();
    let large = LoggedMessage {
        topic: TopicName::new("large".to_owned()),
        ..message(&"x".repeat(FEW), Some(HISTORY))
    };
    let ticket: Ticket = Box::new(|outcome| sender.send(outcome).unwrap());
    assert!(node.publish(large, ticket).is_ok());
    node.reached(outcome.await.unwrap().unwrap()).await;
}

async fn publish_kept(node: &TestNode, text: &str) -> Position {
    let at = publish_to(node, text, Some(HISTORY)).await.unwrap();
    node.reached(at).await;
    at
}

/// What a subscriber gets: loaded only if the node says that it must be.
async fn served(node: &TestNode) -> Vec<String> {
    loop {
        let last = node.with_lane(Lane(0), |lane| {
            let last = lane.unwrap().last(&topic(), 9, HISTORY, Instant::now());
            last.map(|last| texts(&last))
        });
        match last {
            Ok(texts) => return texts,
            Err(error) => assert_eq!(error, ReplayError::NotLoaded),
        }
        node.load_history(&topic(), HISTORY).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_were_evicted_are_loaded_and_not_left_out_between_the_others() {
    let server = server();
    let author = start(&server, 1);
    author.ready().await;
    let mut positions = Vec::new();
    for text in ["1", "2", "3"] {
        positions.push(publish_kept(&author, text).await);
    }
    server.trim(Lane(0), 0);
    let node = start_small(&server, 2);
    node.ready().await;
    assert_eq!(served(&node).await, ["1", "2", "3"]);
    publish_kept(&node, "4").await;
    assert_eq!(served(&node).await, ["1", "2", "3", "4"]);
    evict(&node).await;
    assert_eq!(served(&node).await, ["1", "2", "3", "4"]);
    publish_kept(&node, "5").await;
    assert_eq!(served(&node).await, ["1", "2", "3", "4", "5"]);
    // A client that comes from before the start gets each of them once.
    let behind = node.with_lane(Lane(0), |lane| {
        let (from, limits) = (positions[1], Some(HISTORY));
        let behind = lane.unwrap().since(&topic(), from, limits, Instant::now());
        texts(&behind.unwrap())
    });
    assert_eq!(behind, ["3", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_runs_longer_than_messages_are_kept_loads_those_that_it_has_evicted() {
    let server = server();
    let node = start_small(&server, 1);
    node.ready().await;
    tokio::time::sleep(HISTORY.keep).await;
    publish_kept(&node, "1").await;
    evict(&node).await;
    publish_kept(&node, "2").await;
    assert_eq!(served(&node).await, ["1", "2"]);
    // A topic that exceeds the limit alone loses its oldest messages.
    for text in ["3", "4", "5", "6", "7", "8", "9"] {
        publish_kept(&node, text).await;
        let all = served(&node).await;
        assert_eq!(all.len().to_string(), text);
        assert_eq!(all.last().unwrap(), text);
    }
}
