//! How a stream over HTTP ends: shutdowns, sessions, silence, and clients that do not read.

use super::*;
use crate::client::until;

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
