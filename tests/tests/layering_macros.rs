//! The order of the modules of `ws-macros`: each uses only siblings of lower levels, so that no two
//! depend on each other. A module may use those that it is in, and those in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The modules of the crate and of each module with others in it, in levels.
const LEVELS: &[(&str, &[&[&str]])] = &[
    (
        "",
        &[
            &["condition", "errors", "manifest", "source"],
            &["crate_path"],
            &["handler", "main_attr", "path_params"],
            &["dispatch", "from_ref"],
        ],
    ),
    ("handler", &[&["ast"], &["check"], &["expand"]]),
    ("handler/ast", &[&["lifetimes", "types"]]),
    (
        "handler/check",
        &[
            &["names", "output", "signature"],
            &["first_argument"],
            &["arguments"],
            &["likely_mistakes"],
        ],
    ),
    (
        "handler/expand",
        &[
            &["arguments", "names", "variants"],
            &["borrowing", "hooks", "sends", "traits"],
        ],
    ),
    (
        "dispatch",
        &[
            &["literals", "pattern", "value"],
            &["ast", "overlap"],
            &["options", "reachability"],
            &["editor", "table"],
            &["check", "param_types", "warn"],
            &["trie"],
            &["expand"],
            &["stub"],
        ],
    ),
    (
        "dispatch/ast",
        &[
            &["split", "table_item", "unfinished"],
            &["settings"],
            &["target"],
            &["line"],
        ],
    ),
    ("dispatch/check", &[&["overlaps"]]),
    (
        "dispatch/expand",
        &[&["constants", "names"], &["kinds", "nested", "options"]],
    ),
    ("dispatch/options", &[&["constant", "lists", "rules"]]),
    ("dispatch/pattern", &[&["foreign"]]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ws-macros/src")
}

/// The modules of the crate as paths, `dispatch/ast/line`; its tests are none.
fn modules(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_stem()
            .is_some_and(|name| name == "tests" || name == "lib")
        {
            continue;
        }
        if path.is_dir() {
            modules(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inner = path.strip_prefix(root()).unwrap().with_extension("");
            found.insert(inner.to_str().unwrap().replace('\\', "/"));
        }
    }
}

/// Every path in a module's code that begins with `crate` or `super`, from the root on. What is in
/// an inner module, such as its tests, is left out.
fn paths(tokens: TokenStream, module: &[&str], found: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if *word == "crate" || *word == "super" => {
                let is_head = at == 0
                    || !matches!(&tokens[at - 1], TokenTree::Punct(sign) if sign.as_char() == ':');
                if is_head {
                    path(&tokens[at..], module, Vec::new(), found);
                }
            }
            TokenTree::Group(group) => {
                let is_module = group.delimiter() == Delimiter::Brace
                    && at >= 2
                    && tokens[at - 2].to_string() == "mod";
                if !is_module {
                    paths(group.stream(), module, found);
                }
            }
            _ => {}
        }
    }
}

/// The path that begins here, or all paths of a `{…}` at its end.
fn path(
    tokens: &[TokenTree],
    module: &[&str],
    mut before: Vec<String>,
    found: &mut Vec<Vec<String>>,
) {
    let mut rest = tokens;
    loop {
        match rest.first() {
            Some(TokenTree::Ident(word)) if *word == "crate" => before.clear(),
            Some(TokenTree::Ident(word)) if *word == "super" => {
                if before.is_empty() {
                    before = module.iter().map(|&part| part.to_owned()).collect();
                }
                before.pop();
            }
            Some(TokenTree::Ident(word)) => before.push(word.to_string()),
            Some(TokenTree::Group(group)) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ',');
                for part in inner.split(is_comma).filter(|part| !part.is_empty()) {
                    path(part, module, before.clone(), found);
                }
                return;
            }
            _ => break,
        }
        let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(sign)) if sign.as_char() == ':');
        if !is_colon(rest.get(1)) || !is_colon(rest.get(2)) {
            break;
        }
        rest = &rest[3..];
    }
    found.push(before);
}

/// The module and the one that it uses, where both are in the same one: `("dispatch", "ast",
/// "value")` for a path to `dispatch/value` in `dispatch/ast/line`.
fn siblings(module: &str, used: &str) -> Option<(String, String, String)> {
    let (own, other): (Vec<_>, Vec<_>) = (module.split('/').collect(), used.split('/').collect());
    let shared = own.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (one, two) = (own.get(shared)?, other.get(shared)?);
    Some((
        own[..shared].join("/"),
        (*one).to_owned(),
        (*two).to_owned(),
    ))
}

fn level(directory: &str, module: &str) -> Option<usize> {
    let (_, levels) = LEVELS.iter().find(|(known, _)| *known == directory)?;
    levels.iter().position(|level| level.contains(&module))
}

/// The modules that a module uses, by the paths in its code.
fn uses(source: &str, module: &str, all: &BTreeSet<String>) -> BTreeSet<String> {
    let parts: Vec<&str> = module.split('/').collect();
    let mut found = Vec::new();
    paths(
        source.parse().expect("a source that compiles"),
        &parts,
        &mut found,
    );
    let of_path = |path: Vec<String>| {
        let prefixes = (1..=path.len())
            .rev()
            .map(|length| path[..length].join("/"));
        prefixes.into_iter().find(|prefix| all.contains(prefix))
    };
    found.into_iter().filter_map(of_path).collect()
}

#[test]
fn a_module_of_the_macros_uses_only_lower_ones() {
    let mut all = BTreeSet::new();
    modules(&root(), &mut all);
    let mut faults = Vec::new();
    for module in &all {
        let (directory, name) = module.rsplit_once('/').unwrap_or(("", module));
        if level(directory, name).is_none() {
            faults.push(format!("`{module}` has no level"));
        }
        let source = fs::read_to_string(root().join(format!("{module}.rs"))).unwrap();
        for used in uses(&source, module, &all) {
            let Some((directory, own, other)) = siblings(module, &used) else {
                continue;
            };
            if level(&directory, &own) <= level(&directory, &other) {
                faults.push(format!("`{module}` uses `{used}`, which is not below it"));
            }
        }
    }
    for (directory, levels) in LEVELS {
        for name in levels.iter().copied().flatten() {
            let module = format!("{directory}/{name}");
            if !all.contains(module.trim_start_matches('/')) {
                faults.push(format!("there is no module `{module}`"));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn every_way_to_name_a_module_of_the_macros_is_seen() {
    let all: Vec<String> = [
        "source",
        "dispatch/ast",
        "dispatch/ast/line",
        "dispatch/value",
    ]
    .map(str::to_owned)
    .to_vec();
    let source = "
        use super::super::value::{Value, ValueKind};
        use crate::{source, dispatch::{ast}};
        fn here() -> crate::dispatch::ast::line::Line { let _ = \"crate::manifest\"; }
        mod tests { use crate::manifest; }
    ";
    let used = uses(source, "dispatch/ast/split", &all.iter().cloned().collect());
    assert_eq!(used, all.into_iter().collect());
    let siblings = |used| siblings("dispatch/ast/split", used);
    let names = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(
        siblings("dispatch/value"),
        names("dispatch", "ast", "value")
    );
    assert_eq!(siblings("source"), names("", "dispatch", "source"));
    assert_eq!(siblings("dispatch/ast"), None);
}
