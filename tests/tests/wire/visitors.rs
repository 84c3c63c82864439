//! The HTTP side: cookies and their flags, caches, and requests from other sites.

use std::time::Duration;

use tracing::Level;
use warp::Filter;
use ws_server::limits::{Rate, SessionLimits};
use ws_server::prelude::*;
use ws_tests::Captured;

use crate::browser::Browser;
use crate::client::{Client, Head};
use crate::running::Running;
use crate::site::{self, Routes, running};

/// The `Set-Cookie` line of this cookie.
fn set<'h>(head: &'h Head, name: &str) -> &'h str {
    let lines = head.all("set-cookie").into_iter();
    let mut of_name =
        lines.filter(|line| line.split_once('=').is_some_and(|(known, _)| known == name));
    let line = of_name
        .next()
        .unwrap_or_else(|| panic!("`{name}` is not set: {head:?}"));
    assert!(of_name.next().is_none(), "`{name}` is set twice: {head:?}");
    line
}

/// The attributes after the value of a cookie.
fn attributes(line: &str) -> &str {
    line.split_once("; ")
        .map_or("", |(_, attributes)| attributes)
}

#[tokio::test]
async fn cookies_are_hidden_from_scripts_and_other_sites() {
    let server = running(|server| server).await;
    let mut browser = Browser::new(server.address);
    let (head, page) = browser.request("GET", "/").await;
    for name in ["z_sid", "z_pid"] {
        assert_eq!(
            attributes(set(&head, name)),
            "Path=/; HttpOnly; SameSite=Lax"
        );
    }
    // 256 bits.
    assert_eq!(browser.cookie("z_sid").len(), 43);
    assert_eq!(browser.cookie("z_pid"), page);
    // A request with a live session sets no session cookie; each page gets a new id.
    let (head, second) = browser.request("GET", "/").await;
    assert_eq!(head.all("set-cookie").len(), 1);
    assert_ne!(second, page);
    let (head, _) = browser.request("GET", "/visit").await;
    assert_eq!((head.status, head.all("set-cookie").len()), (200, 0));
}

#[tokio::test]
async fn over_tls_cookies_are_secure_and_bound_to_the_host() {
    let by_url = running(|server| server.public_url("https://example.com")).await;
    let by_proxy = running(|server| server.trusted_proxies(["127.0.0.1"])).await;
    for server in [by_url, by_proxy] {
        let mut browser = Browser::new(server.address);
        browser.lines = vec![
            "X-Forwarded-For: 192.0.2.1".to_owned(),
            "X-Forwarded-Proto: https".to_owned(),
        ];
        let (head, page) = browser.request("GET", "/").await;
        for name in ["__Host-z_sid", "__Host-z_pid"] {
            assert_eq!(
                attributes(set(&head, name)),
                "Path=/; HttpOnly; SameSite=Lax; Secure"
            );
        }
        let path = format!("/socket/custom?z_pid={page}");
        assert_eq!(browser.status(&path).await, 101);
        // If the name had no `__Host-` prefix, an attacker on the network could plant the cookie.
        let sid = browser.cookie("__Host-z_sid").to_owned();
        browser.cookies = [("z_sid".to_owned(), sid)].into();
        assert_eq!(browser.status(&path).await, 403);
        let (head, _) = browser.request("POST", "/logoff").await;
        let removed = "Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0";
        assert_eq!(attributes(set(&head, "__Host-z_sid")), removed);
    }
}

#[tokio::test]
async fn cookies_have_the_configured_names() {
    let server = running(|server| server.session_cookie("sid").page_cookie("tab")).await;
    let mut browser = Browser::new(server.address);
    let page = browser.get("/").await;
    assert_eq!(browser.cookie("tab"), page);
    assert_eq!(browser.status("/socket/custom").await, 101);
    assert_eq!(
        browser.status(&format!("/socket/custom?tab={page}")).await,
        101
    );
    assert_eq!(browser.status("/socket/custom?tab=x").await, 403);
    browser.cookies.remove("tab");
    assert_eq!(
        browser
            .status(&format!("/socket/custom?z_pid={page}"))
            .await,
        403
    );
    let wrong = Server::new(Routes::table())
        .session_cookie("__Host-sid")
        .build();
    let error = wrong.unwrap_err().to_string();
    assert!(
        error.starts_with("\"__Host-sid\" is not a valid cookie name"),
        "{error}"
    );
}

#[tokio::test]
async fn replies_to_visitors_are_not_stored_by_shared_caches() {
    let server = running(|server| server).await;
    let mut browser = Browser::new(server.address);
    let private = Some("private, no-cache");
    let (head, _) = browser.request("GET", "/visit").await;
    assert_eq!(head.header("cache-control"), private, "a new session");
    let (head, _) = browser.request("GET", "/visit").await;
    assert_eq!(head.header("cache-control"), private, "a known visitor");
    let (head, _) = browser.request("GET", "/").await;
    assert_eq!(head.header("cache-control"), private, "a page");
    let (head, _) = browser.request("POST", "/page").await;
    assert_eq!(
        head.header("cache-control"),
        Some("no-store"),
        "what is stricter stays"
    );
    let (head, _) = browser.request("POST", "/logon/ada").await;
    assert_eq!(head.header("cache-control"), private, "a logon");
}

#[tokio::test]
async fn a_single_page_client_requests_its_page_id() {
    let server = running(|server| server).await;
    let mut browser = Browser::new(server.address);
    let (head, body) = browser.request("POST", "/page").await;
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("application/json"))
    );
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let page = body["page"].as_str().unwrap();
    browser.cookies.remove("z_pid");
    assert_eq!(browser.status("/socket/custom").await, 403);
    assert_eq!(
        browser
            .status(&format!("/socket/custom?z_pid={page}"))
            .await,
        101
    );
    assert_eq!(browser.request("GET", "/page").await.0.status, 405);
}

#[tokio::test]
async fn a_request_that_only_reads_begins_no_session() {
    let server = running(|server| server).await;
    let sessions = server.ws.hub().sessions().clone();
    let mut browser = Browser::new(server.address);
    assert_eq!(browser.get("/user").await, "nobody");
    assert!(browser.cookies.is_empty());
    assert_eq!(sessions.count().await.unwrap(), 0);
    browser.get("/visit").await;
    assert_eq!(browser.get("/user").await, "a visitor");
    browser.post("/logon/ada").await;
    assert_eq!(browser.get("/user").await, "ada");
    assert_eq!(browser.get("/visit").await, "ada");
    browser.post("/logoff").await;
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    assert_eq!(browser.get("/user").await, "nobody");
    assert_eq!(sessions.count().await.unwrap(), 0);
}

/// A form of another site must neither act for a visitor nor log the visitor on as another user.
#[tokio::test]
async fn a_request_with_effects_must_come_from_a_page_of_the_site() {
    let server = running(|server| server.origins(["https://partner.example"])).await;
    let mut browser = Browser::new(server.address);
    browser.get("/visit").await;
    let table = [
        (None, 200),
        (Some("Origin: http://example.com"), 200),
        (Some("Origin: https://partner.example"), 200),
        (Some("Origin: http://evil.example"), 403),
        (Some("Origin: http://example.com:8080"), 403),
        (Some("Origin: null"), 403),
        (Some("Sec-Fetch-Site: cross-site"), 403),
        (Some("Sec-Fetch-Site: same-origin"), 200),
    ];
    for (line, status) in table {
        browser.lines = line.into_iter().map(str::to_owned).collect();
        for path in ["/logon/mallory", "/page", "/user"] {
            let (head, _) = browser.request("POST", path).await;
            assert_eq!(head.status, status, "{line:?} {path}");
            assert!(
                status == 200 || head.all("set-cookie").is_empty(),
                "{line:?} {path}"
            );
        }
        // A request that only reads may have any origin: a link, for example.
        assert_eq!(browser.request("GET", "/visit").await.0.status, 200);
    }
}

/// Users who share a browser share nothing else.
#[tokio::test]
async fn a_logon_of_another_user_ends_the_earlier_session() {
    let server = running(|server| server).await;
    let mut browser = Browser::new(server.address);
    let page = browser.get("/").await;
    browser.post("/logon/ada").await;
    let path = format!("/socket/custom?z_pid={page}");
    let mut socket = browser.open(&path).await;
    assert_eq!(socket.text().await, "ada");
    // If the same user logs on again, the session continues.
    browser.post("/logon/ada").await;
    socket.send_text("mine").await;
    assert_eq!(
        socket.text().await,
        "mine: ada Some(\"ada\") Some(\"the secret of ada\")"
    );
    browser.post("/logon/bob").await;
    assert_eq!(socket.close_frame().await.0, 4401);
    assert_eq!(browser.status(&path).await, 403, "a page of ada's session");
    let page = browser.get("/").await;
    let mut socket = browser.open(&format!("/socket/custom?z_pid={page}")).await;
    assert_eq!(socket.text().await, "bob");
    assert_eq!(server.ws.hub().sessions().count().await.unwrap(), 1);
}

/// The response to a request with the earlier cookie must not overwrite the new one.
#[tokio::test]
async fn a_request_with_the_cookie_from_before_a_logon_gets_no_new_one() {
    let server = running(|server| server).await;
    let mut browser = Browser::new(server.address);
    browser.get("/visit").await;
    let mut before = browser.clone();
    browser.post("/logon/ada").await;
    let (head, body) = before.request("GET", "/visit").await;
    assert_eq!((head.status, &*body), (200, "a visitor"));
    assert_eq!(head.all("set-cookie"), [""; 0]);
    let (head, _) = before.request("POST", "/page").await;
    // A page for a session that has ended would be useless.
    assert_eq!(head.status, 409);
    assert_eq!(head.all("set-cookie"), [""; 0]);
    assert_eq!(browser.get("/visit").await, "ada");
    // Any other unknown cookie is replaced.
    before.cookies.insert("z_sid".to_owned(), "A".repeat(43));
    let (head, _) = before.request("GET", "/visit").await;
    assert_eq!(head.all("set-cookie").len(), 1);
}

/// A site behind a trusted proxy, with a limit of sessions per hour and address.
async fn behind_a_proxy(sessions: u32) -> Running {
    let limits =
        SessionLimits::DEFAULT.begin_rate(Some(Rate::new(sessions, Duration::from_secs(60 * 60))));
    running(|server| server.session_limits(limits).trusted_proxies(["127.0.0.1"])).await
}

/// New sessions of an address are limited; existing ones continue.
#[tokio::test]
async fn new_sessions_of_an_address_are_limited() {
    let server = behind_a_proxy(3).await;
    let from = |address: &str| {
        let mut browser = Browser::new(server.address);
        browser.lines = vec![format!("X-Forwarded-For: {address}")];
        browser
    };
    let (captured, _guard) = Captured::begin();
    let mut known = from("203.0.113.7");
    known.get("/visit").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(from("203.0.113.7").request("GET", "/visit").await.0.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    let line = captured.only(Level::WARN);
    assert!(line.contains("`SessionLimits::begin_rate`"), "{line}");
    assert_eq!(known.request("GET", "/visit").await.0.status, 200);
    assert_eq!(
        from("203.0.113.8").request("GET", "/visit").await.0.status,
        200
    );
}

/// A client counts as the proxy if it makes the proxy send contradicting headers, or headers
/// without a usable address.
#[tokio::test]
async fn new_sessions_of_a_trusted_proxys_own_address_are_limited() {
    let server = behind_a_proxy(2).await;
    let statuses = async |lines: &[&str], count: usize| {
        let mut statuses = Vec::new();
        for _ in 0..count {
            let mut browser = Browser::new(server.address);
            browser.lines = lines.iter().map(|line| (*line).to_owned()).collect();
            statuses.push(browser.request("GET", "/visit").await.0.status);
        }
        statuses
    };
    let contradiction = ["Forwarded: for=203.0.113.9", "X-Forwarded-For: 192.0.2.7"];
    assert_eq!(statuses(&contradiction, 3).await, [200, 200, 429]);
    assert_eq!(statuses(&["X-Forwarded-For: unknown"], 1).await, [429]);
    assert_eq!(statuses(&["Forwarded: for=127.0.0.1"], 1).await, [429]);
    assert_eq!(statuses(&["Forwarded: for=203.0.113.9"], 1).await, [200]);
    // A malformed header is refused, as in a handshake.
    let swallowed = ["Forwarded: for=198.51.100.1;\", for=203.0.113.9"];
    assert_eq!(statuses(&swallowed, 1).await, [400]);
    // Private addresses behind a trusted proxy are its clients, not an unknown proxy.
    assert_eq!(
        statuses(&["X-Forwarded-For: 10.0.0.7"], 3).await,
        [200, 200, 429]
    );
}

#[tokio::test]
async fn an_untrusted_tls_proxy_is_logged_once() {
    let server = running(|server| server).await;
    let (captured, _guard) = Captured::begin();
    let mut browser = Browser::new(server.address);
    browser.get("/visit").await;
    assert_eq!(captured.of(Level::WARN), [""; 0]);
    browser.lines = vec!["X-Forwarded-Proto: https".to_owned()];
    for _ in 0..3 {
        browser.get("/visit").await;
    }
    let line = captured.only(Level::WARN);
    assert!(line.contains("`Server::trusted_proxies`"), "{line}");
}

#[tokio::test]
async fn a_full_store_refuses_new_visitors_and_keeps_known_ones() {
    let limits = SessionLimits::DEFAULT.sessions(2);
    let server = running(|server| server.session_limits(limits)).await;
    let (mut known, mut other) = (Browser::new(server.address), Browser::new(server.address));
    known.get("/visit").await;
    other.get("/visit").await;
    known.get("/visit").await;
    // `other` never sent its cookie back.
    let mut third = Browser::new(server.address);
    third.get("/visit").await;
    third.get("/visit").await;
    assert_eq!(other.get("/user").await, "nobody");
    let (head, body) = other.request("GET", "/visit").await;
    assert_eq!(
        (head.status, head.header("retry-after"), &*body),
        (503, Some("5"), "sessions are temporarily unavailable\n")
    );
    assert_eq!(known.get("/user").await, "a visitor");
}

/// Under warp's own server, `recover` turns refusals into responses.
#[tokio::test]
async fn refusals_also_become_responses_under_warps_own_server() {
    let ws = Server::new(Routes::table()).build().unwrap();
    let filter = site::filter(&ws).recover(ws_server::recover);
    let filter = filter.map(warp::Reply::into_response).boxed();
    let server = Running::under_warp(ws, filter).await;
    let mut browser = Browser::new(server.address);
    let page = browser.get("/").await;
    assert_eq!(
        browser
            .status(&format!("/socket/custom?z_pid={page}"))
            .await,
        101
    );
    browser.lines = vec!["Origin: http://evil.example".to_owned()];
    let (head, body) = browser.request("POST", "/logon/mallory").await;
    let text = "requests from pages of this origin are not accepted\n";
    assert_eq!((head.status, &*body), (403, text));
    // Rejections of other filters are not changed.
    let nothing = "GET /nothing HTTP/1.1\r\nHost: example.com\r\n\r\n";
    assert_eq!(Client::ask(server.address, nothing).await.0.status, 404);
}

#[tokio::test]
async fn links_begin_with_the_public_url() {
    let link = |server: Server<ws_server::extract::NoState>| {
        server
            .build()
            .unwrap()
            .link(&Routes::optional().query("a", "b c"))
    };
    let server = || Server::new(Routes::table());
    assert_eq!(link(server()), None);
    let plain = link(server().public_url("http://localhost:8080/"));
    assert_eq!(
        plain.as_deref(),
        Some("ws://localhost:8080/socket/optional?a=b%20c")
    );
    let secure = link(server().public_url("https://Example.com:443"));
    assert_eq!(
        secure.as_deref(),
        Some("wss://example.com/socket/optional?a=b%20c")
    );
}
