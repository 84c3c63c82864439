//! WebSocket connections over HTTP/2 (RFC 8441), by prior knowledge and by ALPN.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, get_service, post};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::rustls::pki_types::ServerName;
use warp::Filter;
use ws_server::prelude::*;
use ws_server::tls::{Certificates, Tls};
use ws_tests::within;

use crate::certificates::{Authority, Directory, text};
use crate::client::{Client, close};
use crate::running::{Reporter, Reports, Running, stopping};

/// Echoes, and reports its address and its end.
pub(crate) struct Echo(Reporter);

#[ws_handler]
impl Echo {
    fn init(State(reporter): State<Reporter>, handshake: &Handshake) -> Result<Self, Refusal> {
        handshake
            .respond_with("x-served-by", "node-7")
            .or_refuse()?;
        let peer = handshake.peer_addr().map(|peer| peer.ip());
        reporter.report(format!("{} {peer:?}", handshake.path()));
        Ok(Echo(reporter))
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

dispatch! {
    pub(crate) struct Routes;
    state: Reporter;

    defaults { require_session: false }

    echo:    "/echo"    => Echo;
    chosen:  "/chosen"  => Echo { protocols: ["v1"] };
    stalls:  "/stalls"  => Echo { stall: 50ms };
    private: "/private" => Echo { require_session: true };
}

pub(crate) type Configured = Server<Reporter, ws_server::WithState<Reporter>>;

pub(crate) fn built(configure: impl FnOnce(Configured) -> Configured) -> (Ws, Reports) {
    let (reporter, reports) = Reporter::new();
    let server = Server::new(Routes::table()).state(reporter).http2();
    (configure(server).build().unwrap(), reports)
}

/// An HTTP/2 connection.
pub(crate) struct Connection(SendRequest<Bytes>);

impl Connection {
    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self(requests)
    }

    async fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    /// Requests a WebSocket connection. The stream of a response that is not 200 has its body.
    async fn open(&mut self, path: &str, headers: &[(&str, &str)]) -> (Response<()>, DuplexStream) {
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = format!("http://example.com{path}").parse().unwrap();
        let protocol = Protocol::from_static("websocket");
        request.extensions_mut().insert(protocol);
        for (name, value) in [("sec-websocket-version", "13")].iter().chain(headers) {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let mut requests = self.0.clone();
        // The settings of the server arrive with its first bytes.
        within("the settings", async {
            while !requests.is_extended_connect_protocol_enabled() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        requests = requests.ready().await.unwrap();
        let (response, to_server) = requests.send_request(request, false).unwrap();
        let response = within("the response", response).await.unwrap();
        let (parts, from_server) = response.into_parts();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(pump(theirs, to_server, from_server));
        (Response::from_parts(parts, ()), ours)
    }

    pub(crate) async fn client(&mut self, path: &str) -> Client<DuplexStream> {
        let (response, stream) = self.open(path, &[]).await;
        assert_eq!(response.status(), 200);
        Client::over(stream)
    }
}

/// Copies between a stream of bytes and a stream of HTTP/2.
async fn pump(io: DuplexStream, mut to: h2::SendStream<Bytes>, mut from: h2::RecvStream) {
    let (mut read, mut write) = tokio::io::split(io);
    let sending = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(bytes @ 1..) = read.read(&mut buffer).await {
            let data = Bytes::copy_from_slice(&buffer[..bytes]);
            if to.send_data(data, false).is_err() {
                return;
            }
        }
        let _ = to.send_data(Bytes::new(), true);
    };
    let receiving = async move {
        while let Some(Ok(data)) = from.data().await {
            let _ = from.flow_control().release_capacity(data.len());
            if write.write_all(&data).await.is_err() {
                return;
            }
        }
        let _ = write.shutdown().await;
    };
    tokio::join!(sending, receiving);
}

/// Checks a route over one connection: several sockets, large messages, both sides of a close.
async fn serves_echo(connection: &mut Connection, reports: &mut Reports) {
    let (response, stream) = connection
        .open("/echo", &[("origin", "http://example.com")])
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-served-by"], "node-7");
    for name in ["connection", "upgrade", "sec-websocket-accept"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert_eq!(reports.next().await, "/echo Some(127.0.0.1)");
    let mut first = Client::over(stream);
    let mut second = connection.client("/echo").await;
    reports.next().await;
    let large = "x".repeat(60_000);
    for client in [&mut first, &mut second] {
        client.send_text("hello").await;
        assert_eq!(client.text().await, "hello");
        client.send_text(&large).await;
        assert!(client.text().await == large);
    }
    first.send(close(1000, "")).await;
    assert_eq!(first.close_frame().await.0, 1000);
    first.end().await;
    assert_eq!(reports.next().await, "ClientClosed 1000");
    second.send_text("still open").await;
    assert_eq!(second.text().await, "still open");
    // A client that resets its stream is gone.
    drop(second);
    assert_eq!(reports.next().await, "Lost 1006");
}

#[tokio::test]
async fn sockets_over_http2_behave_as_those_over_http1() {
    let (ws, mut reports) = built(|server| server);
    let server = Running::start(ws).await;
    serves_echo(&mut Connection::to(server.address).await, &mut reports).await;
    // HTTP/1.1 on the same port.
    let mut client = server.open("/echo").await;
    client.send_text("HTTP/1.1").await;
    assert_eq!(client.text().await, "HTTP/1.1");
}

#[tokio::test]
async fn filters_and_services_have_sockets_over_http2() {
    let (ws, mut reports) = built(|server| server);
    let filter = ws.filter().or(warp::path("page").map(|| "a page"));
    let server = Running::serve(ws, filter).await;
    let mut connection = Connection::to(server.address).await;
    serves_echo(&mut connection, &mut reports).await;
    // A page is no socket, although its status is 200.
    let (response, _) = connection.open("/page", &[]).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);

    let (ws, mut reports) = built(|server| server);
    let router = Router::new()
        .route("/echo", get_service(ws.service()))
        .route("/page", get(async || "a page"))
        .route("/post", post(async |body: String| body));
    let server = Running::serve_axum(ws, router).await;
    let mut connection = Connection::to(server.address).await;
    serves_echo(&mut connection, &mut reports).await;
    let (response, _) = connection.open("/page", &[]).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let request = Request::post("http://example.com/post").body(()).unwrap();
    let requests = connection.0.clone();
    let (response, mut body) = requests
        .ready()
        .await
        .unwrap()
        .send_request(request, false)
        .unwrap();
    body.send_data(Bytes::from("the body"), true).unwrap();
    let mut response = response.await.unwrap().into_body();
    assert_eq!(response.data().await.unwrap().unwrap(), "the body");
}

#[tokio::test]
async fn handshakes_over_http2_are_checked_as_those_over_http1() {
    let (ws, _reports) = built(|server| server);
    let server = Running::start(ws).await;
    let mut connection = Connection::to(server.address).await;
    for (path, headers, status) in [
        ("/missing", &[][..], 404),
        ("/private", &[], 403),
        ("/echo", &[("origin", "https://evil.example")], 403),
        ("/echo", &[("sec-websocket-version", "12")], 400),
        ("/echo", &[("content-length", "0")], 200),
        ("/chosen", &[("sec-websocket-protocol", "v2, v1")], 200),
    ] {
        let (response, _) = connection.open(path, headers).await;
        assert_eq!(response.status(), status, "{path} {headers:?}");
        let protocol = response.headers().get("sec-websocket-protocol");
        assert_eq!(protocol.is_some(), path == "/chosen");
    }
}

#[tokio::test]
async fn a_shutdown_closes_sockets_over_http2() {
    let (ws, mut reports) = built(|server| server);
    let mut server = Running::start(ws).await;
    let mut connection = Connection::to(server.address).await;
    let mut client = connection.client("/echo").await;
    reports.next().await;
    server.stop();
    assert_eq!(client.close_frame().await.0, 1001);
    client.send(close(1001, "")).await;
    client.end().await;
    server.stopped().await;
    assert_eq!(reports.next().await, "Shutdown 1001");
    let ended = connection.0.ready().await;
    assert!(ended.is_err());
}

/// A server with TLS and HTTP/2.
async fn over_tls(authority: &Authority, directory: &Directory) -> (Running, Reports) {
    let (ws, reports) = built(|server| server);
    let pair = authority.sign(&["localhost"]).write(directory, "0");
    let tls = Tls::new(Certificates::from_files([pair]).unwrap());
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    (
        Running::listen(ws, address, tls.listener(tcp).unwrap()),
        reports,
    )
}

#[tokio::test]
async fn alpn_chooses_between_http1_and_http2() {
    let (authority, directory) = (Authority::new(), Directory::new());
    let (server, mut reports) = over_tls(&authority, &directory).await;
    let connect = async |protocols: &[&str]| {
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        authority
            .connector(protocols)
            .connect(name, tcp)
            .await
            .unwrap()
    };
    let stream = connect(&["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut connection = Connection::over(stream).await;
    // TLS decides the scheme, whatever the client claims.
    let (response, _) = connection
        .open("/echo", &[("origin", "http://example.com")])
        .await;
    assert_eq!(response.status(), 403);
    let (response, stream) = connection
        .open("/echo", &[("origin", "https://example.com")])
        .await;
    assert_eq!(response.status(), 200);
    reports.next().await;
    let mut client = Client::over(stream);
    client.send_text("HTTP/2").await;
    assert_eq!(client.text().await, "HTTP/2");
    for protocols in [&["http/1.1"][..], &[]] {
        let mut client = Client::over(connect(protocols).await);
        client.upgrade("/echo").await;
        client.send_text("HTTP/1.1").await;
        assert_eq!(client.text().await, "HTTP/1.1");
    }
}

/// The settings that close a connection without streams.
#[tokio::test]
async fn a_connection_ends_after_its_last_request() {
    let (ws, _reports) = built(|server| server.requests_per_connection(2));
    let server = Running::start(ws).await;
    let mut connection = Connection::to(server.address).await;
    let mut client = connection.client("/echo").await;
    let _second = connection.client("/echo").await;
    // GOAWAY: no further stream, but the open ones stay.
    within("the end of requests", async {
        while connection.0.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.send_text("still open").await;
    assert_eq!(client.text().await, "still open");
}

#[tokio::test]
async fn without_the_setting_the_preface_of_http2_gets_an_error() {
    let (reporter, _reports) = Reporter::new();
    let ws = Server::new(Routes::table())
        .state(reporter)
        .build()
        .unwrap();
    let server = Running::start(ws).await;
    let mut client = Client::connect(server.address).await;
    client.send(crate::http2_frames::PREFACE).await;
    client.gone().await;
}

/// The client of Node sends an extended CONNECT, and prints what it receives.
const NODE: &str = r#"
const http2 = require("node:http2");
const [url, ca] = process.argv.slice(1);
const session = http2.connect(url, ca ? { ca: require("node:fs").readFileSync(ca) } : {});
session.on("error", (error) => { console.log(String(error)); process.exit(1); });
session.on("remoteSettings", (settings) => {
  if (!settings.enableConnectProtocol) throw new Error("no extended CONNECT");
  const stream = session.request({
    ":method": "CONNECT", ":protocol": "websocket", ":path": "/echo",
    "sec-websocket-version": "13",
  });
  stream.on("response", (headers) => {
    console.log(headers[":status"]);
    stream.write(Buffer.from([0x82, 0x83, 0, 0, 0, 0, 1, 2, 3]));
  });
  stream.on("data", (data) => {
    console.log(data.toString("hex"));
    session.destroy();
  });
});
"#;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_client_connects_over_http2() {
    let (authority, directory) = (Authority::new(), Directory::new());
    let ca = directory.write("ca.pem", authority.pem());
    let (encrypted, _reports) = over_tls(&authority, &directory).await;
    let (ws, _more_reports) = built(|server| server);
    let plain = Running::start(ws).await;
    let encrypted = format!("https://localhost:{}", encrypted.address.port());
    let plain = format!("http://localhost:{}", plain.address.port());
    for arguments in [&[&*encrypted, text(&ca)][..], &[&*plain]] {
        let mut node = Command::new("node");
        let node = node.arg("-e").arg(NODE).args(arguments).kill_on_drop(true);
        let output = within("node", node.output()).await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(printed, "200\n8203010203\n", "{arguments:?}: {errors}");
    }
}

#[tokio::test]
async fn a_stream_whose_body_does_not_arrive_is_reset_alone() {
    let (ws, mut reports) = built(|server| server.body_timeout(Duration::from_millis(50)));
    let router = Router::new()
        .route("/echo", get_service(ws.service()))
        .route("/post", post(async |body: String| body));
    let (_stop, stopped) = stopping();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(ws.serve_service_until(router, listener, stopped));
    let mut connection = Connection::to(address).await;
    let mut client = connection.client("/echo").await;
    reports.next().await;
    let request = Request::post("http://example.com/post").body(()).unwrap();
    let requests = connection.0.clone().ready().await;
    let (response, _body) = requests.unwrap().send_request(request, false).unwrap();
    let error = within("the reset", response).await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    client.send_text("still open").await;
    assert_eq!(client.text().await, "still open");
}
