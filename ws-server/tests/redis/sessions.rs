//! Sessions in Redis, with the faults of a server.

use std::error::Error;
use std::time::{Duration, Instant};

use ws_server::prelude::*;
use ws_server::redis::{Redis, RedisError, RedisStore};
use ws_server::session::{SessionKey, SessionRecord, SessionStore, SessionToken, StoreError};
use ws_server::testkit::stores;

use crate::server::RedisServer;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The time within which a call must return, and a margin for a busy machine.
const BOUND: Duration = Duration::from_secs(3 + 5);

fn new_key() -> SessionKey {
    SessionToken::new().unwrap().key()
}

fn new_record(user: Option<&str>) -> SessionRecord {
    SessionRecord::new(user.map(str::to_owned)).unwrap()
}

async fn create(store: &RedisStore, user: Option<&str>) -> (SessionKey, SessionRecord) {
    let (key, record) = (new_key(), new_record(user));
    assert!(store.create(key, record.clone(), HOUR).await.unwrap());
    (key, record)
}

fn cause(error: &StoreError) -> &RedisError {
    error.source().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn the_store_passes_the_suite() {
    let server = RedisServer::start();
    let store = RedisStore::new(server.redis());
    stores::check_store(&store).await;
    // Nothing remains, not even in an index.
    assert_eq!(store.count().await.unwrap(), 0);
    let keys = server.command("KEYS *");
    assert!(!keys.contains(":session:"), "{keys}");
}

#[tokio::test]
async fn a_user_with_the_documented_permissions_can_run_every_command() {
    let server = RedisServer::start();
    let acl = "ACL SETUSER ws on >password ~ws:* +@read +@write +@connection +@scripting \
        -@dangerous +info +time";
    assert!(server.command(acl).starts_with("+OK"));
    let url = server.url("ws:password@");
    let store = RedisStore::new(Redis::new(&url).unwrap());
    let (key, record) = create(&store, Some("ada")).await;
    let (id, generation) = (record.id, record.generation());
    assert!(store.load(key, HOUR).await.unwrap().is_some());
    assert!(store.touch(key, id, HOUR).await.unwrap());
    assert!(store.contains(key, id).await.unwrap());
    assert_eq!(
        store.set(key, generation, "a", None).await.unwrap(),
        Some(1)
    );
    let renewed = store.renew(key, generation, new_key(), None, HOUR).await;
    assert_eq!(renewed.unwrap().unwrap().renewals, 1);
    assert!(!store.remove_generation(key, generation).await.unwrap());
    assert_eq!(store.remove(key).await.unwrap(), None);
    assert_eq!(store.remove_user("ada").await.unwrap(), []);
    assert_eq!(store.count().await.unwrap(), 1);
    // Other keys are out of reach.
    let other = Redis::new(&url).unwrap().prefix("shop:").unwrap();
    let error = RedisStore::new(other).count().await.unwrap_err();
    let RedisError::Refused { code, .. } = cause(&error) else {
        panic!("{error:#}");
    };
    assert_eq!(code, "NOPERM");
}

#[tokio::test]
async fn two_stores_with_one_prefix_share_sessions_and_other_prefixes_do_not() {
    let server = RedisServer::start();
    let (one, two) = (server.redis(), server.redis());
    let shop = RedisStore::new(two.clone().prefix("shop:").unwrap());
    let (one, two) = (RedisStore::new(one), RedisStore::new(two));
    let (key, record) = create(&one, Some("ada")).await;
    let loaded = two.load(key, HOUR).await.unwrap().unwrap();
    assert_eq!((loaded.id, &*loaded.user.unwrap()), (record.id, "ada"));
    assert_eq!(shop.load(key, HOUR).await.unwrap(), None);
    assert_eq!(shop.remove_user("ada").await.unwrap(), []);
    assert_eq!(two.remove_user("ada").await.unwrap(), [record.id]);
    assert_eq!(one.load(key, HOUR).await.unwrap(), None);
}

#[tokio::test]
async fn all_keys_are_below_the_prefix_have_a_hash_tag_and_expire() {
    let server = RedisServer::start();
    let store = RedisStore::new(server.redis());
    let (key, record) = create(&store, Some("ada")).await;
    store.touch(key, record.id, HOUR * 2).await.unwrap();
    let keys = server.command("KEYS *");
    let keys: Vec<_> = keys.lines().filter(|line| line.contains(':')).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    for key in keys {
        assert!(key.starts_with("ws:{sessions}:"), "{key}");
        let left = server.command(&format!("PTTL {key}"));
        let left = left.trim_start_matches(':').lines().next().unwrap();
        let left: u64 = left.parse().unwrap_or_else(|_| panic!("{key} has {left}"));
        assert!(left > 7_100_000, "{key} expires in {left} ms");
    }
}

#[tokio::test]
async fn sessions_of_a_user_that_have_expired_leave_the_index() {
    let server = RedisServer::start();
    let store = RedisStore::new(server.redis());
    let short = Duration::from_millis(1);
    for _ in 0..20 {
        let created = store
            .create(new_key(), new_record(Some("ada")), short)
            .await;
        assert!(created.unwrap());
        tokio::time::sleep(short * 3).await;
    }
    let (_, last) = create(&store, Some("ada")).await;
    let keys = server.command("KEYS ws:{sessions}:user:*");
    let set = keys.lines().find(|line| line.contains(":user:")).unwrap();
    let size = server.command(&format!("SCARD {set}"));
    assert!(size.starts_with(":1\r"), "{size}");
    assert!(
        server
            .command("ZCARD ws:{sessions}:all")
            .starts_with(":1\r")
    );
    assert_eq!(store.count().await.unwrap(), 1);
    assert_eq!(store.remove_user("ada").await.unwrap(), [last.id]);
}

#[tokio::test]
async fn a_server_that_restarts_empty_has_no_sessions_and_accepts_new_ones() {
    let mut server = RedisServer::start();
    let redis = server.redis();
    let store = RedisStore::new(redis.clone());
    let (key, _) = create(&store, Some("ada")).await;
    server.kill();
    let started = Instant::now();
    let error = store.load(key, HOUR).await.unwrap_err();
    assert!(started.elapsed() < BOUND);
    assert_eq!(error.status(), 503);
    assert!(server.run());
    redis.connected().await.unwrap();
    while let Err(error) = store.load(key, HOUR).await {
        assert!(matches!(cause(&error), RedisError::Unreachable { .. }));
    }
    assert_eq!(store.load(key, HOUR).await.unwrap(), None);
    let (key, _) = create(&store, Some("ada")).await;
    assert!(store.load(key, HOUR).await.unwrap().is_some());
}

/// A time-out is no answer: the command is executed when the server continues.
#[tokio::test]
async fn a_call_to_a_paused_server_fails_in_time_and_may_be_executed_later() {
    let server = RedisServer::start();
    let redis = server.redis();
    let store = RedisStore::new(redis.clone());
    let (key, record) = create(&store, None).await;
    // The server knows the script already.
    let renewal = store.renew(key, record.generation(), key, None, HOUR);
    let generation = renewal.await.unwrap().unwrap().generation();
    server.pause();
    let (started, new) = (Instant::now(), new_key());
    let renewal = store.renew(key, generation, new, Some("ada".to_owned()), HOUR);
    let error = renewal.await.unwrap_err();
    assert!(
        matches!(cause(&error), RedisError::Unanswered { .. }),
        "{error:#}"
    );
    assert!(started.elapsed() < BOUND);
    // From now on, calls fail at once, or as soon as an attempt to connect does.
    let started = Instant::now();
    let error = store.load(key, HOUR).await.unwrap_err();
    assert!(
        matches!(cause(&error), RedisError::Unreachable { .. }),
        "{error:#}"
    );
    assert!(started.elapsed() < BOUND);
    server.resume();
    redis.connected().await.unwrap();
    while !store.contains(new, record.id).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let moved = store.load(new, HOUR).await.unwrap().unwrap();
    assert_eq!((moved.renewals, moved.user.as_deref()), (2, Some("ada")));
    assert_eq!(store.load(key, HOUR).await.unwrap(), None);
    // The visitor's repeat finds no session, so the logon is not executed twice.
    let again = store.renew(key, generation, new_key(), None, HOUR);
    assert_eq!(again.await.unwrap(), None);
}

#[tokio::test]
async fn a_full_server_refuses_new_sessions_and_still_serves_the_others() {
    let server = RedisServer::start();
    let store = RedisStore::new(server.redis());
    let (key, record) = create(&store, None).await;
    let generation = record.generation();
    let value = |text: &str| Some(text.to_owned());
    let set = store.set(key, generation, "theme", value("\"dark\"")).await;
    assert_eq!(set.unwrap(), Some(1));
    server.command("CONFIG SET maxmemory 1");
    let full = store.create(new_key(), new_record(None), HOUR).await;
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    let full = store.set(key, generation, "cart", value("[]")).await;
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    let loaded = store.load(key, HOUR * 3).await.unwrap().unwrap();
    assert_eq!((loaded.values.len(), loaded.version), (1, 1));
    assert!(store.touch(key, record.id, HOUR).await.unwrap());
    assert!(store.contains(key, record.id).await.unwrap());
    assert_eq!(
        store.set(key, generation, "theme", None).await.unwrap(),
        Some(2)
    );
    let (user, new) = (Some("ada".to_owned()), new_key());
    let renewed = store.renew(key, generation, new, user, HOUR).await;
    assert_eq!(renewed.unwrap().unwrap().user.as_deref(), Some("ada"));
    assert_eq!(store.remove_user("ada").await.unwrap(), [record.id]);
    assert_eq!(store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_forgets_its_scripts_gets_them_again() {
    let server = RedisServer::start();
    let store = RedisStore::new(server.redis());
    let (key, record) = create(&store, None).await;
    server.command("SCRIPT FLUSH");
    assert!(store.touch(key, record.id, HOUR).await.unwrap());
}

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

dispatch! {
    struct Routes;

    echo: "/echo" => Echo { require_page: false };
}

/// Visits a page, and returns the server and the headers with the cookie.
async fn visit(redis: &Redis) -> (Ws, http::HeaderMap) {
    let store = RedisStore::new(redis.clone());
    let server = Server::new(Routes::table()).session_store(store);
    let ws = server.build().unwrap();
    let filter = ws.session();
    let respond = warp::Filter::then(filter, async |visit: Visit| visit.reply("welcome"));
    let response = warp::test::request().reply(&respond).await;
    assert_eq!(response.status(), 200);
    (ws, response.headers().clone())
}

#[tokio::test]
async fn a_session_is_valid_on_every_server_and_after_a_restart() {
    let server = RedisServer::start();
    let (first, cookies) = visit(&server.redis()).await;
    let (second, _) = visit(&server.redis()).await;
    for ws in [&first, &second] {
        let kit = ws.test_kit();
        kit.open("/echo").cookies(&cookies).connect().await.unwrap();
    }
    drop((first, second));
    let (restarted, _) = visit(&server.redis()).await;
    let kit = restarted.test_kit();
    kit.open("/echo").cookies(&cookies).connect().await.unwrap();
}

#[tokio::test]
async fn a_handshake_gets_503_while_redis_is_down_and_open_connections_continue() {
    let mut server = RedisServer::start();
    let (ws, cookies) = visit(&server.redis()).await;
    let kit = ws.test_kit();
    let mut open = kit.open("/echo").cookies(&cookies).connect().await.unwrap();
    // A session that this process holds needs no store, so the next one is that of a stranger.
    let (other, strange) = visit(&server.redis()).await;
    drop(other);
    server.kill();
    let started = Instant::now();
    let refused = kit.open("/echo").cookies(&strange).connect().await;
    assert_eq!(refused.err().unwrap().status(), 503);
    assert!(started.elapsed() < BOUND);
    open.send("still here").await;
    assert_eq!(open.text().await, "still here");
}
