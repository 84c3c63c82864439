//! Runs the tests of the browser client, which are Node's, and looks at its package.

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

/// The output of a command in the client's directory that succeeds.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("client");
    let run = Command::new(program)
        .args(arguments)
        .current_dir(&client)
        .output();
    let output = run.unwrap_or_else(|error| panic!("{program} (./test.sh installs it): {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_package_of_the_client_holds_the_module_and_its_types() {
    let packed = output_of("npm", &["pack", "--dry-run", "--json", "--ignore-scripts"]);
    for part in [
        "\"client.js\"",
        "\"http.js\"",
        "\"client.d.ts\"",
        "\"package.json\"",
        "\"entryCount\": 4",
    ] {
        assert!(packed.contains(part), "{part} in {packed}");
    }
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(packed.contains(&version), "{version} in {packed}");
}

#[test]
fn the_package_of_the_client_can_be_installed_from_the_repository() {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("client");
    let application = Path::new(env!("CARGO_TARGET_TMPDIR")).join("application");
    std::fs::create_dir_all(&application).expect("a directory for an application");
    std::fs::write(application.join("package.json"), "{\"private\": true}").expect("its package");
    let prefix = application.to_str().expect("a path that is text");
    let package = client.to_str().expect("a path that is text");
    output_of(
        "npm",
        &[
            "install",
            "--offline",
            "--no-audit",
            "--no-fund",
            "--prefix",
            prefix,
            package,
        ],
    );
    let script = "import('ws-server-client').then((it) => console.log(Object.keys(it).join()))";
    let run = Command::new("node")
        .args(["-e", script])
        .current_dir(&application)
        .output();
    let run = run.unwrap_or_else(|error| panic!("node (./test.sh installs it): {error}"));
    let exports = String::from_utf8_lossy(&run.stdout);
    assert_eq!(exports.trim(), "RequestError,connect,connectPage,stream");
}
