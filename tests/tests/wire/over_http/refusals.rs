//! Every refusal of a POST, with its exact status.

use futures::FutureExt;
use hyper::service::Service;
use ws_server::cluster::{Generation, Lanes};
use ws_server::session::Secrets;
use ws_server::testkit::MemoryEngine;

use super::*;

#[tokio::test]
async fn a_stream_needs_an_origin_of_this_site() {
    let (server, _reports) = start(|server| server.origins(["https://listed.example"])).await;
    let page = TestPage::new(&server).await;
    let target = page.target("/stream", 0);
    for (expected, lines) in [
        (403, &[][..]),
        (403, &["Origin: https://evil.example"]),
        (403, &["Origin: http://example.com.evil.example"]),
        (403, &["Origin: http://example.com:81"]),
        (403, &["Origin: null"]),
        (403, &["Origin: "]),
        (403, &[ORIGIN, ORIGIN]),
        (403, &[ORIGIN, "Origin: https://evil.example"]),
        // The browser knows better: a page of another scheme on the same host.
        (403, &[ORIGIN, "Sec-Fetch-Site: cross-site"]),
        (403, &[ORIGIN, "Sec-Fetch-Site: same-site"]),
        (403, &["Origin: null", "Sec-Fetch-Site: cross-site"]),
        (
            403,
            &[
                "Origin: https://evil.example",
                "Sec-Fetch-Site: same-origin",
            ],
        ),
        (200, &[ORIGIN]),
        (200, &[ORIGIN, "Sec-Fetch-Site: same-origin"]),
        (200, &["Origin: null", "Sec-Fetch-Site: same-origin"]),
        (
            200,
            &[
                "Origin: https://listed.example",
                "Sec-Fetch-Site: cross-site",
            ],
        ),
    ] {
        let lines: Vec<_> = lines.iter().copied().chain([TYPE]).collect();
        assert_eq!(page.status(&target, &lines).await, expected, "{lines:?}");
    }
}

#[tokio::test]
async fn origins_any_does_not_apply_to_posts() {
    let (server, _reports) = start(Server::any_origin).await;
    let page = TestPage::new(&server).await;
    let lines = ["Origin: https://evil.example", TYPE];
    assert_eq!(page.status(&page.target("/stream", 0), &lines).await, 403);
}

#[tokio::test]
async fn a_stream_needs_its_media_type() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let target = page.target("/stream", 0);
    for lines in [
        &[][..],
        &["Content-Type: text/plain"],
        &["Content-Type: application/x-www-form-urlencoded"],
        &["Content-Type: application/json"],
        &["Content-Type: application/vnd.ws-server.page.v1; charset=utf-8"],
        &["Content-Type: text/plain", TYPE],
        &[TYPE, TYPE],
        &[TYPE, "Content-Encoding: gzip"],
    ] {
        let lines: Vec<_> = lines.iter().copied().chain([ORIGIN]).collect();
        assert_eq!(page.status(&target, &lines).await, 415, "{lines:?}");
    }
}

#[tokio::test]
async fn a_stream_needs_a_page_of_its_session_in_the_query() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let other = TestPage::new(&server).await;
    let lines = [TYPE, ORIGIN];
    let own = &page.id;
    for (expected, target) in [
        (400, "/stream".to_owned()),
        (400, format!("/stream?z_pid={own}&z_pid={own}")),
        (403, "/stream?z_pid=".to_owned()),
        (403, format!("/stream?z_pid={}", other.id)),
        (403, format!("/stream?z_pid={}", "A".repeat(own.len()))),
    ] {
        assert_eq!(page.status(&target, &lines).await, expected, "{target}");
    }
    let mut stranger = TestPage::new(&server).await;
    stranger.browser.cookies.clear();
    assert_eq!(
        stranger.status(&page.target("/stream", 0), &lines).await,
        403
    );
}

#[tokio::test]
async fn a_forged_or_foreign_position_is_refused() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let other = TestPage::of(&server, page.browser.clone()).await;
    let lines = [TYPE, ORIGIN];
    let (own, at) = (page.target("/stream", 0), "&at=0.1.1.0");
    for target in [
        page.target("/stream", 1),
        format!("/stream?z_pid={}&epoch={}", page.id, page.epoch),
        format!("/stream?z_pid={}&epoch=a%20b&offset=0", page.id),
        format!("{own}{at}"),
        format!("{own}&base=AAAA{at}"),
        format!("{own}&base={}", other.base),
        format!("{own}&base={}&at=x", page.base),
        format!("{own}&client=-1"),
    ] {
        assert_eq!(page.status(&target, &lines).await, 400, "{target}");
    }
    let known = format!("{own}&base={}&at=", page.base);
    assert_eq!(page.status(&known, &lines).await, 200);
}

#[tokio::test]
async fn a_page_that_is_attached_at_another_route_is_refused() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let _down = page.open("/notes", 0).await;
    let (status, body) = page
        .ask(&page.target("/stream", 0), &[TYPE, ORIGIN], "")
        .await;
    assert_eq!(status, 409);
    assert_eq!(body, "this page is attached at another route\n");
}

#[tokio::test]
async fn limits_of_connections_count_streams() {
    let (server, _reports) = start(|server| server.max_connections(1)).await;
    let page = TestPage::new(&server).await;
    let other = TestPage::new(&server).await;
    let down = page.open("/stream", 0).await;
    let (target, lines) = (other.target("/stream", 0), [TYPE, ORIGIN]);
    let (status, body) = other.ask(&target, &lines, "").await;
    assert_eq!(status, 503);
    assert_eq!(body, "the server has reached its limit of connections\n");
    drop(down);
    crate::client::until("the permit is free", || {
        server.ws.hub().connection_count() == 0
    })
    .await;
    assert_eq!(other.status(&target, &lines).await, 200);

    let (server, _reports) = start(|server| server.per_address(1)).await;
    let page = TestPage::new(&server).await;
    let _down = page.open("/stream", 0).await;
    let other = TestPage::new(&server).await;
    let target = other.target("/stream", 0);
    assert_eq!(other.status(&target, &lines).await, 429);
}

#[tokio::test]
async fn other_routes_and_servers_that_do_not_offer_it_take_no_post() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let ask = |server: &Running, path: &str| {
        let request = page.request(&page.target(path, 0), &[TYPE, ORIGIN], "");
        let address = server.address;
        async move { Client::ask(address, &request).await.0 }
    };
    assert_eq!(ask(&server, "/plain").await.status, 405);
    assert_eq!(ask(&server, "/missing").await.status, 404);
    assert_eq!(ask(&server, "/of/300").await.status, 404);
    assert_eq!(
        page.status(&page.target("/of/3", 0), &[TYPE, ORIGIN]).await,
        200
    );
    let (reporter, _reports) = Reporter::new();
    let ws = Server::new(Routes::table())
        .state(reporter)
        .build()
        .unwrap();
    let plain = Running::start(ws).await;
    let head = ask(&plain, "/stream").await;
    assert_eq!((head.status, head.header("allow")), (405, Some("GET")));
    // The handshake is as before.
    let get = format!(
        "GET {} HTTP/1.1\r\nHost: example.com\r\n",
        page.target("/stream", 0)
    );
    let get = format!("{get}{}\r\n\r\n", page.browser.cookie_line().unwrap());
    assert_eq!(Client::ask(server.address, &get).await.0.status, 426);
    let status = server.status(&page.target("/stream", 0), &[]).await;
    assert_eq!(status, 403, "{}", upgrade("/stream", &[]));
}

/// A 400 or a 403 would be final for its client, which may return to a WebSocket.
#[tokio::test]
async fn a_page_without_a_session_gets_a_405() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let lines = ["Sec-WebSocket-Protocol: page.v1"];
    let mut device = Client::connect(server.address).await;
    device.send(upgrade("/lamp", &lines)).await;
    assert_eq!(device.head().await.status, 101);
    let welcome: Value = serde_json::from_str(&device.text().await).unwrap();
    let id = welcome["page"].as_str().unwrap();
    for target in ["/lamp".to_owned(), format!("/lamp?z_pid={id}")] {
        // A device sends no `Origin`, and its POST none of a page.
        for lines in [&[TYPE][..], &[TYPE, ORIGIN]] {
            let request = page.request(&target, lines, "");
            let (head, body) = Client::ask(server.address, &request).await;
            assert_eq!((head.status, head.header("allow")), (405, Some("GET")));
            assert_eq!(body, "only pages of sessions are served over HTTP\n");
        }
    }
    let foreign = format!("/lamp?z_pid={id}&z_pid={id}");
    assert_eq!(page.status(&foreign, &[TYPE, ORIGIN]).await, 400);
    let own = page.target("/lamp", 0);
    assert_eq!(page.status(&own, &[TYPE, ORIGIN]).await, 200);
}

#[tokio::test]
async fn other_methods_are_refused_with_the_allowed_ones() {
    let (server, _reports) = start(|server| server).await;
    for (path, allowed) in [("/stream", "GET, POST"), ("/plain", "GET")] {
        let request = format!("PUT {path} HTTP/1.1\r\nHost: example.com\r\n\r\n");
        let (head, _) = Client::ask(server.address, &request).await;
        assert_eq!((head.status, head.header("allow")), (405, Some(allowed)));
    }
}

#[tokio::test]
async fn refusals_of_all_posts_are_counted() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let down = page.open("/stream", 0).await;
    let lines = [TYPE, ORIGIN];
    let unknown = page.attached("/stream", "unknown");
    assert_eq!(page.ask(&unknown, &lines, "").await.0, 409);
    assert_eq!(page.ask(&unknown, &[ORIGIN], "").await.0, 415);
    assert_eq!(page.ask(&unknown, &[TYPE], "").await.0, 403);
    let ping = r#"{"type":"ping"}"#;
    assert_eq!(page.post("/stream", &down, ping).await, 204);
    let stats = server.ws.hub().stats();
    let route = stats.routes.iter().find(|it| it.route == "/stream");
    let expected = [(200, 1), (403, 1), (409, 1), (415, 1)].into();
    assert_eq!(route.unwrap().handshakes, expected);
}

#[tokio::test(start_paused = true)]
async fn no_stream_opens_before_the_shared_log_is_read() {
    let engine = MemoryEngine::new(Lanes::DEFAULT, Generation(1));
    let secrets = Secrets::new([[7; 32]]).unwrap();
    let (ws, _reports) = built(|server| server.engine(engine).secrets(secrets));
    let open = || {
        let request = http::Request::post("/stream?z_pid=P")
            .header("host", "example.com")
            .header("origin", "http://example.com")
            .header("content-type", "application/vnd.ws-server.page.v1")
            .body(axum::body::Body::empty())
            .unwrap();
        let response = ws.service().call(request);
        async { response.await.unwrap().status().as_u16() }
    };
    // Nothing has run that could read the log.
    assert!(!ws.hub().is_ready());
    assert_eq!(open().now_or_never(), Some(503));
    ws.ready().await;
    assert_eq!(open().await, 403, "the page is unknown");
}
