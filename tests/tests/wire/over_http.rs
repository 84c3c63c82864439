//! Page streams over HTTP: requests and lines.

use axum::Router;
use serde_json::{Value, json};
use ws_server::prelude::*;

use crate::client::{Client, upgrade};
use crate::running::{Reporter, Reports, Running};

mod attacks;
mod balanced;
mod endings;
mod kit;
mod refusals;

use kit::{Down, ORIGIN, TYPE, TestPage};

/// Reports the messages of its page, and returns each.
struct Notes(Reporter);

#[ws_handler]
impl Notes {
    fn init(State(reporter): State<Reporter>) -> Self {
        reporter.opened();
        Notes(reporter)
    }

    fn message(&mut self, message: Message) -> Message {
        self.0.report(format!("{message:?}"));
        message
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Is not for pages.
struct Plain;

#[ws_handler]
impl Plain {
    fn init() -> Self {
        Plain
    }
}

dispatch! {
    struct Routes;
    state: Reporter;

    stream: "/stream"     => PageStream;
    notes:  "/notes"      => Notes { attach: page, max_message: 1 KiB };
    alive:  "/alive"      => Notes { attach: page, ping: 20ms, idle: 20s };
    silent: "/silent"     => Notes { attach: page, ping: 20ms, idle: 200ms };
    of:     "/of/{_day: u8}" => PageStream;
    lamp:   "/lamp"       => PageStream { attach: page, require_session: false };
    plain:  "/plain"      => Plain;
}

type Configured = Server<Reporter, ws_server::WithState<Reporter>>;

fn built(configure: impl FnOnce(Configured) -> Configured) -> (Ws, Reports) {
    let (reporter, reports) = Reporter::new();
    let server = Server::new(Routes::table()).state(reporter).http_fallback();
    (configure(server).build().unwrap(), reports)
}

/// A server without an application.
async fn start(configure: impl FnOnce(Configured) -> Configured) -> (Running, Reports) {
    let (ws, reports) = built(configure);
    (Running::start(ws).await, reports)
}

fn welcome(page: &TestPage, offset: u64, seen: u64) -> Value {
    json!({"type": "welcome", "epoch": page.epoch, "offset": offset, "seen": seen})
}

fn text(id: u64, data: &str) -> String {
    json!({"type": "text", "id": id, "data": data}).to_string()
}

/// Exchanges messages in both directions.
async fn exchanges_messages(server: &Running, reports: &mut Reports, path: &str) {
    let page = TestPage::new(server).await;
    let mut down = page.open(path, 0).await;
    for (name, value) in [
        ("content-type", "application/vnd.ws-server.page.v1"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("x-content-type-options", "nosniff"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(down.head.header(name), Some(value), "{:?}", down.head);
    }
    assert_eq!(down.head.header("content-encoding"), None);
    assert_eq!(down.line().await, welcome(&page, 0, 0));
    assert_eq!(server.ws.hub().broadcast("n", &[1]), 1);
    let event = json!({"type": "event", "offset": 1, "event": "n", "data": [1]});
    assert_eq!(down.line().await, event);
    let body = format!("{}\n\n{}\n", text(1, "one\n"), text(2, "two"));
    assert_eq!(page.post(path, &down, &body).await, 204);
    assert_eq!(reports.next().await, r#"Text("one\n")"#);
    assert_eq!(reports.next().await, r#"Text("two")"#);
    let (mut texts, mut seen) = (Vec::new(), Value::Null);
    while texts.len() < 2 || seen != 2 {
        let line = down.line().await;
        match line["type"].as_str() {
            Some("text") => texts.push(line),
            Some("seen") => seen = line["id"].clone(),
            other => panic!("{other:?}"),
        }
    }
    let echo = |offset, data| json!({"type": "text", "offset": offset, "data": data});
    assert_eq!(texts, [echo(2, "one\n"), echo(3, "two")]);
    let body = r#"{"type":"ack","offset":3}{"type":"ping"}"#.replace("}{", "}\n{");
    assert_eq!(page.post(path, &down, &body).await, 204);
    assert_eq!(down.line().await, json!({"type": "pong"}));
    assert_eq!(page.post(path, &down, r#"{"type":"bye"}"#).await, 204);
    assert_eq!(down.close().await.0, 1000);
    assert_eq!(reports.next().await, "ClientClosed 1001");
    assert_eq!(page.post(path, &down, r#"{"type":"ping"}"#).await, 409);
}

#[tokio::test]
async fn messages_pass_in_both_directions_on_every_server() {
    let (server, mut reports) = start(|server| server).await;
    exchanges_messages(&server, &mut reports, "/notes").await;

    let (ws, mut reports) = built(|server| server);
    let filter = ws.client();
    let filter = warp::Filter::or(ws.filter(), filter);
    let server = Running::serve(ws, filter).await;
    exchanges_messages(&server, &mut reports, "/notes").await;

    let (ws, mut reports) = built(|server| server);
    let application = Router::new().fallback_service(ws.service());
    let server = Running::under_axum(ws, application).await;
    exchanges_messages(&server, &mut reports, "/notes").await;

    let (ws, mut reports) = built(|server| server);
    let server = Running::serve_axum(ws, Router::new()).await;
    exchanges_messages(&server, &mut reports, "/notes").await;
}

#[tokio::test]
async fn an_application_gets_every_other_post_with_the_same_url() {
    use axum::routing::post;

    let (ws, _reports) = built(|server| server);
    let application = Router::new().route("/notes", post(async || "application"));
    let server = Running::serve_axum(ws, application).await;
    let page = TestPage::new(&server).await;
    let target = page.target("/notes", 0);
    assert_eq!(
        page.status(&target, &[ORIGIN, "Content-Type: text/plain"])
            .await,
        200
    );
    assert_eq!(page.status(&target, &[TYPE]).await, 403);

    let (ws, _reports) = built(|server| server);
    let own = warp::Filter::map(warp::path("notes"), || "application");
    let filter = warp::Filter::or(ws.filter(), ws.client());
    let server = Running::serve(ws, warp::Filter::or(filter, own)).await;
    let page = TestPage::new(&server).await;
    let request = page.request(&page.target("/notes", 0), &[ORIGIN], "");
    assert_eq!(Client::ask(server.address, &request).await.1, "application");
    assert_eq!(page.status(&target, &[TYPE]).await, 403);
}

#[tokio::test]
async fn a_page_switches_between_http_and_websockets_without_loss() {
    let (server, mut reports) = start(|server| server).await;
    let mut page = TestPage::new(&server).await;
    let mut down = page.open("/notes", 0).await;
    assert_eq!(down.line().await, welcome(&page, 0, 0));
    assert_eq!(page.post("/notes", &down, &text(1, "a")).await, 204);
    assert_eq!(reports.next().await, r#"Text("a")"#);
    server.ws.hub().broadcast("n", &2);

    // The WebSocket takes the page; its client has received nothing, and sends again.
    page.browser.lines = vec!["Sec-WebSocket-Protocol: page.v1".to_owned()];
    let mut socket = page.browser.open(&page.target("/notes", 0)).await;
    // The same script: the browser client waits for its own connection.
    let (code, reason) = down.until_close().await;
    assert_eq!((code, &*reason), (4409, "reconnected"));
    let mut next = async || serde_json::from_str::<Value>(&socket.text().await).unwrap();
    assert_eq!(next().await, welcome(&page, 0, 1));
    let echo = |offset, data| json!({"type": "text", "offset": offset, "data": data});
    let event = json!({"type": "event", "offset": 2, "event": "n", "data": 2});
    assert_eq!([next().await, next().await], [echo(1, "a"), event]);
    assert_eq!(page.post("/notes", &down, &text(2, "b")).await, 409);

    // And back.
    let mut down = page.open("/notes", 1).await;
    let (code, reason) = socket.close_frame().await;
    assert_eq!((code, &*reason), (4409, "reconnected"));
    assert_eq!(down.line().await, welcome(&page, 1, 1));
    assert_eq!(down.line().await["offset"], 2);
    assert_eq!(page.post("/notes", &down, &text(2, "b")).await, 204);
    assert_eq!(reports.next().await, r#"Text("b")"#);
}

#[tokio::test]
async fn a_page_that_another_script_takes_learns_that_it_was_not_its_own() {
    let (server, _reports) = start(|server| server).await;
    // A client without a number may be any script.
    for (first, second) in [
        ("&client=7", "&client=8"),
        ("&client=7", ""),
        ("", "&client=7"),
        ("", ""),
    ] {
        let mut page = TestPage::new(&server).await;
        let target = page.target("/stream", 0);
        let of = |client| target.replace("&client=7", client);
        let request = page.request(&of(first), &[TYPE, ORIGIN], "");
        let mut down = Down::open(server.address, &request).await;
        page.browser.lines = vec!["Sec-WebSocket-Protocol: page.v1".to_owned()];
        let _other = page.browser.open(&of(second)).await;
        let superseded = (4409, "another socket has the page".to_owned());
        assert_eq!(down.until_close().await, superseded, "{first} {second}");
    }
}

#[tokio::test]
async fn the_tag_of_a_page_offers_http_only_if_the_server_does() {
    let (server, _reports) = start(|server| server).await;
    let (session, _) = server.ws.hub().sessions().begin().await.unwrap();
    let page = server.ws.hub().open_page(&session).unwrap();
    let tag = page.stream_tag(&Routes::stream()).to_string();
    assert!(tag.contains(" data-transport=\"auto\""), "{tag}");
    let hub = ws_server::Hub::default();
    let (session, _) = hub.sessions().begin().await.unwrap();
    let tag = hub.open_page(&session).unwrap().stream_tag("/").to_string();
    assert!(!tag.contains("data-transport"), "{tag}");
}

#[tokio::test]
async fn a_proxy_that_buffers_responses_is_logged() {
    let (logged, _guard) = ws_tests::Captured::begin();
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let target = page.target("/stream", 0);
    assert_eq!(page.status(&target, &[TYPE, ORIGIN]).await, 200);
    assert!(
        !logged.text().contains("proxy_buffering"),
        "{}",
        logged.text()
    );
    assert_eq!(
        page.status(&(target + "&buffered=1"), &[TYPE, ORIGIN])
            .await,
        200
    );
    assert!(
        logged.text().contains("`proxy_buffering off`"),
        "{}",
        logged.text()
    );
}
