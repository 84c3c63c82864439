//! The inputs that the macros accept, and their messages for mistakes: one file for each feature
//! and each mistake. `TRYBUILD=overwrite` updates the expected texts.

use std::panic;

use trybuild::TestCases;

const DIRECTORIES: [&str; 6] = [
    "ws_handler",
    "main",
    "from_ref",
    "path_params",
    "dispatch",
    "topics",
];

/// Every valid file must compile, and its `main` must run.
fn check_valid_files() {
    let cases = TestCases::new();
    for directory in DIRECTORIES {
        cases.pass(format!("ui/{directory}/pass/*.rs"));
    }
}

/// Every mistake must fail with exactly the text in the `.stderr` file beside it.
///
/// These are cases of their own because trybuild checks all of them with one call of cargo if none
/// has to run. Otherwise it calls cargo twice for each, which takes minutes. Nothing is built here,
/// so a mistake that only code generation reports does not fail.
fn check_mistakes() {
    let cases = TestCases::new();
    for directory in DIRECTORIES.into_iter().chain(["visit"]) {
        cases.compile_fail(format!("ui/{directory}/fail/*.rs"));
    }
}

#[test]
fn what_is_right_compiles_and_every_mistake_is_explained() {
    // Both share a directory, so they run one after the other; a failure of the first must not hide
    // those of the second.
    let valid_files = panic::catch_unwind(check_valid_files);
    check_mistakes();
    if let Err(failure) = valid_files {
        panic::resume_unwind(failure);
    }
}
