//! The inputs that the macros accept, and their messages for mistakes: one file for each feature
//! and each mistake. `TRYBUILD=overwrite` updates the expected texts.

/// Every valid file must compile, and its `main` must run; every mistake must fail with exactly the
/// text in the `.stderr` file beside it.
///
/// This is a single test: files that run need built dependencies, and files that fail need checked
/// ones. Two tests would compile all of them twice, which takes most of a cold run.
#[test]
fn what_is_right_compiles_and_every_mistake_is_explained() {
    let cases = trybuild::TestCases::new();
    for room in [
        "ws_handler",
        "main",
        "from_ref",
        "path_params",
        "dispatch",
        "topics",
    ] {
        cases.pass(format!("ui/{room}/pass/*.rs"));
        cases.compile_fail(format!("ui/{room}/fail/*.rs"));
    }
    cases.compile_fail("ui/visit/fail/*.rs");
}
