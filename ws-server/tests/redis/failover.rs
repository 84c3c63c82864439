//! Sentinels, and the failovers that they decide.

use ws_server::cluster::{Engine, Lane, Lanes};
use ws_server::redis::{Redis, RedisEngine, RedisError};
use ws_server::testkit::engines::new_append;

use crate::nodes::{assert_quiet, join, node_on, options, reset, texts};
use crate::sentinels::{Guarded, Sentinel};
use crate::server::RedisServer;

#[tokio::test]
async fn clients_move_to_the_new_primary_and_the_old_one_that_continues_disturbs_nothing() {
    let redis = Guarded::start().await;
    let one = node_on(redis.redis(), &options()).await;
    let two = node_on(redis.redis(), &options()).await;
    let mut clients = [join(&one).await, join(&two).await];
    clients[0].send("before").await;
    for client in &mut clients {
        assert_eq!(client.text().await, "before");
    }
    let old = redis.primary();
    redis.servers[old].pause();
    let mut clients = reset([&one, &two], clients).await;
    assert_ne!(redis.primary(), old);
    // The replica had the message, and so does the history.
    clients[1].send("after").await;
    for client in &mut clients {
        assert_eq!(texts(client, 2).await, ["before", "after"]);
    }
    // For a moment there are two primaries.
    redis.servers[old].resume();
    redis.until_replica(old).await;
    clients[0].send("later").await;
    for client in &mut clients {
        assert_eq!(texts(client, 1).await, ["later"]);
        assert_quiet(client).await;
    }
}

/// The server at the end is the same process as at the beginning, and its data contains its id.
#[tokio::test]
async fn a_failover_there_and_back_while_no_node_is_connected_is_another_generation() {
    const LANE: Lane = Lane(3);
    let redis = Guarded::start().await;
    let open = async || {
        let engine = RedisEngine::new(redis.redis(), Lanes::DEFAULT);
        engine.connected().await.unwrap();
        (engine.open(LANE).await.unwrap(), engine)
    };
    let run_id = |server: &RedisServer| {
        let info = server.command("INFO server");
        let id = info.lines().find(|line| line.starts_with("run_id:"));
        id.unwrap().to_owned()
    };
    let (before, engine) = open().await;
    let last = engine.append(&new_append(LANE, &before, 1, "first")).await;
    drop(engine);
    let first = redis.primary();
    let id = run_id(&redis.servers[first]);
    redis.fail_over().await;
    redis.fail_over().await;
    assert_eq!(redis.primary(), first);
    assert_eq!(run_id(&redis.servers[first]), id);
    let (after, _engine) = open().await;
    assert_ne!(after.generation, before.generation);
    assert!(after.start > last.unwrap());
}

/// It names a primary from before a failover.
#[tokio::test]
async fn a_sentinel_that_was_separated_is_not_believed() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let behind = Sentinel::start(old.port(), 2, "sentinel config-epoch main 3").await;
    let current = Sentinel::start(new.port(), 2, "sentinel config-epoch main 4").await;
    for ports in [[behind.port, current.port], [current.port, behind.port]] {
        let [first, second] = ports.map(|port| format!("127.0.0.1:{port}"));
        let redis = Redis::new(&format!("redis-sentinel://{first},{second}/main")).unwrap();
        redis.connected().await.unwrap();
        assert!(is_used(&new));
        assert!(!is_used(&old), "the connection is to the former primary");
    }
}

/// Whether a client has logged on, which sentinels do in another way.
fn is_used(server: &RedisServer) -> bool {
    server
        .command("INFO commandstats")
        .contains("cmdstat_hello")
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_is_an_error() {
    let server = RedisServer::start();
    let sentinel = Sentinel::start(server.port(), 1, "").await;
    let address = format!("127.0.0.1:{}", sentinel.port);
    let redis = Redis::new(&format!("redis-sentinel://{address}/other")).unwrap();
    let name = "other".to_owned();
    let expected = RedisError::UnknownPrimary { address, name };
    assert_eq!(redis.connected().await, Err(expected));
}

#[tokio::test]
async fn sentinels_have_a_password_of_their_own() {
    let server = RedisServer::with(&["--requirepass", "right"]).password("right");
    let lines = "requirepass hidden\nsentinel auth-pass main right";
    let sentinel = Sentinel::start(server.port(), 1, lines).await;
    let address = format!("127.0.0.1:{}", sentinel.port);
    let redis = |user: &str, query: &str| {
        Redis::new(&format!("redis-sentinel://{user}{address}/main{query}")).unwrap()
    };
    let both = redis(":right@", "?sentinel-password=hidden");
    assert_eq!(both.connected().await, Ok(()));
    // The error names the one that refuses.
    let without = redis(":right@", "").connected().await;
    let expected = RedisError::Login {
        address: address.clone(),
    };
    assert_eq!(without, Err(expected));
    let without = redis("", "?sentinel-password=hidden").connected().await;
    let address = server.redis().address().to_owned();
    assert_eq!(without, Err(RedisError::Login { address }));
}
