//! HTTP connections that make the server wait, and the limits that they count against.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use warp::Filter;
use ws_server::prelude::*;

use crate::client::{Client, upgrade, within};
use crate::handshake::{HOST, Routes, get};
use crate::running::Running;

/// The connection limit of a server with short timeouts; the bad clients can reach it.
const MAX_CONNECTIONS: usize = 32;

fn impatient() -> Ws {
    let server = Server::new(Routes::table()).http_connections(MAX_CONNECTIONS);
    let server = server.body_timeout(Duration::from_millis(300));
    server.build().unwrap()
}

const NOW: &str = "GET /now HTTP/1.1\r\nHost: example.com\r\n\r\n";

/// A listener whose connections have small send buffers.
fn narrow_listener() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(1024).unwrap()
}

/// A connection with a small receive buffer.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    within("connect", socket.connect(address)).await.unwrap()
}

/// A connection from this local address.
async fn from(address: &str, server: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(format!("{address}:0").parse().unwrap())
        .unwrap();
    let stream = within("connect", socket.connect(server)).await.unwrap();
    Client::over(stream)
}

#[tokio::test]
async fn a_trickling_body_loses_its_permit() {
    let ws = impatient();
    let read = warp::body::bytes().map(|body: Bytes| body.len().to_string());
    let now = warp::path("now").map(|| "now");
    let server = Running::serve(ws, now.or(read)).await;
    let mut trickling = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\n{HOST}\r\nContent-Length: 100000\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        trickling.push(tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }));
    }
    // It waits until one of their permits is released.
    assert_eq!(Client::ask(server.address, NOW).await.1, "now");
    for client in trickling {
        within("the end of a trickling connection", client)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_unread_response_loses_its_permit() {
    let server = Running::start_on(impatient(), narrow_listener());
    let script = format!("GET /ws-server/client.js HTTP/1.1\r\n{HOST}\r\n\r\n").repeat(100);
    let mut holding = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut client = narrow(server.address).await;
        client.write_all(script.as_bytes()).await.unwrap();
        holding.push(client);
    }
    let (head, _) = Client::ask(server.address, &get(&[HOST])).await;
    assert_eq!(head.status, 426);
}

/// The application has not produced this response yet, so the connection is not stalled.
#[tokio::test]
async fn a_long_poll_outlives_a_connection_that_does_not_read_its_response() {
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    let poll = warp::path("poll").then(move || {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            "at last"
        }
    });
    let large = warp::path("large").map(|| vec![b'x'; 16 << 20]);
    let filter = poll.or(large).or(warp::path("now").map(|| "now"));
    let server = Server::new(Routes::table()).http_connections(2);
    let ws = server.body_timeout(Duration::from_millis(300)).build();
    let server = Running::serve(ws.unwrap(), filter).await;
    let mut polls = Client::connect(server.address).await;
    polls.send(NOW.replace("now", "poll")).await;
    let mut unread = Client::connect(server.address).await;
    unread.send(NOW.replace("now", "large")).await;
    // It waits for the permit of the connection that does not read.
    assert_eq!(Client::ask(server.address, NOW).await.1, "now");
    opened.notify_one();
    assert_eq!(polls.response().await.1, "at last");
    unread.gone().await;
}

#[tokio::test]
async fn the_http_connections_of_an_address_are_limited() {
    let ws = Server::new(Routes::table()).http_per_address(2);
    let server = Running::start(ws.build().unwrap()).await;
    let mut first = Client::connect(server.address).await;
    let second = Client::connect(server.address).await;
    let mut third = Client::connect(server.address).await;
    let (head, body) = third.response().await;
    assert_eq!(
        (head.status, &*body),
        (429, "too many HTTP connections from here\r\n")
    );
    assert_eq!(head.header("retry-after"), Some("5"));
    third.end().await;
    // Each address has a limit of its own.
    let mut elsewhere = from("127.0.0.2", server.address).await;
    elsewhere.send(get(&[HOST])).await;
    assert_eq!(elsewhere.response().await.0.status, 426);
    // A connection no longer counts when it is closed or becomes a WebSocket connection.
    drop(second);
    first.upgrade("/echo").await;
    for _ in 0..4 {
        server.open("/echo").await;
    }
}

#[tokio::test]
async fn an_address_at_its_limit_loses_its_longest_silent_connection() {
    let ws = Server::new(Routes::table()).http_per_address(2);
    let server = Running::start(ws.build().unwrap()).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(server.address).await;
        client.send(get(&[HOST])).await;
        assert_eq!(client.response().await.0.status, 426);
        clients.push(client);
    }
    let (silent, kept) = clients.split_at_mut(3);
    for client in silent {
        client.end().await;
    }
    for client in kept {
        client.send(get(&[HOST])).await;
        assert_eq!(client.response().await.0.status, 426);
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_not_limited_by_http_per_address() {
    let ws = Server::new(Routes::table()).http_per_address(1);
    let ws = ws.trusted_proxies(["127.0.0.1"]).build().unwrap();
    let server = Running::start(ws).await;
    let _silent = Client::connect(server.address).await;
    let _other = Client::connect(server.address).await;
    let (head, _) = Client::ask(server.address, &get(&[HOST])).await;
    assert_eq!(head.status, 426);
    let _first = from("127.0.0.2", server.address).await;
    let mut second = from("127.0.0.2", server.address).await;
    assert_eq!(second.response().await.0.status, 429);
}

#[tokio::test]
async fn a_silent_connection_is_closed_in_favour_of_a_new_one() {
    let ws = Server::new(Routes::table()).http_connections(1);
    let ws = ws.keep_alive(Duration::from_secs(60 * 60));
    let server = Running::start(ws.build().unwrap()).await;
    let mut kept = Client::connect(server.address).await;
    for _ in 0..2 {
        kept.send(get(&[HOST])).await;
        assert_eq!(kept.response().await.0.status, 426);
    }
    let mut new = server.open("/echo").await;
    kept.end().await;
    new.send_text("here").await;
    assert_eq!(new.text().await, "here");
}

#[tokio::test]
async fn a_silent_connection_outlives_head_timeout() {
    let ws = Server::new(Routes::table()).head_timeout(Duration::from_millis(500));
    let server = Running::start(ws.build().unwrap()).await;
    let mut kept = Client::connect(server.address).await;
    kept.send(get(&[HOST])).await;
    assert_eq!(kept.response().await.0.status, 426);
    // The deadline of this connection starts later, and has passed.
    Client::connect(server.address).await.gone().await;
    kept.send(get(&[HOST])).await;
    assert_eq!(kept.response().await.0.status, 426);
    kept.send("GET /echo HTTP/1.1\r\nHost: exa").await;
    kept.gone().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_connections_without_a_whole_head() {
    let ws = Server::new(Routes::table()).shutdown_timeout(Duration::from_secs(60 * 60));
    let ws = ws
        .head_timeout(Duration::from_secs(60 * 60))
        .build()
        .unwrap();
    let mut server = Running::start(ws).await;
    let mut silent = Client::connect(server.address).await;
    let mut half = Client::connect(server.address).await;
    half.send("GET /echo HTTP/1.1\r\nHost: exa").await;
    let mut later = Client::connect(server.address).await;
    later.send(get(&[HOST])).await;
    assert_eq!(later.response().await.0.status, 426);
    later.send("GET /echo HTTP/1.1\r\nHost: exa").await;
    server.stopped().await;
    for client in [&mut silent, &mut half, &mut later] {
        client.gone().await;
    }
}

/// The other side of a connection that an application upgraded by itself.
fn shouting(on_upgrade: Option<OnUpgrade>) -> warp::http::Response<&'static str> {
    tokio::spawn(async move {
        let upgraded = on_upgrade.unwrap().await.unwrap();
        let parts = upgraded.downcast::<TokioIo<TcpStream>>();
        let mut tcp: TcpStream = parts.unwrap().io.into_inner();
        let mut bytes = [0; 5];
        tcp.read_exact(&mut bytes).await.unwrap();
        tcp.write_all(&bytes.to_ascii_uppercase()).await.unwrap();
    });
    warp::http::Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "shouting")
        .body("")
        .unwrap()
}

#[tokio::test]
async fn an_application_can_take_the_tcp_stream_of_its_upgrade() {
    let ws = Server::new(Routes::table()).build().unwrap();
    let now = warp::path("now").map(|| "now");
    let shout = warp::path("shout").and(warp::ext::optional().map(shouting));
    let filter = ws.filter().or(now).or(shout);
    let server = Running::serve(ws, filter).await;
    let mut client = Client::connect(server.address).await;
    client.send(NOW).await;
    assert_eq!(client.response().await.1, "now");
    let request = upgrade("/shout", &[]).replace("websocket", "shouting");
    client.send(request).await;
    assert_eq!(client.head().await.status, 101);
    client.send("hello").await;
    let mut bytes = [0; 5];
    within("bytes", client.stream.read_exact(&mut bytes))
        .await
        .unwrap();
    assert_eq!(&bytes, b"HELLO");
}

/// If the backlog were 128, more connections would fail while the server accepts none.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_accept_backlog_is_as_long_as_the_system_allows() {
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let waiting = somaxconn.trim().parse::<usize>().unwrap().min(300);
    // No other test uses this address.
    let free = std::net::TcpListener::bind("127.0.0.87:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let server = Server::new(Routes::table()).http_connections(1);
    // The first connection keeps its permit.
    let server = server.head_timeout(Duration::from_secs(60 * 60));
    let ws = server.http_per_address(None).build().unwrap();
    let running = tokio::spawn(ws.run(address.to_string()));
    within("the server listens", async {
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The first takes the only permit, and the second waits for it.
    let mut clients = Vec::new();
    for _ in 0..waiting {
        clients.push(Client::connect(address).await);
    }
    running.abort();
}
