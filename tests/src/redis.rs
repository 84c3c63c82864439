//! A `redis-server` for the programs that measure.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A server that writes nothing to disk. Dropping it ends the server.
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
    /// If Debian's `redis-server` is not installed.
    pub async fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let mut command = Command::new("redis-server");
        command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
        command.args(["--port", &port.to_string()]);
        command.stdout(Stdio::null());
        let process = command.spawn().expect("redis-server is installed");
        let server = Self { process, port };
        drop(server.connect().await);
        server
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL, as for `Redis::new`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Opens a plain connection, as soon as the server accepts one.
    ///
    /// # Panics
    ///
    /// If the stream has no options.
    pub async fn connect(&self) -> TcpStream {
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)).await {
                stream.set_nodelay(true).expect("a TCP stream");
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The time that the server has spent on a processor.
    ///
    /// # Panics
    ///
    /// If the server has ended.
    pub async fn spent(&self) -> Duration {
        let text = self.info("cpu").await;
        let seconds = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let seconds = line.and_then(|it| it.trim().parse().ok());
            seconds.expect("a number")
        };
        Duration::from_secs_f64(seconds("used_cpu_user:") + seconds("used_cpu_sys:"))
    }

    /// How often the server has executed a command, also in scripts.
    ///
    /// # Panics
    ///
    /// If the server has ended.
    pub async fn calls(&self, command: &str) -> u64 {
        let text = self.info("commandstats").await;
        let begin = format!("cmdstat_{command}:calls=");
        let calls = text.lines().find_map(|line| line.strip_prefix(&begin));
        calls.map_or(0, |calls| {
            let number = calls.split(',').next().and_then(|it| it.parse().ok());
            number.expect("a number of calls")
        })
    }

    async fn info(&self, section: &str) -> String {
        let mut stream = BufReader::new(self.connect().await);
        let command = format!("INFO {section}\r\n");
        let sent = stream.write_all(command.as_bytes()).await;
        sent.expect("the server runs");
        let mut len = String::new();
        stream.read_line(&mut len).await.expect("an answer");
        let len = len.trim().strip_prefix('$').and_then(|it| it.parse().ok());
        let mut text = vec![0; len.expect("a text")];
        stream.read_exact(&mut text).await.expect("the whole text");
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
