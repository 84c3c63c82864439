//! Runs the examples as processes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::OnceCell;

use crate::within;

/// Returns the program of an example. The first call builds all examples, with the target directory
/// and the profile of the calling test.
///
/// # Panics
///
/// If the build fails.
pub async fn program(name: &str) -> PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT.get_or_init(build).await.join(name)
}

/// Builds the examples. Returns their directory.
async fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    // The whole workspace has the same features as the tests, so that cargo reuses their artifacts.
    cargo.args([
        "build",
        "--quiet",
        "--workspace",
        "--all-features",
        "--examples",
    ]);
    cargo.arg("--target-dir").arg(profile.parent().unwrap());
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // A build takes longer than the deadline of `within`.
    let status = cargo.status().await.unwrap();
    assert!(status.success(), "the examples do not build");
    profile.join("examples")
}

/// A running example. Dropping it kills the process.
#[derive(Debug)]
pub struct Example {
    /// The address that it listens on.
    pub address: SocketAddr,
    child: Child,
    _output: Lines<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts an example on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If the build fails, or the example does not print its URL.
    pub async fn start(name: &str, arguments: &[&str]) -> Self {
        Self::run(Command::new(program(name).await), arguments).await
    }

    /// Like [`start`](Self::start), with a command that runs the example.
    ///
    /// # Panics
    ///
    /// If the example does not print its URL.
    pub async fn run(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("the URL", output.next_line()).await.unwrap();
        let line = line.expect("the example runs");
        let address = line
            .strip_prefix("http://")
            .or_else(|| line.strip_prefix("https://"))
            .and_then(|url| url.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("no URL: {line}"));
        Self {
            address: address.parse().unwrap(),
            child,
            _output: output,
        }
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    ///
    /// If the process has ended already.
    pub async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Stops the whole process for this long; none of its threads runs meanwhile.
    ///
    /// # Panics
    ///
    /// If the process has ended already.
    pub async fn pause(&self, duration: Duration) {
        self.signal("-STOP").await;
        tokio::time::sleep(duration).await;
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await;
        assert!(sent.unwrap().success(), "{signal}");
    }

    /// Waits until the process ends.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        within("the example ends", self.child.wait()).await.unwrap()
    }
}
