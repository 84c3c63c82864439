//! A process that is stopped for a while, and its clients.

use std::time::Duration;

use futures::future::join_all;
use ws_tests::Example;

use crate::client::{self, Client, Frame, PING, PONG, TEXT};

/// Longer than the example's `idle`.
const PAUSE: Duration = Duration::from_millis(2500);

/// Reads the next frame, and answers it if it is a ping.
async fn next(client: &mut Client) -> Frame {
    let frame = client.frame().await;
    if frame.opcode == PING {
        client.send(client::frame(PONG, &frame.payload)).await;
    }
    frame
}

async fn pinged(client: &mut Client) {
    let frame = next(client).await;
    assert_eq!(frame.opcode, PING, "{frame:?}");
}

/// Waits longer than `idle`, then sends a message. Returns the echo.
async fn still_there(client: &mut Client) -> Frame {
    for _ in 0..8 {
        pinged(client).await;
    }
    client.send_text("still there").await;
    loop {
        let frame = next(client).await;
        if frame.opcode != PING {
            return frame;
        }
    }
}

#[tokio::test]
async fn silent_clients_stay_connected_after_a_pause_longer_than_idle() {
    let example = Example::start("short_timeouts", &[]).await;
    let address = example.address;
    let mut clients = join_all((0..3).map(|_| Client::open(address, "/echo"))).await;
    join_all(clients.iter_mut().map(pinged)).await;
    example.pause(PAUSE).await;
    let frames = join_all(clients.iter_mut().map(still_there)).await;
    assert_eq!(frames, vec![Frame::whole(TEXT, b"still there"); 3]);
}
