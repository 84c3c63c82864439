//! Hostile visitors: each gets its status, and the log contains only the kind of the fault, nothing
//! that they sent.

use tracing::Level;
use ws_tests::Captured;

use crate::browser::Browser;
use crate::client::{Client, KEY};
use crate::running::Running;
use crate::site::running;

/// Part of everything that these clients send.
const SECRET: &str = "hunter2";

/// The status of a handshake with these additional bytes in its head.
async fn status(server: &Running, path: &str, lines: &[u8]) -> u16 {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    let mut client = Client::connect(server.address).await;
    client
        .send([head.as_bytes(), lines, b"\r\n\r\n"].concat())
        .await;
    client.head().await.status
}

/// A value as long as a token that starts with [`SECRET`].
fn forged(len: usize) -> String {
    format!("{SECRET}{}", "A".repeat(len - SECRET.len()))
}

fn cookie(value: &str) -> Vec<u8> {
    format!("Cookie: z_sid={value}").into_bytes()
}

#[tokio::test]
async fn malformed_cookies_are_refused_with_their_status_and_not_logged() {
    let server = running(|server| server).await;
    let (captured, _guard) = Captured::begin();
    let (token, bytes) = (forged(43), |text: &str| text.as_bytes().to_vec());
    let table = [
        ("an unknown token", cookie(&token), 403),
        ("one character too few", cookie(&forged(42)), 403),
        ("one too many", cookie(&forged(44)), 403),
        ("with padding", cookie(&format!("{token}=")), 403),
        ("quoted", cookie(&format!("\"{token}\"")), 403),
        (
            "percent-encoded",
            cookie(&format!("%41{}", &token[3..])),
            403,
        ),
        (
            "standard base64",
            cookie(&format!("{}+/", &token[2..])),
            403,
        ),
        ("empty", cookie(""), 403),
        (
            "twice in a line",
            cookie(&format!("{token}; z_sid={token}")),
            403,
        ),
        (
            "twice in two lines",
            bytes(&format!("Cookie: z_sid={token}\r\nCookie: z_sid={token}")),
            403,
        ),
        ("without a name", bytes(&format!("Cookie: {token}")), 403),
        (
            "with a blank in it",
            cookie(&format!("{SECRET} {token}")),
            403,
        ),
        (
            "no UTF-8",
            [&cookie(SECRET)[..], b"\xff\xfe\xc0"].concat(),
            403,
        ),
        ("8 KiB", cookie(&forged(8 * 1024)), 403),
        (
            "a thousand cookies",
            bytes(&format!("Cookie: {}", "z_sid=hunter2; ".repeat(1000))),
            403,
        ),
        ("64 KiB", cookie(&forged(64 * 1024)), 431),
        ("a NUL", [&cookie(SECRET)[..], b"\0"].concat(), 400),
        ("a CR", [&cookie(SECRET)[..], b"\rz_sid=1"].concat(), 400),
        // A bare LF ends the line: the rest is another header.
        (
            "an LF",
            [&cookie(SECRET)[..], b"\nX: hunter2"].concat(),
            403,
        ),
    ];
    for (name, lines, expected) in &table {
        let got = status(&server, "/socket/mobile", lines).await;
        assert_eq!(got, *expected, "{name}");
    }
    let log = captured.text();
    assert!(!log.contains(SECRET), "{log}");
    let refused = table.iter().filter(|(_, _, status)| *status == 403).count();
    let lines = captured.of(Level::DEBUG);
    let of_kind = |kind: &str| lines.iter().filter(|line| line.contains(kind)).count();
    assert_eq!(of_kind("missing=\"session\""), refused, "{log}");
}

#[tokio::test]
async fn malformed_page_ids_are_refused_and_not_logged() {
    let server = running(|server| server).await;
    let mut browser = Browser::new(server.address);
    let page = browser.get("/").await;
    browser.cookies.remove("z_pid");
    let line = browser.cookie_line().unwrap().into_bytes();
    let (captured, _guard) = Captured::begin();
    let large = forged(8 * 1024);
    let (short, extended) = (&page[1..], format!("{page}A"));
    let first = if page.starts_with('A') { "B" } else { "A" };
    let altered = format!("{first}{}", &page[1..]);
    let ids = [
        short,
        &extended,
        &altered,
        &forged(48),
        &large,
        "%00%0d%0a",
        "",
        "hunter2%FF",
    ];
    for id in ids {
        let got = status(&server, &format!("/socket/custom?z_pid={id}"), &line).await;
        assert_eq!(got, 403, "{id}");
        let both = [&line[..], b"; z_pid=", id.as_bytes()].concat();
        assert_eq!(status(&server, "/socket/custom", &both).await, 403, "{id}");
    }
    let right = format!("/socket/custom?z_pid={page}");
    assert_eq!(status(&server, &right, &line).await, 101);
    let log = captured.text();
    for secret in [SECRET, &page, short, browser.cookie("z_sid")] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    let lines = captured.of(Level::DEBUG);
    let missing = lines
        .iter()
        .filter(|line| line.contains("missing=\"page\""))
        .count();
    assert_eq!(missing, ids.len() * 2, "{log}");
}

#[tokio::test]
async fn origins_of_every_form_get_their_status() {
    let server = running(|server| server).await;
    let (captured, _guard) = Captured::begin();
    let table: [(&[u8], u16); 17] = [
        (b"http://example.com", 101),
        (b"https://example.com", 101),
        (b"HTTP://EXAMPLE.COM:80", 101),
        (b"null", 403),
        (b"example.com", 403),
        (b"//example.com", 403),
        (b"http://hunter2@example.com", 403),
        (b"http://ada:hunter2@example.com", 403),
        (b"http://example.com:8080", 403),
        (b"http://example.com:99999", 403),
        (b"http://example.com/hunter2", 403),
        (b"http://example.com.", 403),
        (b"http://xn--exmple-cua.com", 403),
        ("http://exämple.com".as_bytes(), 403),
        (b"http://\xff\xfe.hunter2", 403),
        (b"http://[::1]", 403),
        (b"http://example.com, http://example.com", 403),
    ];
    for (origin, expected) in table {
        let line = [b"Origin: ", origin].concat();
        let got = status(&server, "/socket/without-session", &line).await;
        assert_eq!(got, expected, "{}", origin.escape_ascii());
    }
    let log = captured.text();
    assert!(!log.contains(SECRET), "{log}");
}

/// A header changes the client's address only if a trusted proxy sent it.
#[tokio::test]
async fn forwarded_headers_of_an_untrusted_peer_change_nothing() {
    let server = running(|server| server.per_address(1)).await;
    let browser = Browser::new(server.address);
    let _only = browser.open("/socket/without-session").await;
    let (captured, _guard) = Captured::begin();
    for lines in [
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=203.0.113.9;proto=https;host=hunter2.example",
        "X-Real-IP: 203.0.113.9",
        "X-Forwarded-For: hunter2\r\nX-Forwarded-Host: hunter2",
    ] {
        let got = status(&server, "/socket/without-session", lines.as_bytes()).await;
        assert_eq!(got, 429, "{lines}");
    }
    let foreign = b"Origin: https://evil.example\r\nX-Forwarded-Host: evil.example\r\n\
        X-Forwarded-Proto: https";
    assert_eq!(
        status(&server, "/socket/without-session", foreign).await,
        403
    );
    let log = captured.text();
    assert!(
        !log.contains(SECRET) && !log.contains("203.0.113.9"),
        "{log}"
    );
}
