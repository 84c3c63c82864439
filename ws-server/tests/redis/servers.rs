//! Built servers that share one Redis: their sessions and their log.

use std::convert::Infallible;

use http::{Request, StatusCode};
use tower_service::Service;
use ws_server::prelude::*;
use ws_server::session::Secrets;

use ws_server::Error;
use ws_server::cluster::{ClusterOptions, Lanes};

use crate::server::RedisServer;

topics! {
    Lines: "lines" => String;
}

/// Publishes with the name of the user.
struct Chat {
    user: String,
}

#[ws_handler]
impl Chat {
    fn init(session: Session, socket: &Socket<Self>) -> Self {
        socket.subscribe(&Lines);
        let user = session.user().unwrap_or("stranger").to_owned();
        Chat { user }
    }

    fn message(&mut self, line: String, hub: &Hub) {
        hub.publish(Lines, &format!("{}: {line}", self.user));
    }
}

dispatch! {
    struct Routes;

    chat: "/chat" => Chat { require_page: false };
}

fn server(redis: &RedisServer) -> Ws {
    let secrets = Secrets::new([[7; 32]]).unwrap();
    let server = Server::new(Routes::table()).redis([redis.url("")]);
    server.secrets(secrets).build().unwrap()
}

async fn readiness(ws: &Ws) -> StatusCode {
    let request = Request::get("/readyz").body(()).unwrap();
    let Ok::<_, Infallible>(response) = ws.health_service().call(request).await;
    response.status()
}

#[tokio::test]
async fn servers_share_sessions_and_messages_of_topics() {
    let redis = RedisServer::start();
    let (one, two) = (server(&redis), server(&redis));
    for ws in [&one, &two] {
        ws.ready().await;
        assert_eq!(readiness(ws).await, StatusCode::OK);
    }
    let (hub, kits) = (one.hub(), [one.test_kit(), two.test_kit()]);
    let (visitor, _) = hub.sessions().begin().await.unwrap();
    let renewed = hub.sessions().renew(&visitor, Some("ada".to_owned()));
    let (_, token) = renewed.await.unwrap();
    let mut clients = Vec::new();
    for kit in &kits {
        // The cookie of the first server is that of the second, too.
        let cookie = format!("z_sid={}", token.cookie_value());
        let client = kit.open("/chat").header("cookie", &cookie).connect();
        clients.push(client.await.unwrap());
    }
    clients[1].send("hello").await;
    for client in &mut clients {
        assert_eq!(client.text().await, "ada: hello");
    }
}

#[tokio::test]
async fn a_server_starts_without_redis_and_is_ready_when_it_has_connected() {
    let mut redis = RedisServer::stopped(&[]);
    let ws = server(&redis);
    assert_eq!(readiness(&ws).await, StatusCode::SERVICE_UNAVAILABLE);
    let refusal = ws.test_kit().open("/chat").connect().await.unwrap_err();
    assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refusal.text(), "the server is starting");
    assert!(redis.run());
    ws.ready().await;
    assert_eq!(readiness(&ws).await, StatusCode::OK);
    let refusal = ws.test_kit().open("/chat").connect().await.unwrap_err();
    assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
}

/// The text of the error that ends a server which is not ready yet.
async fn end(url: String, lanes: u16) -> String {
    let options = ClusterOptions::DEFAULT.lanes(Lanes::new(lanes).unwrap());
    let server = Server::new(Routes::table()).redis([url]);
    let server = server.secrets(Secrets::new([[7; 32]]).unwrap());
    let ws = server.cluster_options(options).build().unwrap();
    let error = ws.run("127.0.0.1:0").await.unwrap_err();
    assert!(matches!(error, Error::Log(_)), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_server_with_another_layout_ends_with_an_error_that_names_both() {
    let redis = RedisServer::start();
    server(&redis).ready().await;
    let expected = format!(
        "the log cannot be used: the log in Redis at {} has 8 lanes by fnv-1a on 1 server, and \
         this server 4 lanes by fnv-1a on 1 server; configure all servers alike",
        redis.redis().address()
    );
    assert_eq!(end(redis.url(""), 4).await, expected);
}

#[tokio::test]
async fn a_server_whose_password_or_permissions_are_refused_ends_with_an_error() {
    let redis = RedisServer::with(&["--requirepass", "right"]).password("right");
    let address = redis.redis().address().to_owned();
    let begin = format!("the log cannot be used: Redis at {address}");
    let expected = format!("{begin} does not accept the user or the password");
    assert_eq!(end(redis.url(":wrong@"), 8).await, expected);
    redis.command("ACL SETUSER ada on >secret ~ws:* +@read +@write +@connection +info");
    let expected = format!("{begin} refused a command with NOPERM");
    assert_eq!(end(redis.url("ada:secret@"), 8).await, expected);
}

#[tokio::test]
async fn a_server_that_was_ready_waits_for_the_correction() {
    let redis = RedisServer::start();
    let ws = server(&redis);
    let hub = ws.hub();
    let mut run = tokio::spawn(ws.run("127.0.0.1:0"));
    ws.ready().await;
    redis.command("CONFIG SET maxmemory-policy allkeys-lru");
    redis.command("CLIENT KILL TYPE normal SKIPME yes");
    let is_refused = || {
        let mut health = hub.log_health().into_iter();
        health.any(|it| format!("{:?}", it.state).contains("allkeys-lru"))
    };
    while !is_refused() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    redis.command("CONFIG SET maxmemory-policy noeviction");
    while !hub.log_health()[0].state.is_up() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    hub.publish(Lines, &"again".to_owned()).await.unwrap();
    assert!(!run.is_finished());
    run.abort();
    assert!((&mut run).await.unwrap_err().is_cancelled());
}
