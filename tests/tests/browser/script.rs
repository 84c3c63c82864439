//! Runs the scripts of `tests/browser`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The directory of the scripts and of their browser driver.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");

/// A script ends itself and its browser earlier than this: see `browser.mjs`.
const DEADLINE: Duration = Duration::from_secs(90);

/// A browser uses all cores, so two at once would run into their deadlines.
static ONE_BROWSER: Mutex<()> = Mutex::const_new(());

/// Runs a script with Node. If it fails, the test fails with the script's output.
pub(crate) async fn run(name: &str, arguments: &[&str]) {
    let driver = Path::new(SCRIPTS).join("node_modules/playwright-core");
    assert!(
        driver.exists(),
        "playwright-core is not installed; ./test.sh installs it"
    );
    let _one_at_a_time = ONE_BROWSER.lock().await;
    let mut node = Command::new("node");
    node.arg(name).args(arguments).current_dir(SCRIPTS);
    // A browser without its script ends by itself: it notices that its pipe is closed.
    node.stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(DEADLINE, node.output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{name} did not end in {DEADLINE:?}"));
    let output =
        ended.unwrap_or_else(|error| panic!("cannot run node: {error}; ./test.sh installs it"));
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
