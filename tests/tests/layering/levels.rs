//! Levels: the strict order of the modules of `ws-macros`. Each module uses only siblings of lower
//! levels. A module may use those that it is in, and those in it.

use crate::crate_of;
use crate::layers::{crate_with, in_a_room};
use crate::scan::Crate;

/// The children of a module, lowest level first. The path of the crate itself is empty.
type Levels = (&'static str, &'static [&'static [&'static str]]);

/// The modules of `ws-macros`, of the crate and of each module with children.
const MACROS: &[Levels] = &[
    (
        "",
        &[
            &["condition", "errors", "manifest", "source"],
            &["crate_path"],
            &["block", "handler", "main_attr", "path_params"],
            &["dispatch", "from_ref", "topics"],
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
        "block",
        &[
            &["grammar", "pattern", "types", "unfinished"],
            &["names", "overlaps", "sample", "split", "value"],
            &["quantity", "syntax"],
            &["constant", "item", "settings"],
            &["line", "options"],
            &["editor"],
        ],
    ),
    ("block/pattern", &[&["foreign", "rules"]]),
    (
        "dispatch",
        &[
            &["grammar", "literals", "overlap", "reachability"],
            &["ast", "options"],
            &["editor", "table"],
            &["check", "param_types", "warn"],
            &["trie"],
            &["expand"],
            &["stub"],
        ],
    ),
    ("dispatch/ast", &[&["target"]]),
    ("dispatch/check", &[&["overlaps"]]),
    (
        "dispatch/expand",
        &[&["constants", "names"], &["kinds", "nested", "options"]],
    ),
    ("dispatch/options", &[&["lists", "rules"]]),
    (
        "topics",
        &[
            &["grammar"],
            &["ast", "options"],
            &["declaration", "editor"],
            &["expand", "overlap"],
            &["check", "stub"],
        ],
    ),
];

fn level(levels: &[Levels], path: &str) -> Option<usize> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (_, levels) = levels.iter().find(|(known, _)| *known == parent)?;
    levels.iter().position(|level| level.contains(&name))
}

/// Every use of a sibling that is not on a lower level, every module without a level, and every
/// module with a level that does not exist.
fn faults(of: &Crate, levels: &[Levels]) -> Vec<String> {
    let modules: Vec<String> = of.modules().map(|module| module.join("/")).collect();
    let without = modules.iter().filter(|path| level(levels, path).is_none());
    let mut faults: Vec<String> = without
        .map(|path| format!("the module `{path}` has no level"))
        .collect();
    for (parent, levels) in levels {
        for name in levels.iter().copied().flatten() {
            let path = format!("{parent}/{name}");
            if !modules
                .iter()
                .any(|known| known == path.trim_start_matches('/'))
            {
                faults.push(format!("there is no module `{path}`"));
            }
        }
    }
    for it in of.uses() {
        if let Some((own, used)) = in_a_room(&it)
            && level(levels, &own) <= level(levels, &used)
        {
            let place = format!("{}.rs:{}", it.from.join("/"), it.line);
            faults.push(format!(
                "{place}: `{own}` uses `{used}`, which is not below it"
            ));
        }
    }
    faults
}

#[test]
fn modules_of_the_macros_use_only_lower_levels() {
    assert_eq!(faults(&crate_of("ws-macros"), MACROS), Vec::<String>::new());
}

#[test]
fn uses_of_the_same_or_a_higher_level_are_found_in_every_module() {
    let it = crate_with(&[
        ("lib", "mod source; mod dispatch; mod handler;"),
        ("source", "use crate::handler::Handler;"),
        ("handler", "use crate::source::Source;"),
        ("dispatch", "mod ast; mod value; mod lost; use ast::Line;"),
        (
            "dispatch/ast",
            "mod line; use super::value::Value; use crate::source;",
        ),
        ("dispatch/ast/line", "use super::super::lost::Lost;"),
        ("dispatch/value", "use crate::dispatch::{ast::{Line}};"),
        ("dispatch/lost", ""),
    ]);
    let levels: &[Levels] = &[
        ("", &[&["source"], &["dispatch", "handler"]]),
        ("dispatch", &[&["value"], &["ast"], &["gone"]]),
        ("dispatch/ast", &[&["line"]]),
    ];
    assert_eq!(
        faults(&it, levels),
        [
            "the module `dispatch/lost` has no level",
            "there is no module `dispatch/gone`",
            "dispatch/value.rs:1: `dispatch/value` uses `dispatch/ast`, which is not below it",
            "source.rs:1: `source` uses `handler`, which is not below it",
        ]
    );
}
