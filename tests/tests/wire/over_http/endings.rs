//! How a stream over HTTP ends: shutdowns, sessions, silence, and clients that do not read.

use std::time::Duration;

use tokio::net::TcpStream;

use super::*;
use crate::client::{until, within};

#[tokio::test]
async fn a_client_that_leaves_detaches_its_page() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let down = page.open("/stream", 0).await;
    let hub = server.ws.hub();
    assert_eq!(hub.connection_count(), 1);
    let target = page.attached("/stream", &down.attachment);
    drop(down);
    until("the connection ends", || hub.connection_count() == 0).await;
    assert_eq!(page.ask(&target, &[TYPE, ORIGIN], "").await.0, 409);
    let mut down = page.open("/stream", 0).await;
    assert_eq!(down.line().await, welcome(&page, 0, 0));
}

#[tokio::test]
async fn a_shutdown_is_announced_and_ends_the_responses() {
    let (mut server, mut reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let mut down = page.open("/notes", 0).await;
    assert_eq!(down.line().await, welcome(&page, 0, 0));
    server.stopped().await;
    assert_eq!(down.close().await.0, 1001);
    assert_eq!(reports.next().await, "Shutdown 1001");
}

/// Longer than any test.
const HOUR: Duration = Duration::from_secs(3600);

async fn refuses_connections(server: &Running) {
    within("the end of the listener", async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_drain_ends_the_responses_one_by_one_and_serves_the_others() {
    let (mut server, mut reports) = start(|server| server.drain_over(HOUR)).await;
    let (first, second) = (TestPage::new(&server).await, TestPage::new(&server).await);
    let mut down = first.open("/notes", 0).await;
    assert_eq!(down.line().await, welcome(&first, 0, 0));
    let mut later = second.open("/notes", 0).await;
    assert_eq!(later.line().await, welcome(&second, 0, 0));
    server.stop();
    let (code, reason) = down.close().await;
    let retry = reason.strip_prefix("retry=").unwrap().parse::<u64>();
    assert_eq!((code, retry.unwrap() < 1000), (1012, true), "{reason}");
    assert_eq!(down.next().await, None);

    // The other page works as usual, on new connections, and the first one gets no second stream.
    assert_eq!(second.post("/notes", &later, &text(1, "one")).await, 204);
    assert_eq!(reports.next().await, "Text(\"one\")");
    let target = first.target("/notes", 0);
    assert_eq!(first.status(&target, &[TYPE, ORIGIN]).await, 503);
    let bye = r#"{"type":"bye"}"#;
    assert_eq!(second.post("/notes", &later, bye).await, 204);
    assert_eq!(later.until_close().await.0, 1000);
    assert_eq!(reports.next().await, "ClientClosed 1001");
    // No page over HTTP is left.
    refuses_connections(&server).await;
}

#[tokio::test]
async fn a_drain_without_pages_over_http_accepts_no_connections() {
    let (mut server, mut reports) = start(|server| server.drain_over(HOUR)).await;
    let mut page = TestPage::new(&server).await;
    page.browser.lines = vec!["Sec-WebSocket-Protocol: page.v1".to_owned()];
    let mut socket = page.browser.open(&page.target("/notes", 0)).await;
    assert!(socket.text().await.contains("welcome"));
    server.stop();
    assert_eq!(socket.close_frame().await.0, 1012);
    refuses_connections(&server).await;
    drop(server);
    assert!(reports.received().is_empty());
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_streams() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let mut down = page.open("/stream", 0).await;
    assert_eq!(down.line().await, welcome(&page, 0, 0));
    let other = TestPage::new(&server).await;
    let mut other_down = other.open("/stream", 0).await;
    assert_eq!(other_down.line().await, welcome(&other, 0, 0));
    let mut headers = http::HeaderMap::new();
    let cookie = page.browser.cookie_line().unwrap();
    headers.insert(
        "cookie",
        cookie.trim_start_matches("Cookie: ").parse().unwrap(),
    );
    let hub = server.ws.hub();
    let session = hub
        .sessions()
        .identify(&headers, false)
        .await
        .unwrap()
        .unwrap();
    assert!(hub.sessions().end(&session).await.unwrap());
    assert_eq!(down.close().await.0, 4401);
    assert_eq!(page.post("/stream", &down, "").await, 403);
    assert_eq!(hub.broadcast("n", &1), 1);
    assert_eq!(
        other_down.line().await["offset"],
        1,
        "the other visitor stays"
    );
}

#[tokio::test]
async fn a_silent_stream_is_pinged_and_one_that_answers_stays() {
    let (server, mut reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let mut down = page.open("/alive", 0).await;
    assert_eq!(down.line().await, welcome(&page, 0, 0));
    for _ in 0..3 {
        let mut line = down.line().await;
        while line["type"] == "pong" {
            line = down.line().await;
        }
        assert_eq!(line, json!({"type": "ping"}));
        assert_eq!(page.post("/alive", &down, r#"{"type":"ping"}"#).await, 204);
    }
    let page = TestPage::new(&server).await;
    let mut down = page.open("/silent", 0).await;
    assert_eq!(down.line().await, welcome(&page, 0, 0));
    assert_eq!(down.line().await, json!({"type": "ping"}));
    let hub = server.ws.hub();
    until("the silent stream ends", || hub.connection_count() == 1).await;
    assert_eq!(
        reports.received(),
        Vec::<String>::new(),
        "the page lives on"
    );
}

#[tokio::test]
async fn a_page_that_does_not_acknowledge_gets_a_bounded_part_of_its_queue() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let mut down = page.open("/stream", 0).await;
    assert_eq!(down.line().await, welcome(&page, 0, 0));
    let large = "x".repeat(100_000);
    // More than a queue holds: it overflows, as over a WebSocket.
    for _ in 0..30 {
        server.ws.hub().broadcast("n", &large);
    }
    let mut delivered = 0;
    let reset = loop {
        let line = down.line().await;
        match line["type"].as_str() {
            Some("event") => delivered += 1,
            Some("reset") => break line,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reset["why"], "overflow");
    assert!(delivered <= 3, "{delivered} messages were in flight");
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    // The response fills every buffer on its way.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let request = page.request(&page.target("/silent", 0), &[TYPE, ORIGIN], "");
    let unread = kit::Down::over(stream, &request).await;
    let hub = server.ws.hub();
    assert_eq!(hub.connection_count(), 1);
    hub.broadcast("n", &"x".repeat(900_000));
    until("the connection ends", || hub.connection_count() == 0).await;
    assert_eq!(page.post("/silent", &unread, "").await, 409);
}
