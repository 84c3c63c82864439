//! Runs the tests of the browser's client, which are Node's.

use std::path::Path;
use std::process::Command;

#[test]
fn the_client_of_page_streams_does_what_its_tests_say() {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("client");
    let mut tests: Vec<_> = std::fs::read_dir(client.join("tests"))
        .expect("the client's tests")
        .map(|entry| entry.expect("a directory that can be read").path())
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    tests.sort();
    assert!(!tests.is_empty(), "no tests of the client");
    let node = Command::new("node")
        .arg("--test")
        .args(&tests)
        .current_dir(&client)
        .output();
    let output = node.unwrap_or_else(|error| panic!("node (./test.sh installs it): {error}"));
    assert!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
