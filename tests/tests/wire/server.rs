//! A server from its configuration to its end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use warp::Filter;
use ws_server::limits::{LimitOptions, ServerLimits};
use ws_server::prelude::*;

use crate::client::{Client, TEXT, close, frame, until, upgrade, within};
use crate::running::{Reporter, Reports, Running};

/// The state that the handlers of this file share with their test.
#[derive(Clone, FromRef)]
struct App {
    reporter: Reporter,
    gate: Arc<Notify>,
    /// The server itself, for handlers that shut it down.
    ws: Arc<OnceLock<Ws>>,
}

/// Echoes; hangs on command.
struct Steady(Reporter);

#[ws_handler]
impl Steady {
    fn init(State(reporter): State<Reporter>, socket: &Socket<Self>) -> Self {
        reporter.opened();
        reporter.report(
            socket
                .peer_addr()
                .map_or("nobody".to_owned(), |peer| peer.to_string()),
        );
        Steady(reporter)
    }

    async fn message(&mut self, text: String) -> String {
        if text == "hang" {
            self.0.report("hangs");
            std::future::pending::<()>().await;
        }
        text
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Reports when it is dropped.
struct Dropped(Reporter);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.report("dropped");
    }
}

/// `init` waits until the test releases it.
struct Gated(Reporter);

#[ws_handler]
impl Gated {
    async fn init(State(reporter): State<Reporter>, State(gate): State<Arc<Notify>>) -> Self {
        let guard = Dropped(reporter.clone());
        reporter.report("waits");
        gate.notified().await;
        std::mem::forget(guard);
        reporter.opened();
        reporter.report("continues");
        Gated(reporter)
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Shuts its server down before the response to its handshake.
struct Ender(Reporter);

#[ws_handler]
impl Ender {
    fn init(State(reporter): State<Reporter>, State(ws): State<Arc<OnceLock<Ws>>>) -> Self {
        reporter.opened();
        let ws = ws.get().expect("the test gives it");
        tokio::spawn(ws.shutdown(Duration::from_secs(20)));
        Ender(reporter)
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

dispatch! {
    struct Routes;
    state: App;

    defaults { require_session: false }

    steady: "/steady" => Steady;
    gated:  "/gated"  => Gated { init_timeout: 1h };
    ender:  "/ender"  => Ender;
}

fn app() -> (App, Reports) {
    let (reporter, reports) = Reporter::new();
    let (gate, ws) = Default::default();
    (App { reporter, gate, ws }, reports)
}

async fn running() -> (Running, App, Reports) {
    let (app, reports) = app();
    let ws = Server::new(Routes::table())
        .state(app.clone())
        .build()
        .unwrap();
    let _ = app.ws.set(ws.clone());
    (Running::start(ws).await, app, reports)
}

#[tokio::test]
async fn a_shutdown_leaves_no_connection_without_its_terminate() {
    let (mut server, app, mut reports) = running().await;
    let mut steady = server.open("/steady").await;
    let mut mute = server.open("/steady").await;
    let mut hangs = server.open("/steady").await;
    for _ in 0..3 {
        reports.next().await;
    }
    hangs.send_text("hang").await;
    assert_eq!(reports.next().await, "hangs");
    let mut gated = Client::connect(server.address).await;
    gated.send(upgrade("/gated", &[])).await;
    assert_eq!(reports.next().await, "waits");
    assert_eq!(app.reporter.open(), 3);

    // The silent client does not answer, and the hook never returns: the deadline cuts both.
    within(
        "the shutdown",
        server.ws.shutdown(Duration::from_millis(300)),
    )
    .await;
    assert_eq!(app.reporter.open(), 0);
    let events = reports.received();
    let ended = events
        .iter()
        .filter(|event| *event == "Shutdown 1001")
        .count();
    assert_eq!(
        (
            ended,
            events.iter().filter(|event| *event == "dropped").count()
        ),
        (3, 1),
        "{events:?}"
    );
    for client in [&mut steady, &mut mute, &mut hangs] {
        assert_eq!(client.close_frame().await.0, 1001);
        client.gone().await;
    }
    assert_eq!(gated.head().await.status, 503);
    assert_eq!(server.ws.hub().connection_count(), 0);
    server.stopped().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_clients_that_answer() {
    let (server, app, mut reports) = running().await;
    let mut client = server.open("/steady").await;
    client.send_text("before").await;
    assert_eq!(client.text().await, "before");
    let shutdown = tokio::spawn(server.ws.shutdown(Duration::from_secs(60 * 60)));
    assert_eq!(client.close_frame().await.0, 1001);
    client.send(frame(TEXT, "too late")).await;
    assert_eq!(app.reporter.open(), 1);
    client.send(close(1001, "")).await;
    client.end().await;
    within("the shutdown", shutdown).await.unwrap();
    assert_eq!(app.reporter.open(), 0);
    reports.next().await;
    assert_eq!(reports.received(), ["Shutdown 1001"]);
}

#[tokio::test]
async fn a_shutdown_between_init_and_upgrade_closes_that_connection_too() {
    let (server, app, mut reports) = running().await;
    let mut client = server.open("/ender").await;
    assert_eq!(client.close_frame().await.0, 1001);
    client.send(close(1001, "")).await;
    client.end().await;
    assert_eq!(reports.next().await, "Shutdown 1001");
    within("the shutdown", server.ws.shutdown(Duration::ZERO)).await;
    assert_eq!(app.reporter.open(), 0);
}

#[tokio::test]
async fn an_init_that_ends_during_a_shutdown_is_refused_and_terminated() {
    let (server, app, mut reports) = running().await;
    let mut client = Client::connect(server.address).await;
    client.send(upgrade("/gated", &[])).await;
    assert_eq!(reports.next().await, "waits");
    let shutdown = tokio::spawn(server.ws.shutdown(Duration::from_secs(60 * 60)));
    let hub = server.ws.hub();
    until("the shutdown has begun", || hub.is_shutting_down()).await;
    app.gate.notify_one();
    assert_eq!(client.head().await.status, 503);
    within("the shutdown", shutdown).await.unwrap();
    assert_eq!(app.reporter.open(), 0);
    assert_eq!(reports.next().await, "continues");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_during_a_shutdown_are_terminated_or_refused() {
    let (mut server, app, _reports) = running().await;
    let address = server.address;
    let clients: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                client.send(upgrade("/steady", &[])).await;
                client.gone().await;
            })
        })
        .collect();
    let hub = server.ws.hub();
    until("some are there", || hub.connection_count() > 10).await;
    within("the shutdown", server.ws.shutdown(Duration::from_secs(1))).await;
    assert_eq!(app.reporter.open(), 0);
    server.stopped().await;
    assert_eq!((app.reporter.open(), hub.connection_count()), (0, 0));
    for client in clients {
        // The last of them may not have been accepted at all.
        let _ = within("a client ends", client).await;
    }
}

#[tokio::test]
async fn handshakes_get_503_after_a_shutdown_and_no_connection_after_the_end() {
    let (mut server, _, _reports) = running().await;
    server.ws.shutdown(Duration::from_secs(20)).await;
    let (head, body) = Client::ask(server.address, &upgrade("/steady", &[])).await;
    assert_eq!(
        (head.status, &*body),
        (503, "the server is shutting down\n")
    );
    assert_eq!(head.header("retry-after"), Some("5"));
    let plain = "GET /steady HTTP/1.1\r\nHost: example.com\r\n\r\n";
    assert_eq!(Client::ask(server.address, plain).await.0.status, 503);
    server.stopped().await;
    let refused = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn requests_in_progress_are_completed_before_the_end() {
    let (app, mut reports) = app();
    let ws = Server::new(Routes::table())
        .state(app.clone())
        .build()
        .unwrap();
    let gate = app.gate.clone();
    let slow = warp::path("slow").then(move || {
        let app = app.clone();
        async move {
            app.reporter.report("asked");
            app.gate.notified().await;
            "answered"
        }
    });
    let filter = ws.filter().or(slow);
    let mut server = Running::serve(ws, filter).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(reports.next().await, "asked");
    let hub = server.ws.hub();
    server.stop();
    until("the server ends", || hub.is_shutting_down()).await;
    gate.notify_one();
    assert_eq!(client.response().await.1, "answered");
    client.end().await;
    server.stopped().await;
}

#[tokio::test]
async fn a_client_that_leaves_during_init_is_noticed() {
    let (server, app, mut reports) = running().await;
    let mut client = Client::connect(server.address).await;
    client.send(upgrade("/gated", &[])).await;
    assert_eq!(reports.next().await, "waits");
    assert_eq!(server.ws.hub().connection_count(), 1);
    drop(client);
    assert_eq!(reports.next().await, "dropped");
    until("nothing is left", || {
        server.ws.hub().connection_count() == 0
    })
    .await;

    // Bytes behind the request hide the end of the stream: `init` runs to its end.
    let mut client = Client::connect(server.address).await;
    let mut packet = upgrade("/gated", &[]).into_bytes();
    packet.extend(frame(TEXT, "early"));
    client.send(packet).await;
    assert_eq!(reports.next().await, "waits");
    drop(client);
    app.gate.notify_one();
    assert_eq!(reports.next().await, "continues");
    until("it is terminated", || app.reporter.open() == 0).await;
}

#[tokio::test]
async fn a_handler_sees_the_address_of_its_client() {
    let (server, _, mut reports) = running().await;
    let (app, mut warp_reports) = app();
    let ws = Server::new(Routes::table()).state(app).build().unwrap();
    let filter = ws.filter();
    let under_warp = Running::under_warp(ws, filter).await;
    for (server, reports) in [(&server, &mut reports), (&under_warp, &mut warp_reports)] {
        let client = server.open("/steady").await;
        let address = client.stream.local_addr().unwrap();
        assert_eq!(reports.next().await, address.to_string());
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_contains_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let ws = Server::new(Routes::table()).state(app().0).build().unwrap();
    let error = ws.run(address.to_string()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot listen on {address}; ")),
        "{text}"
    );
    assert!(matches!(error, ws_server::Error::Bind { .. }));
    let error = ws.run("nowhere").await.unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on nowhere; "), "{error}");
    let filter = ws.filter().or(warp::any().map(|| "own"));
    let error = ws.serve(filter, address).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {address}; ")),
        "{error}"
    );
}

#[test]
fn an_invalid_setting_is_an_error_that_names_it() {
    type Change = fn(Server<App>) -> Server<App>;
    let table: [(Change, &str); 15] = [
        (
            |server| server.head(1023),
            "`head` is 1023; it must be at least 1024",
        ),
        (
            |server| server.head_timeout(Duration::ZERO),
            "`head_timeout` is zero",
        ),
        (
            |server| server.keep_alive(Duration::ZERO),
            "`keep_alive` is zero",
        ),
        (
            |server| server.body_timeout(Duration::ZERO),
            "`body_timeout` is zero",
        ),
        (|server| server.body_rate(0), "`body_rate` is zero"),
        (
            |server| server.http_per_address(0),
            "`http_per_address` is zero",
        ),
        (|server| server.unsent(0), "`unsent` is zero"),
        (
            |server| server.requests_per_connection(0),
            "`requests_per_connection` is zero",
        ),
        (
            |server| server.max_connections(0),
            "`max_connections` is zero",
        ),
        (|server| server.per_address(0), "`per_address` is zero"),
        (
            |server| server.http_connections(0),
            "`http_connections` is zero",
        ),
        (
            |server| server.origins(["https://ok.example", "example.com"]),
            "\"example.com\"",
        ),
        (
            |server| server.public_url("example.com/chat"),
            "\"example.com/chat\"",
        ),
        (
            |server| server.trusted_proxies(["10.0.0.0/8", "proxy.example"]),
            "`trusted_proxies` has \"proxy.example\"",
        ),
        (
            |server| server.limits(LimitOptions::NONE.ping(Some(Duration::from_secs(2 * 60)))),
            "route `steady` (/steady) are invalid: `ping` (120s) is not below `idle` (60s)",
        ),
    ];
    for (change, expected) in table {
        let error = change(Server::new(Routes::table()))
            .state(app().0)
            .build()
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_websocket_connection_does_not_count_as_http() {
    let (app, _reports) = app();
    let ws = Server::new(Routes::table())
        .server_limits(ServerLimits::DEFAULT.http_connections(1))
        .state(app);
    let server = Running::start(ws.build().unwrap()).await;
    let mut first = server.open("/steady").await;
    let mut second = server.open("/steady").await;
    let silent = Client::connect(server.address).await;
    let mut waits = Client::connect(server.address).await;
    waits.send(upgrade("/steady", &[])).await;
    drop(silent);
    assert_eq!(waits.head().await.status, 101);
    for client in [&mut first, &mut second, &mut waits] {
        client.send_text("here").await;
        assert_eq!(client.text().await, "here");
    }
}

#[tokio::test]
async fn two_servers_in_one_process_are_independent() {
    let (one, app, _reports) = running().await;
    let (two, other, _other_reports) = running().await;
    let _client = one.open("/steady").await;
    let mut stays = two.open("/steady").await;
    within("the shutdown", one.ws.shutdown(Duration::ZERO)).await;
    assert_eq!((app.reporter.open(), other.reporter.open()), (0, 1));
    stays.send_text("still here").await;
    assert_eq!(stays.text().await, "still here");
}
