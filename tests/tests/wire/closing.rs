//! Every way to close a connection, and its code (RFC 6455, section 7).

use std::time::Duration;

use ws_server::prelude::*;

use crate::client::{BINARY, CLOSE, Client, Frame, PING, TEXT, close, frame, header, raw, upgrade};
use crate::running::{Reporter, Reports, Running};

mod mistakes;
mod silence;

/// Runs the command in a message.
struct Commands(Reporter);

#[ws_handler]
impl Commands {
    fn init(State(reporter): State<Reporter>) -> Self {
        reporter.opened();
        Commands(reporter)
    }

    async fn message(&mut self, text: String, socket: &Socket<Self>) -> Result<String, Close> {
        match &*text {
            "panic" => panic!("on command"),
            "panic later" => {
                tokio::task::yield_now().await;
                panic!("on command")
            }
            "close" => Err(Close::new(CloseCode::new(4000).unwrap(), "on command")),
            "bye" => Err(Close::NORMAL),
            "fail" => "x".parse::<u8>().or_close().map(|_| String::new()),
            "hang" => std::future::pending().await,
            "wait" => {
                self.0.report("waits");
                socket.closed().await;
                Ok("closed".to_owned())
            }
            "expire" => {
                socket.expire_at(tokio::time::Instant::now());
                Ok("expires".to_owned())
            }
            _ => Ok(text),
        }
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Has no `message`.
struct NoMessages(Reporter);

#[ws_handler]
impl NoMessages {
    fn init(State(reporter): State<Reporter>) -> Self {
        reporter.opened();
        NoMessages(reporter)
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Accepts JSON, and sends three messages before its Close.
struct Numbers(Reporter);

#[ws_handler]
impl Numbers {
    fn init(State(reporter): State<Reporter>) -> Self {
        reporter.opened();
        Numbers(reporter)
    }

    fn message(&mut self, Json(number): Json<u32>) -> (Vec<String>, Close) {
        let last = (0..number).map(|n| n.to_string()).collect();
        (last, Close::policy("counted"))
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

dispatch! {
    struct Routes;
    state: Reporter;

    defaults { require_session: false, close_timeout: 2s }

    obeys:   "/obeys"   => Commands { max_message: 1 KiB };
    hasty:   "/hasty"   => Commands { hook_timeout: 50ms };
    mute:    "/mute"    => Commands { close_timeout: 50ms };
    pinged:  "/pinged"  => Commands { close_timeout: 50ms, ping: 100ms, idle: 2s };
    quiet:   "/quiet"   => Commands { close_timeout: 50ms, ping: off, idle: 50ms };
    rate:    "/rate"    => Commands { rate: 3/h };
    deaf:    "/deaf"    => NoMessages;
    numbers: "/numbers" => Numbers;
}

async fn running() -> (Running, Reporter, Reports) {
    let (reporter, reports) = Reporter::new();
    let ws = Server::new(Routes::table()).state(reporter.clone()).build();
    (Running::start(ws.unwrap()).await, reporter, reports)
}

#[tokio::test]
async fn the_clients_close_is_echoed_with_its_code() {
    let (server, reporter, mut reports) = running().await;
    for code in [
        1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999,
    ] {
        let mut client = server.open("/obeys").await;
        client.send(close(code, "the text is not echoed")).await;
        assert_eq!(
            client.frame().await,
            Frame::whole(CLOSE, &code.to_be_bytes())
        );
        client.end().await;
        assert_eq!(reports.next().await, format!("ClientClosed {code}"));
    }
    let mut client = server.open("/obeys").await;
    client.send(frame(CLOSE, "")).await;
    assert_eq!(client.frame().await, Frame::whole(CLOSE, b""));
    client.end().await;
    assert_eq!(reports.next().await, "ClientClosed 1005");
    assert_eq!((reporter.open(), reports.received().len()), (0, 0));
}

#[tokio::test]
async fn messages_before_the_close_are_answered_and_messages_after_it_are_not() {
    let (server, _, mut reports) = running().await;
    let mut client = server.open("/obeys").await;
    let mut packet = Vec::new();
    for text in ["one", "two", "three"] {
        packet.extend(frame(TEXT, text));
    }
    packet.extend(close(1000, ""));
    packet.extend(frame(TEXT, "four"));
    packet.extend(frame(PING, "five"));
    client.send(packet).await;
    for text in ["one", "two", "three"] {
        assert_eq!(client.text().await, text);
    }
    assert_eq!(client.close_frame().await.0, 1000);
    client.end().await;
    assert_eq!(reports.next().await, "ClientClosed 1000");
}

#[tokio::test]
async fn a_waiting_hook_is_notified_of_the_close_before_the_echo() {
    let (server, _, mut reports) = running().await;
    let mut client = server.open("/obeys").await;
    client.send_text("wait").await;
    assert_eq!(reports.next().await, "waits");
    client.send(close(1001, "")).await;
    assert_eq!(client.text().await, "closed");
    assert_eq!(client.close_frame().await.0, 1001);
    client.end().await;
    assert_eq!(reports.next().await, "ClientClosed 1001");
}

#[tokio::test]
async fn a_panic_or_an_error_closes_its_own_connection_with_1011_and_no_other() {
    let (server, reporter, mut reports) = running().await;
    let mut other = server.open("/obeys").await;
    for (path, order, cause) in [
        ("/obeys", "panic", "HookPanic"),
        ("/obeys", "panic later", "HookPanic"),
        ("/obeys", "fail", "HookError"),
        ("/hasty", "hang", "HookTimeout"),
    ] {
        let mut client = server.open(path).await;
        client.send_text(order).await;
        assert_eq!(client.close_frame().await.0, 1011, "{order}");
        client.send(close(1011, "")).await;
        client.end().await;
        assert_eq!(reports.next().await, format!("{cause} 1011"));
        other.send_text("still here").await;
        assert_eq!(other.text().await, "still here");
    }
    assert_eq!(reporter.open(), 1);
}

#[tokio::test]
async fn after_the_servers_close_data_is_discarded_until_the_answer() {
    let (server, reporter, mut reports) = running().await;
    let mut client = server.open("/obeys").await;
    client.send_text("close").await;
    assert_eq!(client.close_frame().await, (4000, "on command".to_owned()));
    client.send_text("panic").await;
    client.send(frame(PING, "x")).await;
    assert_eq!((reporter.open(), reports.received().len()), (1, 0));
    client.send(close(4000, "")).await;
    client.end().await;
    assert_eq!(reports.next().await, "HookError 4000");

    let mut client = server.open("/obeys").await;
    client.send_text("bye").await;
    assert_eq!(
        client.frame().await,
        Frame::whole(CLOSE, &1000u16.to_be_bytes())
    );
    client.finish().await;
    client.end().await;
    assert_eq!(reports.next().await, "HookError 1000");
}

#[tokio::test]
async fn the_last_messages_of_a_handler_precede_its_close() {
    let (server, _, mut reports) = running().await;
    let mut client = server.open("/numbers").await;
    client.send_text("3").await;
    for n in ["0", "1", "2"] {
        assert_eq!(client.text().await, n);
    }
    assert_eq!(client.close_frame().await, (1008, "counted".to_owned()));
    client.send(close(1008, "")).await;
    client.end().await;
    assert_eq!(reports.next().await, "ServerClosed 1008");
}
