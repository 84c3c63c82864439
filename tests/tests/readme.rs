//! The tests that the README shows are tests: here they run, and the README has their text.

use std::fs;
use std::path::Path;

use warp::Filter;
use ws_server::WsFilter;
use ws_server::prelude::*;
use ws_server::testkit::TestKit;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

struct Counter(u32);

#[ws_handler]
impl Counter {
    fn init() -> Self {
        Counter(0)
    }

    fn message(&mut self, text: String) -> String {
        self.0 += 1;
        format!("{}: {text}", self.0)
    }
}

dispatch! {
    struct Routes;

    echo:   "/echo"   => Echo { require_session: false };
    custom: "/custom" => Echo;
    counter: "/counter" => Counter { attach: page };
}

fn pages(ws: &Ws) -> WsFilter {
    let home = warp::path::end().and(warp::get()).and(ws.page());
    home.map(|visit: Visit, page: Page| visit.reply(page.id().to_owned()))
        .boxed()
}

#[rustfmt::skip]
mod shown {
use super::*;

// README
#[tokio::test(start_paused = true)]
async fn what_is_said_comes_back() {
    let kit = TestKit::table(Routes::table(), ws_server::extract::NoState).unwrap();
    let mut client = kit.open("/echo").connect().await.unwrap();
    client.send("hello").await;
    assert_eq!(client.text().await, "hello");
    client.close(CloseCode::NORMAL, "").await;
    assert_eq!(client.terminated().await.cause, CloseCause::ClientClosed);

    let mut ada = kit.user("ada").await;            // a visitor who has logged on
    let client = kit.open("/custom").visitor(&ada).connect().await.unwrap();
    ada.logoff().await;
    assert_eq!(client.terminated().await.code, CloseCode::UNAUTHORIZED);
    let refused = kit.open("/custom").connect().await.unwrap_err();     // anonymous
    assert_eq!(refused.status(), 403);
    let device = kit.open("/echo").bearer("t0ken");                     // with a token
    device.connect().await.unwrap();
}

// README
#[tokio::test(start_paused = true)]
async fn a_page_that_was_rendered_may_connect() {
    let ws = Server::new(Routes::table()).build().unwrap();
    let home = warp::test::request().path("/").reply(&pages(&ws)).await;
    let kit = ws.test_kit();
    let knock = kit.open("/custom").cookies(home.headers());
    knock.connect().await.unwrap();
}

// README
#[tokio::test(start_paused = true)]
async fn a_page_counts_over_all_of_its_connections() {
    let kit = TestKit::table(Routes::table(), ws_server::extract::NoState).unwrap();
    let ada = kit.user("ada").await;
    let mut page = kit.page("/counter").visitor(&ada).connect().await.unwrap();
    page.send("one").await;
    assert_eq!(page.text().await, "1: one");
    page.cut().await;                                // the network is gone
    kit.hub().user("ada").push("news", &7);
    page.reconnect().await.unwrap();
    assert_eq!(page.event::<u32>("news").await, 7);
}
// README
}

#[test]
fn the_readme_shows_these_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("../README.md")).unwrap();
    let source = include_str!("readme.rs");
    let parts: Vec<_> = source.split("\n// README\n").collect();
    assert_eq!(parts.len(), 5);
    for test in &parts[1..4] {
        let block = format!("```rust,ignore\n{}\n```", test.trim());
        assert!(readme.contains(&block), "the README does not show:\n{test}");
    }
}
