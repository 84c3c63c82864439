//! The connection: what a server must provide, and what happens without it.

use std::time::Duration;

use tokio::time::timeout;
use ws_server::redis::{Redis, RedisError, RedisStore};
use ws_server::session::SessionStore;

use crate::server::RedisServer;

async fn refused(redis: &Redis) -> RedisError {
    let connected = timeout(Duration::from_secs(10), redis.connected());
    connected.await.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_server_that_evicts_is_not_used() {
    let server = RedisServer::with(&["--maxmemory-policy", "allkeys-lru"]);
    let redis = server.redis();
    let error = refused(&redis).await;
    let policy = "allkeys-lru".to_owned();
    let address = redis.address().to_owned();
    assert_eq!(error, RedisError::Eviction { address, policy });
    let count = RedisStore::new(redis.clone()).count().await;
    let error = format!("{:#}", count.unwrap_err());
    assert!(error.contains("`maxmemory-policy allkeys-lru`"), "{error}");
    // The handle notices the correction by itself.
    server.command("CONFIG SET maxmemory-policy noeviction");
    while redis.connected().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(RedisStore::new(redis).count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_replica_is_not_used() {
    let primary = RedisServer::start();
    let replica = RedisServer::start();
    let port = primary.url("").rsplit(':').next().unwrap().to_owned();
    replica.command(&format!("REPLICAOF 127.0.0.1 {port}"));
    let redis = replica.redis();
    let address = redis.address().to_owned();
    assert_eq!(refused(&redis).await, RedisError::Replica { address });
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_contain_it() {
    let server = RedisServer::with(&["--requirepass", "right"]).password("right");
    for user in ["", ":wrong@", "ada:wrong@"] {
        let redis = Redis::new(&server.url(user)).unwrap();
        let error = refused(&redis).await;
        let address = redis.address().to_owned();
        assert_eq!(error, RedisError::Login { address }, "{user}");
        assert!(!format!("{error} {error:?} {redis:?}").contains("wrong"));
    }
    let redis = Redis::new(&server.url(":right@")).unwrap();
    assert_eq!(redis.connected().await, Ok(()));
}

#[tokio::test]
async fn a_database_of_its_own_is_selected() {
    let server = RedisServer::start();
    let redis = Redis::new(&format!("{}/3", server.url(""))).unwrap();
    redis.connected().await.unwrap();
    let clients = server.command("CLIENT LIST");
    assert!(clients.contains(" db=3 "), "{clients}");
}

#[tokio::test]
async fn a_server_that_comes_late_is_used_when_it_comes() {
    let mut server = RedisServer::stopped(&[]);
    let redis = server.redis();
    let store = RedisStore::new(redis.clone());
    let error = store.count().await.unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("cannot be reached: Connection refused"),
        "{error}"
    );
    assert!(server.run());
    redis.connected().await.unwrap();
    assert_eq!(store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn an_idle_connection_that_is_closed_is_replaced_before_the_next_command() {
    let server = RedisServer::start();
    let store = RedisStore::new(server.redis());
    assert_eq!(store.count().await.unwrap(), 0);
    for _ in 0..5 {
        server.command("CLIENT KILL TYPE normal SKIPME yes");
        assert_eq!(store.count().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_handle_outlives_the_runtime_on_which_it_connected() {
    let server = RedisServer::start();
    let store = RedisStore::new(server.redis());
    let other = store.clone();
    let first = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(other.count()).unwrap()
    });
    assert_eq!(first.join().unwrap(), 0);
    assert_eq!(store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn connections_end_with_the_last_handle() {
    let server = RedisServer::start();
    let redis = server.redis();
    redis.connected().await.unwrap();
    let clients = || server.command("CLIENT LIST").matches(" laddr=").count();
    assert_eq!(clients(), 2, "the handle and this command");
    drop(redis);
    while clients() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Its slots need connections of their own.
#[tokio::test]
async fn a_node_of_a_cluster_is_not_used_without_the_url_of_one() {
    let server = RedisServer::with(&["--cluster-enabled", "yes"]);
    let redis = server.redis();
    let address = redis.address().to_owned();
    assert_eq!(refused(&redis).await, RedisError::Cluster { address });
}
