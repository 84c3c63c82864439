//! The layers of modules, and cycles between files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::graph::Graph;
use crate::scan::{Crate, Use};
use crate::{crate_of, workspace};

/// A layer and its modules.
type Layer = (&'static str, &'static [&'static str]);

/// The modules of `ws-core`: each uses modules of its own layer and of those above it in this list.
const CORE: &[Layer] = &[
    (
        "shared",
        &[
            "address",
            "close",
            "compile_error",
            "error",
            "fields",
            "hook",
            "id",
            "limits",
            "message",
            "rates",
            "stats",
            "throttle",
            "timeout",
            "timer",
            "watchdog",
        ],
    ),
    ("protocol", &["decode", "protocol", "wire"]),
    (
        "state",
        &[
            "log", "mailbox", "outbox", "page", "presence", "session", "topic",
        ],
    ),
    (
        "handler API",
        &["call", "extract", "handler", "hub", "reply", "socket"],
    ),
    (
        "engine and kit",
        &["admit", "driver", "over_http", "route", "stream", "testkit"],
    ),
];

/// The modules of `ws-server`.
const SERVER: &[Layer] = &[
    (
        "parts",
        &[
            "base",
            "body",
            "cluster",
            "connection",
            "exchange",
            "extended_connect",
            "facade",
            "failure",
            "listener",
            "measurements",
            "peer",
            "prefixed",
            "prometheus",
            "readiness",
            "recent_refusals",
            "redis",
            "runtime",
            "testkit",
            "tls",
            "watchdog",
        ],
    ),
    (
        "requests",
        &[
            "client",
            "filter",
            "handshake",
            "operations",
            "page_posts",
            "service",
            "shared",
            "visitors",
        ],
    ),
    ("server", &["server"]),
];

/// The two files of a room of which one uses the other. A room is a module with its children,
/// each with all that lies below it; the top-level modules of a crate are a room too. A module and
/// its own children are one: either may use the other.
pub(crate) fn in_a_room(it: &Use) -> Option<(String, String)> {
    let same = it.from.iter().zip(&it.to).take_while(|(a, b)| a == b);
    let below = same.count() + 1;
    let [from, to] = [it.from.get(..below)?, it.to.get(..below)?];
    Some((from.join("/"), to.join("/")))
}

/// The cycles between files of one room, in every room of a crate.
fn cycles(of: &Crate) -> Vec<Vec<String>> {
    let uses = of.uses();
    let named = uses
        .iter()
        .map(|it| (it.from[0].clone(), it.through.clone()));
    let graph = Graph::new(uses.iter().filter_map(in_a_room).chain(named));
    let cycles = graph.cycles().into_iter();
    cycles
        .map(|cycle| cycle.into_iter().map(str::to_owned).collect())
        .collect()
}

/// Every use of a module of a later layer, every module without a layer, and every layered module
/// that does not exist.
fn faults(of: &Crate, layers: &[Layer]) -> Vec<String> {
    let layer_of: BTreeMap<&str, usize> = layers
        .iter()
        .enumerate()
        .flat_map(|(layer, (_, modules))| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let modules: BTreeSet<&str> = of.modules().map(|module| &*module[0]).collect();
    let without = modules.iter().filter(|name| !layer_of.contains_key(**name));
    let without = without.map(|name| format!("the module `{name}` has no layer"));
    let gone = layer_of.keys().filter(|name| !modules.contains(**name));
    let gone = gone.map(|name| format!("there is no module `{name}`"));
    let mut faults: Vec<String> = without.chain(gone).collect();
    for it in of.uses() {
        let from = &*it.from[0];
        for to in BTreeSet::from([&*it.to[0], &*it.through]) {
            if let (Some(own), Some(used)) = (layer_of.get(from), layer_of.get(to))
                && used > own
            {
                let (own, used) = (layers[*own].0, layers[*used].0);
                let place = format!("{}.rs:{}", it.from.join("/"), it.line);
                faults.push(format!(
                    "{place}: `{from}` ({own}) uses `{to}` of a later layer ({used})"
                ));
            }
        }
    }
    faults
}

#[test]
fn modules_of_the_engine_use_their_own_and_earlier_layers() {
    assert_eq!(faults(&crate_of("ws-core"), CORE), Vec::<String>::new());
}

#[test]
fn modules_of_the_server_use_their_own_and_earlier_layers() {
    assert_eq!(faults(&crate_of("ws-server"), SERVER), Vec::<String>::new());
}

#[test]
fn no_files_of_a_room_use_each_other_in_a_circle() {
    for name in ["ws-core", "ws-macros", "ws-server"] {
        assert_eq!(cycles(&crate_of(name)), Vec::<Vec<String>>::new(), "{name}");
    }
}

/// A crate of these files: `page/id`, and its text.
pub(crate) fn crate_with(files: &[(&str, &str)]) -> Crate {
    let module = |path: &str| path.split('/').map(str::to_owned).collect();
    let files = files.iter();
    Crate::of(files.map(|(path, text)| (module(path), (*text).to_owned())))
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let it = crate_with(&[
        (
            "lib",
            "mod a; mod close; mod id; mod limits; mod message; mod own; mod error; mod page;",
        ),
        (
            "a",
            r#"
            use crate::close::Close;
            use crate::{id, message::{self, Message}};
            /// Not one: [`crate::hub::Hub`].
            // crate::hub is none either.
            struct Here { there: crate::own::There }
            fn here() { let _ = "crate::hub"; $crate::limits::check!(crate::error::Refusal); id::next(); }
            mod inner { use super::super::page; fn own() { super::here() } }
            fn precise() -> impl Sized + use<> {}
            #[cfg(test)]
            mod tests { use crate::hub::Hub; }
            #[cfg(test)]
            fn only_in_tests() -> usize { crate::hub::COUNT }
            #[cfg(test)]
            mod more_tests;
            "#,
        ),
        ("a/more_tests", "use crate::hub::Hub;"),
        ("close", ""),
        ("error", ""),
        ("id", ""),
        ("limits", ""),
        ("message", ""),
        ("own", ""),
        ("page", ""),
    ]);
    let used: BTreeSet<String> = it.uses().into_iter().map(|it| it.through).collect();
    let all = ["close", "error", "id", "limits", "message", "own", "page"];
    assert_eq!(used, all.map(str::to_owned).into());
    assert!(
        it.modules().all(|module| module.len() == 1),
        "tests are left out"
    );
}

#[test]
fn a_name_leads_to_the_file_that_defines_it() {
    let it = crate_with(&[
        ("lib", "mod page; mod hub;"),
        (
            "page",
            "mod id; mod tag; pub use id::{PageId as Id, NoPage}; use tag::Tag; fn own() -> Tag { tag::new() }",
        ),
        ("page/id", "use super::Tag;"),
        ("page/tag", "use crate::hub::*;"),
        ("hub", "use crate::page::Id; use crate::page::Id as _;"),
    ]);
    let found: BTreeSet<(String, String)> = it
        .uses()
        .into_iter()
        .map(|it| (it.from.join("/"), it.to.join("/")))
        .collect();
    // `page` only re-exports what is in `page/id`.
    let expected = [
        ("page", "page/tag"),
        ("page/id", "page/tag"),
        ("page/tag", "hub"),
        ("hub", "page/id"),
    ];
    let expected = expected.map(|(from, to)| (from.to_owned(), to.to_owned()));
    assert_eq!(found, expected.into());
    assert_eq!(cycles(&it), [["hub", "page"]]);
}

#[test]
fn cycles_are_found_in_every_room_and_uses_of_later_layers_in_every_module() {
    let it = crate_with(&[
        ("lib", "mod low; mod high; mod lost;"),
        ("low", "mod a; mod b; mod c; use a::A;"),
        // A parent and its child may use each other.
        ("low/a", "use super::Low; use super::b::B;"),
        ("low/b", "mod deep;"),
        ("low/b/deep", "use crate::low::c;"),
        ("low/c", "use super::a::A; use crate::high::High;"),
        ("high", "use crate::low::Low;"),
        ("lost", ""),
    ]);
    let expected: [&[&str]; 2] = [&["high", "low"], &["low/a", "low/b", "low/c"]];
    assert_eq!(cycles(&it), expected);
    let layers: &[Layer] = &[("first", &["low", "gone"]), ("second", &["high"])];
    assert_eq!(
        faults(&it, layers),
        [
            "the module `lost` has no layer",
            "there is no module `gone`",
            "low/c.rs:1: `low` (first) uses `high` of a later layer (second)",
        ]
    );
}

/// The layers of a crate's table in ARCHITECTURE.md: `| shared | `close`, `message` | what it is |`.
fn documented(crate_name: &str) -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let heading = format!("## {crate_name}: layers");
    let (_, section) = text.split_once(&heading).expect("the heading of the table");
    let (section, _) = section.split_once("\n## ").unwrap_or((section, ""));
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let rows = rows.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let layers = rows.filter(|cells| cells[2].starts_with('`'));
    layers
        .map(|cells| {
            let modules = cells[2].split(", ");
            let modules = modules.map(|name| name.trim_matches('`').to_owned());
            (cells[1].to_owned(), modules.collect())
        })
        .collect()
}

#[test]
fn the_layers_are_those_that_the_architecture_shows() {
    for (crate_name, layers) in [("ws-core", CORE), ("ws-server", SERVER)] {
        let shown = layers.iter().map(|(name, modules)| {
            let modules = modules.iter().map(|name| (*name).to_owned());
            ((*name).to_owned(), modules.collect::<Vec<_>>())
        });
        assert_eq!(documented(crate_name), shown.collect::<Vec<_>>());
    }
}
