//! Runs the scripts.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Where the scripts are, and what drives the browser.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");

/// A script ends itself, and its browser, sooner than this: see `browser.mjs`.
const PATIENCE: Duration = Duration::from_secs(90);

/// A browser takes what there is: two would be late for each other.
static ONE: Mutex<()> = Mutex::const_new(());

/// Runs a script with Node. Fails where it does, and shows what it printed.
pub async fn run(name: &str, arguments: &[&str]) {
    let driver = Path::new(SCRIPTS).join("node_modules/playwright-core");
    assert!(
        driver.exists(),
        "playwright-core is not installed: ./test.sh does it"
    );
    let _one_at_a_time = ONE.lock().await;
    let mut node = Command::new("node");
    node.arg(name).args(arguments).current_dir(SCRIPTS);
    // A browser whose script is gone ends too: it notices that its pipe is closed.
    node.stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(PATIENCE, node.output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{name} does not end"));
    let output = ended.unwrap_or_else(|error| panic!("node (./test.sh installs it): {error}"));
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
