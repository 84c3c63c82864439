//! The filter inside a warp application, under warp's own server, and over other IO.

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use warp::{Filter, Reply};
use ws_server::WsFilter;
use ws_server::prelude::*;

use crate::client::{Client, TEXT, close, frame, header, until, upgrade};
use crate::running::{Reporter, Reports, Running};

fn news() -> Topic<Message> {
    Topic::local("news")
}

/// Echoes, and subscribes to the news.
struct Echo(Reporter);

#[ws_handler]
impl Echo {
    fn init(
        State(reporter): State<Reporter>,
        handshake: &Handshake,
        socket: &Socket<Self>,
    ) -> Self {
        reporter.opened();
        reporter.report(format!(
            "{} {}",
            handshake.path(),
            socket.peer_addr().is_some()
        ));
        socket.subscribe(news());
        Echo(reporter)
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

dispatch! {
    struct Routes;
    state: Reporter;

    defaults { require_session: false }

    echo:  "/echo"         => Echo { max_message: 1 MiB };
    users: "/users/{id: u32}" => Echo;
    user:  "/user"          => Echo { require_session: true };
}

fn built() -> (Ws, Reports) {
    let (reporter, reports) = Reporter::new();
    (
        Server::new(Routes::table())
            .state(reporter)
            .build()
            .unwrap(),
        reports,
    )
}

/// Boxes a filter, so that both servers accept it.
fn boxed<F, R>(filter: F) -> WsFilter
where
    F: Filter<Extract = (R,), Error = warp::Rejection> + Send + Sync + 'static,
    R: Reply + 'static,
{
    filter.map(|reply: R| reply.into_response()).boxed()
}

fn application(ws: &Ws) -> WsFilter {
    let get = warp::path!("users" / String)
        .and(warp::get())
        .map(|id| format!("user {id}"));
    let post = warp::path!("echo").and(warp::post()).map(|| "posted");
    let own =
        warp::path!("own").map(|| warp::reply::with_status("own", warp::http::StatusCode::CREATED));
    boxed(ws.filter().or(get).or(post).or(own))
}

async fn both(filter: impl Fn(&Ws) -> WsFilter) -> [(Running, Reports); 2] {
    let (ws, ours) = built();
    let own_loop = filter(&ws);
    let (under_warp, warps) = built();
    let filter = filter(&under_warp);
    [
        (Running::serve(ws, own_loop).await, ours),
        (Running::under_warp(under_warp, filter).await, warps),
    ]
}

#[tokio::test]
async fn paths_without_a_route_fall_through_to_the_application() {
    for (server, _reports) in both(application).await {
        let ask = async |request: &str| {
            let (head, body) = Client::ask(server.address, request).await;
            (head.status, body)
        };
        let plain = |line: &str| format!("{line} HTTP/1.1\r\nHost: example.com\r\n\r\n");
        assert_eq!(
            ask(&plain("GET /users/ada")).await,
            (200, "user ada".to_owned())
        );
        assert_eq!(ask(&plain("GET /own")).await, (201, "own".to_owned()));
        assert_eq!(ask(&plain("GET /nothing")).await.0, 404);
        assert_eq!(ask(&upgrade("/nothing", &[])).await.0, 404);
        // A route responds to its GET, and does not pass it on.
        assert_eq!(ask(&plain("GET /users/7")).await.0, 426);
        assert_eq!(ask(&plain("GET /echo")).await.0, 426);
        assert_eq!(ask(&upgrade("/user", &[])).await.0, 403);
        let mut client = server.open("/users/7").await;
        client.send_text("hello").await;
        assert_eq!(client.text().await, "hello");
    }
}

#[tokio::test]
async fn methods_other_than_get_are_left_to_the_application() {
    for (server, _reports) in both(application).await {
        let ask = async |line: &str| {
            let request = format!("{line} HTTP/1.1\r\nHost: example.com\r\n\r\n");
            let (head, body) = Client::ask(server.address, &request).await;
            (head.status, body)
        };
        assert_eq!(ask("POST /echo").await, (200, "posted".to_owned()));
        assert_eq!(ask("GET /echo").await.0, 426);
        // No filter accepts these methods: like every filter for GET, this one rejects them.
        for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
            assert_eq!(ask(&format!("{method} /echo")).await.0, 405, "{method}");
            assert_eq!(ask(&format!("{method} /user")).await.0, 405, "{method}");
        }
        assert_eq!(ask("POST /users/7").await.0, 405);
        assert_eq!(ask("PUT /nothing").await.0, 404);
        let mut client = server.open("/echo").await;
        client.send_text("hello").await;
        assert_eq!(client.text().await, "hello");
    }
}

#[tokio::test]
async fn a_get_without_an_upgrade_is_left_to_the_application_if_configured() {
    let page = |ws: &Ws| {
        let page = warp::path!("echo").and(warp::get()).map(|| "a page");
        let post = warp::path!("echo").and(warp::post()).map(|| "posted");
        boxed(ws.filter().or(page).or(post))
    };
    let built = || {
        let (reporter, reports) = Reporter::new();
        let server = Server::new(Routes::table()).state(reporter).only_upgrades();
        (server.build().unwrap(), reports)
    };
    let (ws, _ours) = built();
    let filter = page(&ws);
    let own_loop = Running::serve(ws, filter).await;
    let (ws, _warps) = built();
    let filter = page(&ws);
    for server in [own_loop, Running::under_warp(ws, filter).await] {
        let plain = |path: &str, more: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n{more}\r\n")
        };
        let ask = async |request: String| {
            let (head, body) = Client::ask(server.address, &request).await;
            (head.status, body)
        };
        assert_eq!(ask(plain("/echo", "")).await, (200, "a page".to_owned()));
        assert_eq!(ask(plain("/echo", "Upgrade: h2c\r\n")).await.0, 200);
        assert_eq!(ask(plain("/user", "")).await.0, 404);
        // A handshake that a proxy has damaged is not a plain GET.
        let spoiled = "Sec-WebSocket-Version: 13\r\n";
        assert_eq!(ask(plain("/echo", spoiled)).await.0, 426);
        assert_eq!(ask(upgrade("/user", &[])).await.0, 403);
        let mut client = server.open("/echo").await;
        client.send_text("hello").await;
        assert_eq!(client.text().await, "hello");
        // A refused browser's page asks for the reason, and gets it once.
        let origin = "Origin: http://example.com";
        assert_eq!(ask(upgrade("/user?page=1", &[origin])).await.0, 403);
        let html = "Accept: text/html,application/xhtml+xml\r\n";
        assert_eq!(ask(plain("/user?page=1", html)).await.0, 404);
        assert_eq!(ask(plain("/user?page=2", "Accept: */*\r\n")).await.0, 404);
        let (status, why) = ask(plain("/user?page=1", "Accept: */*\r\n")).await;
        assert_eq!(status, 403);
        assert!(why.contains("no session cookie"), "{why}");
        assert_eq!(ask(plain("/user?page=1", "Accept: */*\r\n")).await.0, 404);
    }
    // If there is no application, the server responds itself.
    let (ws, _reports) = built();
    let alone = Running::start(ws).await;
    let request = "GET /echo HTTP/1.1\r\nHost: example.com\r\n\r\n";
    assert_eq!(Client::ask(alone.address, request).await.0.status, 426);
}

#[tokio::test]
async fn a_table_can_be_mounted_under_a_prefix() {
    let under = |ws: &Ws| {
        let own = warp::path!("api" / "own").map(|| "own");
        boxed(warp::path("api").and(ws.filter()).or(own))
    };
    for (server, mut reports) in both(under).await {
        for path in ["/api/echo", "/api/echo/", "/api//echo", "/api/users/7?x=1"] {
            let mut client = server.open(path).await;
            // The handler sees the whole path.
            let whole = path.split('?').next().unwrap();
            assert_eq!(reports.next().await, format!("{whole} true"));
            client.send_text("hello").await;
            assert_eq!(client.text().await, "hello");
            client.send(close(1000, "")).await;
            assert_eq!(client.close_frame().await.0, 1000);
            assert_eq!(reports.next().await, "ClientClosed 1000");
        }
        for (path, status) in [
            ("/echo", 404),
            ("/api", 404),
            ("/api/", 404),
            ("/apiecho", 404),
            ("/api/own", 200),
        ] {
            assert_eq!(
                Client::ask(server.address, &upgrade(path, &[]))
                    .await
                    .0
                    .status,
                status,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn warps_own_server_serves_everything_that_run_serves() {
    let (ws, mut reports) = built();
    let filter = ws.filter();
    let server = Running::under_warp(ws, filter).await;
    let mut client = Client::connect(server.address).await;
    let mut packet = upgrade("/echo", &[]).into_bytes();
    packet.extend(frame(TEXT, "early"));
    client.send(packet).await;
    assert_eq!(client.head().await.status, 101);
    assert_eq!(reports.next().await, "/echo true");
    assert_eq!(client.text().await, "early");
    let large = "x".repeat(1 << 20);
    client.send_text(&large).await;
    assert!(client.text().await == large);
    let hub = server.ws.hub();
    until("it is subscribed", || hub.subscriber_count(news()) == 1).await;
    assert_eq!(hub.publish(news(), &Message::text("news")).reached(), 1);
    assert_eq!(client.text().await, "news");
    client.send(header(0x81, (1 << 20) + 1)).await;
    assert_eq!(client.close_frame().await.0, 1009);
    client.finish().await;
    assert_eq!(reports.next().await, "ProtocolError 1009");

    // warp does not track WebSocket connections; `shutdown` closes them.
    server.ends_before_a_connection("/echo", reports).await;
}

/// Serves HTTP on a stream that is not a TCP stream.
fn serve_io(ws: &Ws, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = TowerToHyperService::new(warp::service(ws.filter()));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(io), service);
    tokio::spawn(connection.with_upgrades());
}

/// Tests echo, news, early bytes, Close and loss over pairs of connected streams.
async fn works_over<O, T>(pair: impl Fn() -> (O, T))
where
    O: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (ws, mut reports) = built();
    let (ours, theirs) = pair();
    serve_io(&ws, ours);
    let mut client = Client::over(theirs);
    let mut packet = upgrade("/echo", &[]).into_bytes();
    packet.extend(frame(TEXT, "early"));
    client.send(packet).await;
    assert_eq!(client.head().await.status, 101);
    assert_eq!(reports.next().await, "/echo false");
    assert_eq!(client.text().await, "early");
    for n in 0..100 {
        assert_eq!(
            ws.hub()
                .publish(news(), &Message::text(format!("news {n}")))
                .reached(),
            1
        );
    }
    for n in 0..100 {
        assert_eq!(client.text().await, format!("news {n}"));
    }
    let large = "x".repeat(200_000);
    let message = frame(TEXT, &large);
    // The pipe is smaller than the message, so both sides have to make progress.
    for part in message.chunks(10_000) {
        client.send(part).await;
    }
    assert!(client.text().await == large);
    client.send(close(1000, "")).await;
    assert_eq!(client.close_frame().await.0, 1000);
    client.end().await;
    assert_eq!(reports.next().await, "ClientClosed 1000");

    let (ours, theirs) = pair();
    serve_io(&ws, ours);
    let mut client = Client::over(theirs);
    client.upgrade("/echo").await;
    reports.next().await;
    drop(client);
    assert_eq!(reports.next().await, "Lost 1006");
}

#[tokio::test]
async fn a_pipe_in_memory_carries_connections() {
    works_over(|| tokio::io::duplex(20_000)).await;
}

#[tokio::test]
async fn a_buffering_stream_is_flushed() {
    works_over(|| {
        let (ours, theirs) = tokio::io::duplex(20_000);
        (tokio::io::BufStream::new(ours), theirs)
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_carries_connections() {
    works_over(|| tokio::net::UnixStream::pair().unwrap()).await;
}
