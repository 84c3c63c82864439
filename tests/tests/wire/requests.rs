//! Requests before their responses: their paths, heads and numbers.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use warp::Filter;
use ws_server::prelude::*;

use crate::client::{CLOSE, Client, Frame, Head, KEY, TEXT, close, frame, until, upgrade, within};
use crate::handshake::{HOST, Routes, get, running};
use crate::running::Running;

#[tokio::test]
async fn slashes_at_the_end_do_not_matter_and_a_path_is_decoded_once() {
    let server = running().await;
    for path in [
        "/echo",
        "/echo/",
        "//echo",
        "/echo//",
        "///echo///",
        "/echo?x=%zz",
        "/e%63ho",
    ] {
        let (head, _) = Client::ask(server.address, &upgrade(path, &[])).await;
        assert_eq!(head.status, 101, "{path}");
    }
    for (path, name) in [
        ("/rooms/caf%C3%A9/chat", "café"),
        ("//rooms//a%2Fb/chat/", "a/b"),
        ("/rooms/a+b%2520/chat", "a+b%20"),
    ] {
        let mut client = server.open(path).await;
        assert_eq!(client.text().await, name);
    }
    for (path, status) in [
        ("/rooms/%zz/chat", 400),
        ("/rooms/%/chat", 400),
        ("/rooms/%ff/chat", 400),
        ("/Echo", 404),
        ("/echo/more", 404),
        ("/rooms//chat", 404),
        ("/", 404),
    ] {
        let (head, _) = Client::ask(server.address, &upgrade(path, &[])).await;
        assert_eq!(head.status, status, "{path}");
    }
}

#[tokio::test]
async fn targets_that_are_not_paths_get_a_response() {
    let server = running().await;
    let under_warp = Server::new(Routes::table()).build().unwrap();
    let filter = under_warp.filter();
    let under_warp = Running::under_warp(under_warp, filter).await;
    let table = [
        ("GET example.com:80 HTTP/1.1", [400, 404]),
        ("CONNECT example.com:80 HTTP/1.1", [400, 404]),
        ("OPTIONS * HTTP/1.1", [404, 404]),
        ("GET http://example.com/echo HTTP/1.1", [426, 426]),
        ("GET http://example.com HTTP/1.1", [404, 404]),
    ];
    for (line, statuses) in table {
        for (server, status) in [&server, &under_warp].into_iter().zip(statuses) {
            let request = format!("{line}\r\n{HOST}\r\n\r\n");
            let (head, _) = Client::ask(server.address, &request).await;
            assert_eq!(head.status, status, "{line}");
            // The server still works.
            let mut client = server.open("/echo").await;
            client.send_text("here?").await;
            assert_eq!(client.text().await, "here?");
        }
    }
    let absolute = upgrade("http://example.com/echo", &["Origin: http://example.com"]);
    let (head, _) = Client::ask(server.address, &absolute).await;
    assert_eq!(head.status, 101);
    // The authority in the target overrides `Host` (RFC 9112, section 3.2.2).
    let other = upgrade("http://example.org/echo", &["Origin: http://example.com"]);
    assert_eq!(Client::ask(server.address, &other).await.0.status, 403);
}

#[tokio::test]
async fn a_head_over_16_kib_is_too_large() {
    let server = running().await;
    let filler = |bytes: usize| format!("X-Filler: {}", "x".repeat(bytes));
    let fits = upgrade("/echo", &[&filler(16_000)]);
    assert!(fits.len() < 16 * 1024);
    assert_eq!(Client::ask(server.address, &fits).await.0.status, 101);
    let large = upgrade("/echo", &[&filler(16 * 1024)]);
    assert_eq!(Client::ask(server.address, &large).await.0.status, 431);
    let lines: Vec<String> = (0..200).map(|line| format!("X-{line}: {line}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let many = upgrade("/echo", &lines);
    assert_eq!(Client::ask(server.address, &many).await.0.status, 431);
}

#[tokio::test]
async fn a_connection_without_a_head_is_closed() {
    let ws = Server::new(Routes::table()).head_timeout(Duration::from_millis(500));
    let server = Running::start(ws.build().unwrap()).await;
    let mut open = server.open("/echo").await;
    let mut silent = Client::connect(server.address).await;
    let mut halfway = Client::connect(server.address).await;
    halfway.send("GET /echo HTTP/1.1\r\nHost: exa").await;
    for client in [&mut silent, &mut halfway] {
        client.gone().await;
    }
    // An open WebSocket connection no longer has HTTP's deadlines.
    open.send_text("still here").await;
    assert_eq!(open.text().await, "still here");
}

#[tokio::test]
async fn a_connection_that_stays_silent_after_a_response_is_closed() {
    let ws = Server::new(Routes::table()).keep_alive(Duration::from_millis(100));
    let server = Running::start(ws.build().unwrap()).await;
    let mut client = Client::connect(server.address).await;
    client.send(get(&[HOST])).await;
    assert_eq!(client.response().await.0.status, 426);
    client.end().await;
}

#[tokio::test]
async fn an_address_past_its_limit_gets_429() {
    let ws = Server::new(Routes::table()).per_address(2).build().unwrap();
    let server = Running::start(ws).await;
    let mut first = server.open("/echo").await;
    let _second = server.open("/echo").await;
    let (head, body) = Client::ask(server.address, &upgrade("/echo", &[])).await;
    assert_eq!(
        (head.status, &*body),
        (429, "too many connections from this address\n")
    );
    // A plain GET gets the same response, and takes no permit.
    assert_eq!(
        Client::ask(server.address, &get(&[HOST])).await.0.status,
        429
    );
    // A foreign page is refused before permits are counted.
    let foreign = upgrade("/echo", &["Origin: http://evil.example"]);
    assert_eq!(Client::ask(server.address, &foreign).await.0.status, 403);
    first.send(close(1000, "")).await;
    assert_eq!(first.close_frame().await.0, 1000);
    first.end().await;
    server.open("/echo").await;
}

#[tokio::test]
async fn a_full_server_refuses_with_retry_after() {
    let ws = Server::new(Routes::table())
        .max_connections(1)
        .build()
        .unwrap();
    let server = Running::start(ws).await;
    let mut first = server.open("/echo").await;
    let (head, body) = Client::ask(server.address, &upgrade("/echo", &[])).await;
    assert_eq!(head.status, 503, "{body}");
    assert_eq!(head.header("retry-after"), Some("5"));
    first.send(close(1000, "")).await;
    assert_eq!(first.close_frame().await.0, 1000);
    first.end().await;
    // When `init` refuses, its permit is released.
    assert_eq!(
        Client::ask(server.address, &upgrade("/refuses?refuse=", &[]))
            .await
            .0
            .status,
        401
    );
    server.open("/echo").await;
}

#[tokio::test]
async fn init_decides_the_response() {
    let server = running().await;
    for (path, status, text) in [
        ("/refuses?refuse=", 401, "who are you?\n"),
        ("/refuses?panic=", 500, "Internal Server Error\n"),
        ("/refuses?=&", 101, ""),
        ("/slow", 503, "Service Unavailable\n"),
    ] {
        let (head, body) = Client::ask(server.address, &upgrade(path, &[])).await;
        assert_eq!((head.status, &*body), (status, text), "{path}");
    }
    let hub = server.ws.hub();
    until("nothing is left of any", || hub.connection_count() == 0).await;
}

#[tokio::test]
async fn an_opening_handshake_has_no_body() {
    let server = running().await;
    for (line, status) in [
        ("Content-Length: 20", 400),
        ("Transfer-Encoding: chunked", 400),
        ("Content-Length: 0", 101),
    ] {
        let (head, _) = Client::ask(server.address, &upgrade("/echo", &[line])).await;
        assert_eq!(head.status, status, "{line}");
    }
}

#[tokio::test]
async fn frames_in_the_packet_of_the_request_are_handled() {
    let server = running().await;
    let mut client = Client::connect(server.address).await;
    let mut packet = upgrade("/echo", &[]).into_bytes();
    packet.extend(frame(TEXT, "early"));
    let next = frame(TEXT, "and split");
    packet.extend(&next[..5]);
    client.send(packet).await;
    assert_eq!(client.head().await.status, 101);
    assert_eq!(client.text().await, "early");
    client.send(&next[5..]).await;
    assert_eq!(client.text().await, "and split");

    let mut hasty = Client::connect(server.address).await;
    let mut packet = upgrade("/echo", &[]).into_bytes();
    packet.extend(frame(TEXT, "x"));
    packet.extend(close(1000, "bye"));
    hasty.send(packet).await;
    assert_eq!(hasty.head().await.status, 101);
    assert_eq!(hasty.text().await, "x");
    assert_eq!(hasty.frame().await, Frame::whole(CLOSE, &[0x03, 0xe8]));
    hasty.end().await;
}

#[tokio::test]
async fn a_refused_handshake_can_be_repeated_on_the_same_connection() {
    let server = running().await;
    let mut client = Client::connect(server.address).await;
    client.send(upgrade("/echo", &[]).replace(KEY, "bad")).await;
    assert_eq!(client.response().await.0.status, 400);
    client.upgrade("/echo").await;
    client.send_text("hello").await;
    assert_eq!(client.text().await, "hello");
}

/// Browsers hide the response to a refused handshake, so the script asks with a plain GET.
#[tokio::test]
async fn a_plain_get_returns_the_refusal_of_init_once() {
    let server = running().await;
    let path = "/refuses?refuse=1";
    let origin = "Origin: http://example.com";
    let plain = async || {
        let request = format!("GET {path} HTTP/1.1\r\n{HOST}\r\n\r\n");
        let (head, body) = Client::ask(server.address, &request).await;
        (head.status, body)
    };
    // A client that is not a browser has seen the response.
    Client::ask(server.address, &upgrade(path, &[])).await;
    assert_eq!(plain().await.0, 426);
    let (head, _) = Client::ask(server.address, &upgrade(path, &[origin])).await;
    assert_eq!(head.status, 401);
    assert_eq!(plain().await, (401, "who are you?\n".to_owned()));
    assert_eq!(plain().await.0, 426);
}

/// Counts pipelined responses, each of which must be complete.
fn whole_responses(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.expect("a whole head") + 4);
        let head = Head::parse(std::str::from_utf8(head).unwrap());
        let len: usize = head.header("content-length").unwrap().parse().unwrap();
        assert!(body.len() >= len, "{} of {len} bytes", body.len());
        bytes = &body[len..];
        count += 1;
    }
    count
}

/// Sends this many requests, of which the last closes the connection, and starts to read when the
/// server shuts down. Returns the number of responses.
async fn responses_in_a_shutdown(asked: usize) -> usize {
    let listening = TcpSocket::new_v4().unwrap();
    listening.set_send_buffer_size(4096).unwrap();
    listening.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let ws = Server::new(Routes::table()).build().unwrap();
    let hub = ws.hub();
    let mut server = Running::start_on(ws, listening.listen(1).unwrap());
    let reading = TcpSocket::new_v4().unwrap();
    reading.set_recv_buffer_size(4096).unwrap();
    let mut client = reading.connect(server.address).await.unwrap();
    let ask = |line| format!("GET /ws-server/client.js HTTP/1.1\r\n{HOST}\r\n{line}\r\n");
    let requests = ask("").repeat(asked - 1) + &ask("Connection: close\r\n");
    client.write_all(requests.as_bytes()).await.unwrap();
    client.readable().await.unwrap();
    server.stop();
    until("the server ends", || hub.is_shutting_down()).await;
    let mut bytes = Vec::new();
    let read = within("the end", client.read_to_end(&mut bytes)).await;
    read.unwrap();
    server.stopped().await;
    whole_responses(&bytes)
}

/// The system buffers some responses, hyper holds one more and does not begin the others. The
/// capacity of the system varies, so the test tries many numbers of requests: for one of them the
/// last response is the one that hyper holds, and only its end is left to write.
#[tokio::test]
async fn a_shutdown_writes_begun_responses_to_their_end() {
    let mut some_were_left = false;
    for asked in 2..40 {
        let responses = responses_in_a_shutdown(asked).await;
        assert!((1..=asked).contains(&responses), "{responses} of {asked}");
        some_were_left |= responses < asked;
    }
    assert!(some_were_left, "the system took everything at once");
}

/// No system buffers this response at once, so its end is left to write when the server shuts down.
#[tokio::test]
async fn a_shutdown_writes_a_large_last_response_to_its_end() {
    const LARGE: usize = 32 << 20;
    for line in ["", "Connection: close\r\n"] {
        let ws = Server::new(Routes::table()).build().unwrap();
        let hub = ws.hub();
        let large = warp::path("large").map(|| vec![b'x'; LARGE]);
        let mut server = Running::serve(ws, large).await;
        let mut client = Client::connect(server.address).await;
        let request = format!("GET /large HTTP/1.1\r\n{HOST}\r\n{line}\r\n");
        client.send(request).await;
        client.stream.readable().await.unwrap();
        server.stop();
        until("the server ends", || hub.is_shutting_down()).await;
        let (head, body) = client.response_bytes().await;
        assert_eq!((head.status, body.len()), (200, LARGE));
        client.end().await;
        server.stopped().await;
    }
}
