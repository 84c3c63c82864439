//! Devices without cookies over TCP: pages without a session.

use serde_json::{Value, json};
use warp::Filter;
use ws_server::limits::{PageLimits, Rate};
use ws_server::prelude::*;
use ws_tests::Captured;

use crate::browser::Browser;
use crate::client::{Client, Head, upgrade};
use crate::running::Running;

dispatch! {
    struct Routes;

    lamp:  "/lamp"  => PageStream { attach: page, require_session: false, origins: any };
    pages: "/pages" => PageStream;
}

/// A site with lamps, and a page for visitors.
async fn site(
    configured: impl FnOnce(Server<ws_server::extract::NoState>) -> Server<ws_server::extract::NoState>,
) -> Running {
    let ws = configured(Server::new(Routes::table())).build().unwrap();
    let page = warp::path::end().and(warp::get()).and(ws.page());
    let page = page.map(|visit: Visit, page: Page| visit.reply(page.id().to_owned()));
    let filter = ws.filter().or(page);
    Running::serve(ws, filter).await
}

const PAGE: &str = "Sec-WebSocket-Protocol: page.v1";

/// A lamp with this query, its response and its first message.
async fn lamp(server: &Running, query: &str, lines: &[&str]) -> (Client, Head, Value) {
    let mut client = Client::connect(server.address).await;
    let request = upgrade(&format!("/lamp{query}"), &[&[PAGE], lines].concat());
    client.send(request).await;
    let head = client.head().await;
    assert_eq!(head.status, 101, "{head:?}");
    let welcome = serde_json::from_str(&client.text().await).unwrap();
    (client, head, welcome)
}

async fn refused(server: &Running, target: &str, lines: &[&str]) -> (u16, String) {
    let request = upgrade(target, &[&[PAGE], lines].concat());
    let (head, body) = Client::ask(server.address, &request).await;
    (head.status, body.trim_end().to_owned())
}

#[tokio::test]
async fn a_lamp_gets_an_id_and_no_cookie_and_its_messages_wait_for_it() {
    let server = site(|server| server).await;
    let (client, head, welcome) = lamp(&server, "", &[]).await;
    assert_eq!(head.header("set-cookie"), None);
    let id = welcome["page"].as_str().unwrap();
    let epoch = welcome["epoch"].as_str().unwrap();
    drop(client);
    let hub = server.ws.hub();
    assert_eq!(hub.page(id).unwrap().push("switch", &true), 1);
    let query = format!("?z_pid={id}&epoch={epoch}&offset=0");
    let (mut client, _, welcome) = lamp(&server, &query, &[]).await;
    assert_eq!(
        (welcome.get("page"), &welcome["epoch"]),
        (None, &json!(epoch))
    );
    let switch = json!({"type": "event", "offset": 1, "event": "switch", "data": true});
    assert_eq!(
        serde_json::from_str::<Value>(&client.text().await).unwrap(),
        switch
    );
}

#[tokio::test]
async fn a_visitor_on_the_same_route_keeps_the_page_of_the_session() {
    let server = site(|server| server).await;
    let mut browser = Browser::new(server.address);
    let page = browser.get("/").await;
    let hub = server.ws.hub();
    assert_eq!(hub.broadcast("n", &1), 1, "it waits");
    browser.lines = vec![PAGE.to_owned()];
    let mut client = browser.open(&format!("/lamp?z_pid={page}")).await;
    let mut next = async || serde_json::from_str::<Value>(&client.text().await).unwrap();
    assert_eq!(next().await.get("page"), None);
    let event = json!({"type": "event", "offset": 1, "event": "n", "data": 1});
    assert_eq!(next().await, event);
    // Without the cookies, and with those of another visitor, the id opens nothing.
    let target = format!("/lamp?z_pid={page}");
    assert_eq!(refused(&server, &target, &[]).await.0, 403);
    let mut other = Browser::new(server.address);
    other.get("/").await;
    let cookies = format!("Cookie: z_sid={}; z_pid={page}", other.cookie("z_sid"));
    assert_eq!(refused(&server, &target, &[&cookies]).await.0, 403);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_the_cookies_of_a_visitor() {
    let server = site(|server| server).await;
    let mut browser = Browser::new(server.address);
    let page = browser.get("/").await;
    let cookies = format!("Cookie: z_sid={}; z_pid={page}", browser.cookie("z_sid"));
    let evil = "Origin: https://evil.example";
    // The attacker's own lamp, in the visitor's browser.
    let (_, _, own) = lamp(&server, "", &[evil]).await;
    let query = format!("?z_pid={}", own["page"].as_str().unwrap());
    for query in ["", &query] {
        let (mut client, _, welcome) = lamp(&server, query, &[evil, &cookies]).await;
        assert_ne!(welcome["page"], json!(page));
        let hub = server.ws.hub();
        assert_eq!(hub.broadcast("n", &1), hub.page_count());
        let received: Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!(received["event"], "n");
    }
    // On a route of visitors, the id of a lamp is none.
    let target = format!("/pages{query}");
    assert_eq!(refused(&server, &target, &[&cookies]).await.0, 403);
}

#[tokio::test]
async fn a_plain_get_begins_no_page_and_shows_why_an_id_is_refused() {
    let rate = Rate::new(1, std::time::Duration::from_secs(3600));
    let limits = PageLimits::DEFAULT.anonymous_rate(Some(rate));
    let server = site(|server| server.page_limits(limits).trusted_proxies(["127.0.0.1"])).await;
    let from = "Forwarded: for=203.0.113.7";
    let get = async |target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: example.com\r\n{from}\r\n\r\n");
        let (head, body) = Client::ask(server.address, &request).await;
        (head.status, body)
    };
    for _ in 0..3 {
        assert_eq!(get("/lamp").await.0, 426);
    }
    let (status, body) = get("/lamp?z_pid=x").await;
    let malformed = "this endpoint requires a page of this site: its page id is malformed";
    assert_eq!((status, body.trim_end()), (400, malformed));
    let _only = lamp(&server, "", &[from]).await;
    let too_many = "this address begins too many pages without a session";
    assert_eq!(
        refused(&server, "/lamp", &[from]).await,
        (429, too_many.to_owned())
    );
    let _other = lamp(&server, "", &["Forwarded: for=203.0.113.8"]).await;
    assert_eq!(server.ws.hub().page_count(), 2);
}

#[tokio::test]
async fn ids_are_not_logged() {
    let server = site(|server| server).await;
    let (captured, _guard) = Captured::begin();
    let secret = "hunter2";
    for len in [8, 48, 55, 56, 4_000] {
        let id = format!("{secret}{}", "A".repeat(len - secret.len()));
        let request = upgrade(&format!("/lamp?z_pid={id}"), &[PAGE]);
        let mut client = Client::connect(server.address).await;
        client.send(request).await;
        let head = client.head().await;
        let expected = match len {
            48 => 403,
            55 => 101,
            _ => 400,
        };
        assert_eq!(head.status, expected, "{len}");
    }
    let (_, _, welcome) = lamp(&server, "", &[]).await;
    let id = welcome["page"].as_str().unwrap();
    let log = captured.text();
    assert!(!log.contains(secret) && !log.contains(id), "{log}");
}
