//! A server below a base path.

use warp::{Filter, Reply};
use ws_server::prelude::*;

use crate::client::{Client, upgrade};
use crate::running::Running;

/// Sends the path of its request.
struct PathEcho;

#[ws_handler]
impl PathEcho {
    fn init(handshake: &Handshake, socket: &Socket<Self>) -> Self {
        let _ = socket.send(handshake.path().to_owned());
        PathEcho
    }
}

dispatch! {
    struct Routes;

    root:   "/"                => PathEcho { require_session: false };
    room:   "/rooms/{id: u64}" => PathEcho { require_session: false };
    stream: "/stream"          => PageStream;
}

fn server() -> Server<ws_server::extract::NoState> {
    Server::new(Routes::table()).public_url("https://example.com")
}

async fn ask(server: &Running, method: &str, path: &str) -> (u16, String) {
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n");
    let (head, body) = Client::ask(server.address, &request).await;
    (head.status, body)
}

/// The value of an attribute of a tag.
fn attribute<'t>(tag: &'t str, name: &str) -> &'t str {
    let (_, rest) = tag.split_once(&format!(" {name}=\"")).unwrap();
    rest.split_once('"').unwrap().0
}

#[tokio::test]
async fn typed_urls_begin_with_the_base() {
    let ws = server().base("/live").build().unwrap();
    assert_eq!(ws.path(&Routes::room(7)), "/live/rooms/7");
    assert_eq!(ws.path(&Routes::root()), "/live");
    assert_eq!(ws.path(&Routes::root().query("a", 1)), "/live?a=1");
    let link = ws.link(&Routes::room(7).query("q", "a b"));
    assert_eq!(
        link.as_deref(),
        Some("wss://example.com/live/rooms/7?q=a%20b")
    );
    let hub = ws.hub();
    let (session, _) = hub.sessions().begin().await.unwrap();
    let page = hub.open_page(&session).unwrap();
    let tag = page.stream_tag(&Routes::stream()).to_string();
    assert_eq!(attribute(&tag, "data-stream"), "/live/stream");
    assert_eq!(attribute(&tag, "data-fresh"), "/live/ws-server/page");
    assert!(attribute(&tag, "src").starts_with("/live/ws-server/client-"));
    // If a path is given as text, it is used unchanged.
    let tag = page.stream_tag("/elsewhere/stream").to_string();
    assert_eq!(attribute(&tag, "data-stream"), "/elsewhere/stream");

    let ws = server().build().unwrap();
    assert_eq!(ws.path(&Routes::root()), "/");
    let link = ws.link(&Routes::room(7));
    assert_eq!(link.as_deref(), Some("wss://example.com/rooms/7"));
}

/// Checks every URL of a server that is mounted below `/live`.
async fn is_below_live(server: &Running) {
    for (path, shown) in [
        ("/live/rooms/7", "/live/rooms/7"),
        ("/live/rooms/7/", "/live/rooms/7/"),
    ] {
        let mut client = server.open(path).await;
        assert_eq!(client.text().await, shown);
    }
    assert_eq!(ask(server, "GET", "/live/stream").await.0, 403);
    assert_eq!(ask(server, "GET", "/live").await.0, 426);
    assert_eq!(ask(server, "GET", "/live/nothing").await.0, 404);
    assert_eq!(ask(server, "GET", "/lively/rooms/7").await.0, 404);
    let hub = server.ws.hub();
    let (session, _) = hub.sessions().begin().await.unwrap();
    let page = hub.open_page(&session).unwrap();
    let tag = page.stream_tag(&Routes::stream()).to_string();
    let (status, script) = ask(server, "GET", attribute(&tag, "src")).await;
    assert!(
        status == 200 && script.contains("export function stream"),
        "{status}"
    );
    let (status, alias) = ask(server, "GET", "/live/ws-server/client.js").await;
    assert!(status == 200 && alias.contains("./client-"), "{status}");
    let (status, fresh) = ask(server, "POST", attribute(&tag, "data-fresh")).await;
    assert!(status == 200 && fresh.starts_with("{\"page\":"), "{status}");
}

#[tokio::test]
async fn an_application_can_be_mounted_below_the_base() {
    let ws = server().base("/live").build().unwrap();
    let application = ws.filter().or(ws.client());
    let filter = warp::path("live").and(application.map(Reply::into_response));
    is_below_live(&Running::serve(ws, filter.boxed()).await).await;
    let ws = server().base("/live").build().unwrap();
    let filter = warp::path("live").and(ws.filter().or(ws.client()).unify());
    is_below_live(&Running::under_warp(ws, filter.boxed()).await).await;
}

#[tokio::test]
async fn the_filters_also_match_below_the_base_at_the_root() {
    let ws = server().base("/live").build().unwrap();
    let own = warp::path!("rooms").map(|| "rooms".into_response());
    let filter = ws.filter().or(ws.client()).unify().or(own).unify();
    let server = Running::serve(ws, filter.boxed()).await;
    is_below_live(&server).await;
    assert_eq!(
        ask(&server, "GET", "/rooms").await,
        (200, "rooms".to_owned())
    );
}

#[tokio::test]
async fn a_server_serves_below_the_base_and_if_a_proxy_has_stripped_it() {
    let running = Running::start(server().base("/live").build().unwrap()).await;
    is_below_live(&running).await;
    for path in ["/rooms/7", "/"] {
        let mut client = running.open(path).await;
        assert_eq!(client.text().await, path);
    }
    assert_eq!(ask(&running, "POST", "/ws-server/page").await.0, 200);
    let deep = Running::start(server().base("/apps/live").build().unwrap()).await;
    let mut client = deep.open("/apps/live/rooms/7").await;
    assert_eq!(client.text().await, "/apps/live/rooms/7");
    let (head, _) = Client::ask(deep.address, &upgrade("/apps/rooms/7", &[])).await;
    assert_eq!(head.status, 404);
}

#[test]
fn an_invalid_base_is_refused_with_the_reason() {
    for (base, reason) in [
        ("live", "it must begin with `/`"),
        ("", "it must begin with `/`"),
        ("/", "it must not end with `/`"),
        ("/live/", "it must not end with `/`"),
        ("/a//b", "it has an empty segment"),
        ("/a/../b", "it has a segment that URLs resolve, `.` or `..`"),
        (
            "/a b",
            "it must consist of letters, digits and `-._~` between its slashes",
        ),
    ] {
        let error = server().base(base).build().unwrap_err().to_string();
        let expected = format!(
            "`base` is {base:?}: {reason}; a base path is written as in `/live`, and a server at \
             the root has none"
        );
        assert_eq!(error, expected);
    }
    let url = Server::new(Routes::table()).public_url("https://example.com/live");
    let error = url.build().unwrap_err().to_string();
    assert!(error.contains("the path goes into `base`"), "{error}");
}
