//! A `redis-server` on a free port, in a temporary folder.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use ws_server::cluster::Lane;
use ws_server::redis::Redis;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);

/// A running server, or a port without one. Dropping it ends the server and removes its folder.
pub(crate) struct RedisServer {
    port: u16,
    folder: PathBuf,
    options: Vec<String>,
    password: Option<&'static str>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server that writes nothing to disk.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with these options, such as `["--maxmemory", "1mb"]`.
    pub(crate) fn with(options: &[&str]) -> Self {
        let mut server = Self::stopped(options);
        // Another process may take the port between the choice and the start.
        while !server.run() {
            server.port = free_port();
        }
        server
    }

    /// Starts a server with the password `right` that accepts TLS only: its certificate, its key, and
    /// the certificate of its authority.
    #[cfg(feature = "redis-tls")]
    pub(crate) fn with_tls(certificate: &str, key: &str, authority: &str) -> Self {
        let mut server = Self::stopped(&["--requirepass", "right"]);
        server.add_certificate(certificate, key, authority);
        let port = server.port.to_string();
        let ports = ["--port", "0", "--tls-port", &port].map(str::to_owned);
        server.options.extend(ports);
        assert!(server.run());
        server
    }

    /// Starts a server with these options that accepts TLS on another port. Returns that too.
    #[cfg(feature = "redis-tls")]
    pub(crate) fn with_tls_beside(
        options: &[&str],
        (certificate, key, authority): (&str, &str, &str),
    ) -> (Self, u16) {
        let mut server = Self::stopped(options);
        server.add_certificate(certificate, key, authority);
        let tls = free_port();
        server
            .options
            .extend(["--tls-port".to_owned(), tls.to_string()]);
        assert!(server.run());
        (server, tls)
    }

    #[cfg(feature = "redis-tls")]
    fn add_certificate(&mut self, certificate: &str, key: &str, authority: &str) {
        for (option, text) in [
            ("--tls-cert-file", certificate),
            ("--tls-key-file", key),
            ("--tls-ca-cert-file", authority),
        ] {
            let file = self.folder.join(option.trim_start_matches('-'));
            fs::write(&file, text).unwrap();
            let file = file.to_str().unwrap().to_owned();
            self.options.extend([option.to_owned(), file]);
        }
        let no_clients = ["--tls-auth-clients", "no"].map(str::to_owned);
        self.options.extend(no_clients);
    }

    /// Chooses a port for a server that [`run`](Self::run) starts.
    pub(crate) fn stopped(options: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("ws-server-redis-{}-{count}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self {
            port: free_port(),
            folder,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            password: None,
            process: None,
        }
    }

    /// The password of the default user, for the commands of the test.
    pub(crate) fn password(mut self, password: &'static str) -> Self {
        self.password = Some(password);
        self
    }

    /// Starts the server. Returns false if it has ended, as when its port is in use.
    pub(crate) fn run(&mut self) -> bool {
        let mut process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--daemonize", "no", "--dir"])
            .arg(&self.folder)
            .args(&self.options)
            .stdout(Stdio::null())
            .spawn()
            .expect("`redis-server` can be started; ./test.sh installs it");
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "`redis-server` does not start");
            thread::sleep(Duration::from_millis(10));
        }
        self.process = Some(process);
        true
    }

    /// Ends the server with SIGKILL. Its data is lost.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Stops the process: it accepts connections, but answers nothing.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Continues a process that was stopped.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("the server runs");
        let mut kill = Command::new("kill");
        let kill = kill.arg(signal).arg(process.id().to_string());
        assert!(kill.status().unwrap().success());
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Removes the snapshot: the next start is an empty one.
    pub(crate) fn remove_snapshot(&self) {
        // There may be none.
        let _ = fs::remove_file(self.folder.join("dump.rdb"));
    }

    /// The URL, with a user and a password such as `":secret@"`, or without.
    pub(crate) fn url(&self, user: &str) -> String {
        format!("redis://{user}127.0.0.1:{}", self.port)
    }

    /// A new handle to the server.
    pub(crate) fn redis(&self) -> Redis {
        Redis::new(&self.url("")).unwrap()
    }

    /// Sends a command on a connection of its own. Returns its answer as the protocol has it.
    pub(crate) fn command(&self, command: &str) -> String {
        let login = self.password.map(|password| format!("AUTH {password}\r\n"));
        send(
            self.port,
            &format!("{}{command}", login.unwrap_or_default()),
        )
    }

    /// Limits the memory to 1 MiB less than is used, so that every write is refused until some is freed.
    pub(crate) fn limit_memory(&self) {
        let memory = self.command("INFO memory");
        let used = memory
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        let used: usize = used.unwrap().parse().unwrap();
        self.command(&format!("CONFIG SET maxmemory {}", used - 1024 * 1024));
    }

    /// The keys that match a pattern.
    pub(crate) fn keys(&self, pattern: &str) -> Vec<String> {
        let keys = self.command(&format!("KEYS {pattern}"));
        let keys = keys.lines().filter(|line| line.contains(':'));
        keys.map(str::to_owned).collect()
    }

    /// The key of the log of a lane.
    pub(crate) fn log_of(&self, lane: Lane) -> String {
        let mut keys = self.keys(&format!("ws:{{{}}}:log:*", lane.0));
        assert_eq!(keys.len(), 1, "the lane was opened");
        keys.remove(0)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        // The folder is temporary.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Sends a command to the server on this port.
pub(crate) fn send(port: u16, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .unwrap();
    // It closes the connection behind the answers. Sentinels have no command for that.
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
