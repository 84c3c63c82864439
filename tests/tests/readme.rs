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

dispatch! {
    struct Routes;

    echo:   "/echo"   => Echo { require_session: false };
    custom: "/custom" => Echo;
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
    let device = kit.open("/echo").bearer("t0ken").connect().await;     // with a token
    assert!(device.is_ok());
}

// README
#[tokio::test(start_paused = true)]
async fn a_page_that_was_rendered_may_connect() {
    let ws = Server::new(Routes::table()).build().unwrap();
    let home = warp::test::request().path("/").reply(&pages(&ws)).await;
    let kit = ws.test_kit();
    let knock = kit.open("/custom").cookies(home.headers());
    assert!(knock.connect().await.is_ok());
}
// README
}

#[test]
fn the_readme_shows_these_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("../README.md")).unwrap();
    let source = include_str!("readme.rs");
    let parts: Vec<_> = source.split("\n// README\n").collect();
    assert_eq!(parts.len(), 4);
    for test in &parts[1..3] {
        let block = format!("```rust,ignore\n{}\n```", test.trim());
        assert!(readme.contains(&block), "the README does not show:\n{test}");
    }
}
