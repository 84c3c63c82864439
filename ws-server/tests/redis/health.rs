//! What operators see of the server that holds the log.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, StatusCode};
use tokio::time::sleep;
use tower_service::Service;
use ws_server::cluster::{Engine, EngineHealth, EngineState, Lane, Lanes};
use ws_server::prelude::*;
use ws_server::redis::RedisEngine;
use ws_server::session::Secrets;
use ws_server::testkit::engines::{new_append, new_read};

use crate::server::{RedisServer, send};

topics! {
    Lines: "lines" => String;
}

struct Chat;

#[ws_handler]
impl Chat {
    fn init() -> Self {
        Chat
    }
}

dispatch! {
    struct Routes;

    chat: "/chat" => Chat;
}

async fn server(redis: &RedisServer) -> Ws {
    let secrets = Secrets::new([[7; 32]]).unwrap();
    let server = Server::new(Routes::table()).redis([redis.url("")]);
    let ws = server.secrets(secrets).build().unwrap();
    ws.ready().await;
    ws
}

/// The health of the only server.
fn health(ws: &Ws) -> EngineHealth {
    let mut all = ws.hub().log_health();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Waits until the health of the only server meets a condition.
async fn until(ws: &Ws, condition: impl Fn(&EngineHealth) -> bool) -> EngineHealth {
    loop {
        let health = health(ws);
        if condition(&health) {
            return health;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn readiness(ws: &Ws) -> (StatusCode, String) {
    let request = Request::get("/readyz").body(()).unwrap();
    let Ok::<_, Infallible>(response) = ws.health_service().call(request).await;
    (response.status(), response.into_body())
}

#[tokio::test]
async fn a_server_that_is_down_is_shown_and_makes_no_node_unready() {
    let mut redis = RedisServer::with(&["--maxmemory", "1gb"]);
    let ws = server(&redis).await;
    let up = health(&ws);
    let memory = up.memory.unwrap();
    assert_eq!(
        (up.address, up.state),
        (redis.redis().address().to_owned(), EngineState::Up)
    );
    assert_eq!((memory.limit, up.lag), (Some(1 << 30), Duration::ZERO));
    assert!(memory.used > 100_000);
    let expected = "ready\nlog server 1: up, 0 % of its memory used\n".to_owned();
    assert_eq!(readiness(&ws).await, (StatusCode::OK, expected));
    redis.kill();
    let down = until(&ws, |health| !health.state.is_up()).await;
    let EngineState::Down { since, reason } = down.state else {
        panic!("{down:?}");
    };
    assert!(since >= Duration::from_secs(1));
    assert!(
        reason.contains("cannot be reached: Connection refused"),
        "{reason}"
    );
    let (status, body) = loop {
        let (status, body) = readiness(&ws).await;
        if body.starts_with("ready, but") {
            break (status, body);
        }
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(status, StatusCode::OK);
    let begin = "ready, but the session store does not answer\nlog server 1: down for ";
    assert!(body.starts_with(begin), "{body}");
    // It may be public.
    assert!(!body.contains("127.0.0.1"), "{body}");
    assert!(redis.run());
    until(&ws, |health| health.state.is_up()).await;
}

#[tokio::test]
async fn a_server_that_answers_late_is_slow() {
    let redis = RedisServer::with(&["--enable-debug-command", "yes"]);
    let ws = server(&redis).await;
    let port = redis.port();
    let sleeping = std::thread::spawn(move || send(port, "DEBUG SLEEP 1"));
    // While it sleeps, no publish is answered.
    let slow = loop {
        ws.hub().publish(Lines, &"late".to_owned());
        let health = health(&ws);
        if let EngineState::Slow { answer } = health.state {
            break answer;
        }
        sleep(Duration::from_millis(10)).await;
    };
    assert!(slow >= Duration::from_millis(250), "{slow:?}");
    assert!(sleeping.join().unwrap().starts_with("+OK"));
    let (status, body) = readiness(&ws).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        body.contains("log server 1: slow, an answer takes "),
        "{body}"
    );
}

#[tokio::test]
async fn a_server_whose_memory_is_full_is_shown_as_full_until_it_accepts_a_message() {
    let redis = RedisServer::start();
    let ws = server(&redis).await;
    assert_eq!(health(&ws).memory.unwrap().limit, None);
    redis.command("CONFIG SET maxmemory 1");
    ws.hub().publish(Lines, &"refused".to_owned());
    until(&ws, |health| health.state == EngineState::Full).await;
    redis.command("CONFIG SET maxmemory 0");
    ws.hub()
        .publish(Lines, &"accepted".to_owned())
        .await
        .unwrap();
    assert_eq!(health(&ws).state, EngineState::Up);
}

#[tokio::test]
async fn a_reader_that_does_not_reach_the_end_lags_until_it_does() {
    let redis = RedisServer::start();
    let engine = RedisEngine::new(redis.redis(), Lanes::DEFAULT);
    let lane = Lane(3);
    let opened = engine.open(lane).await.unwrap();
    let append = async |number| {
        let append = new_append(lane, &opened, number, "entry");
        engine.append(&append).await.unwrap()
    };
    let first = append(1).await;
    let (mut last, mut number) = (first, 1);
    while last.time < first.time + 100 {
        number += 1;
        last = append(number).await;
    }
    let from = new_read(lane, &opened, opened.start);
    let read = engine.read(&[from], 1).await.unwrap();
    assert_eq!(read[0].entries[0].0, first);
    let lag = Duration::from_millis(last.time - first.time);
    assert_eq!(engine.health()[0].lag, lag);
    engine
        .read(&[from], usize::try_from(number).unwrap() + 1)
        .await
        .unwrap();
    assert_eq!(engine.health()[0].lag, Duration::ZERO);
}

/// Waits until the first and the last line of `/readyz` are these.
async fn until_ready_says(ws: &Ws, first: &str, last: &str) {
    let says = async {
        loop {
            let (status, body) = readiness(ws).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            let lines: Vec<_> = body.lines().collect();
            if lines.first() == Some(&first) && lines.last().is_some_and(|it| it.starts_with(last))
            {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let limit = Duration::from_secs(60);
    let said = tokio::time::timeout(limit, says).await;
    said.unwrap_or_else(|_| panic!("`/readyz` never says {first:?} and {last:?}"));
}

/// Only the heartbeats of the server show it: nothing is published.
#[tokio::test]
async fn a_server_whose_writes_are_refused_says_so_until_one_is_accepted() {
    let redis = RedisServer::start();
    let ws = server(&redis).await;
    for (refuse, accept) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("ACL SETUSER default -xadd", "ACL SETUSER default +xadd"),
    ] {
        assert!(redis.command(refuse).starts_with("+OK"));
        let first = "ready, but the log does not accept what this server writes";
        until_ready_says(&ws, first, "lanes that cannot be written: 0").await;
        assert_eq!(ws.hub().cluster().unwrap().unwritable_lanes, [Lane(0)]);
        assert!(redis.command(accept).starts_with("+OK"));
        until_ready_says(&ws, "ready", "log server 1: up").await;
        assert_eq!(ws.hub().cluster().unwrap().unwritable_lanes, []);
    }
}
