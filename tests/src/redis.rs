//! A Redis of a program that measures.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);

/// A `redis-server` that writes nothing to disk, and ends with this value.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    port: u16,
}

impl RedisServer {
    /// Starts a server on a free port.
    ///
    /// # Panics
    ///
    /// If it does not start, because Debian's `redis-server` is not installed.
    pub fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let mut command = Command::new("redis-server");
        command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
        command.args(["--port", &port.to_string()]);
        let process = command.stdout(Stdio::null()).spawn();
        let process = process.expect("redis-server is installed");
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not start");
            thread::sleep(Duration::from_millis(10));
        }
        Self { process, port }
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a command on a connection of its own. Returns its answer as the protocol has it.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    pub fn command(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server runs");
        let command = format!("{command}\r\n");
        stream.write_all(command.as_bytes()).expect("sent");
        stream.shutdown(Shutdown::Write).expect("connected");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The time that the server has spent on a processor.
    pub fn spent(&self) -> Duration {
        let text = self.command("INFO cpu");
        let seconds = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|it| it.trim().parse().ok()).unwrap_or(0.0)
        };
        Duration::from_secs_f64(seconds("used_cpu_user:") + seconds("used_cpu_sys:"))
    }

    /// How often it has executed these commands, also in scripts.
    pub fn calls(&self, commands: &[&str]) -> u64 {
        let text = self.command("INFO commandstats");
        let calls = |command: &&str| -> Option<u64> {
            let begin = format!("cmdstat_{command}:calls=");
            let line = text.lines().find_map(|line| line.strip_prefix(&begin))?;
            line.split(',').next()?.parse().ok()
        };
        commands.iter().filter_map(calls).sum()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
