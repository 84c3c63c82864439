//! Programs of several processes.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The running program once more, with other arguments. Dropping it kills the process.
#[derive(Debug)]
pub struct Part {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Part {
    /// Starts the process.
    ///
    /// # Panics
    ///
    /// If the process cannot be started.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("the running program");
        let process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut process = process.expect("the program starts again");
        let input = process.stdin.take().expect("the input is piped");
        let output = process.stdout.take().expect("the output is piped");
        Self {
            process,
            input,
            output: BufReader::new(output).lines(),
        }
    }

    /// Sends a line to the process.
    ///
    /// # Panics
    ///
    /// If the process has ended.
    pub async fn send(&mut self, line: &str) {
        let line = format!("{line}\n");
        let sent = self.input.write_all(line.as_bytes()).await;
        sent.expect("the process runs");
    }

    /// The next line that the process prints.
    ///
    /// # Panics
    ///
    /// If the process has ended.
    pub async fn line(&mut self) -> String {
        let line = self.output.next_line().await.expect("text");
        line.expect("the process runs")
    }

    /// Ends the process with SIGKILL.
    ///
    /// # Panics
    ///
    /// If the process cannot be killed.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("the process is killed");
    }
}
