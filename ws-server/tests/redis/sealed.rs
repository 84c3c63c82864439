//! Entries with a seal: who has no secret cannot write to the log.

use ws_server::cluster::{Engine, Lanes};
use ws_server::redis::{RedisEngine, RedisError};
use ws_server::session::Secrets;
use ws_server::testkit::{TestKit, engines};

use crate::nodes::{assert_quiet, join, lane_of, options, publish, start, texts};
use crate::server::RedisServer;

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn engine(server: &RedisServer, secrets: &[[u8; 32]]) -> RedisEngine {
    let engine = RedisEngine::new(server.redis(), Lanes::DEFAULT);
    engine.sealed(&Secrets::new(secrets).unwrap())
}

async fn node(server: &RedisServer, secrets: &[[u8; 32]]) -> TestKit {
    let node = start(engine(server, secrets), &options());
    node.hub().ready().await;
    node
}

#[tokio::test]
async fn an_engine_with_seals_passes_the_suite() {
    let server = RedisServer::start();
    let engine = engine(&server, &[OLD]);
    engines::check_engine(&engine).await;
    let flush = async || assert!(server.command("FLUSHALL").starts_with("+OK"));
    engines::check_replaced(&engine, flush).await;
}

/// Appends the last entry of a stream to another one, after a change of its fields in Lua.
fn copy(server: &RedisServer, from: &str, to: &str, change: &str) {
    let script = format!(
        "local e = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1][2] {change} \
         return redis.call('XADD', KEYS[2], '*', unpack(e))"
    );
    let copied = server.command(&format!("EVAL \"{script}\" 2 {from} {to}"));
    assert!(copied.starts_with('$'), "{copied}");
}

#[tokio::test]
async fn entries_without_a_valid_seal_are_skipped_and_counted() {
    let server = RedisServer::start();
    let (one, two) = (node(&server, &[OLD]).await, node(&server, &[OLD]).await);
    let mut clients = [join(&one).await, join(&two).await];
    publish(&one, "own").await;
    let lane = lane_of("lines");
    let other = Lanes::DEFAULT
        .iter()
        .find(|it| *it != lane && it.0 != 0)
        .unwrap();
    let [log, other] = [lane, other].map(|lane| server.log_of(lane));
    // As an attacker can: with a higher number, so that it is no repeat. That is the byte behind the
    // head and the author.
    let renumber = "e[2] = string.sub(e[2], 1, 12) .. '\\x63' .. string.sub(e[2], 14)";
    copy(&server, &log, &other, "");
    copy(&server, &log, &other, "e[3] = nil e[4] = nil");
    copy(
        &server,
        &log,
        &log,
        &format!("{renumber} e[3] = nil e[4] = nil"),
    );
    publish(&one, "own again").await;
    copy(&server, &log, &log, renumber);
    publish(&two, "last").await;
    for client in &mut clients {
        assert_eq!(texts(client, 3).await, ["own", "own again", "last"]);
        assert_quiet(client).await;
    }
    for node in [&one, &two] {
        assert_eq!(node.hub().skipped_entries(), 4);
    }
}

#[tokio::test]
async fn secrets_can_be_rotated() {
    let server = RedisServer::start();
    let (one, two) = (
        node(&server, &[OLD]).await,
        node(&server, &[OLD, NEW]).await,
    );
    let mut clients = [join(&one).await, join(&two).await];
    publish(&one, "of the old secret").await;
    publish(&two, "of the old secret, too").await;
    for client in &mut clients {
        texts(client, 2).await;
    }
    let three = node(&server, &[NEW, OLD]).await;
    let mut client = join(&three).await;
    publish(&three, "of the new secret").await;
    let expected = [
        "of the old secret",
        "of the old secret, too",
        "of the new secret",
    ];
    assert_eq!(texts(&mut client, 3).await, expected);
    assert_eq!(texts(&mut clients[1], 1).await, ["of the new secret"]);
    // The first node does not have it yet.
    publish(&one, "after").await;
    assert_eq!(texts(&mut clients[0], 1).await, ["after"]);
    assert!(one.hub().skipped_entries() > 0);
}

#[tokio::test]
async fn an_engine_without_seals_is_refused() {
    let server = RedisServer::start();
    engine(&server, &[OLD]).connected().await.unwrap();
    let without = RedisEngine::new(server.redis(), Lanes::DEFAULT);
    let expected = RedisError::Layout {
        address: server.redis().address().to_owned(),
        found: "8 lanes by fnv-1a on 1 server, with seals".to_owned(),
        expected: "8 lanes by fnv-1a on 1 server".to_owned(),
    };
    assert_eq!(without.connected().await, Err(expected));
    assert!(without.open(lane_of("lines")).await.is_err());
}
