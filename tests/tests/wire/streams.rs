//! Pages and their streams over TCP: the tag, the client's file, fresh pages, and pushes.

use std::io::Read;

use serde_json::{Value, json};
use warp::Filter;
use ws_server::limits::PageLimits;
use ws_server::prelude::*;

use crate::browser::Browser;
use crate::client::{Client, Head};
use crate::running::Running;

dispatch! {
    struct Routes;

    stream: "/websocket" => PageStream;
}

/// A site whose page contains the tag of its stream.
async fn site(
    configured: impl FnOnce(Server<ws_server::extract::NoState>) -> Server<ws_server::extract::NoState>,
) -> Running {
    let ws = configured(Server::new(Routes::table())).build().unwrap();
    let page = warp::path::end()
        .and(warp::get())
        .and(ws.page())
        .map(|visit: Visit, page: Page| {
            let tag = page.stream_tag(&Routes::stream());
            visit.reply(tag.to_string())
        });
    let filter = ws.filter().or(ws.client()).or(page);
    Running::serve(ws, filter).await
}

/// The value of an attribute of the tag.
fn attribute<'t>(tag: &'t str, name: &str) -> &'t str {
    let (_, rest) = tag.split_once(&format!(" {name}=\"")).expect(tag);
    rest.split_once('"').unwrap().0
}

/// The server's response to a request with these header lines.
async fn ask(server: &Running, method: &str, path: &str, lines: &[&str]) -> (Head, Vec<u8>) {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: example.com\r\n");
    for line in lines {
        request.push_str(line);
        request.push_str("\r\n");
    }
    let mut client = Client::connect(server.address).await;
    client.send(request + "\r\n").await;
    if method == "HEAD" {
        return (client.head().await, vec![]);
    }
    client.response_bytes().await
}

#[tokio::test]
async fn the_tag_of_a_page_attaches_it() {
    let server = site(|server| server).await;
    let mut browser = Browser::new(server.address);
    let tag = browser.get("/").await;
    let (path, page) = (attribute(&tag, "data-stream"), attribute(&tag, "data-page"));
    let parameter = attribute(&tag, "data-parameter");
    let epoch = attribute(&tag, "data-epoch");
    assert_eq!((path, parameter), ("/websocket", "z_pid"));
    assert_eq!(page, browser.cookie("z_pid"));
    let hub = server.ws.hub();
    assert_eq!(hub.broadcast("n", &1), 1, "it waits");
    browser.lines = vec!["Sec-WebSocket-Protocol: page.v1".to_owned()];
    let target = format!("{path}?{parameter}={page}&epoch={epoch}&offset=0");
    let mut client = browser.open(&target).await;
    let mut next = async || serde_json::from_str::<Value>(&client.text().await).unwrap();
    let welcome = json!({"type": "welcome", "epoch": epoch, "offset": 0, "seen": 0});
    assert_eq!(next().await, welcome);
    let event = json!({"type": "event", "offset": 1, "event": "n", "data": 1});
    assert_eq!(next().await, event);
    for n in 2..=10 {
        assert_eq!(hub.broadcast("n", &n), 1);
    }
    for n in 2..=10 {
        let event = json!({"type": "event", "offset": n, "event": "n", "data": n});
        assert_eq!(next().await, event);
    }
}

#[tokio::test]
async fn the_client_is_cached_for_ever_under_the_hash_of_its_content() {
    let server = site(|server| server).await;
    let tag = Browser::new(server.address).get("/").await;
    let script = attribute(&tag, "src");
    let (head, plain) = ask(&server, "GET", script, &[]).await;
    let forever = Some("public, max-age=31536000, immutable");
    let javascript = Some("text/javascript; charset=utf-8");
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, javascript)
    );
    assert_eq!(head.header("cache-control"), forever);
    assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(head.header("content-encoding"), None);
    assert_eq!(head.header("vary"), Some("accept-encoding"));
    assert_client(&String::from_utf8(plain).unwrap());
    let tag = head.header("etag").unwrap().to_owned();
    let known = format!("If-None-Match: \"other\", W/{tag}");
    let (head, body) = ask(&server, "GET", script, &[&known]).await;
    assert_eq!((head.status, body.len()), (304, 0));
    assert_eq!(head.header("etag"), Some(&*tag));
}

/// Checks that the text is the client as it is served. Returns the name of the file that it imports.
pub(crate) fn assert_client(text: &str) -> &str {
    let (_, import) = text.split_once("import(\"./").unwrap();
    let (name, _) = import.split_once('"').unwrap();
    let source = include_str!("../../../ws-server/client/client.js");
    assert_eq!(text.replace(name, "http.js"), served(source));
    name
}

/// A source without indentation and without lines that are comments.
fn served(source: &str) -> String {
    let code = source
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with("//"));
    code.flat_map(|line| [line, "\n"]).collect()
}

#[tokio::test]
async fn the_client_is_compressed_if_the_request_accepts_it() {
    let server = site(|server| server).await;
    let tag = Browser::new(server.address).get("/").await;
    let script = attribute(&tag, "src");
    for accepted in ["gzip", "br, GZIP;q=0.5", "*"] {
        let line = format!("Accept-Encoding: {accepted}");
        let (head, body) = ask(&server, "GET", script, &[&line]).await;
        assert_eq!(head.header("content-encoding"), Some("gzip"), "{accepted}");
        assert!(body.len() <= 5_000, "{} bytes", body.len());
        let mut plain = String::new();
        let mut decoder = flate2::read::GzDecoder::new(&*body);
        decoder.read_to_string(&mut plain).unwrap();
        assert_client(&plain);
    }
    for refused in ["br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", ""] {
        let line = format!("Accept-Encoding: {refused}");
        let (head, _) = ask(&server, "HEAD", script, &[&line]).await;
        assert_eq!(head.header("content-encoding"), None, "{refused}");
        assert_eq!(head.status, 200);
    }
}

#[tokio::test]
async fn the_client_imports_a_second_file_that_is_cached_for_ever_too() {
    let server = site(|server| server).await;
    let tag = Browser::new(server.address).get("/").await;
    let (_, client) = ask(&server, "GET", attribute(&tag, "src"), &[]).await;
    let name = assert_client(std::str::from_utf8(&client).unwrap()).to_owned();
    assert!(name.starts_with("http-") && name.len() == 24, "{name}");
    let (head, http) = ask(&server, "GET", &format!("/ws-server/{name}"), &[]).await;
    let forever = Some("public, max-age=31536000, immutable");
    assert_eq!((head.status, head.header("cache-control")), (200, forever));
    let source = include_str!("../../../ws-server/client/http.js");
    assert_eq!(String::from_utf8(http).unwrap(), served(source));
}

#[tokio::test]
async fn scripts_import_the_client_under_a_stable_name() {
    let server = site(|server| server).await;
    let tag = Browser::new(server.address).get("/").await;
    let (head, body) = ask(&server, "GET", "/ws-server/client.js", &[]).await;
    assert_eq!(head.header("cache-control"), Some("no-cache"));
    let file = attribute(&tag, "src").strip_prefix("/ws-server/").unwrap();
    let expected = format!("export * from \"./{file}\";\n");
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

#[tokio::test]
async fn the_types_of_the_client_are_served_beside_it() {
    let server = site(|server| server).await;
    let (head, body) = ask(&server, "GET", "/ws-server/client.d.ts", &[]).await;
    let types = Some("application/typescript; charset=utf-8");
    assert_eq!((head.status, head.header("content-type")), (200, types));
    assert_eq!(head.header("cache-control"), Some("no-cache"));
    assert_eq!(
        body,
        include_bytes!("../../../ws-server/client/client.d.ts")
    );
    let (script, _) = ask(&server, "GET", "/ws-server/client.js", &[]).await;
    assert_ne!(script.header("etag"), head.header("etag"));
    let javascript = Some("text/javascript; charset=utf-8");
    assert_eq!(script.header("content-type"), javascript);
}

#[tokio::test]
async fn nothing_else_is_below_the_clients_path() {
    let server = site(|server| server).await;
    for path in [
        "/ws-server",
        "/ws-server/",
        "/ws-server/client-0123456789abcdef.js",
        "/ws-server/client-.js",
        "/ws-server/http-0123456789abcdef.js",
        "/ws-server/http.js",
        "/ws-server/x/client.js",
        "/client.js",
    ] {
        assert_eq!(ask(&server, "GET", path, &[]).await.0.status, 404, "{path}");
    }
    let (head, _) = ask(
        &server,
        "POST",
        "/ws-server/client.js",
        &["Content-Length: 0"],
    )
    .await;
    assert_eq!(
        (head.status, head.header("allow")),
        (405, Some("GET, HEAD"))
    );
    assert_eq!(
        ask(&server, "GET", "/ws-server/page", &[]).await.0.status,
        405
    );
}

#[tokio::test]
async fn a_fresh_page_attaches_and_other_sites_get_none() {
    let server = site(|server| server).await;
    let mut browser = Browser::new(server.address);
    let tag = browser.get("/").await;
    let fresh = attribute(&tag, "data-fresh");
    let (head, body) = browser.request("POST", fresh).await;
    assert_eq!(head.status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let (page, epoch) = (
        body["page"].as_str().unwrap(),
        body["epoch"].as_str().unwrap(),
    );
    assert_ne!(page, attribute(&tag, "data-page"));
    let target = format!("/websocket?z_pid={page}&epoch={epoch}&offset=0");
    browser.lines = vec!["Sec-WebSocket-Protocol: page.v1".to_owned()];
    assert_eq!(browser.status(&target).await, 101);
    browser.lines = vec!["Origin: https://evil.example".to_owned()];
    assert_eq!(browser.request("POST", fresh).await.0.status, 403);
}

#[tokio::test]
async fn the_path_of_the_client_and_the_limits_are_configurable() {
    let limits = PageLimits::DEFAULT.per_session(1);
    let server = site(|server| server.client_path("/static/ws").page_limits(limits)).await;
    let mut browser = Browser::new(server.address);
    let tag = browser.get("/").await;
    let script = attribute(&tag, "src");
    assert!(script.starts_with("/static/ws/client-"), "{script}");
    assert_eq!(attribute(&tag, "data-fresh"), "/static/ws/page");
    assert_eq!(ask(&server, "GET", script, &[]).await.0.status, 200);
    assert_eq!(
        ask(&server, "GET", "/ws-server/client.js", &[])
            .await
            .0
            .status,
        404
    );
    browser.get("/").await;
    assert_eq!(server.ws.hub().page_count(), 1);
    for wrong in ["", "/", "ws", "/ws/", "//ws", "/a b", "/../x", "/%41"] {
        let server = Server::new(Routes::table()).client_path(wrong);
        let error = server.build().unwrap_err();
        let expected = format!(
            "`client_path` is {wrong:?}; it must be a path such as `/ws-server`, of letters, \
             digits and `-._~`"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_plain_get_of_a_stream_returns_the_reason_of_a_refusal() {
    let server = site(|server| server).await;
    let mut browser = Browser::new(server.address);
    let tag = browser.get("/").await;
    let target = format!("/websocket?z_pid={}", attribute(&tag, "data-page"));
    assert_eq!(browser.request("GET", &target).await.0.status, 426);
    let forged = format!("/websocket?z_pid={}", "A".repeat(48));
    assert_eq!(browser.request("GET", &forged).await.0.status, 403);
    server.ws.hub().sessions().end_user("nobody").await.unwrap();
    browser.cookies.clear();
    assert_eq!(browser.request("GET", &target).await.0.status, 403);
}

#[tokio::test]
async fn pages_are_counted_by_the_address_from_a_trusted_proxy() {
    let limits = PageLimits::DEFAULT.per_address(2);
    let server = site(|server| server.page_limits(limits).trusted_proxies(["127.0.0.1"])).await;
    let pages_after = async |address: &str| {
        let mut browser = Browser::new(server.address);
        browser.lines = vec![format!("X-Forwarded-For: {address}")];
        for _ in 0..4 {
            browser.get("/").await;
        }
        server.ws.hub().page_count()
    };
    assert_eq!(pages_after("203.0.113.7").await, 2);
    assert_eq!(pages_after("203.0.113.7").await, 2);
    assert_eq!(pages_after("203.0.113.8").await, 4);
    assert_eq!(
        pages_after("10.0.0.1").await,
        6,
        "a trusted proxy has set it"
    );
    let unnamed = site(|server| server.page_limits(limits)).await;
    let mut browser = Browser::new(unnamed.address);
    for _ in 0..4 {
        browser.get("/").await;
    }
    assert_eq!(
        unnamed.ws.hub().page_count(),
        4,
        "a private address may be a proxy"
    );
}
