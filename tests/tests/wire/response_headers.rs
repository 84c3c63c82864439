//! Headers that `init` adds to the 101, and the attributes of the cookies of sessions and pages.

use std::time::Duration;

use axum::Router;
use axum::routing::get_service;
use http::header::{SET_COOKIE, UPGRADE};
use warp::Filter;
use ws_server::extract::ResponseHeaderError;
use ws_server::prelude::*;
use ws_server::session::{CookieOptions, SameSite};

use crate::client::{Client, frame, upgrade};
use crate::running::Running;

/// Adds headers, then echoes or refuses, as the query selects.
struct Branded;

#[ws_handler]
impl Branded {
    fn init(handshake: &Handshake) -> Result<Self, Refusal> {
        handshake
            .respond_with("X-Served-By", "node-7")
            .or_refuse()?;
        for cookie in ["a=1; Path=/", "b=2; Path=/; Secure"] {
            handshake.respond_with(SET_COOKIE, cookie).or_refuse()?;
        }
        let reserved = handshake.respond_with(UPGRADE, "h2c");
        assert_eq!(
            reserved,
            Err(ResponseHeaderError::Reserved { name: UPGRADE })
        );
        match handshake.query() {
            Some("refuse") => Err(Refusal::FORBIDDEN.body("not you")),
            _ => Ok(Branded),
        }
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false }

    branded: "/branded" => Branded { protocols: ["v1"] };
}

fn built() -> Ws {
    Server::new(Routes::table()).build().unwrap()
}

async fn has_headers(server: &Running) {
    let mut client = Client::connect(server.address).await;
    let mut packet = upgrade("/branded", &["Sec-WebSocket-Protocol: v1"]).into_bytes();
    packet.extend(frame(1, "early"));
    client.send(packet).await;
    let head = client.head().await;
    assert_eq!(head.status, 101);
    assert_eq!(head.header("x-served-by"), Some("node-7"));
    assert_eq!(
        head.all("set-cookie"),
        ["a=1; Path=/", "b=2; Path=/; Secure"]
    );
    assert_eq!(head.header("upgrade"), Some("websocket"));
    assert_eq!(head.header("connection"), Some("Upgrade"));
    assert_eq!(head.header("sec-websocket-protocol"), Some("v1"));
    assert_eq!(client.text().await, "early");

    // A refusal has only its own headers.
    let (head, body) = Client::ask(server.address, &upgrade("/branded?refuse", &[])).await;
    assert_eq!((head.status, &*body), (403, "not you\n"));
    assert_eq!(head.header("x-served-by"), None);
    assert!(head.all("set-cookie").is_empty());
}

#[tokio::test]
async fn a_101_has_the_headers_of_init_under_every_server() {
    has_headers(&Running::start(built()).await).await;
    let ws = built();
    let filter = ws.filter();
    has_headers(&Running::serve(ws, filter).await).await;
    let ws = built();
    let filter = ws.filter();
    has_headers(&Running::under_warp(ws, filter).await).await;
    let ws = built();
    let router = Router::new().route("/branded", get_service(ws.service()));
    has_headers(&Running::under_axum(ws, router).await).await;
}

/// The `Set-Cookie` lines of a page that opens a session and a page, and of a logoff.
async fn cookies(server: Server<ws_server::extract::NoState>) -> (Vec<String>, Vec<String>) {
    let ws = server.build().unwrap();
    let open = warp::path("open").and(ws.page()).map(|visit: Visit, _| {
        let page = "a page";
        visit.reply(page)
    });
    let leave = warp::path("leave")
        .and(ws.current_visit())
        .then(async |visit: Option<Visit>| {
            let mut visit = visit.expect("a visitor with a session");
            visit.logoff().await.unwrap();
            visit.reply("bye")
        });
    let server = Running::serve(ws, open.or(leave)).await;
    let ask = async |path: &str, cookies: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: chat.example.com\r\n{cookies}\r\n");
        let (head, _) = Client::ask(server.address, &request).await;
        assert_eq!(head.status, 200);
        let lines = head.all("set-cookie").into_iter();
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let set = ask("/open", "").await;
    let values: Vec<_> = set.iter().map(|line| line.split(';').next()).collect();
    let values = format!("Cookie: {}; {}\r\n", values[0].unwrap(), values[1].unwrap());
    let removed = ask("/leave", &values).await;
    (set, removed)
}

/// The name of a cookie, and its attributes.
fn without_value(line: &str) -> String {
    let (name, rest) = line.split_once('=').unwrap();
    let (_, attributes) = rest.split_once("; ").unwrap();
    format!("{name}; {attributes}")
}

#[tokio::test]
async fn cookies_have_the_attributes_of_the_settings() {
    let server = || Server::new(Routes::table()).public_url("https://chat.example.com");
    let options = CookieOptions::new()
        .max_age(Duration::from_secs(3600))
        .same_site(SameSite::None)
        .domain("example.com");
    let (set, removed) = cookies(server().cookies(options)).await;
    let shared = "Path=/; HttpOnly; SameSite=None; Secure; Domain=example.com";
    let set: Vec<_> = set.iter().map(|line| without_value(line)).collect();
    assert_eq!(
        set,
        [
            format!("__Secure-z_sid; {shared}; Max-Age=3600"),
            format!("__Secure-z_pid; {shared}"),
        ]
    );
    assert_eq!(
        removed,
        [
            format!("__Secure-z_sid=; {shared}; Max-Age=0"),
            format!("__Secure-z_pid=; {shared}; Max-Age=0"),
        ]
    );

    let (set, _) = cookies(server()).await;
    let host = "Path=/; HttpOnly; SameSite=Lax; Secure";
    let set: Vec<_> = set.iter().map(|line| without_value(line)).collect();
    assert_eq!(
        set,
        [
            format!("__Host-z_sid; {host}"),
            format!("__Host-z_pid; {host}")
        ]
    );
}

#[tokio::test]
async fn attributes_that_browsers_would_ignore_are_errors_of_the_build() {
    let error = |url: Option<&str>, options: CookieOptions| {
        let mut server = Server::new(Routes::table()).cookies(options);
        if let Some(url) = url {
            server = server.public_url(url);
        }
        let error = server.build().map(|_| ()).err();
        error.map_or_else(String::new, |error| error.to_string())
    };
    let none = || CookieOptions::new().same_site(SameSite::None);
    for url in [None, Some("http://example.com")] {
        let error = error(url, none());
        assert!(
            error.starts_with("the cookies have `SameSite=None`"),
            "{error}"
        );
    }
    assert_eq!(error(Some("https://example.com"), none()), "");
    let domain = || CookieOptions::new().domain("example.com");
    for url in ["https://example.org", "https://badexample.com"] {
        let error = error(Some(url), domain());
        assert!(
            error.starts_with("the cookies have the domain \"example.com\""),
            "{error}"
        );
    }
    for url in [
        None,
        Some("https://example.com:8443"),
        Some("https://a.example.com"),
    ] {
        assert_eq!(error(url, domain()), "");
    }
    let error = error(None, CookieOptions::new().domain(".example.com"));
    assert!(
        error.starts_with("`domain` of the cookies is \".example.com\""),
        "{error}"
    );
}
