//! Hooks that block their thread do not delay other clients.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc::UnboundedReceiver, mpsc::UnboundedSender, oneshot};
use ws_server::prelude::*;
use ws_server::runtime;

use crate::client::{Client, within};
use crate::running::Running;

/// Signals between a test and its blocked hook.
#[derive(Clone)]
struct Gate {
    entered: UnboundedSender<()>,
    release: Arc<Mutex<mpsc::Receiver<()>>>,
}

/// Echoes; blocks its thread on command.
struct Blocks;

#[ws_handler]
impl Blocks {
    fn init() -> Self {
        Blocks
    }

    fn message(&mut self, text: String, State(gate): State<Gate>) -> String {
        if text != "block" {
            return text;
        }
        gate.entered.send(()).unwrap();
        let release = gate.release.lock().unwrap();
        match release.recv_timeout(Duration::from_secs(10)) {
            Ok(()) => "released".to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

dispatch! {
    struct Routes;
    state: Gate;

    blocks: "/" => Blocks { require_session: false };
}

/// A server, and the two ends of its gate.
fn gated() -> (Ws, UnboundedReceiver<()>, mpsc::Sender<()>) {
    let (entered, enters) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = mpsc::channel();
    let release_by = Arc::new(Mutex::new(released));
    let gate = Gate {
        entered,
        release: release_by,
    };
    let ws = Server::new(Routes::table()).state(gate).build().unwrap();
    (ws, enters, release)
}

/// Blocks the hook of one client until another has connected and received an echo.
async fn others_are_served(
    address: SocketAddr,
    enters: &mut UnboundedReceiver<()>,
    release: &mpsc::Sender<()>,
) {
    let mut blocked = Client::open(address, "/").await;
    blocked.send_text("block").await;
    within("the hook is called", enters.recv()).await.unwrap();
    let mut other = Client::open(address, "/").await;
    other.send_text("served").await;
    assert_eq!(other.text().await, "served");
    release.send(()).unwrap();
    assert_eq!(blocked.text().await, "released");
}

#[tokio::test]
async fn new_connections_are_served_while_a_plain_hook_blocks() {
    for workers in [2, 4, 8] {
        let (ws, mut enters, release) = gated();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.into_std().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = thread::spawn(move || {
            runtime::block_on_with_workers(workers, async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let stopped = async { drop(stopped.await) };
                ws.run_until(listener, stopped).await;
            });
        });
        for _ in 0..5 {
            others_are_served(address, &mut enters, &release).await;
        }
        drop(stop);
        server.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_are_served_under_warp_on_a_plain_runtime() {
    let (ws, mut enters, release) = gated();
    let filter = ws.filter();
    let server = Running::under_warp(ws, filter).await;
    for _ in 0..5 {
        others_are_served(server.address, &mut enters, &release).await;
    }
}
