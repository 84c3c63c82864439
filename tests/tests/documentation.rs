//! The examples of the documentation name the crate that a user depends on, and its links lead
//! somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ws_tests::files;

fn workspace() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    path.canonicalize().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The modules of `ws-core` that are part of the documentation of `ws-server`: those that it
/// re-exports, and those of which it re-exports an item.
fn exported() -> BTreeSet<String> {
    let file = |name: &str| read(&workspace().join("ws-server/src").join(name));
    let facade = file("lib.rs");
    let (facade, _hidden) = facade.split_once("mod expansions").unwrap();
    let facade = [facade, &file("cluster.rs"), &file("testkit.rs")].concat();
    let mut modules = BTreeSet::new();
    for item in facade.split("pub use ws_core::").skip(1) {
        let (paths, _) = item.split_once(';').unwrap();
        let list = paths
            .strip_prefix('{')
            .and_then(|list| list.strip_suffix('}'));
        let names = list.unwrap_or(paths).split(',').map(str::trim);
        let names = names.map(|path| path.split("::").next().unwrap_or_default());
        modules.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    modules
}

/// The lines of code in the examples of Markdown.
fn code(markdown: impl Iterator<Item = (usize, String)>) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (number, line) in markdown {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            found.push((number, line));
        }
    }
    found
}

/// The documentation comments of a source, line by line.
fn comments(source: &str) -> impl Iterator<Item = (usize, String)> {
    (1..).zip(source.lines()).filter_map(|(number, line)| {
        let line = line.trim_start();
        let text = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        text.map(|text| (number, text.to_owned()))
    })
}

/// The lines of these examples that name a crate behind the facade.
fn faults(path: &Path, examples: Vec<(usize, String)>) -> Vec<String> {
    let named = ["ws_core", "ws_macros"];
    let wrong = examples.into_iter();
    let wrong = wrong.filter(|(_, line)| named.iter().any(|name| line.contains(name)));
    let path = path.strip_prefix(workspace()).unwrap_or(path).display();
    wrong
        .map(|(number, line)| format!("{path}:{number}:{line}"))
        .collect()
}

#[test]
fn examples_name_the_crate_of_the_user_alone() {
    let exported = exported();
    for module in ["hub", "session", "testkit", "topic"] {
        assert!(exported.contains(module), "{module} of {exported:?}");
    }
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for crate_name in ["ws-core", "ws-macros", "ws-server"] {
        let root = workspace().join(crate_name).join("src");
        for path in files(&root, "rs") {
            let inside = path.strip_prefix(&root).unwrap();
            let first = inside.components().next().unwrap().as_os_str().to_str();
            let module = first.unwrap().trim_end_matches(".rs");
            // Documentation of the engine alone may name the engine.
            if crate_name == "ws-core" && !exported.contains(module) {
                continue;
            }
            let examples = code(comments(&read(&path)));
            seen += examples.len();
            wrong.extend(faults(&path, examples));
        }
        for path in files(&root, "md") {
            let text = read(&path);
            let lines = (1..).zip(text.lines().map(str::to_owned));
            wrong.extend(faults(&path, code(lines)));
        }
    }
    let mut pages = files(&workspace().join("docs/src"), "md");
    pages.extend(["README.md", "PAGE-PROTOCOL.md"].map(|name| workspace().join(name)));
    for path in pages {
        let text = read(&path);
        let lines = (1..).zip(text.lines().map(str::to_owned));
        wrong.extend(faults(&path, code(lines)));
    }
    assert!(seen > 500, "only {seen} lines of examples were found");
    assert_eq!(wrong, Vec::<String>::new());
}

/// The Markdown files of the project.
fn markdown_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            found.extend(markdown_files(&path));
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found
}

/// The lines of Markdown that are no code, each with its number.
fn prose(markdown: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    (1..).zip(markdown.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// The names by which links lead to the headings of a file, as GitHub makes them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in prose(markdown).filter(|(_, line)| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            _ => c.is_alphanumeric().then_some(c),
        });
        let name: String = kept.collect();
        let again = (1..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.clone()).chain(again);
        found.extend(names.find(|name| !found.contains(name)));
    }
    found
}

/// The text of a Markdown file. A chapter of the guide may include another file.
fn chapter(path: &Path) -> String {
    let text = read(path);
    let included = text
        .split_once("{{#include ")
        .and_then(|(_, rest)| rest.split_once("}}"));
    match included {
        Some((file, _)) => text.clone() + &read(&path.parent().unwrap().join(file.trim())),
        None => text,
    }
}

/// The targets of the links in a line, without those in inline code.
fn targets(line: &str) -> Vec<&str> {
    let text = line.split('`').step_by(2);
    let links = text.flat_map(|text| text.split("](").skip(1));
    links.filter_map(|link| link.split(')').next()).collect()
}

/// The links of a Markdown text at this path that lead nowhere.
fn broken_links(path: &Path, markdown: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for (number, line) in prose(markdown) {
        let line = line.replace("`](", "](").replace("[`", "[");
        for target in targets(&line) {
            // Links to other sites, and to items of the documentation.
            if target.contains("://") || target.contains("::") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.to_owned(),
                file => path.parent().unwrap().join(file),
            };
            let leads = file.exists()
                && (anchor.is_empty()
                    || file.is_dir()
                    || anchors(&chapter(&file)).contains(anchor));
            if !leads {
                let path = path.strip_prefix(workspace()).unwrap_or(path).display();
                broken.push(format!("{path}:{number}: {target}"));
            }
        }
    }
    broken
}

#[test]
fn links_between_files_and_headings_lead_somewhere() {
    let files = markdown_files(&workspace());
    assert!(files.len() > 8, "{files:?}");
    let broken = files.iter().flat_map(|path| {
        // A package's file may be a link to that of the project.
        let path = path.canonicalize().unwrap();
        broken_links(&path, &read(&path))
    });
    assert_eq!(broken.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn broken_links_are_found_and_code_is_none() {
    let path = workspace().join("README.md");
    let text = "# A `Title`, here\n# Twice\n# Twice\n\
                [a](#a-title-here) [b](#twice-1) [`c`](SECURITY.md) [d](https://example.com/#no)\n\
                `[no](link)`\n```\n[no](link)\n```\n\
                [e](#twice-2) [f](GONE.md) [g](SECURITY.md#gone)\n";
    let anchors: Vec<_> = anchors(text).into_iter().collect();
    assert_eq!(anchors, ["a-title-here", "twice", "twice-1"]);
    // Anchors of the file itself are read from the file.
    let text = text.replace("[a](#a-title-here) [b](#twice-1) ", "");
    let expected = ["#twice-2", "GONE.md", "SECURITY.md#gone"];
    let expected = expected.map(|target| format!("README.md:9: {target}"));
    let found = broken_links(&path, &text);
    assert_eq!(found, expected);
}
