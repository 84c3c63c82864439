//! The texts that `ui.rs` expects, as far as they are the same wherever the tests run.

use std::fs;
use std::path::{Path, PathBuf};

/// The files of the cases that must fail, with this extension, sorted.
fn cases(extension: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let mut found = Vec::new();
    for of_macro in fs::read_dir(root).unwrap() {
        let fail = of_macro.unwrap().path().join("fail");
        let files = fs::read_dir(fail).unwrap();
        found.extend(files.map(|file| file.unwrap().path()));
    }
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    found
}

/// The compiler shows lines of the standard library only where its sources are installed.
#[test]
fn no_text_shows_the_sources_of_the_standard_library() {
    let texts = cases("stderr");
    assert!(!texts.is_empty());
    for path in texts {
        let text = fs::read_to_string(&path).unwrap();
        let shown = text.lines().find(|line| {
            let sources = ["$RUST", "/rustc/", "/rustlib/"];
            sources.iter().any(|part| line.contains(part))
        });
        assert_eq!(
            shown,
            None,
            "{}: assert the lines that matter in a test of their own",
            path.display()
        );
    }
}

/// A text whose case is gone or renamed expects nothing any more.
#[test]
fn every_mistake_has_its_text_and_every_text_its_mistake() {
    let bare = |extension| {
        let paths = cases(extension).into_iter();
        paths
            .map(|path| path.with_extension(""))
            .collect::<Vec<_>>()
    };
    assert_eq!(bare("rs"), bare("stderr"));
}
