//! The log in Redis: the suite, and what goes wrong with the commands.

use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::sleep;
use ws_server::cluster::{
    Append, Engine, EngineError, EntryId, Lane, Lanes, Opened, READ_ENTRIES, READ_WAIT, TopicName,
};
use ws_server::redis::{Redis, RedisEngine, RedisError};
use ws_server::testkit::engines::{self, new_append, new_kept, new_read};

use crate::server::RedisServer;

pub(crate) const LANE: Lane = Lane(0);

pub(crate) fn engine(server: &RedisServer) -> RedisEngine {
    RedisEngine::new(server.redis(), Lanes::DEFAULT)
}

/// Opens the lane, as often as it takes.
pub(crate) async fn open(engine: &RedisEngine) -> Opened {
    loop {
        if let Ok(opened) = engine.open(LANE).await {
            return opened;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// The texts of the entries behind an id, up to the end of the lane.
async fn read_all(engine: &RedisEngine, opened: &Opened, mut after: EntryId) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let from = [new_read(LANE, opened, after)];
        let read = engine.read(&from, READ_ENTRIES).await.unwrap().remove(0);
        let Some((last, _)) = read.entries.last() else {
            return all;
        };
        after = *last;
        let texts = read.entries.iter();
        all.extend(texts.map(|(_, text)| String::from_utf8(text.to_vec()).unwrap()));
        if read.entries.len() < READ_ENTRIES {
            return all;
        }
    }
}

async fn history(engine: &RedisEngine, topic: &str) -> Vec<String> {
    let topic = TopicName::new(topic.to_owned());
    let history = engine.history(LANE, &topic, 100).await.unwrap();
    let text =
        |kept: &ws_server::cluster::HistoryMessage| kept.message.as_text().unwrap().to_owned();
    history.iter().map(text).collect()
}

/// An entry whose message is kept in the history of the topic "t".
fn with_history(opened: &Opened, number: u64, text: &str) -> Append {
    let mut append = new_append(LANE, opened, number, text);
    append.kept.push(new_kept("t", text));
    append
}

#[tokio::test]
async fn the_engine_passes_the_suite() {
    let server = RedisServer::start();
    engines::check_engine(&engine(&server)).await;
}

/// `max-deleted-entry-id` does not move when a stream is trimmed.
#[tokio::test]
async fn entries_that_were_trimmed_are_counted() {
    let server = RedisServer::start();
    let trim = async |lane: Lane, keep| {
        let log = server.log_of(lane);
        let trimmed = server.command(&format!("XTRIM {log} MAXLEN {keep}"));
        assert!(trimmed.starts_with(':'), "{trimmed}");
    };
    engines::check_trimmed(&engine(&server), trim).await;
}

#[tokio::test]
async fn a_flushed_server_and_a_removed_log_are_other_generations() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let flush = async || assert!(server.command("FLUSHALL").starts_with("+OK"));
    engines::check_replaced(&engine, flush).await;
    let remove = async || {
        let log = server.log_of(LANE);
        assert!(server.command(&format!("DEL {log}")).starts_with(":1"));
    };
    engines::check_replaced(&engine, remove).await;
}

/// The data contains the generation from before, and a part of its entries.
#[tokio::test]
async fn a_restart_from_an_earlier_snapshot_is_another_generation() {
    let mut server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    let first = with_history(&opened, 1, "saved");
    engine.append(&first).await.unwrap();
    assert!(server.command("SAVE").starts_with("+OK"));
    let second = with_history(&opened, 2, "lost");
    let lost = engine.append(&second).await.unwrap();
    let restart = async || {
        server.kill();
        assert!(server.run());
    };
    engines::check_replaced(&engine, restart).await;
    assert_eq!(history(&engine, "t").await, ["saved"]);
    let again = open(&engine).await;
    assert!(again.start > lost);
    assert_ne!(again.generation, opened.generation);
}

/// The process stays the same, and so do connections that do not wait.
#[tokio::test]
async fn a_server_that_was_demoted_and_promoted_again_is_another_generation() {
    let server = RedisServer::start();
    let engine = engine(&server);
    // Every node has a connection that waits for entries. Redis ends it.
    let demote = async || {
        let opened = open(&engine).await;
        let from = [new_read(LANE, &opened, EntryId::new(u64::MAX / 2, 0))];
        let read = engine.read(&from, 1);
        let demote = async {
            while !server.command("CLIENT LIST").contains("flags=b") {
                sleep(Duration::from_millis(5)).await;
            }
            assert!(server.command("REPLICAOF 127.0.0.1 1").starts_with("+OK"));
            assert!(server.command("REPLICAOF NO ONE").starts_with("+OK"));
        };
        let (read, ()) = tokio::join!(read, demote);
        assert!(read.is_err());
        while engine.read(&from, 1).await != Err(EngineError::Generation) {}
    };
    engines::check_replaced(&engine, demote).await;
}

/// Otherwise each would replace the generation of the other for ever.
#[tokio::test]
async fn nodes_that_connected_before_and_after_a_promotion_agree_on_the_generation() {
    let server = RedisServer::start();
    let before = engine(&server);
    let first = open(&before).await;
    // No connection waits for entries, so none is ended.
    assert!(server.command("REPLICAOF 127.0.0.1 1").starts_with("+OK"));
    assert!(server.command("REPLICAOF NO ONE").starts_with("+OK"));
    let after = engine(&server);
    let second = open(&after).await;
    assert_ne!(second.generation, first.generation);
    for engine in [&before, &after, &before] {
        assert_eq!(open(engine).await.generation, second.generation);
    }
    let appended = before
        .append(&new_append(LANE, &second, 1, "in both"))
        .await;
    let read = read_all(&after, &second, second.start).await;
    assert_eq!(read, ["in both"], "{appended:?}");
}

/// A time-out is no answer.
#[tokio::test]
async fn an_append_without_an_answer_may_arrive_and_its_repeat_is_kept_once() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    // The server knows the script from here on.
    let append = with_history(&opened, 1, "before");
    engine.append(&append).await.unwrap();
    server.pause();
    let append = with_history(&opened, 2, "late");
    let error = engine.append(&append).await.unwrap_err();
    assert!(matches!(error, EngineError::Unknown(_)), "{error}");
    server.resume();
    while history(&engine, "t").await.len() < 2 {
        sleep(Duration::from_millis(10)).await;
    }
    engine.append(&append).await.unwrap();
    let all = read_all(&engine, &opened, opened.start).await;
    assert_eq!(all, ["before", "late", "late"]);
    assert_eq!(history(&engine, "t").await, ["before", "late"]);
}

/// The client's own reconnection stays deaf after an outage, and loses what is under way.
#[tokio::test]
async fn nothing_is_lost_when_connections_are_killed_under_load() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    let (kills, last) = (Cell::new(0), Cell::new(u64::MAX));
    let append_all = async {
        let mut number = 0;
        while kills.get() < 5 || number < 150 {
            number += 1;
            let append = with_history(&opened, number, &number.to_string());
            while let Err(error) = engine.append(&append).await {
                assert_ne!(error, EngineError::Generation);
            }
        }
        last.set(number);
    };
    let kill = async {
        while kills.get() < 5 {
            sleep(Duration::from_millis(30)).await;
            server.command("CLIENT KILL TYPE normal SKIPME yes");
            kills.set(kills.get() + 1);
        }
    };
    let read = async {
        let (mut all, mut after) = (Vec::<u64>::new(), opened.start);
        while all.last() != Some(&last.get()) {
            let from = [new_read(LANE, &opened, after)];
            let Ok(mut read) = engine.read(&from, READ_ENTRIES).await else {
                continue;
            };
            for (id, text) in read.remove(0).entries {
                after = id;
                let number: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
                // A repeat has the same number.
                if all.last() != Some(&number) {
                    all.push(number);
                }
            }
        }
        all
    };
    let ((), (), all) = tokio::join!(append_all, kill, read);
    let last = last.get();
    assert_eq!(all, (1..=last).collect::<Vec<_>>());
    let expected: Vec<_> = (last - 99..=last)
        .map(|number| number.to_string())
        .collect();
    assert_eq!(history(&engine, "t").await, expected);
}

/// What waits, waits in the log of the server, not in the process.
#[tokio::test]
async fn a_reader_that_lags_gets_a_bounded_part() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    for number in 1..=200 {
        let append = new_append(LANE, &opened, number, &number.to_string());
        engine.append(&append).await.unwrap();
    }
    let from = [new_read(LANE, &opened, opened.start)];
    let read = engine.read(&from, READ_ENTRIES).await.unwrap();
    assert_eq!(read[0].entries.len(), READ_ENTRIES);
    assert_eq!(read[0].census.unwrap().added, opened.added + 200);
    assert_eq!(read_all(&engine, &opened, opened.start).await.len(), 200);
}

/// The client's default time-out is shorter.
#[tokio::test]
async fn a_read_waits_longer_than_the_clients_default_and_is_no_error() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    let from = [new_read(LANE, &opened, opened.start)];
    let begin = Instant::now();
    assert_eq!(engine.read(&from, 1).await.unwrap()[0].entries, []);
    assert!(begin.elapsed() >= READ_WAIT);
}

/// `XADD` is refused then, and with it trimming by `XADD`; `XTRIM` is not.
#[tokio::test]
async fn a_full_server_refuses_appends_until_the_log_was_trimmed() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    let text = "x".repeat(64 * 1024);
    for number in 1..=64 {
        let append = new_append(LANE, &opened, number, &text);
        engine.append(&append).await.unwrap();
    }
    server.limit_memory();
    let append = new_append(LANE, &opened, 65, "refused");
    let error = engine.append(&append).await.unwrap_err();
    let EngineError::NotSent(reason) = error else {
        panic!("{error}");
    };
    assert!(reason.contains("has reached `maxmemory`"), "{reason}");
    // Reading goes on, and causes the trimming.
    let mut after = opened.start;
    loop {
        let from = [new_read(LANE, &opened, after)];
        let read = engine.read(&from, READ_ENTRIES).await.unwrap().remove(0);
        after = read.entries.last().map_or(after, |(id, _)| *id);
        if engine.append(&append).await.is_ok() {
            break;
        }
    }
    let last = read_all(&engine, &opened, after).await;
    assert_eq!(last, ["refused"]);
    let census = engine.open(LANE).await.unwrap();
    assert!(census.added > 1, "nothing was trimmed");
}

#[tokio::test]
async fn two_engines_open_one_generation_and_see_each_other() {
    let server = RedisServer::start();
    let (one, two) = (engine(&server), engine(&server));
    let (opened, other) = tokio::join!(open(&one), open(&two));
    assert_eq!(opened, other);
    one.append(&new_append(LANE, &opened, 1, "one"))
        .await
        .unwrap();
    two.append(&new_append(LANE, &opened, 2, "two"))
        .await
        .unwrap();
    for engine in [&one, &two] {
        assert_eq!(
            read_all(engine, &opened, opened.start).await,
            ["one", "two"]
        );
    }
    let keys = server.command("KEYS ws:{0}:log:*");
    assert!(keys.starts_with("*1\r"), "{keys}");
}

#[tokio::test]
async fn a_server_with_another_number_of_lanes_is_refused() {
    let server = RedisServer::start();
    open(&engine(&server)).await;
    let four = RedisEngine::new(server.redis(), Lanes::new(4).unwrap());
    let address = server.redis().address().to_owned();
    let layout = RedisError::Layout {
        address: address.clone(),
        found: "8 lanes by fnv-1a on 1 server".to_owned(),
        expected: "4 lanes by fnv-1a on 1 server".to_owned(),
    };
    let expected = format!(
        "the log in Redis at {address} has 8 lanes by fnv-1a on 1 server, and this server 4 lanes \
         by fnv-1a on 1 server; configure all servers alike"
    );
    assert_eq!(layout.to_string(), expected);
    assert_eq!(four.connected().await, Err(layout));
    let error = four.open(LANE).await;
    assert_eq!(error, Err(EngineError::Misconfigured(expected.into())));
    assert_eq!(engine(&server).connected().await, Ok(()));
    let shop = server.redis().prefix("shop:").unwrap();
    let shop = RedisEngine::new(shop, Lanes::new(4).unwrap());
    shop.open(LANE).await.unwrap();
}

#[tokio::test]
async fn entries_of_other_programs_are_read_as_empty_ones() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    let log = server.log_of(LANE);
    for fields in ["name value", "e 1 f 2", "e own"] {
        let added = server.command(&format!("XADD {log} * {fields}"));
        assert!(added.starts_with('$'), "{added}");
    }
    let all = read_all(&engine, &opened, opened.start).await;
    assert_eq!(all, ["", "", "own"]);
}

#[tokio::test]
async fn a_user_with_the_documented_permissions_can_use_the_log() {
    let server = RedisServer::start();
    let acl = "ACL SETUSER ws on >password ~ws:* +@read +@write +@connection +@scripting \
        -@dangerous +info +time";
    assert!(server.command(acl).starts_with("+OK"));
    let redis = Redis::new(&server.url("ws:password@")).unwrap();
    let engine = RedisEngine::new(redis, Lanes::DEFAULT);
    let opened = engine.open(LANE).await.unwrap();
    engine
        .append(&with_history(&opened, 1, "one"))
        .await
        .unwrap();
    engine
        .append(&new_append(LANE, &opened, 2, "two"))
        .await
        .unwrap();
    engine
        .relay(LANE, Bytes::from_static(b"live"))
        .await
        .unwrap();
    let from = [new_read(LANE, &opened, opened.start)];
    let read = engine.read(&from, READ_ENTRIES).await.unwrap();
    assert_eq!(read[0].entries.len(), 2);
    assert!(read[0].census.is_some());
    assert_eq!(history(&engine, "t").await, ["one"]);
    assert_eq!(engine.all_members().await.unwrap(), []);
    // All keys expire.
    let keys = server.command("KEYS *");
    for key in keys.lines().filter(|line| line.starts_with("ws:")) {
        let left = server.command(&format!("PTTL {key}"));
        let is_relayed = key.ends_with(":relayed");
        assert!(
            !left.starts_with(":-1") || is_relayed,
            "{key} never expires"
        );
    }
}

/// Only the first command of the script decides whether an entry is in the log.
#[tokio::test]
async fn an_append_that_is_refused_after_its_entry_was_written_may_have_been_executed() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let opened = open(&engine).await;
    let texts = async || read_all(&engine, &opened, opened.start).await;
    assert!(
        server
            .command("ACL SETUSER default -rpush")
            .starts_with("+OK")
    );
    let append = with_history(&opened, 1, "in part");
    let error = engine.append(&append).await.unwrap_err();
    assert!(matches!(error, EngineError::Unknown(_)), "{error}");
    assert_eq!(texts().await, ["in part"]);
    assert!(
        server
            .command("ACL SETUSER default +rpush -xadd")
            .starts_with("+OK")
    );
    let append = with_history(&opened, 2, "refused");
    let error = engine.append(&append).await.unwrap_err();
    assert!(matches!(error, EngineError::NotSent(_)), "{error}");
    assert!(
        server
            .command("ACL SETUSER default +xadd")
            .starts_with("+OK")
    );
    assert!(server.command("CONFIG SET maxmemory 1").starts_with("+OK"));
    let error = engine.append(&append).await.unwrap_err();
    assert!(matches!(error, EngineError::NotSent(_)), "{error}");
    assert_eq!(texts().await, ["in part"]);
}
