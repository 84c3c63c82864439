//! The documentation shows how to use each public item.

use std::collections::BTreeSet;

use crate::crates::{Crates, Item};

/// The items without an example of their own, each with the reason.
const WITHOUT_EXAMPLE: &[(&str, &str)] = &[
    ("ws_server::FallbackBody", FALLBACK),
    ("ws_server::RequestBody", SERVE_SERVICE),
    ("ws_server::WithFallback", FALLBACK),
    ("ws_server::WsBody", SERVICE),
    ("ws_server::WsFuture", SERVICE),
    ("ws_server::WsService", SERVICE),
    ("ws_server::cluster::Append", ENGINE),
    ("ws_server::cluster::Census", ENGINE),
    ("ws_server::cluster::EntryId", ENGINE),
    ("ws_server::cluster::Generation", ENGINE),
    ("ws_server::cluster::HistoryLimits", ENGINE),
    ("ws_server::cluster::HistoryMessage", ENGINE),
    ("ws_server::cluster::Incarnation", ENGINE),
    ("ws_server::cluster::Kept", ENGINE),
    ("ws_server::cluster::Lane", ENGINE),
    ("ws_server::cluster::LaneRead", ENGINE),
    ("ws_server::cluster::Lanes", ENGINE),
    ("ws_server::cluster::MemberChange", ENGINE),
    ("ws_server::cluster::Opened", ENGINE),
    ("ws_server::cluster::READ_ENTRIES", ENGINE),
    ("ws_server::cluster::READ_WAIT", ENGINE),
    ("ws_server::cluster::RELAYED_ENTRIES", ENGINE),
    ("ws_server::cluster::ReadFrom", ENGINE),
    ("ws_server::cluster::RecordedMember", ENGINE),
    ("ws_server::cluster::TopicName", ENGINE),
    ("ws_server::cluster::marker", ENGINE),
    (
        "ws_server::redis::RedisError",
        "the example of `Redis` handles it",
    ),
    (
        "ws_server::testkit::PageBuilder",
        "the example of `TestPage` builds a page",
    ),
    ("ws_server::testkit::engines::new_append", ENGINE_TESTS),
    ("ws_server::testkit::engines::new_kept", ENGINE_TESTS),
    ("ws_server::testkit::engines::new_read", ENGINE_TESTS),
];

const SERVICE: &str = "the example of `Ws::service` serves it";
const FALLBACK: &str = "the example of `WsService::fallback` calls it";
const SERVE_SERVICE: &str = "the example of `Ws::serve_service` gets it";
const ENGINE: &str = "a part of the commands of `Engine`, of which an example would be an engine";
const ENGINE_TESTS: &str = "for tests of one engine, beside the suite, which has an example";

/// The macros that the facade re-exports.
pub(crate) fn macros(crates: &Crates) -> Vec<(String, Item<'_>)> {
    let root = crates.get("ws_macros").unwrap().root();
    let macros = root.all(&root.inner().1["items"]);
    let macros = macros.map(|item| (format!("ws_server::{}", item.name()), item));
    macros.collect()
}

/// The paths of the items that have neither an example nor, if they are modules, a first sentence.
pub(crate) fn missing(items: &[(String, Item<'_>)]) -> BTreeSet<String> {
    let missing = items.iter().filter(|(_, item)| {
        let docs = item.json["docs"].as_str().unwrap_or_default();
        match item.inner().0 {
            "module" => !has_first_sentence(docs),
            _ => !has_example(docs),
        }
    });
    missing.map(|(path, _)| path.clone()).collect()
}

/// The items that need no example.
pub(crate) fn exceptions() -> BTreeSet<String> {
    let paths = WITHOUT_EXAMPLE.iter().map(|(path, _)| (*path).to_owned());
    paths.collect()
}

/// Whether the documentation has a block of Rust that compiles, or must not compile.
fn has_example(docs: &str) -> bool {
    let mut fences = docs.lines().filter_map(|line| line.strip_prefix("```"));
    // Every second fence ends a block.
    fences.by_ref().step_by(2).any(|language| {
        let language = language.split(',').next().unwrap_or_default().trim();
        matches!(language, "" | "rust" | "no_run" | "should_panic")
    })
}

/// Whether the documentation begins with a paragraph of at least one whole sentence.
fn has_first_sentence(docs: &str) -> bool {
    let first: Vec<_> = docs.lines().take_while(|line| !line.is_empty()).collect();
    let first = first.join(" ");
    first.chars().next().is_some_and(char::is_uppercase) && first.ends_with(['.', ':'])
}

#[test]
fn examples_are_blocks_of_rust() {
    assert!(has_example("A thing.\n\n```\nthing();\n```\n"));
    assert!(has_example(
        "```text\na table\n```\n```no_run\nserve();\n```"
    ));
    assert!(!has_example("A thing.\n\n    thing();\n"));
    assert!(!has_example("```text\na table\n```\n"));
    assert!(!has_example("```ignore\nthing();\n```\n"));
}

#[test]
fn a_module_begins_with_a_sentence() {
    assert!(has_first_sentence(
        "Values that are sent\nto clients.\n\n# More"
    ));
    assert!(!has_first_sentence("# Values\n\nSent to clients."));
    assert!(!has_first_sentence("values"));
    assert!(!has_first_sentence(""));
}
