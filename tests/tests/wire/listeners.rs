//! Listeners besides TCP: Unix sockets, and those of an application.

use std::io;

use axum::Router;
use axum::routing::get_service;
use tokio::io::DuplexStream;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tracing::Level;
use warp::Filter;
use ws_server::listener::{Accepted, Established, Listener};
use ws_server::prelude::*;
use ws_tests::{Captured, within};

use crate::certificates::Directory;
use crate::client::{Client, close, frame, upgrade};
use crate::running::{Running, stopping};

/// Sends the address of its client, then echoes.
struct Peer;

#[ws_handler]
impl Peer {
    fn init(handshake: &Handshake, socket: &Socket<Self>) -> Self {
        let _ = socket.send(format!("{:?}", handshake.peer_addr()));
        Peer
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false }

    peer: "/peer" => Peer;
    site: "/site" => Peer { require_session: true, require_page: false };
}

type Plain = Server<ws_server::extract::NoState>;

const NOWHERE: &str = "0.0.0.0:0";

struct OnUnix {
    server: Running,
    directory: Directory,
}

impl OnUnix {
    fn start(server: Plain) -> Self {
        let directory = Directory::new();
        let listener = UnixListener::bind(directory.file("socket")).unwrap();
        let ws = server.build().unwrap();
        let server = Running::listen(ws, NOWHERE.parse().unwrap(), listener);
        Self { server, directory }
    }

    async fn connect(&self) -> Client<UnixStream> {
        let stream = UnixStream::connect(self.directory.file("socket")).await;
        Client::over(stream.unwrap())
    }
}

/// Requests a connection with these header lines; returns the address that the handler sees.
async fn peer<S>(mut client: Client<S>, lines: &[&str]) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut packet = upgrade("/peer", lines).into_bytes();
    packet.extend(frame(1, "early"));
    client.send(packet).await;
    assert_eq!(client.head().await.status, 101);
    let address = client.text().await;
    assert_eq!(client.text().await, "early");
    let large = "x".repeat(60_000);
    client.send_text(&large).await;
    assert!(client.text().await == large);
    client.send(close(1000, "")).await;
    assert_eq!(client.close_frame().await.0, 1000);
    client.end().await;
    address
}

#[tokio::test]
async fn a_unix_socket_carries_connections_without_an_address() {
    let mut unix = OnUnix::start(
        Server::new(Routes::table())
            .per_address(1)
            .http_per_address(1),
    );
    // No limit per address applies.
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = unix.connect().await;
        client.upgrade("/peer").await;
        assert_eq!(client.text().await, "None");
        open.push(client);
    }
    let forged = ["X-Forwarded-For: 192.0.2.7"];
    assert_eq!(peer(unix.connect().await, &forged).await, "None");
    unix.server.stop();
    for client in &mut open {
        assert_eq!(client.close_frame().await.0, 1001);
        client.send(close(1001, "")).await;
        client.end().await;
    }
    unix.server.stopped().await;
}

#[tokio::test]
async fn a_trusted_proxy_on_a_unix_socket_forwards_the_address_and_the_scheme() {
    let unix = OnUnix::start(Server::new(Routes::table()).trusted_proxies(["unix:", "10.0.0.1"]));
    for (lines, expected) in [
        (&["X-Forwarded-For: 192.0.2.7"][..], "Some(192.0.2.7:0)"),
        (
            &["X-Forwarded-For: 192.0.2.8, 10.0.0.1"],
            "Some(192.0.2.8:0)",
        ),
        (
            &["X-Forwarded-For: 192.0.2.8, 192.0.2.9"],
            "Some(192.0.2.9:0)",
        ),
        (
            &["Forwarded: for=\"192.0.2.7:4711\""],
            "Some(192.0.2.7:4711)",
        ),
        (&[], "None"),
    ] {
        assert_eq!(
            peer(unix.connect().await, lines).await,
            expected,
            "{lines:?}"
        );
    }
    // The origin is compared with the forwarded scheme.
    for (origin, status) in [("https", 101), ("http", 403)] {
        let mut client = unix.connect().await;
        let origin = format!("Origin: {origin}://example.com");
        let lines = [
            "X-Forwarded-For: 192.0.2.7",
            "X-Forwarded-Proto: https",
            &origin,
        ];
        client.send(upgrade("/peer", &lines)).await;
        assert_eq!(client.head().await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn a_unix_socket_serves_filters_and_services() {
    let ws = Server::new(Routes::table()).build().unwrap();
    let directory = Directory::new();
    let (_stop, stopped) = stopping();
    let filter = ws.filter().or(warp::path("api").map(|| "api"));
    let listener = UnixListener::bind(directory.file("filter")).unwrap();
    tokio::spawn(ws.serve_until(filter, listener, stopped));
    let (_stop, stopped) = stopping();
    let router = Router::new().route("/peer", get_service(ws.service()));
    let listener = UnixListener::bind(directory.file("service")).unwrap();
    tokio::spawn(ws.serve_service_until(router, listener, stopped));
    for name in ["filter", "service"] {
        let stream = UnixStream::connect(directory.file(name)).await.unwrap();
        assert_eq!(peer(Client::over(stream), &[]).await, "None", "{name}");
    }
}

#[tokio::test]
async fn the_log_contains_the_path_of_a_unix_socket() {
    let (log, _end) = Captured::begin();
    let mut unix = OnUnix::start(Server::new(Routes::table()));
    peer(unix.connect().await, &[]).await;
    let path = unix.directory.file("socket");
    let line = format!("listening address=unix:{} routes=2", path.display());
    assert_eq!(log.of(Level::INFO), [line]);
    unix.server.stopped().await;
}

/// Connections of this process, after a handshake that the test controls.
struct InMemory(mpsc::Receiver<(DuplexStream, bool)>);

impl Listener for InMemory {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<Accepted<DuplexStream>> {
        let Some((stream, succeeds)) = self.0.recv().await else {
            return std::future::pending().await;
        };
        let peer = ([192, 0, 2, 1], 4711).into();
        let handshake = async move {
            if succeeds {
                Ok(Established::new(stream).over_tls())
            } else {
                Err(io::Error::other("the handshake failed"))
            }
        };
        Ok(Accepted::after(handshake).peer(peer))
    }

    fn address(&self) -> String {
        "memory".to_owned()
    }
}

#[tokio::test]
async fn a_listener_of_the_application_has_its_own_handshake() {
    let (sender, receiver) = mpsc::channel(4);
    let ws = Server::new(Routes::table()).build().unwrap();
    let mut server = Running::listen(ws, NOWHERE.parse().unwrap(), InMemory(receiver));
    let connect = async |succeeds| {
        let (client, stream) = tokio::io::duplex(1024);
        sender.send((stream, succeeds)).await.unwrap();
        Client::over(client)
    };
    connect(false).await.end().await;
    let lines = ["Origin: https://example.com"];
    let address = peer(connect(true).await, &lines).await;
    assert_eq!(address, "Some(192.0.2.1:4711)");
    // Over an encrypted stream, a page of plain HTTP is another site.
    let mut client = connect(true).await;
    let lines = ["Origin: http://example.com"];
    client.send(upgrade("/peer", &lines)).await;
    assert_eq!(client.head().await.status, 403);
    server.stopped().await;
}

/// A handshake that never ends does not delay a shutdown.
#[tokio::test]
async fn a_shutdown_ends_a_handshake() {
    struct Stalled(Option<DuplexStream>);

    impl Listener for Stalled {
        type Io = DuplexStream;

        async fn accept(&mut self) -> io::Result<Accepted<DuplexStream>> {
            match self.0.take() {
                Some(stream) => Ok(Accepted::after(async move {
                    let _stream = stream;
                    std::future::pending().await
                })),
                None => std::future::pending().await,
            }
        }

        fn address(&self) -> String {
            "memory".to_owned()
        }
    }

    let (client, stream) = tokio::io::duplex(1024);
    let server =
        Server::new(Routes::table()).shutdown_timeout(std::time::Duration::from_secs(3600));
    let listener = Stalled(Some(stream));
    let mut server = Running::listen(server.build().unwrap(), NOWHERE.parse().unwrap(), listener);
    tokio::task::yield_now().await;
    server.stop();
    within("the end of the handshake", Client::over(client).end()).await;
    server.stopped().await;
}
