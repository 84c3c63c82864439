//! Clients that do not answer, stay silent, or lose their connection.

use super::*;

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_is_cut() {
    let (server, _, mut reports) = running().await;
    let mut client = server.open("/mute").await;
    client.send_text("close").await;
    assert_eq!(client.close_frame().await.0, 4000);
    client.gone().await;
    assert_eq!(reports.next().await, "HookError 4000");
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_then_closed() {
    let (server, _, mut reports) = running().await;
    let mut client = server.open("/pinged").await;
    let (before, code) = client.until_close().await;
    assert!(!before.is_empty());
    assert!(
        before.iter().all(|frame| *frame == Frame::whole(PING, b"")),
        "{before:?}"
    );
    assert_eq!(code, 1001);
    assert_eq!(reports.next().await, "PingTimeout 1001");

    let mut client = server.open("/quiet").await;
    assert_eq!(client.close_frame().await.0, 1001);
    assert_eq!(reports.next().await, "IdleTimeout 1001");
}

#[tokio::test]
async fn an_expired_connection_is_closed_with_4401() {
    let (server, _, mut reports) = running().await;
    let mut client = server.open("/obeys").await;
    client.send_text("expire").await;
    assert_eq!(client.text().await, "expires");
    assert_eq!(client.close_frame().await, (4401, "expired".to_owned()));
    client.send(close(4401, "")).await;
    client.end().await;
    assert_eq!(reports.next().await, "Expired 4401");
}

#[tokio::test]
async fn a_stream_that_ends_without_a_close_is_a_lost_connection() {
    let (server, told, mut reports) = running().await;
    let mut client = server.open("/obeys").await;
    client.finish().await;
    client.end().await;
    assert_eq!(reports.next().await, "Lost 1006");

    server.open("/obeys").await.reset();
    assert_eq!(reports.next().await, "Lost 1006");

    // In the middle of a frame, and while a hook waits.
    let mut client = server.open("/obeys").await;
    client.send(&frame(TEXT, "never whole")[..8]).await;
    client.reset();
    assert_eq!(reports.next().await, "Lost 1006");
    let mut client = server.open("/obeys").await;
    client.send_text("wait").await;
    assert_eq!(reports.next().await, "waits");
    client.reset();
    assert_eq!(reports.next().await, "Lost 1006");
    // When a hook waits for the end, it is notified and can still send.
    let mut client = server.open("/obeys").await;
    client.send_text("wait").await;
    assert_eq!(reports.next().await, "waits");
    client.finish().await;
    assert_eq!(client.text().await, "closed");
    client.end().await;
    assert_eq!(reports.next().await, "Lost 1006");
    assert_eq!(told.open(), 0);
}

#[tokio::test]
async fn a_connection_that_is_lost_right_after_its_request_is_terminated() {
    let (server, told, mut reports) = running().await;
    for _ in 0..20 {
        let mut client = Client::connect(server.address).await;
        client.send(upgrade("/obeys", &[])).await;
        assert_eq!(client.head().await.status, 101);
        client.reset();
        let end = reports.next().await;
        assert!(
            ["Lost 1006", "UpgradeFailed 1006"].contains(&&*end),
            "{end}"
        );
    }
    assert_eq!(told.open(), 0);
    server.ws.shutdown(Duration::ZERO).await;
    assert_eq!(server.ws.hub().connection_count(), 0);
}
