//! What the macros accept, and what they say of mistakes: one file per feature and per
//! mistake, named by it. `TRYBUILD=overwrite` writes the expected texts anew.

/// Every file that is right must compile, and its `main` must run through; every mistake must
/// fail with exactly the text beside it.
///
/// All in one test: files that run need what they depend on built, and files that only fail need
/// it checked; two tests would compile all of it twice, which takes most of a cold run.
#[test]
fn what_is_right_compiles_and_every_mistake_is_explained() {
    let cases = trybuild::TestCases::new();
    for room in ["ws_handler", "main", "from_ref", "path_params", "dispatch"] {
        cases.pass(format!("ui/{room}/pass/*.rs"));
        cases.compile_fail(format!("ui/{room}/fail/*.rs"));
    }
    cases.compile_fail("ui/visit/fail/*.rs");
}
