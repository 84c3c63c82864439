//! The signals that end a server. One test: signals go to the whole process.
#![cfg(unix)]

use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use warp::Filter;
use ws_server::prelude::*;

struct Quiet;

#[ws_handler]
impl Quiet {
    fn init() -> Self {
        Quiet
    }
}

dispatch! {
    struct Routes;

    quiet: "/quiet" => Quiet;
}

fn terminate_this_process() {
    let killed = Command::new("kill")
        .args(["-TERM", &std::process::id().to_string()])
        .status();
    assert!(killed.unwrap().success());
}

#[tokio::test]
async fn the_first_signal_ends_in_good_order_and_the_second_at_once() {
    let ws = Server::new(Routes::table())
        .shutdown_timeout(Duration::from_secs(10 * 60))
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let never = warp::path("never").then(std::future::pending::<&'static str>);
    let served = tokio::spawn(ws.serve_listener(ws.filter().or(never), listener));

    // A response proves that the server runs, so it listens for signals.
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    client.read_exact(&mut [0; 12]).await.unwrap();
    client
        .write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();

    terminate_this_process();
    while !ws.hub().is_shutting_down() {
        tokio::task::yield_now().await;
    }
    assert!(!served.is_finished());
    terminate_this_process();
    let ended = tokio::time::timeout(Duration::from_secs(30), served).await;
    ended.expect("ends at once").unwrap().unwrap();
}
