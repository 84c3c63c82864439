//! The architecture, as far as it can be read off the sources: a module uses only modules
//! of lower levels, crates know only whom they may know, and no file grows too long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// Lines of the longest file.
const LONGEST: usize = 450;

/// The modules of `ws-core`, each level above those that it may use.
const CORE: &[&[&str]] = &[
    &[
        "close", "message", "limits", "id", "address", "fields", "hook", "throttle",
    ],
    &["error", "protocol", "push", "timer", "late", "watch"],
    &["outbox", "mailbox", "session"],
    &["decode"],
    &["page", "reply", "topic"],
    &["socket"],
    &["hub", "call"],
    &["extract"],
    &["handler"],
    &["driver"],
    &["stream"],
    &["route"],
    &["admit"],
    &["testkit"],
];

/// The modules of `ws-server`.
const SERVER: &[&[&str]] = &[
    &[
        "base",
        "exchange",
        "failure",
        "connection",
        "refused",
        "runtime",
        "watchdog",
    ],
    &["shared"],
    &["handshake"],
    &["filter"],
    &["client", "visitors"],
    &["server"],
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust files below a directory, sorted.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The use of a top-level module, and its line.
type Use = (String, usize);

/// Finds paths that begin with `crate` or `super`, in code and in macros alike. Comments are
/// no tokens, and the documentation's text is one.
struct Finder {
    found: BTreeSet<Use>,
}

impl Finder {
    /// The top-level modules that a file names, which itself lies so deep: `topic.rs` 1,
    /// `topic/flush.rs` 2.
    fn uses(source: &str, depth: usize) -> BTreeSet<Use> {
        let tokens: TokenStream = source.parse().expect("a source that compiles");
        let mut finder = Self {
            found: BTreeSet::new(),
        };
        finder.walk(tokens, depth);
        finder.found
    }

    fn walk(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let behind_path = at >= 1 && is_punct(tokens.get(at - 1), ':');
            match &tokens[at] {
                TokenTree::Ident(word) if !behind_path && *word == "crate" => {
                    self.behind(&tokens[at + 1..], 0);
                }
                TokenTree::Ident(word) if !behind_path && *word == "super" => {
                    self.behind(&tokens[at + 1..], depth - 1);
                }
                TokenTree::Group(group) => {
                    let module = group.delimiter() == Delimiter::Brace
                        && at >= 2
                        && is_word(tokens.get(at - 2), "mod");
                    self.walk(group.stream(), depth + usize::from(module));
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// What stands behind `crate`, or behind a `super` that leads to this depth.
    fn behind(&mut self, tokens: &[TokenTree], depth: usize) {
        let [first, second, rest @ ..] = tokens else {
            return;
        };
        if !is_punct(Some(first), ':') || !is_punct(Some(second), ':') {
            return;
        }
        match rest.first() {
            Some(TokenTree::Ident(word)) if *word == "super" => self.behind(&rest[1..], depth - 1),
            // Below the root it is the file's own module.
            _ if depth > 0 => {}
            Some(TokenTree::Ident(word)) => self.note(&word.to_string(), word.span()),
            Some(TokenTree::Group(group)) => self.first_words(group),
            _ => {}
        }
    }

    /// `crate::{close::Close, id}` uses two modules.
    fn first_words(&mut self, group: &Group) {
        let mut begins = true;
        for token in group.stream() {
            match token {
                TokenTree::Ident(word) if begins => {
                    self.note(&word.to_string(), word.span());
                    begins = false;
                }
                TokenTree::Punct(comma) if comma.as_char() == ',' => begins = true,
                _ => {}
            }
        }
    }

    fn note(&mut self, module: &str, span: Span) {
        self.found.insert((module.to_owned(), span.start().line));
    }
}

fn is_punct(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == expected)
}

fn is_word(token: Option<&TokenTree>, expected: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(word)) if *word == expected)
}

/// Every use that points upward or sideways, and every module without a level.
fn faults(crate_name: &str, levels: &[&[&str]]) -> Vec<String> {
    let level_of: BTreeMap<&str, usize> = levels
        .iter()
        .enumerate()
        .flat_map(|(level, modules)| modules.iter().map(move |module| (*module, level)))
        .collect();
    let root = workspace().join(crate_name).join("src");
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for path in sources(&root) {
        let inner = path.strip_prefix(&root).unwrap().with_extension("");
        let parts: Vec<&str> = inner.iter().map(|part| part.to_str().unwrap()).collect();
        // The root names all modules, and none uses it.
        if parts == ["lib"] {
            continue;
        }
        let module = parts[0];
        seen.insert(module.to_owned());
        let Some(own) = level_of.get(module) else {
            faults.push(format!("{crate_name}: the module `{module}` has no level"));
            continue;
        };
        for (used, line) in Finder::uses(&fs::read_to_string(&path).unwrap(), parts.len()) {
            let place = format!("{crate_name}/src/{}.rs:{line}", inner.display());
            match level_of.get(&*used) {
                _ if used == module => {}
                Some(level) if level < own => {}
                Some(level) => faults.push(format!(
                    "{place}: `{module}` (level {own}) uses `{used}` (level {level})"
                )),
                None => faults.push(format!("{place}: `{used}` has no level")),
            }
        }
    }
    for module in level_of.keys().filter(|module| !seen.contains(**module)) {
        faults.push(format!("{crate_name}: there is no module `{module}`"));
    }
    faults
}

#[test]
fn a_module_of_the_engine_uses_only_lower_ones() {
    assert_eq!(faults("ws-core", CORE), Vec::<String>::new());
}

#[test]
fn a_module_of_the_server_uses_only_lower_ones() {
    assert_eq!(faults("ws-server", SERVER), Vec::<String>::new());
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let source = r#"
        use crate::close::Close;
        use crate::{id, message::{self, Message}};
        /// Not one: [`crate::hub::Hub`].
        // crate::hub is none either.
        fn here() { let _ = "crate::hub"; $crate::limits::check!(crate::error::Refusal); }
        use super::own;
        mod tests { use super::*; use super::super::timer; mod inner { use super::super::super::page; } }
    "#;
    let modules = |depth| -> Vec<String> {
        Finder::uses(source, depth)
            .into_iter()
            .map(|(module, _)| module)
            .collect()
    };
    let everywhere = ["close", "error", "id", "limits", "message"];
    let in_a_file: Vec<_> = everywhere
        .into_iter()
        .chain(["own", "page", "timer"])
        .collect();
    assert_eq!(modules(1), in_a_file);
    assert_eq!(modules(2), everywhere);
}

/// The levels of the table in ARCHITECTURE.md: `| 0 | `close`, `message` | what it is |`.
fn documented_levels() -> Vec<Vec<String>> {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let mut levels = Vec::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, level, modules, ..] = *cells
            && level.parse() == Ok(levels.len())
        {
            let modules = modules
                .split(", ")
                .map(|name| name.trim_matches('`').to_owned());
            levels.push(modules.collect());
        }
    }
    levels
}

#[test]
fn the_levels_are_those_that_the_architecture_shows() {
    assert_eq!(documented_levels(), CORE);
}

/// The names of a crate's dependencies, without those of its tests and examples.
fn dependencies(crate_name: &str) -> BTreeSet<String> {
    let manifest = workspace().join(crate_name).join("Cargo.toml");
    let text = fs::read_to_string(manifest).unwrap();
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies") && section != "dev-dependencies";
        } else if inside {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            found.insert(name.to_owned());
        }
    }
    found.remove("");
    found
}

#[test]
fn the_engine_knows_no_http_server_and_no_sockets() {
    let known = dependencies("ws-core");
    assert!(known.contains("tokio"), "{known:?}");
    for forbidden in [
        "warp",
        "hyper",
        "hyper-util",
        "socket2",
        "ws-macros",
        "ws-server",
    ] {
        assert!(!known.contains(forbidden), "ws-core depends on {forbidden}");
    }
    let core = workspace().join("ws-core").join("src");
    for path in sources(&core) {
        let text = fs::read_to_string(&path).unwrap();
        for forbidden in ["tokio::net", "std::net::Tcp", "std::net::Udp", "std::fs"] {
            assert!(
                !text.contains(forbidden),
                "{} uses {forbidden}",
                path.display()
            );
        }
    }
}

#[test]
fn the_macros_and_the_engine_do_not_know_each_other() {
    let known = dependencies("ws-macros");
    assert!(known.contains("syn"), "{known:?}");
    for forbidden in ["ws-core", "ws-server", "tokio"] {
        assert!(
            !known.contains(forbidden),
            "ws-macros depends on {forbidden}"
        );
    }
    let facade = dependencies("ws-server");
    assert!(facade.contains("ws-core") && facade.contains("ws-macros"));
}

#[test]
fn no_file_is_longer_than_450_lines() {
    let mut long = Vec::new();
    for crate_name in ["ws-core", "ws-macros", "ws-server"] {
        for path in sources(&workspace().join(crate_name)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            if lines > LONGEST {
                long.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn no_module_is_a_mod_rs_and_every_crate_forbids_unsafe_code() {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for crate_name in ["ws-core", "ws-macros", "ws-server", "examples", "tests"] {
        let directory = workspace().join(crate_name);
        let own = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
        assert!(own.contains("[lints]\nworkspace = true"), "{crate_name}");
    }
    for crate_name in ["ws-core", "ws-macros", "ws-server"] {
        for path in sources(&workspace().join(crate_name)) {
            assert_ne!(path.file_name().unwrap(), "mod.rs", "{}", path.display());
        }
    }
}
