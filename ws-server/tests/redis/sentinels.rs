//! A primary and a replica with sentinels that choose between them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs, process};

use tokio::time::sleep;
use ws_server::redis::Redis;

use crate::server::{RedisServer, free_port, send};

/// The time between two looks at processes.
const LOOK: Duration = Duration::from_millis(25);

/// A sentinel. Dropping it ends the process.
pub(crate) struct Sentinel {
    pub(crate) port: u16,
    folder: PathBuf,
    process: Child,
}

impl Sentinel {
    /// Starts a sentinel for a primary with the name `main`, with further lines of its file.
    pub(crate) async fn start(primary: u16, quorum: u32, lines: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("ws-server-sentinel-{}-{count}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let port = free_port();
        let file = folder.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor main 127.0.0.1 {primary} {quorum}\n\
             sentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 2000\n{lines}\n",
            folder.display(),
        );
        fs::write(&file, text).unwrap();
        let process = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .expect("`redis-server` can be started; ./test.sh installs it");
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            sleep(LOOK).await;
        }
        Self {
            port,
            folder,
            process,
        }
    }

    /// What it knows of the primary: `field` of `SENTINEL MASTER`.
    fn field(&self, field: &str) -> Option<String> {
        let answer = send(self.port, "SENTINEL MASTER main");
        let mut lines = answer.lines();
        lines.find(|line| *line == field)?;
        lines.nth(1).map(str::to_owned)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // It may have ended by itself; the folder is temporary.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Two servers and three sentinels, of which two decide.
pub(crate) struct Guarded {
    pub(crate) servers: [RedisServer; 2],
    sentinels: Vec<Sentinel>,
}

impl Guarded {
    /// Starts all processes, and waits until they know each other.
    pub(crate) async fn start() -> Self {
        let servers = [RedisServer::start(), RedisServer::start()];
        let primary = servers[0].port();
        servers[1].command(&format!("REPLICAOF 127.0.0.1 {primary}"));
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Sentinel::start(primary, 2, "").await);
        }
        let this = Self { servers, sentinels };
        this.until_complete().await;
        this
    }

    /// Waits until every sentinel knows the others and a replica that can be promoted.
    async fn until_complete(&self) {
        for sentinel in &self.sentinels {
            let knows = |field: &str, value| sentinel.field(field).as_deref() == Some(value);
            while !knows("num-slaves", "1")
                || !knows("num-other-sentinels", "2")
                || !knows("flags", "master")
            {
                sleep(LOOK).await;
            }
        }
        let replica = &self.servers[1 - self.primary()];
        while !replica.command("ROLE").contains("\nconnected") {
            sleep(LOOK).await;
        }
    }

    /// The index of the primary, as the first sentinel knows it.
    pub(crate) fn primary(&self) -> usize {
        let port = self.sentinels[0].field("port");
        usize::from(port != Some(self.servers[0].port().to_string()))
    }

    /// Exchanges the servers, and waits until the former primary is a replica of the new one.
    pub(crate) async fn fail_over(&self) {
        let before = self.primary();
        self.until_complete().await;
        while self.primary() == before {
            // Refused while another failover is under way.
            send(self.sentinels[0].port, "SENTINEL FAILOVER main");
            sleep(LOOK * 4).await;
        }
        self.until_replica(before).await;
        self.until_complete().await;
    }

    /// Waits until a server is a replica.
    pub(crate) async fn until_replica(&self, server: usize) {
        while !self.servers[server].command("ROLE").contains("slave") {
            sleep(LOOK).await;
        }
    }

    /// A handle to the primary that the sentinels name.
    pub(crate) fn redis(&self) -> Redis {
        let hosts = self.sentinels.iter();
        let hosts: Vec<_> = hosts.map(|it| format!("127.0.0.1:{}", it.port)).collect();
        Redis::new(&format!("redis-sentinel://{}/main", hosts.join(","))).unwrap()
    }
}
