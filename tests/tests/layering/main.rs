//! The architecture, as far as it can be read off the sources: layers and cycles of modules, what
//! crates may know, where the page protocol is written, and the length of files.

mod graph;
mod layers;
mod levels;
mod scan;
mod texts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ws_tests::files;

/// Lines of the longest file.
const LONGEST: usize = 450;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources of one of the crates.
fn crate_of(name: &str) -> scan::Crate {
    scan::Crate::read(&workspace().join(name).join("src"))
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
    for path in files(&core, "rs") {
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
    for crate_name in ["ws-core", "ws-macros", "ws-server", "tests", "examples"] {
        for path in files(&workspace().join(crate_name), "rs") {
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
        for path in files(&workspace().join(crate_name), "rs") {
            assert_ne!(path.file_name().unwrap(), "mod.rs", "{}", path.display());
        }
    }
}
