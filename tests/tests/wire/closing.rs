//! Every way to end, and its code (RFC 6455, section 7).

use std::time::Duration;

use ws_server::prelude::*;

use crate::client::{BINARY, CLOSE, Client, Frame, PING, TEXT, close, frame, header, raw, upgrade};
use crate::running::{Hears, Running, Told};

/// Does what it is told.
struct Obeys(Told);

#[ws_handler]
impl Obeys {
    fn init(State(told): State<Told>) -> Self {
        told.made();
        Obeys(told)
    }

    async fn message(&mut self, text: String, socket: &Socket<Self>) -> Result<String, Close> {
        match &*text {
            "panic" => panic!("as it was told"),
            "panic later" => {
                tokio::task::yield_now().await;
                panic!("as it was told")
            }
            "close" => Err(Close::new(CloseCode::new(4000).unwrap(), "as it was told")),
            "bye" => Err(Close::NORMAL),
            "fail" => "x".parse::<u8>().or_close().map(|_| String::new()),
            "hang" => std::future::pending().await,
            "wait" => {
                self.0.tell("waits");
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

/// Takes nothing.
struct Deaf(Told);

#[ws_handler]
impl Deaf {
    fn init(State(told): State<Told>) -> Self {
        told.made();
        Deaf(told)
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Takes JSON, and says three things at its end.
struct Numbers(Told);

#[ws_handler]
impl Numbers {
    fn init(State(told): State<Told>) -> Self {
        told.made();
        Numbers(told)
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
    state: Told;

    defaults { require_session: false, close_timeout: 2s }

    obeys:   "/obeys"   => Obeys { max_message: 1 KiB };
    hasty:   "/hasty"   => Obeys { hook_timeout: 50ms };
    mute:    "/mute"    => Obeys { close_timeout: 50ms };
    pinged:  "/pinged"  => Obeys { close_timeout: 50ms, ping: 100ms, idle: 2s };
    quiet:   "/quiet"   => Obeys { close_timeout: 50ms, ping: off, idle: 50ms };
    rate:    "/rate"    => Obeys { rate: 3/h };
    deaf:    "/deaf"    => Deaf;
    numbers: "/numbers" => Numbers;
}

async fn running() -> (Running, Told, Hears) {
    let (told, hears) = Told::new();
    let ws = Server::new(Routes::table()).state(told.clone()).build();
    (Running::start(ws.unwrap()).await, told, hears)
}

#[tokio::test]
async fn the_clients_close_is_echoed_with_its_code() {
    let (server, told, mut hears) = running().await;
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
        assert_eq!(hears.next().await, format!("ClientClosed {code}"));
    }
    let mut client = server.open("/obeys").await;
    client.send(frame(CLOSE, "")).await;
    assert_eq!(client.frame().await, Frame::whole(CLOSE, b""));
    client.end().await;
    assert_eq!(hears.next().await, "ClientClosed 1005");
    assert_eq!((told.open(), hears.so_far().len()), (0, 0));
}

#[tokio::test]
async fn what_stands_before_the_close_is_answered_and_what_stands_behind_it_is_not() {
    let (server, _, mut hears) = running().await;
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
    assert_eq!(hears.next().await, "ClientClosed 1000");
}

#[tokio::test]
async fn a_waiting_hook_learns_of_the_close_before_it_is_echoed() {
    let (server, _, mut hears) = running().await;
    let mut client = server.open("/obeys").await;
    client.say("wait").await;
    assert_eq!(hears.next().await, "waits");
    client.send(close(1001, "")).await;
    assert_eq!(client.text().await, "closed");
    assert_eq!(client.close_frame().await.0, 1001);
    client.end().await;
    assert_eq!(hears.next().await, "ClientClosed 1001");
}

#[tokio::test]
async fn who_breaks_the_protocol_is_closed_with_1002() {
    let (server, told, mut hears) = running().await;
    let table: &[(&str, Vec<u8>)] = &[
        ("no mask", vec![0x81, 1, b'x']),
        ("RSV1", raw(0xc1, b"x")),
        ("RSV2", raw(0xa1, b"x")),
        ("RSV3 on a Ping", raw(0x99, b"x")),
        ("opcode 3", frame(3, "x")),
        ("opcode 7", frame(7, "")),
        ("opcode 11", frame(11, "")),
        ("opcode 15", frame(15, "")),
        ("a Ping in fragments", raw(PING, b"x")),
        ("a Close in fragments", raw(CLOSE, b"")),
        ("a Ping of 126 bytes", frame(PING, vec![0; 126])),
        ("5 bytes as 16 bits", vec![0x81, 0xfe, 0, 5]),
        (
            "5 bytes as 64 bits",
            vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5],
        ),
        (
            "65,535 bytes as 64 bits",
            vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        ),
        (
            "a length of 2^63",
            vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("a continuation of nothing", raw(0x80, b"x")),
        (
            "a message in a message",
            [raw(TEXT, b"x"), frame(TEXT, "y")].concat(),
        ),
        ("a Close of one byte", frame(CLOSE, "x")),
    ];
    for (name, bytes) in table {
        let mut client = server.open("/obeys").await;
        client.send(bytes).await;
        let (code, text) = client.close_frame().await;
        assert_eq!(code, 1002, "{name}: {text}");
        assert!(!text.is_empty(), "{name}");
        client.end().await;
        client.finish().await;
        assert_eq!(hears.next().await, "ProtocolError 1002", "{name}");
    }
    assert_eq!(told.open(), 0);
}

#[tokio::test]
async fn close_codes_that_may_not_be_sent_are_refused() {
    let (server, _, mut hears) = running().await;
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        let mut client = server.open("/obeys").await;
        client.send(close(code, "")).await;
        assert_eq!(client.close_frame().await.0, 1002, "{code}");
        client.end().await;
        client.finish().await;
        assert_eq!(hears.next().await, "ProtocolError 1002", "{code}");
    }
}

#[tokio::test]
async fn earlier_messages_are_answered_before_a_broken_one_ends_everything() {
    let (server, _, _hears) = running().await;
    let mut client = server.open("/obeys").await;
    let packet = [
        frame(TEXT, "fine"),
        vec![0xff, 0xff],
        frame(TEXT, "not read"),
    ]
    .concat();
    client.send(packet).await;
    assert_eq!(client.text().await, "fine");
    assert_eq!(client.close_frame().await.0, 1002);
    client.end().await;
}

#[tokio::test]
async fn data_that_the_handler_does_not_take_is_closed_with_1003() {
    let (server, _, mut hears) = running().await;
    for (path, data) in [
        ("/obeys", frame(BINARY, "x")),
        ("/deaf", frame(TEXT, "x")),
        ("/deaf", frame(BINARY, "x")),
    ] {
        let mut client = server.open(path).await;
        client.send(data).await;
        assert_eq!(client.close_frame().await.0, 1003, "{path}");
        client.send(close(1003, "")).await;
        client.end().await;
        assert_eq!(hears.next().await, "InvalidPayload 1003", "{path}");
    }
}

#[tokio::test]
async fn bad_utf8_is_closed_with_1007_before_its_frame_has_ended() {
    let (server, _, mut hears) = running().await;
    let masked = |bytes: &[u8], declared: usize| {
        let whole = raw(0x81, bytes);
        let mut frame = header(0x81, declared);
        frame.extend(&whole[whole.len() - bytes.len()..]);
        frame
    };
    let table = [
        ("a stray byte, 500 declared", masked(b"fine\xff", 500)),
        ("a surrogate", masked(b"\xed\xa0\x80", 100)),
        ("an overlong slash", masked(b"\xc0\xaf", 100)),
        ("above U+10FFFF", masked(b"\xf4\x90", 100)),
        ("cut off at the end", frame(TEXT, b"\xe2\x82")),
        (
            "across fragments",
            [raw(TEXT, b"\xe2\x82"), raw(0, b"\x20")].concat(),
        ),
        ("the text of a Close", frame(CLOSE, b"\x03\xe8\xff")),
    ];
    for (name, bytes) in table {
        let mut client = server.open("/obeys").await;
        client.send(bytes).await;
        assert_eq!(client.close_frame().await.0, 1007, "{name}");
        client.end().await;
        client.finish().await;
        assert_eq!(hears.next().await, "InvalidPayload 1007", "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_closed_with_1007() {
    let (server, _, mut hears) = running().await;
    let mut client = server.open("/numbers").await;
    client.say("many").await;
    assert_eq!(client.close_frame().await.0, 1007);
    client.send(close(1007, "")).await;
    client.end().await;
    assert_eq!(hears.next().await, "InvalidPayload 1007");
}

#[tokio::test]
async fn too_many_messages_are_closed_with_1008() {
    let (server, _, mut hears) = running().await;
    let mut client = server.open("/rate").await;
    for text in ["one", "two", "three"] {
        client.say(text).await;
        client.send(frame(PING, "is no message")).await;
        assert_eq!(client.text().await, text);
        client.frame().await;
    }
    client.say("four").await;
    assert_eq!(client.close_frame().await.0, 1008);
    client.send(close(1008, "")).await;
    client.end().await;
    assert_eq!(hears.next().await, "RateLimit 1008");
}

#[tokio::test]
async fn a_message_over_the_limit_is_closed_with_1009_before_its_payload_is_sent() {
    let (server, _, mut hears) = running().await;
    let mut client = server.open("/obeys").await;
    let fits = "x".repeat(1024);
    client.say(&fits).await;
    assert_eq!(client.text().await, fits);
    let table = [
        ("one byte over", header(0x81, 1025)),
        ("a gibibyte", header(0x82, 1 << 30)),
        ("2^62 bytes", header(0x82, 1 << 62)),
        (
            "fragments",
            [raw(TEXT, &[b'x'; 1000]), header(0x80, 25)].concat(),
        ),
    ];
    for (name, bytes) in table {
        let mut client = server.open("/obeys").await;
        client.send(bytes).await;
        assert_eq!(client.close_frame().await.0, 1009, "{name}");
        client.end().await;
        client.finish().await;
        assert_eq!(hears.next().await, "ProtocolError 1009", "{name}");
    }
}

#[tokio::test]
async fn a_panic_or_an_error_closes_its_own_connection_with_1011_and_no_other() {
    let (server, told, mut hears) = running().await;
    let mut other = server.open("/obeys").await;
    for (path, order, cause) in [
        ("/obeys", "panic", "HookPanic"),
        ("/obeys", "panic later", "HookPanic"),
        ("/obeys", "fail", "HookError"),
        ("/hasty", "hang", "HookTimeout"),
    ] {
        let mut client = server.open(path).await;
        client.say(order).await;
        assert_eq!(client.close_frame().await.0, 1011, "{order}");
        client.send(close(1011, "")).await;
        client.end().await;
        assert_eq!(hears.next().await, format!("{cause} 1011"));
        other.say("still here").await;
        assert_eq!(other.text().await, "still here");
    }
    assert_eq!(told.open(), 1);
}

#[tokio::test]
async fn after_the_servers_close_data_is_discarded_until_the_answer() {
    let (server, told, mut hears) = running().await;
    let mut client = server.open("/obeys").await;
    client.say("close").await;
    assert_eq!(
        client.close_frame().await,
        (4000, "as it was told".to_owned())
    );
    client.say("panic").await;
    client.send(frame(PING, "x")).await;
    assert_eq!((told.open(), hears.so_far().len()), (1, 0));
    client.send(close(4000, "")).await;
    client.end().await;
    assert_eq!(hears.next().await, "HookError 4000");

    let mut client = server.open("/obeys").await;
    client.say("bye").await;
    assert_eq!(
        client.frame().await,
        Frame::whole(CLOSE, &1000u16.to_be_bytes())
    );
    client.finish().await;
    client.end().await;
    assert_eq!(hears.next().await, "HookError 1000");
}

#[tokio::test]
async fn the_last_words_of_a_handler_come_before_its_close() {
    let (server, _, mut hears) = running().await;
    let mut client = server.open("/numbers").await;
    client.say("3").await;
    for n in ["0", "1", "2"] {
        assert_eq!(client.text().await, n);
    }
    assert_eq!(client.close_frame().await, (1008, "counted".to_owned()));
    client.send(close(1008, "")).await;
    client.end().await;
    assert_eq!(hears.next().await, "ServerClosed 1008");
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_is_not_waited_for() {
    let (server, _, mut hears) = running().await;
    let mut client = server.open("/mute").await;
    client.say("close").await;
    assert_eq!(client.close_frame().await.0, 4000);
    client.gone().await;
    assert_eq!(hears.next().await, "HookError 4000");
}

#[tokio::test]
async fn a_mute_client_is_pinged_and_then_closed() {
    let (server, _, mut hears) = running().await;
    let mut client = server.open("/pinged").await;
    let (before, code) = client.until_close().await;
    assert!(!before.is_empty());
    assert!(
        before.iter().all(|frame| *frame == Frame::whole(PING, b"")),
        "{before:?}"
    );
    assert_eq!(code, 1001);
    assert_eq!(hears.next().await, "PingTimeout 1001");

    let mut client = server.open("/quiet").await;
    assert_eq!(client.close_frame().await.0, 1001);
    assert_eq!(hears.next().await, "IdleTimeout 1001");
}

#[tokio::test]
async fn an_expired_connection_is_closed_with_4401() {
    let (server, _, mut hears) = running().await;
    let mut client = server.open("/obeys").await;
    client.say("expire").await;
    assert_eq!(client.text().await, "expires");
    assert_eq!(client.close_frame().await, (4401, "expired".to_owned()));
    client.send(close(4401, "")).await;
    client.end().await;
    assert_eq!(hears.next().await, "Expired 4401");
}

#[tokio::test]
async fn an_end_without_a_close_is_a_lost_connection() {
    let (server, told, mut hears) = running().await;
    let mut client = server.open("/obeys").await;
    client.finish().await;
    client.end().await;
    assert_eq!(hears.next().await, "Lost 1006");

    server.open("/obeys").await.reset();
    assert_eq!(hears.next().await, "Lost 1006");

    // In the middle of a frame, and while a hook waits.
    let mut client = server.open("/obeys").await;
    client.send(&frame(TEXT, "never whole")[..8]).await;
    client.reset();
    assert_eq!(hears.next().await, "Lost 1006");
    let mut client = server.open("/obeys").await;
    client.say("wait").await;
    assert_eq!(hears.next().await, "waits");
    client.reset();
    assert_eq!(hears.next().await, "Lost 1006");
    // A hook that waits for the end learns of it, and has the last word.
    let mut client = server.open("/obeys").await;
    client.say("wait").await;
    assert_eq!(hears.next().await, "waits");
    client.finish().await;
    assert_eq!(client.text().await, "closed");
    client.end().await;
    assert_eq!(hears.next().await, "Lost 1006");
    assert_eq!(told.open(), 0);
}

#[tokio::test]
async fn a_connection_that_is_lost_right_after_its_request_is_terminated_too() {
    let (server, told, mut hears) = running().await;
    for _ in 0..20 {
        let mut client = Client::connect(server.address).await;
        client.send(upgrade("/obeys", &[])).await;
        assert_eq!(client.head().await.status, 101);
        client.reset();
        let end = hears.next().await;
        assert!(
            ["Lost 1006", "UpgradeFailed 1006"].contains(&&*end),
            "{end}"
        );
    }
    assert_eq!(told.open(), 0);
    server.ws.shutdown(Duration::ZERO).await;
    assert_eq!(server.ws.hub().connection_count(), 0);
}
