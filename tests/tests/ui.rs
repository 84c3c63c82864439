//! What the macros accept, and what they say of mistakes: one file per feature and per
//! mistake, named by it. `TRYBUILD=overwrite` writes the expected texts anew.

/// Every file must compile, and its `main` must run through.
#[test]
fn what_is_right_compiles() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/ws_handler/pass/*.rs");
    cases.pass("ui/main/pass/*.rs");
    cases.pass("ui/from_ref/pass/*.rs");
    cases.pass("ui/path_params/pass/*.rs");
    cases.pass("ui/dispatch/pass/*.rs");
}

/// Every file must fail with exactly the text beside it.
#[test]
fn every_mistake_is_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/ws_handler/fail/*.rs");
    cases.compile_fail("ui/main/fail/*.rs");
    cases.compile_fail("ui/from_ref/fail/*.rs");
    cases.compile_fail("ui/path_params/fail/*.rs");
    cases.compile_fail("ui/dispatch/fail/*.rs");
}
