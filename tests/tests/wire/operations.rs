//! Measurements, health checks, and the order in which a server stops.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tracing::Level;
use warp::Filter;
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_tests::Captured;

use crate::client::{CLOSE, Client, close, until, upgrade, within};
use crate::running::Running;

/// Echoes, and ends as the client asks.
struct Echo;

#[ws_handler]
impl Echo {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Topic::<String>::local("news"));
        Echo
    }

    async fn message(&mut self, text: String) -> Result<String, Close> {
        tokio::task::yield_now().await;
        if text == "end" {
            return Err(Close::POLICY);
        }
        Ok(text)
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false }

    echo: "/rooms/{_id: u64}/{*_rest}" => Echo;
}

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn running(limits: &ServerLimits) -> Running {
    let ws = Server::new(Routes::table())
        .server_limits(*limits)
        .build()
        .unwrap();
    let metrics = warp::path!("metrics").and(ws.metrics());
    let filter = ws.filter().or(metrics).or(ws.health());
    Running::serve(ws, filter).await
}

async fn get(server: &Running, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (head, body) = Client::ask(server.address, &request).await;
    (head.status, body)
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let server = running(&ServerLimits::DEFAULT.per_address(Some(1))).await;
    let mut client = server.open("/rooms/7/x").await;
    client.send_text("hello").await;
    assert_eq!(client.text().await, "hello");
    assert_eq!(server.status("/rooms/7/x", &[]).await, 429);
    assert_eq!(server.status("/rooms/%ff/%ff", &[]).await, 400);
    client.send_text("end").await;
    client.close_frame().await;
    client.end().await;
    let hub = server.ws.hub();
    until("the connection has ended", || hub.connection_count() == 0).await;

    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    let (head, text) = Client::ask(server.address, request).await;
    assert_eq!(head.status, 200);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(head.header("content-type"), Some(kind));
    let route = "route=\"/rooms/{_id: u64}/{*_rest}\"";
    for line in [
        format!("websocket_server_handshakes_total{{{route},status=\"101\"}} 1"),
        format!("websocket_server_handshakes_total{{{route},status=\"429\"}} 1"),
        "websocket_server_handshakes_total{route=\"(none)\",status=\"400\"} 1".to_owned(),
        format!("websocket_server_messages_total{{{route},direction=\"in\",kind=\"text\"}} 2"),
        format!("websocket_server_messages_total{{{route},direction=\"out\",kind=\"text\"}} 1"),
        format!(
            "websocket_server_connection_duration_seconds_count{{{route},cause=\"hook_error\",\
             code=\"1008\"}} 1"
        ),
        "websocket_server_refused_total{reason=\"per_address\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in {text}");
    }
    assert!(!text.contains("/rooms/7"), "{text}");

    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed: Debian's package `prometheus`");
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().await.unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
}

#[tokio::test]
async fn a_server_that_listens_logs_its_address_and_its_number_of_routes() {
    let (captured, _guard) = Captured::begin();
    let server = running(&ServerLimits::DEFAULT).await;
    assert_eq!(get(&server, "/livez").await.0, 200);
    let line = format!("listening address={} routes=1", server.address);
    assert_eq!(captured.only(Level::INFO), line);
}

#[tokio::test]
async fn only_reads_get_a_report() {
    let server = running(&ServerLimits::DEFAULT).await;
    for path in ["/metrics", "/livez", "/readyz"] {
        let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(
            Client::ask(server.address, &request).await.0.status,
            405,
            "{path}"
        );
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut client = Client::connect(server.address).await;
        client.send(request).await;
        assert_eq!(client.head().await.status, 200, "{path}");
        client.end().await;
    }
    assert_eq!(get(&server, "/livez/x").await.0, 404);
}

#[tokio::test]
async fn during_the_drain_delay_the_server_is_not_ready_but_accepts_connections() {
    let mut server = running(&ServerLimits::DEFAULT.drain_delay(HOUR)).await;
    assert_eq!(get(&server, "/readyz").await, (200, "ready\n".to_owned()));
    let mut before = server.open("/rooms/1/").await;
    server.stop();
    let not_ready = (503, "the server is shutting down\n".to_owned());
    within("the server is not ready", async {
        while get(&server, "/readyz").await != not_ready {}
    })
    .await;
    assert_eq!(get(&server, "/livez").await, (200, "live\n".to_owned()));
    let mut after = server.open("/rooms/1/").await;
    for client in [&mut before, &mut after] {
        client.send_text("still served").await;
        assert_eq!(client.text().await, "still served");
    }
    // The application can end the delay.
    let shutdown = tokio::spawn(server.ws.shutdown(HOUR));
    for client in [&mut before, &mut after] {
        assert_eq!(client.close_frame().await.0, 1001);
        client.send(close(1001, "")).await;
        client.end().await;
    }
    within("the shutdown", shutdown).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_of_the_application_makes_the_server_not_ready() {
    let server = running(&ServerLimits::DEFAULT).await;
    server.ws.shutdown(Duration::ZERO).await;
    assert_eq!(get(&server, "/readyz").await.0, 503);
    let (head, _) = Client::ask(server.address, &upgrade("/rooms/1/", &[])).await;
    assert_eq!(head.status, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_busy_clients_get_every_answer_of_a_hook_that_runs() {
    let mut server = running(&ServerLimits::DEFAULT.per_address(None)).await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(server.open("/rooms/1/").await);
    }
    let busy = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let mut sent = 0;
            loop {
                client.send_text(&sent.to_string()).await;
                sent += 1;
                let frame = client.frame().await;
                if frame.opcode == CLOSE {
                    return sent;
                }
                assert_eq!(frame.payload, (sent - 1).to_string().into_bytes());
            }
        })
    });
    let busy: Vec<_> = busy.collect();
    let hub = server.ws.hub();
    until("all are busy", || {
        hub.stats().routes[0].received.text > 1_000
    })
    .await;
    server.stop();
    for client in busy {
        let sent = within("a client ends", client).await.unwrap();
        assert!(sent > 1, "{sent}");
    }
    server.stopped().await;
    // Each message that reached a hook was answered.
    let stats = hub.stats();
    assert_eq!(stats.routes[0].received.text, stats.routes[0].sent.text);
}
