//! SIGTERM for a server in a process of its own, with a hundred busy clients.

use std::collections::HashMap;
use std::env;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use warp::Filter;
use ws_server::prelude::*;

use crate::client::{Client, Frame, close, until, within};

const CLIENTS: usize = 100;

/// The server accepts connections for so long after the signal. A hundred handshakes take far less.
const DRAIN_DELAY: Duration = Duration::from_secs(5);

/// How long a hook takes: some run at every moment.
const WORK: Duration = Duration::from_millis(20);

/// Answers after a while, and reports how many messages its hooks have taken.
struct Busy {
    name: String,
    taken: usize,
}

#[ws_handler]
impl Busy {
    fn init(Path(name): Path<String>) -> Self {
        Busy { name, taken: 0 }
    }

    async fn message(&mut self, text: String) -> String {
        self.taken += 1;
        tokio::time::sleep(WORK).await;
        text
    }

    fn terminate(self) {
        println!("taken {} {}", self.name, self.taken);
    }
}

dispatch! {
    struct Routes;

    busy: "/busy/{name}" => Busy { require_session: false };
}

/// A server until it gets a signal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the process of a server, which another test starts"]
async fn server_process() {
    let server = Server::new(Routes::table()).drain_delay(DRAIN_DELAY);
    let ws = server.per_address(None).http_per_address(None).build();
    let ws = ws.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    let filter = ws.filter().or(ws.health());
    ws.serve_listener(filter, listener).await.unwrap();
}

struct ServerProcess {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl ServerProcess {
    async fn start() -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "terminated::server_process"])
            .arg("--nocapture")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port: u16 = loop {
            let line = within("the port", lines.next_line()).await.unwrap();
            // The test runner has begun a line.
            let line = line.expect("the server listens");
            if let Some((_, port)) = line.split_once("port ") {
                break port.parse().unwrap();
            }
        };
        Self {
            process,
            lines,
            address: ([127, 0, 0, 1], port).into(),
        }
    }

    async fn terminate(&self) {
        let id = self.process.id().expect("the process runs").to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(killed.unwrap().success());
    }

    /// Waits until the server has noticed the signal.
    async fn is_stopping(&self) {
        let request = "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";
        let not_ready = async {
            while Client::ask(self.address, request).await.0.status != 503 {
                tokio::task::yield_now().await;
            }
        };
        within("the server is not ready", not_ready).await;
    }

    /// Waits for the end of the process. Returns its status, and what its handlers have taken.
    async fn ended(mut self) -> (Option<i32>, HashMap<String, usize>) {
        let mut taken = HashMap::new();
        while let Some(line) = within("the end", self.lines.next_line()).await.unwrap() {
            if let Some((_, line)) = line.split_once("taken ") {
                let (name, count) = line.split_once(' ').unwrap();
                taken.insert(name.to_owned(), count.parse().unwrap());
            }
        }
        let status = within("the status", self.process.wait()).await.unwrap();
        (status.code(), taken)
    }
}

/// What all clients have done so far.
#[derive(Default)]
struct Progress {
    answered: AtomicUsize,
    closed: AtomicUsize,
}

/// Sends a message after each answer, until the server closes the connection. Returns the number of
/// answers.
async fn talk(mut client: Client, progress: Arc<Progress>) -> usize {
    for number in 0.. {
        client.send_text(&number.to_string()).await;
        match client.frame().await {
            frame if frame == Frame::whole(1, number.to_string().as_bytes()) => {
                progress.answered.fetch_add(1, Ordering::Relaxed);
            }
            frame => {
                progress.closed.fetch_add(1, Ordering::Relaxed);
                assert_eq!((frame.opcode, &frame.payload[..2]), (8, &[3, 233][..]));
                client.send(close(1001, "")).await;
                client.end().await;
                return number;
            }
        }
    }
    unreachable!("the server closes the connection")
}

/// Connects clients with these names. A refused connection fails the test.
async fn connect(
    address: SocketAddr,
    names: std::ops::Range<usize>,
    progress: &Arc<Progress>,
) -> Vec<(String, JoinHandle<usize>)> {
    let mut clients = Vec::new();
    for name in names {
        let client = Client::open(address, &format!("/busy/{name}")).await;
        let talk = tokio::spawn(talk(client, progress.clone()));
        clients.push((name.to_string(), talk));
    }
    clients
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sigterm_no_connection_is_refused_during_the_drain_delay_and_no_answer_is_lost() {
    let server = ServerProcess::start().await;
    let address = server.address;
    let progress = Arc::<Progress>::default();
    let answered = |count| {
        let progress = progress.clone();
        move || progress.answered.load(Ordering::Relaxed) >= count
    };
    let mut clients = connect(address, 0..CLIENTS, &progress).await;
    until("all are busy", answered(3 * CLIENTS)).await;
    server.terminate().await;
    server.is_stopping().await;
    clients.extend(connect(address, CLIENTS..2 * CLIENTS, &progress).await);
    let before = progress.answered.load(Ordering::Relaxed);
    until("all are served", answered(before + CLIENTS)).await;
    let closed = progress.closed.load(Ordering::Relaxed);
    assert_eq!(closed, 0, "all of that was within the delay");
    let (status, taken) = server.ended().await;
    assert_eq!(status, Some(0));
    assert_eq!(taken.len(), 2 * CLIENTS);
    for (name, client) in clients {
        let answered = within("a client", client).await.unwrap();
        assert!(answered > 0, "client {name}");
        assert_eq!(taken[&name], answered, "client {name}");
    }
    assert!(TcpStream::connect(address).await.is_err());
}
