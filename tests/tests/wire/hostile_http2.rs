//! Clients of HTTP/2 that break its rules, or use them against the server.

use std::time::Duration;

use ws_server::limits::{Http2Limits, ServerLimits};

use crate::client::frame as message;
use crate::http2::{Configured, built};
use crate::http2_frames::{
    ACK, CANCEL, CONNECT, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR, GOAWAY, HEADERS, Http2Client, NO_ERROR, PING, PROTOCOL_ERROR,
    REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, request,
};
use crate::running::{Reports, Running};

async fn started(configure: impl FnOnce(Configured) -> Configured) -> (Running, Reports) {
    let (ws, reports) = built(configure);
    (Running::start(ws).await, reports)
}

async fn running() -> (Running, Reports) {
    started(|server| server).await
}

/// The server still serves others.
async fn is_alive(server: &Running) {
    let mut client = Http2Client::connect(server.address).await;
    client.headers(0, 1, CONNECT).await;
    assert_eq!(client.status(1).await, 200);
    client.send(frame(DATA, 0, 1, &message(2, [7]))).await;
    assert_eq!(client.data(1).await, [0x82, 1, 7]);
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let (server, _reports) = running().await;
    let mut client = Http2Client::connect(server.address).await;
    let mut packet = Vec::new();
    for number in 0..1000 {
        let stream = 2 * number + 1;
        let head = block(&request("GET", "/echo"));
        packet.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        packet.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    client.send(packet).await;
    assert_eq!(client.goaway().await, ENHANCE_YOUR_CALM);
    client.end().await;
    is_alive(&server).await;
}

/// Streams that the server must reset cost it as much as those that the client resets.
#[tokio::test]
async fn many_malformed_requests_end_the_connection() {
    let (server, _reports) = running().await;
    let mut client = Http2Client::connect(server.address).await;
    let mut packet = Vec::new();
    let malformed = block(&[(":method", "GET"), ("connection", "close")]);
    for number in 0..1000 {
        packet.extend(frame(HEADERS, END_HEADERS, 2 * number + 1, &malformed));
    }
    client.send(packet).await;
    assert_eq!(client.goaway().await, ENHANCE_YOUR_CALM);
    client.end().await;
    is_alive(&server).await;
}

#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let (server, _reports) = running().await;
    for piece in [&[][..], &block(&[("x", "y")])] {
        let mut client = Http2Client::connect(server.address).await;
        client
            .send(frame(HEADERS, 0, 1, &block(&request("GET", "/echo"))))
            .await;
        let continuations = frame(CONTINUATION, 0, 1, piece).repeat(10_000);
        client.send(continuations).await;
        assert_eq!(client.goaway().await, ENHANCE_YOUR_CALM);
        client.end().await;
    }
    is_alive(&server).await;
}

#[tokio::test]
async fn a_head_above_the_limit_gets_431() {
    let (server, _reports) = started(|server| server.head(1024)).await;
    let mut client = Http2Client::connect(server.address).await;
    let long = "x".repeat(100);
    let mut headers = request("GET", "/echo").to_vec();
    headers.extend((0..12).map(|_| ("x-long", &*long)));
    client.headers(END_STREAM, 1, &headers).await;
    assert_eq!(client.status(1).await, 431);
    // Another request on the connection is served.
    client
        .headers(END_STREAM, 3, &request("GET", "/missing"))
        .await;
    assert_eq!(client.status(3).await, 404);
}

#[tokio::test]
async fn streams_above_the_limit_are_refused() {
    let limits = ServerLimits::DEFAULT.http2(Http2Limits::DEFAULT.streams(5));
    let (server, mut reports) = started(|server| server.server_limits(limits)).await;
    let mut client = Http2Client::connect(server.address).await;
    for number in 0..5 {
        client.headers(0, 2 * number + 1, CONNECT).await;
        reports.next().await;
    }
    for number in 5..50 {
        client.headers(0, 2 * number + 1, CONNECT).await;
        assert_eq!(client.reset(2 * number + 1).await, REFUSED_STREAM);
    }
    assert!(reports.received().is_empty());
    is_alive(&server).await;
}

#[tokio::test]
async fn of_a_thousand_streams_the_server_opens_those_within_its_limit() {
    let (server, mut reports) = running().await;
    let mut client = Http2Client::connect(server.address).await;
    let mut packet = Vec::new();
    for number in 0..1000 {
        packet.extend(frame(HEADERS, END_HEADERS, 2 * number + 1, &block(CONNECT)));
    }
    client.send(packet).await;
    // A client that ignores so many refusals is an attacker.
    assert_eq!(client.goaway().await, ENHANCE_YOUR_CALM);
    client.end().await;
    assert!(
        reports.received().len() <= 200,
        "an open and an end of each"
    );
    is_alive(&server).await;
}

/// Each message is a frame of its own, and they fill the window of their stream before the application
/// reads the first.
#[tokio::test]
async fn many_small_messages_in_one_packet_are_no_flood() {
    const MESSAGES: usize = 65_535 / 7;
    let (server, _reports) = running().await;
    let mut client = Http2Client::connect(server.address).await;
    client.headers(0, 1, CONNECT).await;
    assert_eq!(client.status(1).await, 200);
    client
        .send(frame(DATA, 0, 1, &message(2, [7])).repeat(MESSAGES))
        .await;
    let mut echoed = Vec::new();
    while echoed.len() < 3 * MESSAGES {
        echoed.extend(client.data(1).await);
    }
    assert_eq!(echoed, [0x82, 1, 7].repeat(MESSAGES));
}

#[tokio::test]
async fn a_flood_of_empty_data_ends_the_connection() {
    let (server, _reports) = running().await;
    let mut client = Http2Client::connect(server.address).await;
    client.headers(0, 1, CONNECT).await;
    assert_eq!(client.status(1).await, 200);
    client.send(frame(DATA, 0, 1, &[]).repeat(100_000)).await;
    assert_eq!(client.goaway().await, ENHANCE_YOUR_CALM);
    client.end().await;
    is_alive(&server).await;
}

/// The answers to pings and settings wait until the client reads, and no more are accepted.
#[tokio::test]
async fn a_client_that_reads_no_answers_is_not_answered_without_bound() {
    let (server, _reports) = running().await;
    let mut client = Http2Client::connect(server.address).await;
    let mut packet = frame(PING, 0, 0, b"12345678").repeat(1000);
    packet.extend(frame(SETTINGS, 0, 0, &[]).repeat(1000));
    client.send(packet).await;
    client.headers(0, 1, CONNECT).await;
    assert_eq!(client.status(1).await, 200);
    is_alive(&server).await;
}

#[tokio::test]
async fn windows_that_overflow_end_the_connection() {
    let (server, _reports) = running().await;
    let mut client = Http2Client::connect(server.address).await;
    let increment = 0x7fff_ffff_u32.to_be_bytes();
    client.send(frame(WINDOW_UPDATE, 0, 0, &increment)).await;
    assert_eq!(client.goaway().await, FLOW_CONTROL_ERROR);
    client.end().await;

    let mut client = Http2Client::connect(server.address).await;
    client.headers(0, 1, CONNECT).await;
    assert_eq!(client.status(1).await, 200);
    client.send(frame(WINDOW_UPDATE, 0, 1, &increment)).await;
    assert_eq!(client.reset(1).await, FLOW_CONTROL_ERROR);

    // SETTINGS_INITIAL_WINDOW_SIZE
    let mut client = Http2Client::with_settings(server.address, &[(4, 0x8000_0000)]).await;
    assert_eq!(client.goaway().await, PROTOCOL_ERROR);
    client.end().await;

    let mut client = Http2Client::connect(server.address).await;
    client.send(frame(WINDOW_UPDATE, 0, 0, &[0; 4])).await;
    assert_eq!(client.goaway().await, PROTOCOL_ERROR);
    client.end().await;
    is_alive(&server).await;
}

#[tokio::test]
async fn data_beyond_the_window_is_refused() {
    let limits = Http2Limits::DEFAULT.stream_window(1024);
    let limits = ServerLimits::DEFAULT.http2(limits);
    let (server, _reports) = started(|server| server.server_limits(limits)).await;
    let mut client = Http2Client::connect(server.address).await;
    // The limit counts once the client has acknowledged it.
    client.send(frame(SETTINGS, ACK, 0, &[])).await;
    client.headers(0, 1, &request("POST", "/echo")).await;
    client.send(frame(DATA, 0, 1, &[0; 1025])).await;
    assert_eq!(client.reset(1).await, FLOW_CONTROL_ERROR);
    is_alive(&server).await;
}

/// A client that opens no window is as slow as one that does not read.
#[tokio::test]
async fn a_client_without_a_window_is_closed_by_stall() {
    let limits = Http2Limits::DEFAULT.stream_window(1024 * 1024);
    let limits = ServerLimits::DEFAULT.http2(limits);
    let (server, mut reports) = started(|server| server.server_limits(limits)).await;
    let mut client = Http2Client::with_settings(server.address, &[(4, 0)]).await;
    let mut headers = CONNECT.to_vec();
    headers[3] = (":path", "/stalls");
    client.headers(0, 1, &headers).await;
    assert_eq!(client.status(1).await, 200);
    assert_eq!(reports.next().await, "/stalls Some(127.0.0.1)");
    let large = message(2, [7; 10_000]);
    // hyper accepts a few writes before it waits for a window.
    for _ in 0..60 {
        client.send(frame(DATA, 0, 1, &large)).await;
    }
    assert_eq!(reports.next().await, "Stalled 1013");
    client
        .send(frame(WINDOW_UPDATE, 0, 1, &100_000_u32.to_be_bytes()))
        .await;
    is_alive(&server).await;
}

#[tokio::test]
async fn malformed_requests_are_reset() {
    let (server, _reports) = running().await;
    let mut with_get = CONNECT.to_vec();
    with_get[0] = (":method", "GET");
    let mut without_protocol = CONNECT.to_vec();
    without_protocol.remove(1);
    let mut without_path = CONNECT.to_vec();
    without_path.remove(3);
    let with = |name, value| {
        let mut headers = CONNECT.to_vec();
        headers.push((name, value));
        headers
    };
    let cases = [
        with_get,
        without_protocol,
        without_path,
        with("connection", "upgrade"),
        with("upgrade", "websocket"),
        with("te", "gzip"),
        with(":path", "/twice"),
    ];
    for headers in cases {
        let mut client = Http2Client::connect(server.address).await;
        client.headers(0, 1, &headers).await;
        let reset = (RST_STREAM, PROTOCOL_ERROR);
        assert_eq!(client.ended(1).await, reset, "{headers:?}");
    }
    // An invalid name ends the connection: the state of the compression is unknown behind it.
    for (name, value) in [("Upper", "case"), (":late", "pseudo header")] {
        let mut client = Http2Client::connect(server.address).await;
        client.headers(0, 1, &with(name, value)).await;
        assert_eq!(client.ended(1).await, (GOAWAY, PROTOCOL_ERROR), "{name}");
    }
    is_alive(&server).await;
}

#[tokio::test]
async fn connects_that_are_no_sockets_get_a_status() {
    let (server, _reports) = running().await;
    let mut client = Http2Client::connect(server.address).await;
    let tunnel = [(":method", "CONNECT"), (":authority", "example.com:80")];
    client.headers(0, 1, &tunnel).await;
    assert_eq!(client.status(1).await, 400);
    let mut other = CONNECT.to_vec();
    other[1] = (":protocol", "connect-udp");
    client.headers(0, 3, &other).await;
    assert_eq!(client.status(3).await, 501);
    client.headers(0, 5, CONNECT).await;
    assert_eq!(client.status(5).await, 200);
}

#[tokio::test]
async fn a_connection_without_streams_is_closed() {
    let short = Duration::from_millis(50);
    let (server, _reports) = started(|server| server.head_timeout(short)).await;
    let mut client = Http2Client::connect(server.address).await;
    assert_eq!(client.goaway().await, NO_ERROR);
    client.end().await;
    // Half a preface.
    let mut client = crate::client::Client::connect(server.address).await;
    client.send(&crate::http2_frames::PREFACE[..12]).await;
    client.gone().await;

    let (server, _reports) = started(|server| server.keep_alive(short)).await;
    let mut client = Http2Client::connect(server.address).await;
    client
        .headers(END_STREAM, 1, &request("GET", "/missing"))
        .await;
    assert_eq!(client.status(1).await, 404);
    assert_eq!(client.goaway().await, NO_ERROR);
    client.end().await;
}

/// A connection without streams is evicted if another one needs its permit.
#[tokio::test]
async fn a_silent_connection_is_evicted_for_a_new_one() {
    let (server, _reports) = started(|server| server.http_connections(1)).await;
    let mut silent = Http2Client::connect(server.address).await;
    silent.answers_pings = false;
    silent
        .headers(END_STREAM, 1, &request("GET", "/missing"))
        .await;
    assert_eq!(silent.status(1).await, 404);
    is_alive(&server).await;
    assert_eq!(silent.goaway().await, NO_ERROR);
    silent.end().await;
}
