//! Built servers that share one Redis: their sessions and their log.

use std::convert::Infallible;

use http::{Request, StatusCode};
use tower_service::Service;
use ws_server::prelude::*;
use ws_server::session::Secrets;

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
