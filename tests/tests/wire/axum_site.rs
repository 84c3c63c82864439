//! Sessions, pages and page streams inside an application of axum, below a path.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tracing::Level;
use ws_server::prelude::{
    Page, PageStream, Refusal, Server, Session, Socket, Visit, Ws, dispatch, ws_handler,
};
use ws_tests::Captured;

use crate::browser::Browser;
use crate::client::Head;
use crate::running::Running;

/// Sends the name of its user and the id of its page.
struct Greeting;

#[ws_handler]
impl Greeting {
    fn init(session: Session, page: Page, socket: &Socket<Self>) -> Self {
        let user = session.user().unwrap_or("a visitor");
        let _ = socket.send(format!("{user} {}", page.id()));
        Greeting
    }
}

dispatch! {
    struct Routes;

    greeting: "/greeting" => Greeting;
    stream:   "/stream"   => PageStream;
}

/// A page that contains the tag of its stream.
async fn home(State(ws): State<Ws>, parts: Parts) -> Result<Response, Response> {
    let mut visit = ws.visit(&parts).await.map_err(refused)?;
    let opened = visit.open_page();
    let tag = opened.map(|page| page.stream_tag(&Routes::stream()).to_string());
    Ok(applied(visit, tag.map(String::into_response)))
}

async fn user(State(ws): State<Ws>, parts: Parts) -> Result<String, Response> {
    let visit = ws.find_visit(&parts).await.map_err(refused)?;
    let user = visit.as_ref().and_then(Visit::user);
    Ok(user.unwrap_or("nobody").to_owned())
}

async fn log_on(
    State(ws): State<Ws>,
    Path(user): Path<String>,
    parts: Parts,
) -> Result<Response, Response> {
    let mut visit = ws.visit(&parts).await.map_err(refused)?;
    let response = visit.logon(user).await.map(|()| "welcome".into_response());
    Ok(applied(visit, response))
}

async fn log_off(State(ws): State<Ws>, parts: Parts) -> Result<Response, Response> {
    let visit = ws.find_visit(&parts).await.map_err(refused)?;
    let Some(mut visit) = visit else {
        return Ok("goodbye".into_response());
    };
    let response = visit.logoff().await.map(|()| "goodbye".into_response());
    Ok(applied(visit, response))
}

async fn forget(State(ws): State<Ws>, parts: Parts) -> Result<&'static str, Response> {
    let visit = ws.visit(&parts).await.map_err(refused)?;
    drop(visit);
    Ok("forgotten")
}

fn refused(refusal: impl Into<Refusal>) -> Response {
    refusal.into().into_response().into_response()
}

fn applied(visit: Visit, response: Result<Response, ws_server::SessionError>) -> Response {
    let mut response = response.unwrap_or_else(refused);
    visit.apply(response.headers_mut());
    response
}

type Configured = Server<ws_server::extract::NoState>;

/// The application, with the routes below `/live`.
async fn site(configure: impl FnOnce(Configured) -> Configured) -> Running {
    let server = Server::new(Routes::table())
        .base("/live")
        .peer_addr(|extensions| {
            let info = extensions.get::<ConnectInfo<SocketAddr>>();
            info.map(|ConnectInfo(address)| *address)
        });
    let ws = configure(server).build().unwrap();
    let router = Router::new()
        .route("/", get(home))
        .route("/user", get(user))
        .route("/logon/{user}", post(log_on))
        .route("/logoff", post(log_off))
        .route("/forget", get(forget))
        .route("/status", get(async || StatusCode::NO_CONTENT))
        .with_state(ws.clone())
        .nest_service("/live", ws.service());
    Running::under_axum(ws, router).await
}

/// The value of an attribute of the tag.
fn attribute<'t>(tag: &'t str, name: &str) -> &'t str {
    let (_, rest) = tag.split_once(&format!(" {name}=\"")).expect(tag);
    rest.split_once('"').unwrap().0
}

/// The attributes of each cookie that a response sets, by name.
fn cookies(head: &Head) -> Vec<(String, String)> {
    let lines = head.all("set-cookie").into_iter();
    let named = lines.map(|line| {
        let (pair, attributes) = line.split_once("; ").unwrap();
        let (name, _) = pair.split_once('=').unwrap();
        (name.to_owned(), attributes.to_owned())
    });
    named.collect()
}

#[tokio::test]
async fn a_route_requires_a_page_that_axums_handlers_have_rendered() {
    let server = site(|server| server).await;
    let mut browser = Browser::new(server.address);
    assert_eq!(browser.status("/live/greeting").await, 403);
    let (head, _) = browser.request("GET", "/").await;
    let flags = "Path=/; HttpOnly; SameSite=Lax";
    let expected = ["z_sid", "z_pid"].map(|name| (name.to_owned(), flags.to_owned()));
    assert_eq!(cookies(&head), expected);
    assert_eq!(head.header("cache-control"), Some("private, no-cache"));
    let mut client = browser.open("/live/greeting").await;
    let expected = format!("a visitor {}", browser.cookie("z_pid"));
    assert_eq!(client.text().await, expected);
    browser.lines = vec!["Origin: https://evil.example".to_owned()];
    assert_eq!(browser.status("/live/greeting").await, 403);
    browser.lines.clear();
    browser.cookies.remove("z_pid");
    assert_eq!(browser.status("/live/greeting").await, 403);
}

#[tokio::test]
async fn visitors_log_on_and_off() {
    let server = site(|server| server).await;
    let mut browser = Browser::new(server.address);
    assert_eq!(browser.get("/user").await, "nobody");
    assert!(browser.cookies.is_empty(), "nothing begins a session");
    browser.get("/").await;
    let before = browser.cookie("z_sid").to_owned();
    assert_eq!(browser.post("/logon/ada").await, "welcome");
    assert_ne!(browser.cookie("z_sid"), before);
    assert_eq!(browser.get("/user").await, "ada");
    browser.get("/").await;
    let mut client = browser.open("/live/greeting").await;
    let expected = format!("ada {}", browser.cookie("z_pid"));
    assert_eq!(client.text().await, expected);
    // A form of another site does not act for the visitor.
    let mut evil = browser.clone();
    evil.lines = vec!["Origin: https://evil.example".to_owned()];
    for path in ["/logon/eve", "/logoff"] {
        assert_eq!(evil.request("POST", path).await.0.status, 403, "{path}");
    }
    assert_eq!(browser.post("/logoff").await, "goodbye");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    assert_eq!(client.close_frame().await.0, 4401);
}

#[tokio::test]
async fn cookies_are_secure_over_tls_and_sessions_are_limited_per_address() {
    use ws_server::limits::{Rate, SessionLimits};
    let rate = Rate::new(1, std::time::Duration::from_secs(60));
    let server = site(|server| {
        let limits = SessionLimits::DEFAULT.begin_rate(Some(rate));
        let server = server.trusted_proxies(["127.0.0.1"]);
        server.session_limits(limits)
    })
    .await;
    let mut browser = Browser::new(server.address);
    browser.lines = vec![
        "X-Forwarded-For: 192.0.2.1".to_owned(),
        "X-Forwarded-Proto: https".to_owned(),
    ];
    let (head, _) = browser.request("GET", "/").await;
    let flags = "Path=/; HttpOnly; SameSite=Lax; Secure";
    let names = ["__Host-z_sid", "__Host-z_pid"];
    assert_eq!(
        cookies(&head),
        names.map(|name| (name.to_owned(), flags.to_owned()))
    );
    assert_eq!(browser.status("/live/greeting").await, 101);
    browser.cookies.clear();
    assert_eq!(browser.request("GET", "/").await.0.status, 429);
    browser.lines[0] = "X-Forwarded-For: 192.0.2.2".to_owned();
    assert_eq!(browser.request("GET", "/").await.0.status, 200);
}

#[tokio::test]
async fn the_tag_of_a_page_opens_its_stream_below_the_base() {
    let server = site(|server| server).await;
    let mut browser = Browser::new(server.address);
    let tag = browser.get("/").await;
    let script = attribute(&tag, "src");
    assert!(script.starts_with("/live/ws-server/client-"), "{script}");
    let (head, body) = browser.request("GET", script).await;
    let javascript = Some("text/javascript; charset=utf-8");
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, javascript)
    );
    crate::streams::assert_client(&body);
    // A tab that needs a page of its own requests one.
    let (head, body) = browser.request("POST", attribute(&tag, "data-fresh")).await;
    assert_eq!(
        (head.status, head.header("cache-control")),
        (200, Some("no-store"))
    );
    let fresh: Value = serde_json::from_str(&body).unwrap();
    let (page, epoch) = (
        fresh["page"].as_str().unwrap(),
        fresh["epoch"].as_str().unwrap(),
    );
    assert_ne!(page, attribute(&tag, "data-page"));
    let stream = attribute(&tag, "data-stream");
    assert_eq!(stream, "/live/stream");
    browser.lines = vec!["Sec-WebSocket-Protocol: page.v1".to_owned()];
    let target = format!("{stream}?z_pid={page}&epoch={epoch}&offset=0");
    let mut client = browser.open(&target).await;
    let mut next = async || serde_json::from_str::<Value>(&client.text().await).unwrap();
    let welcome = json!({"type": "welcome", "epoch": epoch, "offset": 0, "seen": 0});
    assert_eq!(next().await, welcome);
    server.ws.hub().broadcast("n", &7);
    let event = json!({"type": "event", "offset": 1, "event": "n", "data": 7});
    assert_eq!(next().await, event);
    browser.lines = vec!["Origin: https://evil.example".to_owned()];
    let fresh = attribute(&tag, "data-fresh");
    assert_eq!(browser.request("POST", fresh).await.0.status, 403);
}

#[tokio::test]
async fn a_visit_whose_cookies_are_not_applied_is_logged() {
    let (captured, _guard) = Captured::begin();
    let server = site(|server| server).await;
    let mut browser = Browser::new(server.address);
    browser.get("/").await;
    browser.get("/forget").await;
    assert_eq!(captured.of(Level::WARN), [""; 0], "no cookie is lost");
    browser.cookies.clear();
    browser.get("/forget").await;
    let line = captured.only(Level::WARN);
    assert!(
        line.contains("a `Visit` was dropped without a response"),
        "{line}"
    );
}
