//! A slow network between a node and Redis.

use std::time::Duration;

use tokio::time::timeout;
use ws_server::cluster::{Engine, Lanes, READ_ENTRIES};
use ws_server::redis::RedisEngine;
use ws_server::testkit::engines::{new_append, new_read};

use crate::engine::{LANE, open};
use crate::proxy::Proxy;
use crate::server::RedisServer;

const ENTRIES: u64 = 48;

/// In one answer, the entries take longer than any answer may.
#[tokio::test]
async fn a_node_that_starts_behind_a_slow_network_reads_a_long_log() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let engine = RedisEngine::new(proxy.redis(), Lanes::DEFAULT);
    let opened = open(&engine).await;
    let mut appended = Vec::new();
    for number in 1..=ENTRIES {
        let append = new_append(LANE, &opened, number, &"x".repeat(64 * 1024));
        appended.push(engine.append(&append).await.unwrap());
    }
    proxy.limit_answers(1024 * 1024);
    let read_all = async {
        let (mut all, mut after) = (Vec::new(), opened.start);
        loop {
            let from = [new_read(LANE, &opened, after)];
            let Ok(read) = engine.read(&from, READ_ENTRIES).await else {
                continue;
            };
            all.extend(read[0].entries.iter().map(|(id, _)| *id));
            after = all.last().copied().unwrap_or(after);
            if read[0].is_end {
                return all;
            }
        }
    };
    let all = timeout(Duration::from_secs(60), read_all).await.unwrap();
    assert_eq!(all, appended);
}
