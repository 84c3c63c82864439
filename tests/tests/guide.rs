//! The guide: the tests that it shows run here, and its chapters are complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[rustfmt::skip]
mod shown {
// GUIDE
use warp::Filter;
use ws_server::WsFilter;
use ws_server::extract::NoState;
use ws_server::prelude::*;
use ws_server::testkit::TestKit;
use ws_server::{CloseCause, CloseCode, Page, Visit};

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self { Echo }
    fn message(&mut self, text: String) -> String { text }
}

/// Counts the messages of a page, over all of its connections.
struct Counter(u32);

#[ws_handler]
impl Counter {
    fn init() -> Self { Counter(0) }
    fn message(&mut self, text: String) -> String {
        self.0 += 1;
        format!("{}: {text}", self.0)
    }
}

dispatch! {
    struct Routes;

    echo:    "/echo"    => Echo { require_session: false };
    custom:  "/custom"  => Echo;
    counter: "/counter" => Counter { attach: page };
}

fn pages(ws: &Ws) -> WsFilter {
    let home = warp::path::end().and(warp::get()).and(ws.page());
    home.map(|visit: Visit, page: Page| visit.reply(page.id().to_owned())).boxed()
}

// GUIDE
#[tokio::test(start_paused = true)]
async fn what_is_said_comes_back() {
    let kit = TestKit::table(Routes::table(), NoState).unwrap();
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

// GUIDE
#[tokio::test(start_paused = true)]
async fn a_page_that_was_rendered_may_connect() {
    let ws = Server::new(Routes::table()).build().unwrap();
    let home = warp::test::request().path("/").reply(&pages(&ws)).await;
    let kit = ws.test_kit();
    let builder = kit.open("/custom").cookies(home.headers());
    builder.connect().await.unwrap();
}

// GUIDE
#[tokio::test(start_paused = true)]
async fn a_page_counts_over_all_of_its_connections() {
    let kit = TestKit::table(Routes::table(), NoState).unwrap();
    let ada = kit.user("ada").await;
    let mut page = kit.page("/counter").visitor(&ada).connect().await.unwrap();
    page.send("one").await;
    assert_eq!(page.text().await, "1: one");
    page.disconnect().await;                                // the network is gone
    kit.hub().user("ada").push("news", &7);
    page.reconnect().await.unwrap();
    assert_eq!(page.event::<u32>("news").await, 7);
}
// GUIDE
}

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_guide_shows_these_tests() {
    let chapter = read(&guide().join("testing.md"));
    let source = include_str!("guide.rs");
    let parts: Vec<_> = source.split("\n// GUIDE\n").collect();
    assert_eq!(parts.len(), 6);
    for test in &parts[1..5] {
        let block = format!("```rust,ignore\n{}\n```", test.trim());
        assert!(
            chapter.contains(&block),
            "testing.md does not show:\n{test}"
        );
    }
}

/// Every block of code in the chapter about the chat is a part of its source; `// …` is a part that
/// the chapter leaves out.
#[test]
fn the_chapter_about_the_chat_shows_its_code() {
    let chapter = read(&guide().join("chat.md"));
    let example = guide().join("../../examples/chat");
    let names = ["main.rs", "page.js", "room.rs", "tests.rs", "topics.rs"];
    let files = names.map(|name| lines_of(&read(&example.join(name))));
    let mut shown = 0;
    let blocks = chapter.split("\n```").skip(1).step_by(2);
    for block in blocks {
        let (language, code) = block.split_once('\n').unwrap();
        if language == "sh" {
            continue;
        }
        let parts = code.split("// …").map(lines_of);
        let is_in = |file: &&String| parts.clone().all(|part| file.contains(&part));
        assert!(
            files.iter().any(|file| is_in(&file)),
            "no file of the example contains:\n{code}"
        );
        shown += 1;
    }
    assert!(shown >= 15, "only {shown} blocks were found");
}

/// These lines of code without their indentation, and without empty lines.
fn lines_of(code: &str) -> String {
    let lines = code.lines().map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// A chapter that is not in the summary is not in the book.
#[test]
fn the_summary_lists_every_chapter() {
    let summary = read(&guide().join("SUMMARY.md"));
    let listed = summary.split("](").skip(1);
    let listed: BTreeSet<_> = listed
        .map(|rest| rest.split(')').next().unwrap().to_owned())
        .collect();
    assert_eq!(listed, chapters());
}

/// A chapter that is missing here has examples that nothing compiles. Chapters that only include
/// another file are not checked here.
#[test]
fn the_examples_of_every_chapter_are_doctests() {
    let compiled = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide.rs"));
    let own = chapters().into_iter();
    let own = own.filter(|name| !read(&guide().join(name)).contains("{{#include"));
    let missing: Vec<_> = own
        .filter(|name| !compiled.contains(&format!("\"{name}\"")))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

/// The files of the guide, except for the summary.
fn chapters() -> BTreeSet<String> {
    let files = fs::read_dir(guide()).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let markdown = paths.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let names = markdown.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| name != "SUMMARY.md").collect()
}

/// The front page is for a first look; everything else is in the guide.
#[test]
fn the_front_page_is_short() {
    let readme = read(&guide().join("../../README.md"));
    let lines = readme.lines().count();
    assert!(lines <= 250, "README.md has {lines} lines");
}
