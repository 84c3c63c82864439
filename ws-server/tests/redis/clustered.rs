//! Sessions and the log in a Redis Cluster.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::cluster::{Lane, Lanes};
use ws_server::prelude::*;
use ws_server::redis::{Redis, RedisEngine, RedisError, RedisStore};
use ws_server::session::{SessionRecord, SessionStore, SessionToken};
use ws_server::testkit::{Received, TestKit, engines, stores};
use ws_server::topic::PublishError;

use crate::matrix::{Load, TOPICS, Verdict};
use crate::nodes::{Room, impatient_node, lane_of};
use crate::server::RedisServer;

mod hung;
mod moved;
mod setup;

pub(crate) use setup::RedisCluster;

/// The time between two steps of a disturbance.
const PAUSE: Duration = Duration::from_millis(100);

/// The slot of a lane.
fn slot_of(cluster: &RedisCluster, lane: Lane) -> u16 {
    cluster.slot(&format!("ws:{{{}}}:generation", lane.0))
}

fn lane_of_room(room: u64) -> Lane {
    lane_of(&format!("room/{room}"))
}

/// Subscribes to this room.
struct Guest<const ROOM: u64>;

#[ws_handler]
impl<const ROOM: u64> Guest<ROOM> {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Room(ROOM));
        Guest
    }
}

/// Subscribes to this room, with its history.
struct Late<const ROOM: u64>;

#[ws_handler]
impl<const ROOM: u64> Late<ROOM> {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Room(ROOM).replay(10));
        Late
    }
}

/// Publishes until it is accepted, at most for a minute.
async fn publish(node: &TestKit, room: u64, text: &str) {
    let published = async {
        while let Err(error) = node.hub().publish(&Room(room), &text.to_owned()).await {
            tracing::debug!(%error, "published again");
        }
    };
    let published = tokio::time::timeout(Duration::from_secs(60), published);
    published.await.expect("the lane accepts messages");
}

#[tokio::test]
async fn an_engine_in_a_cluster_passes_the_suite() {
    let cluster = RedisCluster::start(3).await;
    let engine = RedisEngine::new(cluster.redis(), Lanes::DEFAULT);
    engine.connected().await.unwrap();
    engines::check_engine(&engine).await;
}

#[tokio::test]
async fn sessions_in_a_cluster_pass_the_suite() {
    let cluster = RedisCluster::start(3).await;
    let store = RedisStore::new(cluster.redis());
    stores::check_store(&store).await;
}

#[tokio::test]
async fn each_lane_is_on_the_node_of_its_slot_and_health_shows_the_nodes() {
    let cluster = RedisCluster::start(3).await;
    let (one, two) = (
        impatient_node(cluster.redis()).await,
        impatient_node(cluster.redis()).await,
    );
    let mut ada = one.handler::<Guest<1>>().connect().await.unwrap();
    let mut bob = one.handler::<Guest<2>>().connect().await.unwrap();
    assert_ne!(lane_of_room(1), lane_of_room(2));
    publish(&two, 1, "to one").await;
    publish(&two, 2, "to two").await;
    assert_eq!(ada.text().await, "to one");
    assert_eq!(bob.text().await, "to two");
    let health = one.hub().log_health();
    assert_eq!(health.len(), 3);
    for lane in Lanes::DEFAULT.iter() {
        let owner = cluster.owner(slot_of(&cluster, lane));
        let server = &cluster.nodes[owner];
        server.log_of(lane);
        let address = server.redis().address().to_owned();
        let here = health.iter().find(|it| it.lanes.contains(&lane)).unwrap();
        assert_eq!(here.address, address);
        assert!(here.state.is_up(), "{here:?}");
    }
}

/// A node of the cluster may also answer too late because the machine is busy with other tests.
const TRIES: u32 = 3;

#[tokio::test]
async fn a_slot_that_is_migrated_delays_messages_and_resets_no_client() {
    for _ in 0..TRIES {
        if is_migrated_without_a_reset().await {
            return;
        }
    }
    panic!("each of {TRIES} migrations has reset clients");
}

async fn is_migrated_without_a_reset() -> bool {
    let cluster = RedisCluster::start(2).await;
    let (one, two) = (
        impatient_node(cluster.redis()).await,
        impatient_node(cluster.redis()).await,
    );
    let mut ada = one.handler::<Guest<1>>().connect().await.unwrap();
    let mut bob = two.handler::<Guest<2>>().connect().await.unwrap();
    publish(&two, 1, "before").await;
    assert_eq!(ada.text().await, "before");
    let slot = slot_of(&cluster, lane_of_room(1));
    let to = 1 - cluster.owner(slot);
    cluster.begin_migration(slot, to);
    cluster.migrate_keys(slot, to);
    // Neither node has the lane now: what is published waits, and was never sent.
    let waiting = one.hub().publish(&Room(1), &"too early".to_owned());
    assert_eq!(waiting.await.unwrap_err(), PublishError::Unavailable);
    publish(&one, 2, "meanwhile").await;
    assert_eq!(bob.text().await, "meanwhile");
    cluster.end_migration(slot, to);
    publish(&two, 1, "after").await;
    cluster.nodes[to].log_of(lane_of_room(1));
    // Histories move with the slot.
    let mut eve = two.handler::<Late<1>>().connect().await.unwrap();
    assert_eq!([eve.text().await, eve.text().await], ["before", "after"]);
    // Instead of the message, a client that is reset gets a Close.
    ada.receive().await == Received::Message(Message::text("after"))
        && ada.received_so_far().await.is_empty()
        && bob.received_so_far().await.is_empty()
}

#[tokio::test]
async fn while_the_slot_of_sessions_is_migrated_calls_fail_and_sessions_move_with_it() {
    let cluster = RedisCluster::start(2).await;
    let store = RedisStore::new(cluster.redis());
    let (key, ttl) = (SessionToken::new().unwrap().key(), Duration::from_secs(60));
    let record = SessionRecord::new(Some("ada".to_owned())).unwrap();
    assert!(store.create(key, record.clone(), ttl).await.unwrap());
    let slot = cluster.slot("ws:{sessions}:all");
    let to = 1 - cluster.owner(slot);
    cluster.begin_migration(slot, to);
    let error = format!("{:#}", store.load(key, ttl).await.unwrap_err());
    assert!(error.contains("refused a command with ASK"), "{error}");
    cluster.migrate_keys(slot, to);
    cluster.end_migration(slot, to);
    let found = loop {
        if let Ok(found) = store.load(key, ttl).await {
            break found.unwrap();
        }
    };
    assert_eq!((found.id, found.user), (record.id, record.user));
}

/// Runs `disturb` under load on two nodes. No accepted message may be lost without notice, doubled
/// or reordered.
async fn check_under_load(
    mut cluster: RedisCluster,
    disturb: impl AsyncFnOnce(&mut RedisCluster),
) -> Verdict {
    let mut nodes = Vec::new();
    for _ in 0..2 {
        nodes.push(impatient_node(cluster.redis()).await);
    }
    let load = Load::new(nodes);
    let _clients = load.connect().await;
    let publishers = load.publish();
    disturb(&mut cluster).await;
    load.finish(publishers).await;
    let verdict = load.record().verdict();
    println!("{verdict:?}");
    let expected = Verdict {
        lost_silently: 0,
        doubled: 0,
        reordered: 0,
        refused_but_delivered: 0,
        closed: 0,
        ..verdict.clone()
    };
    assert_eq!(verdict, expected);
    assert!(verdict.accepted > 0 && verdict.delivered > 0);
    verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_are_migrated_under_load_lose_nothing() {
    for _ in 0..TRIES {
        let verdict = migrate_under_load().await;
        if (verdict.resets, verdict.lost_with_notice) == (0, 0) {
            return;
        }
    }
    panic!("each of {TRIES} runs has reset clients");
}

async fn migrate_under_load() -> Verdict {
    let cluster = RedisCluster::start(3).await;
    check_under_load(cluster, async |cluster| {
        let lanes = (0..TOPICS).map(lane_of_room).chain([Lane(0)]);
        let slots: Vec<u16> = lanes.map(|lane| slot_of(cluster, lane)).collect();
        // There, and back.
        for step in [1, 2] {
            for slot in &slots {
                let to = (cluster.owner(*slot) + step) % cluster.nodes.len();
                cluster.begin_migration(*slot, to);
                sleep(PAUSE).await;
                cluster.migrate_keys(*slot, to);
                sleep(PAUSE).await;
                cluster.end_migration(*slot, to);
                sleep(3 * PAUSE).await;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primaries_that_are_replaced_by_their_replicas_under_load_lose_nothing_silently() {
    let mut cluster = RedisCluster::start(3).await;
    cluster.add_replicas().await;
    let verdict = check_under_load(cluster, async |cluster| {
        let slot = slot_of(cluster, lane_of_room(0));
        let before = cluster.owner(slot);
        // It is asked for, and then the one that the URL names dies.
        cluster.fail_over(before).await;
        sleep(5 * PAUSE).await;
        let first = cluster.any_slot_of(0);
        cluster.nodes[0].kill();
        cluster.replaced(first, 0).await;
        sleep(5 * PAUSE).await;
    })
    .await;
    assert!(verdict.resets > 0);
}

async fn refused(redis: &Redis) -> RedisError {
    let connected = tokio::time::timeout(Duration::from_secs(10), redis.connected());
    connected.await.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_url_of_the_wrong_kind_and_a_user_without_permission_are_errors() {
    let alone = RedisServer::start();
    let url = alone.url("").replace("redis://", "redis-cluster://");
    let address = alone.redis().address().to_owned();
    let error = refused(&Redis::new(&url).unwrap()).await;
    assert_eq!(error, RedisError::NoCluster { address });

    let cluster = RedisCluster::start(1).await;
    let address = cluster.redis().address().to_owned();
    let rights = "ACL SETUSER ada on >secret ~ws:* +@read +@write +@connection +@scripting \
        -@dangerous +info +time";
    assert!(cluster.nodes[0].command(rights).starts_with('+'));
    let redis = Redis::new(&cluster.url("ada:secret@")).unwrap();
    let code = "NOPERM".to_owned();
    assert_eq!(refused(&redis).await, RedisError::Refused { address, code });
    let rights = "ACL SETUSER ada +cluster|nodes";
    assert!(cluster.nodes[0].command(rights).starts_with('+'));
    let engine = RedisEngine::new(redis, Lanes::DEFAULT);
    while engine.connected().await.is_err() {
        sleep(PAUSE).await;
    }
    engines::check_engine(&engine).await;
}
