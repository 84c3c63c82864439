//! Clients that read slowly but steadily, over a real socket.

use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use ws_server::prelude::*;

use crate::client::{BINARY, Client, Frame, PING, PONG, frame, within};
use crate::running::Running;

/// A message that the system would buffer entirely if its buffer were not limited.
const LARGE: usize = 2_000_000;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }
}

dispatch! {
    struct Routes;

    echo: "/echo" => Echo { require_session: false, max_message: 4 MiB, ping: 500ms, idle: 2s };
}

/// Connects with the smallest receive buffer that the system allows.
async fn narrow(server: &Running) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let stream: TcpStream = within("connect", socket.connect(server.address))
        .await
        .unwrap();
    let mut client = Client::over(stream);
    client.upgrade("/echo").await;
    client
}

/// Reads a large message at about 500 kB/s, then checks that the connection is open.
async fn is_served(server: &Running) {
    let mut client = narrow(server).await;
    let payload = vec![7; LARGE];
    client.send(frame(BINARY, &payload)).await;
    // The rest fits into the buffers, so it is read without a wait.
    let slowly = LARGE - 300_000;
    client
        .read_slowly(slowly, 16 * 1024, Duration::from_millis(30))
        .await;
    assert_eq!(client.frame().await, Frame::whole(BINARY, &payload));
    client.send(frame(BINARY, "still here")).await;
    loop {
        match client.frame().await {
            Frame {
                opcode: PING,
                payload,
                ..
            } => client.send(frame(PONG, payload)).await,
            other => break assert_eq!(other, Frame::whole(BINARY, b"still here")),
        }
    }
}

#[tokio::test]
async fn a_steady_slow_reader_is_not_closed() {
    let ws = Server::new(Routes::table()).build().unwrap();
    is_served(&Running::start(ws).await).await;
}

#[tokio::test]
async fn a_steady_slow_reader_is_not_closed_under_warp() {
    let ws = Server::new(Routes::table()).build().unwrap();
    let filter = ws.filter();
    is_served(&Running::under_warp(ws, filter).await).await;
}
