//! What a lane is after its slot was migrated: the same generation, if nothing can be lost.

use tokio::time::sleep;
use ws_server::cluster::{Engine, Lane, Lanes, Opened};
use ws_server::redis::RedisEngine;
use ws_server::testkit::engines::new_append;

use super::setup::RedisCluster;
use super::{PAUSE, slot_of};

const LANE: Lane = Lane(3);

/// Opens the lane, as often as it takes.
async fn open(engine: &RedisEngine) -> Opened {
    loop {
        if let Ok(opened) = engine.open(LANE).await {
            return opened;
        }
        sleep(PAUSE).await;
    }
}

fn engine(cluster: &RedisCluster) -> RedisEngine {
    RedisEngine::new(cluster.redis(), Lanes::DEFAULT)
}

/// One engine knows what was lost, and the other one does not.
#[tokio::test]
async fn a_node_that_has_lost_what_came_after_the_migration_begins_another_generation() {
    let mut cluster = RedisCluster::start(2).await;
    let (one, two) = (engine(&cluster), engine(&cluster));
    let before = open(&one).await;
    assert_eq!(open(&two).await, before);
    let append = new_append(LANE, &before, 1, "before");
    one.append(&append).await.unwrap();
    let slot = slot_of(&cluster, LANE);
    let to = 1 - cluster.owner(slot);
    cluster.begin_migration(slot, to);
    cluster.migrate_keys(slot, to);
    cluster.end_migration(slot, to);
    assert!(cluster.nodes[to].command("SAVE").starts_with("+OK"));
    assert_eq!(open(&one).await, before, "nothing was lost");
    let append = new_append(LANE, &before, 2, "lost");
    one.append(&append).await.unwrap();
    cluster.nodes[to].kill();
    assert!(cluster.nodes[to].run());
    assert_eq!(open(&two).await, before, "all that it knows of is there");
    let after = open(&one).await;
    assert_ne!(after.generation, before.generation);
    assert_eq!(open(&two).await, after);
}

/// As when an operator repairs a cluster by hand.
#[tokio::test]
async fn a_node_that_got_a_copy_from_before_the_last_entry_begins_another_generation() {
    let cluster = RedisCluster::start(2).await;
    let engine = engine(&cluster);
    let before = open(&engine).await;
    let slot = slot_of(&cluster, LANE);
    let from = cluster.owner(slot);
    let (to, keys) = (1 - from, cluster.keys_in(slot));
    cluster.begin_migration(slot, to);
    let port = cluster.nodes[to].port();
    let copy = format!("MIGRATE 127.0.0.1 {port} \"\" 0 5000 COPY KEYS {keys}");
    assert!(cluster.nodes[from].command(&copy).starts_with('+'));
    let append = new_append(LANE, &before, 1, "late");
    let late = engine.append(&append).await.unwrap();
    assert!(
        cluster.nodes[from]
            .command(&format!("DEL {keys}"))
            .starts_with(':')
    );
    cluster.end_migration(slot, to);
    let after = open(&engine).await;
    assert_ne!(after.generation, before.generation);
    assert!(after.start > late);
}

/// Only the ids of the former node show that it had lost entries before it handed over the slot: the
/// engine has not seen them.
#[tokio::test]
async fn a_slot_of_a_node_that_had_restarted_from_a_snapshot_begins_another_generation() {
    let mut cluster = RedisCluster::start(2).await;
    let (one, two) = (engine(&cluster), engine(&cluster));
    let before = open(&one).await;
    assert_eq!(open(&two).await, before);
    let slot = slot_of(&cluster, LANE);
    let from = cluster.owner(slot);
    assert!(cluster.nodes[from].command("SAVE").starts_with("+OK"));
    let append = new_append(LANE, &before, 1, "lost");
    one.append(&append).await.unwrap();
    cluster.nodes[from].kill();
    while !cluster.nodes[from].run() {}
    cluster.settled().await;
    let to = 1 - from;
    cluster.begin_migration(slot, to);
    cluster.migrate_keys(slot, to);
    cluster.end_migration(slot, to);
    assert_ne!(open(&two).await.generation, before.generation);
}
