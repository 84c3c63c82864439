//! The service inside axum's applications, and under hyper's server.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::handler::HandlerWithoutStateExt;
use axum::http::StatusCode;
use axum::routing::{get, get_service};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tracing::Level;
use ws_server::PeerAddr;
use ws_server::prelude::*;
use ws_tests::Captured;

use crate::client::{Client, TEXT, close, frame, upgrade};
use crate::running::{Reporter, Reports, Running};

/// Reports its request, and echoes.
struct Echo(Reporter);

#[ws_handler]
impl Echo {
    fn init(State(reporter): State<Reporter>, handshake: &Handshake) -> Self {
        let peer = handshake.peer_addr().map(|address| address.ip());
        reporter.report(format!("{} {peer:?}", handshake.path()));
        Echo(reporter)
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Its `init` never ends.
struct Slow;

#[ws_handler]
impl Slow {
    async fn init(State(reporter): State<Reporter>) -> Self {
        reporter.report("slow");
        std::future::pending().await
    }
}

dispatch! {
    struct Routes;
    state: Reporter;

    defaults { require_session: false }

    echo:  "/echo"            => Echo;
    slow:  "/slow"            => Slow;
    users: "/users/{id: u32}" => Echo;
    user:  "/user"            => Echo { require_session: true };
}

type Configured = Server<Reporter, ws_server::WithState<Reporter>>;

fn built(configure: impl FnOnce(Configured) -> Configured) -> (Ws, Reports) {
    let (reporter, reports) = Reporter::new();
    let server = configure(Server::new(Routes::table()).state(reporter));
    (server.build().unwrap(), reports)
}

/// Reads the address that axum's server has set.
fn with_connect_info(server: Configured) -> Configured {
    server.peer_addr(|extensions| {
        let info = extensions.get::<ConnectInfo<SocketAddr>>();
        info.map(|ConnectInfo(address)| *address)
    })
}

async fn ask(server: &Running, line: &str, more: &str) -> (u16, String) {
    let request = format!("{line} HTTP/1.1\r\nHost: example.com\r\n{more}\r\n");
    let (head, body) = Client::ask(server.address, &request).await;
    (head.status, body)
}

/// Checks that a route works, and refuses what every route refuses.
async fn serves_echo(server: &Running, reports: &mut Reports, path: &str) {
    let mut client = Client::connect(server.address).await;
    let mut packet = upgrade(path, &["Origin: http://example.com"]).into_bytes();
    packet.extend(frame(TEXT, "early"));
    client.send(packet).await;
    let head = client.head().await;
    assert_eq!(head.status, 101, "{path}");
    assert_eq!(
        head.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(reports.next().await, "/echo Some(127.0.0.1)");
    assert_eq!(client.text().await, "early");
    let large = "x".repeat(60_000);
    client.send_text(&large).await;
    assert!(client.text().await == large);
    client.send(close(1000, "")).await;
    assert_eq!(client.close_frame().await.0, 1000);
    client.end().await;
    assert_eq!(reports.next().await, "ClientClosed 1000");

    let plain = format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n");
    let (head, body) = Client::ask(server.address, &plain).await;
    assert_eq!(head.status, 426, "{path}");
    assert_eq!(head.header("sec-websocket-version"), Some("13"));
    assert!(body.starts_with("This is a WebSocket endpoint"), "{body}");
    let other = ["Origin: https://evil.example"];
    assert_eq!(server.status(path, &other).await, 403, "{path}");
    let twice = format!("Sec-WebSocket-Key: {}", crate::client::KEY);
    assert_eq!(server.status(path, &[&twice]).await, 400, "{path}");
}

#[tokio::test]
async fn every_way_of_mounting_into_axum_serves_the_routes() {
    type Mount = fn(Router, ws_server::WsService) -> Router;
    let timeout =
        || TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(60));
    let mounts: [(Mount, &str); 4] = [
        (|router, ws| router.route_service("/echo", ws), "/echo"),
        (|router, ws| router.fallback_service(ws), "/echo"),
        (|router, ws| router.nest_service("/live", ws), "/live/echo"),
        (|router, ws| router.route("/echo", get_service(ws)), "/echo"),
    ];
    for (mount, path) in mounts {
        let (ws, mut reports) = built(with_connect_info);
        let router = mount(
            Router::new().route("/own", get(async || "own")),
            ws.service(),
        );
        let router = router.layer(TraceLayer::new_for_http()).layer(timeout());
        let server = Running::under_axum(ws, router).await;
        serves_echo(&server, &mut reports, path).await;
        assert_eq!(ask(&server, "GET /own", "").await, (200, "own".to_owned()));
        assert_eq!(ask(&server, "GET /nothing", "").await.0, 404);
        assert_eq!(ask(&server, &format!("POST {path}"), "").await.0, 405);
    }
}

#[tokio::test]
async fn the_service_serves_the_whole_table_and_says_which_methods_it_allows() {
    let (ws, _reports) = built(with_connect_info);
    let router = Router::new().fallback_service(ws.service());
    let server = Running::under_axum(ws, router).await;
    server.open("/users/7").await;
    assert_eq!(server.status("/users/seven", &[]).await, 404);
    assert_eq!(server.status("/user", &[]).await, 403);
    assert_eq!(server.status("/users/%zz", &[]).await, 400);
    for (line, allowed) in [
        ("POST /echo", "GET"),
        ("POST /ws-server/client.js", "GET, HEAD"),
        ("GET /ws-server/page", "POST"),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: example.com\r\n\r\n");
        let (head, _) = Client::ask(server.address, &request).await;
        assert_eq!((head.status, head.header("allow")), (405, Some(allowed)));
    }
}

#[tokio::test]
async fn limits_per_address_apply_to_the_address_that_axum_reports() {
    let (ws, mut reports) = built(|server| {
        with_connect_info(server)
            .per_address(1)
            .trusted_proxies(["127.0.0.2"])
    });
    let router = Router::new().fallback_service(ws.service());
    let server = Running::under_axum(ws, router).await;
    let _first = server.open("/echo").await;
    assert_eq!(reports.next().await, "/echo Some(127.0.0.1)");
    assert_eq!(server.status("/echo", &[]).await, 429);
    // Only a trusted proxy can name its client.
    let forged = ["X-Forwarded-For: 192.0.2.1"];
    assert_eq!(server.status("/echo", &forged).await, 429);
}

#[tokio::test]
async fn headers_of_a_trusted_proxy_name_the_client_under_axum() {
    let (ws, mut reports) =
        built(|server| with_connect_info(server).trusted_proxies(["127.0.0.1"]));
    let router = Router::new().fallback_service(ws.service());
    let server = Running::under_axum(ws, router).await;
    let forwarded = ["X-Forwarded-For: 192.0.2.1"];
    assert_eq!(server.status("/echo", &forwarded).await, 101);
    assert_eq!(reports.next().await, "/echo Some(192.0.2.1)");
}

#[tokio::test]
async fn an_unknown_address_is_logged_once_unless_the_application_expects_it() {
    let logged = async |configure: fn(Configured) -> Configured| {
        let (captured, _guard) = Captured::begin();
        let (ws, mut reports) = built(configure);
        let router = Router::new().fallback_service(ws.service());
        let server = Running::under_axum(ws, router).await;
        let _first = server.open("/echo").await;
        let _second = server.open("/echo").await;
        for _ in 0..2 {
            assert_eq!(reports.next().await, "/echo None");
        }
        captured.of(Level::WARN).join("\n")
    };
    let unset = logged(|server| server).await;
    assert_eq!(
        unset
            .matches("the addresses of clients are unknown")
            .count(),
        1
    );
    assert_eq!(logged(|server| server.peer_addr(|_| None)).await, "");
}

#[tokio::test]
async fn a_timeout_of_responses_does_not_end_open_connections() {
    let (ws, mut reports) = built(with_connect_info);
    let limit = Duration::from_secs(1);
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, limit);
    let router = Router::new().fallback_service(ws.service());
    let router = router.layer(TraceLayer::new_for_http()).layer(timeout);
    let server = Running::under_axum(ws, router).await;
    let mut client = server.open("/echo").await;
    assert_eq!(reports.next().await, "/echo Some(127.0.0.1)");
    // This response takes longer than the limit, and the connection is older than it.
    assert_eq!(server.status("/slow", &[]).await, 408);
    assert_eq!(reports.next().await, "slow");
    client.send_text("still open").await;
    assert_eq!(client.text().await, "still open");
    assert_eq!(server.ws.hub().connection_count(), 1, "the other is undone");
}

#[tokio::test]
async fn axum_does_not_wait_for_connections_and_shutdown_closes_them() {
    let (ws, reports) = built(with_connect_info);
    let router = Router::new().fallback_service(ws.service());
    let server = Running::under_axum(ws, router).await;
    server.ends_before_a_connection("/echo", reports).await;
}

#[tokio::test]
async fn an_application_on_the_servers_own_loop_ends_with_its_connections() {
    let (ws, mut reports) = built(|server| server);
    let peer = |extensions: axum::http::Extensions| async move {
        let peer = extensions.get::<PeerAddr>();
        peer.map(|PeerAddr(address)| address.ip().to_string())
            .unwrap_or_default()
    };
    let router = Router::new()
        .route("/peer", get(peer))
        .route("/echo", axum::routing::post(async |body: String| body));
    let mut server = Running::serve_axum(ws, router).await;
    serves_echo(&server, &mut reports, "/echo").await;
    assert_eq!(
        ask(&server, "GET /peer", "").await,
        (200, "127.0.0.1".to_owned())
    );
    let posted = ask(&server, "POST /echo", "Content-Length: 2\r\n\r\nhi").await;
    assert_eq!(posted, (200, "hi".to_owned()));
    assert_eq!(ask(&server, "CONNECT example.com:80", "").await.0, 400);
    let mut client = server.open("/echo").await;
    reports.next().await;
    server.stop();
    assert_eq!(client.close_frame().await.0, 1001);
    client.send(close(1001, "")).await;
    client.end().await;
    server.stopped().await;
    assert_eq!(reports.received(), ["Shutdown 1001"]);
}

#[tokio::test]
async fn a_page_and_a_route_share_a_path() {
    let mounts: [fn(&Ws) -> Router; 2] = [
        |ws| {
            let page = async || "a page";
            let echo = ws.service().fallback(page.into_service());
            Router::new().route("/echo", get_service(echo).post(async || "posted"))
        },
        |ws| {
            let router =
                Router::new().route("/echo", get(async || "a page").post(async || "posted"));
            Router::new().fallback_service(ws.service().fallback(router))
        },
    ];
    for mount in mounts {
        let (ws, mut reports) = built(|server| with_connect_info(server).only_upgrades());
        let router = mount(&ws);
        let server = Running::under_axum(ws, router).await;
        assert_eq!(
            ask(&server, "GET /echo", "").await,
            (200, "a page".to_owned())
        );
        assert_eq!(
            ask(&server, "POST /echo", "").await,
            (200, "posted".to_owned())
        );
        // A handshake that a proxy has damaged is not a plain GET.
        let damaged = "Sec-WebSocket-Version: 13\r\n";
        assert_eq!(ask(&server, "GET /echo", damaged).await.0, 426);
        let mut client = server.open("/echo").await;
        reports.next().await;
        client.send_text("hello").await;
        assert_eq!(client.text().await, "hello");
    }
}

#[tokio::test]
async fn a_page_of_the_fallback_can_ask_why_a_handshake_was_refused() {
    let (ws, _reports) = built(|server| with_connect_info(server).only_upgrades());
    let router = Router::new().route("/user", get(async || "a page"));
    let router = Router::new().fallback_service(ws.service().fallback(router));
    let server = Running::under_axum(ws, router).await;
    let origin = "Origin: http://example.com";
    assert_eq!(server.status("/user?tab=1", &[origin]).await, 403);
    let html = "Accept: text/html\r\n";
    assert_eq!(ask(&server, "GET /user?tab=1", html).await.0, 200);
    let (status, reason) = ask(&server, "GET /user?tab=1", "Accept: */*\r\n").await;
    assert!(
        status == 403 && reason.contains("no session cookie"),
        "{reason}"
    );
    assert_eq!(
        ask(&server, "GET /user?tab=1", "Accept: */*\r\n").await.0,
        200
    );
}

#[tokio::test]
async fn hypers_server_calls_the_service_without_an_adapter() {
    let (ws, mut reports) = built(|server| server.peer_addr(|_| Some(([127, 0, 0, 1], 1).into())));
    let (ours, theirs) = tokio::io::duplex(20_000);
    let connection = http1::Builder::new().serve_connection(TokioIo::new(ours), ws.service());
    tokio::spawn(connection.with_upgrades());
    let mut client = Client::over(theirs);
    client.upgrade("/echo").await;
    assert_eq!(reports.next().await, "/echo Some(127.0.0.1)");
    client.send_text("hello").await;
    assert_eq!(client.text().await, "hello");
}
