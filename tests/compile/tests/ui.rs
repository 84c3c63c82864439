//! The messages for mistakes: one file for each feature and each mistake. `TRYBUILD=overwrite` updates
//! the expected texts. What is right is in `valid.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use trybuild::TestCases;

/// Every mistake must fail with exactly the text in the `.stderr` file beside it.
///
/// Nothing is built here, so a mistake that only code generation reports does not fail. If a case had to
/// run, trybuild would call cargo twice for each, which takes minutes.
#[test]
fn every_mistake_is_explained() {
    let cases = TestCases::new();
    for directory in [
        "ws_handler",
        "main",
        "from_ref",
        "path_params",
        "dispatch",
        "topics",
        "visit",
    ] {
        cases.compile_fail(format!("ui/{directory}/fail/*.rs"));
    }
}

/// A file that no target includes would not be compiled at all.
#[test]
fn every_valid_file_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path| fs::read_to_string(root.join(path)).unwrap();
    let (modules, targets) = (read("valid.rs"), read("Cargo.toml"));
    let mut directory = "";
    let mut compiled = BTreeSet::new();
    for line in modules.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix(" {") {
            directory = name;
        } else if let Some(name) = line.strip_suffix(';') {
            compiled.insert(format!("ui/{directory}/pass/{name}.rs"));
        }
    }
    let targets = targets.lines();
    let targets = targets.filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
    compiled.extend(targets.map(str::to_owned));
    let mut missing = Vec::new();
    for directory in fs::read_dir(root.join("ui")).unwrap() {
        let directory = directory.unwrap().path().join("pass");
        for file in fs::read_dir(directory).into_iter().flatten() {
            let path = file.unwrap().path();
            let path = path.strip_prefix(root).unwrap().display().to_string();
            if !compiled.contains(&path) {
                missing.push(path);
            }
        }
    }
    assert!(
        missing.is_empty(),
        "add these to valid.rs, or to Cargo.toml: {missing:?}"
    );
}
