//! What trimming removes, and what it must leave.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use ws_server::cluster::{Engine, Lanes, READ_ENTRIES};
use ws_server::redis::RedisEngine;
use ws_server::testkit::engines::{new_append, new_read};

use crate::engine::{LANE, engine, open};
use crate::server::RedisServer;

/// Longer than any trimming takes.
const LIMIT: Duration = Duration::from_secs(30);

fn number(answer: &str) -> u64 {
    answer.trim_start_matches(':').trim_end().parse().unwrap()
}

/// How many commands have trimmed a stream.
fn trims(server: &RedisServer) -> u64 {
    let stats = server.command("INFO commandstats");
    let calls = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_xtrim:calls="));
    calls.map_or(0, |calls| calls.split_once(',').unwrap().0.parse().unwrap())
}

/// Otherwise they would stay, while the log shrinks to nothing and accepts nothing.
#[tokio::test]
async fn a_server_that_is_full_of_relayed_entries_accepts_entries_again() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    for _ in 0..64 {
        let live = Bytes::from(vec![b'x'; 64 * 1024]);
        engine.relay(LANE, live).await.unwrap();
    }
    server.limit_memory();
    let append = new_append(LANE, &opened, 1, "refused");
    engine.append(&append).await.unwrap_err();
    // Reading causes the trimming.
    let accepted = async {
        while engine.append(&append).await.is_err() {
            let from = [new_read(LANE, &opened, opened.start)];
            engine.read(&from, READ_ENTRIES).await.unwrap();
        }
    };
    timeout(LIMIT, accepted).await.unwrap();
}

#[tokio::test]
async fn relayed_entries_that_every_reader_has_had_are_removed() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    let old: Vec<_> = (1..=300)
        .map(|id| format!("XADD ws:{{0}}:relayed {id}-0 l 0 e old"))
        .collect();
    server.command(&old.join("\r\n"));
    let left = || number(&server.command("XLEN ws:{0}:relayed"));
    assert_eq!(left(), 300);
    engine
        .relay(LANE, Bytes::from_static(b"new"))
        .await
        .unwrap();
    let append = new_append(LANE, &opened, 1, &"x".repeat(1024 * 1024));
    engine.append(&append).await.unwrap();
    let removed = async {
        // Redis removes entries by the hundred.
        while left() > 101 {
            let from = [new_read(LANE, &opened, opened.start)];
            engine.read(&from, READ_ENTRIES).await.unwrap();
        }
    };
    timeout(LIMIT, removed).await.unwrap();
    let last = server.command("XREVRANGE ws:{0}:relayed + - COUNT 1");
    assert!(last.contains("new"), "{last}");
}

/// The share of each lane is less than the largest entry.
#[tokio::test]
async fn with_many_lanes_the_largest_entry_is_not_removed_before_it_was_read() {
    let server = RedisServer::start();
    let engine = RedisEngine::new(server.redis(), Lanes::new(64).unwrap());
    let opened = open(&engine).await;
    let append = new_append(LANE, &opened, 1, &"x".repeat(1024 * 1024));
    let id = engine.append(&append).await.unwrap();
    let from = [new_read(LANE, &opened, opened.start)];
    // Each read of so many bytes causes a trimming, of one or two commands.
    let read = async {
        while trims(&server) < 8 {
            let read = engine.read(&from, READ_ENTRIES).await.unwrap();
            let ids: Vec<_> = read[0].entries.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, [id]);
        }
    };
    timeout(LIMIT, read).await.unwrap();
}
