//! The opening handshake, and requests that are not handshakes (RFC 6455, section 4.2).

use ws_server::extract::Handshake;
use ws_server::prelude::*;

use crate::client::{Client, upgrade};
use crate::running::Running;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }
}

/// Sends its subprotocol, and the rest of its path.
struct Speaker(String);

#[ws_handler]
impl Speaker {
    fn init(handshake: &Handshake, socket: &Socket<Self>) -> Self {
        let protocol = handshake.protocol().unwrap_or("none").to_owned();
        let _ = socket.send(protocol.clone());
        Speaker(protocol)
    }

    fn message(&mut self, _: Message) -> String {
        self.0.clone()
    }
}

/// Sends the parameter of its path.
struct Room;

#[ws_handler]
impl Room {
    fn init(Path(name): Path<String>, socket: &Socket<Self>) -> Self {
        let _ = socket.send(name);
        Room
    }
}

/// Panics or refuses in `init`, as the query selects.
struct Refuses;

#[ws_handler]
impl Refuses {
    fn init(Query(how): Query<Vec<(String, String)>>) -> Result<Self, Refusal> {
        match how.first().map(|(how, _)| &**how) {
            Some("panic") => panic!("in init"),
            Some("refuse") => Err(Refusal::UNAUTHORIZED.body("who are you?")),
            _ => Ok(Refuses),
        }
    }
}

/// `init` never returns.
struct Slow;

#[ws_handler]
impl Slow {
    async fn init() -> Self {
        std::future::pending().await
    }
}

dispatch! {
    pub(crate) struct Routes;

    defaults { require_session: false }

    echo:    "/echo"             => Echo;
    session: "/session"          => Echo { require_session: true };
    cookie:  "/cookie"           => Echo { require_session: true, require_page: false };
    speaks:  "/speaks"           => Speaker { protocols: ["b", "a"] };
    room:    "/rooms/{name}/chat" => Room;
    refuses: "/refuses"          => Refuses;
    slow:    "/slow"             => Slow { init_timeout: 50ms };
    anyone:  "/anyone"           => Echo { origins: any };
    listed:  "/listed"           => Echo { origins: ["https://app.example"] };
}

pub(crate) async fn running() -> Running {
    Running::start(Server::new(Routes::table()).build().unwrap()).await
}

/// A GET of `/echo` with exactly these header lines.
pub(crate) fn get(lines: &[&str]) -> String {
    format!("GET /echo HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"))
}

pub(crate) const HOST: &str = "Host: example.com";
pub(crate) const CONNECTION: &str = "Connection: Upgrade";
pub(crate) const UPGRADE: &str = "Upgrade: websocket";
pub(crate) const VERSION: &str = "Sec-WebSocket-Version: 13";
pub(crate) const SAMPLE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

#[tokio::test]
async fn the_key_of_the_rfc_gets_the_response_of_the_rfc() {
    let server = running().await;
    let mut client = Client::connect(server.address).await;
    client.send(upgrade("/echo", &[])).await;
    let head = client.head().await;
    assert_eq!(head.status, 101);
    let accept = head.header("sec-websocket-accept");
    assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(
        head.header("upgrade")
            .unwrap()
            .eq_ignore_ascii_case("websocket")
    );
    assert!(
        head.header("connection")
            .unwrap()
            .eq_ignore_ascii_case("upgrade")
    );
    assert_eq!(head.header("sec-websocket-protocol"), None);
    assert_eq!(head.header("sec-websocket-extensions"), None);
    client.send_text("hello").await;
    assert_eq!(client.text().await, "hello");
}

/// Requests in many forms, and their statuses.
const FORMS: &[(&str, &[&str], u16)] = &[
    ("plain", &[HOST, CONNECTION, UPGRADE, VERSION, SAMPLE], 101),
    (
        "capitals",
        &[
            HOST,
            "CONNECTION: UPGRADE",
            "UPGRADE: WEBSOCKET",
            VERSION,
            SAMPLE,
        ],
        101,
    ),
    (
        "lower case",
        &[
            HOST,
            "connection: upgrade",
            "upgrade: WebSocket",
            VERSION,
            SAMPLE,
        ],
        101,
    ),
    (
        "keep-alive too",
        &[
            HOST,
            "Connection: keep-alive, Upgrade",
            UPGRADE,
            VERSION,
            SAMPLE,
        ],
        101,
    ),
    (
        "two lines of a list",
        &[
            HOST,
            "Connection: keep-alive",
            CONNECTION,
            UPGRADE,
            VERSION,
            SAMPLE,
        ],
        101,
    ),
    (
        "other upgrades too",
        &[HOST, CONNECTION, "Upgrade: h2c, websocket", VERSION, SAMPLE],
        101,
    ),
    (
        "extensions that we do not have",
        &[
            HOST,
            CONNECTION,
            UPGRADE,
            VERSION,
            SAMPLE,
            "Sec-WebSocket-Extensions: permessage-deflate",
        ],
        101,
    ),
    (
        "version 12",
        &[
            HOST,
            CONNECTION,
            UPGRADE,
            "Sec-WebSocket-Version: 12",
            SAMPLE,
        ],
        426,
    ),
    ("no version", &[HOST, CONNECTION, UPGRADE, SAMPLE], 426),
    (
        "two versions",
        &[
            HOST,
            CONNECTION,
            UPGRADE,
            VERSION,
            "Sec-WebSocket-Version: 8",
            SAMPLE,
        ],
        400,
    ),
    ("no key", &[HOST, CONNECTION, UPGRADE, VERSION], 400),
    (
        "a short key",
        &[
            HOST,
            CONNECTION,
            UPGRADE,
            VERSION,
            "Sec-WebSocket-Key: AAAA",
        ],
        400,
    ),
    (
        "a key that is no base64",
        &[
            HOST,
            CONNECTION,
            UPGRADE,
            VERSION,
            "Sec-WebSocket-Key: ????????????????????????",
        ],
        400,
    ),
    (
        "two keys",
        &[
            HOST,
            CONNECTION,
            UPGRADE,
            VERSION,
            SAMPLE,
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ],
        400,
    ),
    ("no Connection", &[HOST, UPGRADE, VERSION, SAMPLE], 400),
    ("no Host", &[CONNECTION, UPGRADE, VERSION, SAMPLE], 400),
    (
        "two Hosts",
        &[
            HOST,
            "Host: example.org",
            CONNECTION,
            UPGRADE,
            VERSION,
            SAMPLE,
        ],
        400,
    ),
    ("no Upgrade", &[HOST, CONNECTION, VERSION, SAMPLE], 426),
    (
        "another Upgrade",
        &[HOST, CONNECTION, "Upgrade: h2c", VERSION, SAMPLE],
        426,
    ),
    ("nothing at all", &[HOST], 426),
];

#[tokio::test]
async fn each_form_of_the_request_gets_its_status() {
    let server = running().await;
    for (name, lines, status) in FORMS {
        let (head, body) = Client::ask(server.address, &get(lines)).await;
        assert_eq!(head.status, *status, "{name}: {body}");
        let version = head.header("sec-websocket-version");
        assert_eq!(version, (*status == 426).then_some("13"), "{name}");
    }
}

#[tokio::test]
async fn a_browser_gets_an_explanation_of_the_endpoint() {
    let server = running().await;
    let (head, body) = Client::ask(server.address, &get(&[HOST])).await;
    assert_eq!(head.status, 426);
    assert_eq!(
        head.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert!(
        head.header("upgrade")
            .unwrap()
            .eq_ignore_ascii_case("websocket")
    );
    assert!(body.contains("WebSocket endpoint"), "{body}");
}

#[tokio::test]
async fn the_response_to_other_methods_lists_the_allowed_one() {
    let server = running().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let request = format!("{method} /echo HTTP/1.1\r\n{HOST}\r\nContent-Length: 0\r\n\r\n");
        let (head, _) = Client::ask(server.address, &request).await;
        assert_eq!(
            (head.status, head.header("allow")),
            (405, Some("GET")),
            "{method}"
        );
    }
    let mut client = Client::connect(server.address).await;
    client
        .send(format!("HEAD /echo HTTP/1.1\r\n{HOST}\r\n\r\n"))
        .await;
    assert_eq!(client.head().await.status, 405);
}

#[tokio::test]
async fn a_route_that_requires_a_session_refuses_clients_without_one() {
    let server = running().await;
    for path in ["/session", "/cookie", "/session?z_pid=made-up"] {
        let invented = upgrade(path, &["Cookie: z_sid=made-up; z_pid=made-up"]);
        let (none, ended) = (
            "the request has no session cookie",
            "the session of its cookie has ended",
        );
        for (request, why) in [
            (upgrade(path, &[]), none),
            (invented, ended),
            (format!("GET {path} HTTP/1.1\r\n{HOST}\r\n\r\n"), none),
        ] {
            let (head, body) = Client::ask(server.address, &request).await;
            let text = format!("this endpoint requires a session of this site: {why}\n");
            assert_eq!((head.status, body), (403, text), "{path}");
        }
    }
}

#[tokio::test]
async fn only_pages_of_known_origins_connect() {
    let ws = Server::new(Routes::table()).origins(["https://partner.example"]);
    let server = Running::start(ws.build().unwrap()).await;
    let table = [
        ("/echo", "http://example.com", 101),
        ("/echo", "https://EXAMPLE.com", 101),
        ("/echo", "http://example.com:80", 101),
        ("/echo", "https://partner.example", 101),
        ("/echo", "http://example.com:8080", 403),
        ("/echo", "http://evil.example", 403),
        ("/echo", "http://example.com.evil.example", 403),
        ("/echo", "http://example.com@evil.example", 403),
        ("/echo", "null", 403),
        ("/echo", "", 403),
        ("/listed", "https://app.example", 101),
        ("/listed", "http://example.com", 101),
        ("/listed", "https://partner.example", 403),
        ("/anyone", "http://evil.example", 101),
        ("/anyone", "null", 101),
        ("/session", "http://evil.example", 403),
    ];
    for (path, origin, status) in table {
        let request = upgrade(path, &[&format!("Origin: {origin}")]);
        let (head, body) = Client::ask(server.address, &request).await;
        assert_eq!(head.status, status, "{path} {origin}: {body}");
    }
    let two = upgrade(
        "/echo",
        &["Origin: http://example.com", "Origin: http://example.com"],
    );
    assert_eq!(Client::ask(server.address, &two).await.0.status, 403);
}

#[tokio::test]
async fn behind_a_proxy_the_public_url_is_the_servers_own_origin() {
    let ws = Server::new(Routes::table()).public_url("https://example.com/");
    let server = Running::start(ws.build().unwrap()).await;
    let inner =
        |origin| upgrade("/echo", &[origin]).replace("Host: example.com", "Host: 10.0.0.7:3030");
    let own = Client::ask(server.address, &inner("Origin: https://example.com")).await;
    assert_eq!(own.0.status, 101);
    let proxy = Client::ask(server.address, &inner("Origin: http://10.0.0.7:3030")).await;
    assert_eq!(proxy.0.status, 403);
}

#[tokio::test]
async fn the_routes_preferred_subprotocol_is_selected() {
    let server = running().await;
    let table: [(&[&str], Option<&str>); 6] = [
        (&["Sec-WebSocket-Protocol: a, b"], Some("b")),
        (&["Sec-WebSocket-Protocol: a"], Some("a")),
        (&["Sec-WebSocket-Protocol: c, a"], Some("a")),
        (
            &["Sec-WebSocket-Protocol: c", "Sec-WebSocket-Protocol: b"],
            Some("b"),
        ),
        (&["Sec-WebSocket-Protocol: B, c"], None),
        (&[], None),
    ];
    for (lines, chosen) in table {
        let mut client = Client::connect(server.address).await;
        client.send(upgrade("/speaks", lines)).await;
        let head = client.head().await;
        assert_eq!(
            (head.status, head.header("sec-websocket-protocol")),
            (101, chosen)
        );
        assert_eq!(client.text().await, chosen.unwrap_or("none"));
        client.send_text("which?").await;
        assert_eq!(client.text().await, chosen.unwrap_or("none"));
    }
    for broken in [
        "Sec-WebSocket-Protocol: a b",
        "Sec-WebSocket-Protocol: a,(",
        "Sec-WebSocket-Protocol:",
    ] {
        let (head, _) = Client::ask(server.address, &upgrade("/speaks", &[broken])).await;
        assert_eq!(head.status, 400, "{broken}");
    }
    // If a route has no subprotocols, it selects none of the offered ones.
    let (head, _) = Client::ask(
        server.address,
        &upgrade("/echo", &["Sec-WebSocket-Protocol: a"]),
    )
    .await;
    assert_eq!(
        (head.status, head.header("sec-websocket-protocol")),
        (101, None)
    );
}

#[tokio::test]
async fn http_1_0_is_refused_with_the_reason() {
    let server = running().await;
    let request = upgrade("/echo", &[]).replace("HTTP/1.1", "HTTP/1.0");
    let (head, body) = Client::ask(server.address, &request).await;
    assert_eq!(head.status, 426, "{body}");
    assert!(body.contains("HTTP/1.1"), "{body}");
}
