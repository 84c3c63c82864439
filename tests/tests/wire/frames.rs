//! Messages and frames on the wire (RFC 6455, section 5).

use std::collections::VecDeque;

use tokio::io::AsyncWriteExt;
use ws_server::prelude::*;

use crate::client::{BINARY, Client, Frame, PING, PONG, TEXT, close, frame, raw, upgrade, within};
use crate::running::{Reporter, Running};

/// Echoes every message, and reports its end.
struct Echo(Reporter);

#[ws_handler]
impl Echo {
    fn init(State(reporter): State<Reporter>) -> Self {
        Echo(reporter)
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Like [`Echo`], but yields to other tasks at each message.
struct Slow(Reporter);

#[ws_handler]
impl Slow {
    fn init(State(reporter): State<Reporter>) -> Self {
        Slow(reporter)
    }

    async fn message(&mut self, message: Message) -> Message {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        message
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Answers one message with many.
struct Many;

#[ws_handler]
impl Many {
    fn init() -> Self {
        Many
    }

    fn message(&mut self, count: String) -> Vec<String> {
        let count: u32 = count.parse().unwrap_or(0);
        (0..count)
            .map(|number| format!("{number:0>1000}"))
            .collect()
    }
}

dispatch! {
    struct Routes;
    state: Reporter;

    defaults { require_session: false }

    echo:  "/echo"  => Echo { max_message: 16 MiB };
    small: "/small" => Echo { max_message: 1 KiB, outbox: 4 KiB, read_ahead: 4 KiB };
    slow:  "/slow"  => Slow;
    many:  "/many"  => Many { outbox: 8 KiB };
}

async fn running(reporter: Reporter) -> Running {
    let ws = Server::new(Routes::table()).state(reporter).build();
    Running::start(ws.unwrap()).await
}

#[tokio::test]
async fn text_and_binary_messages_of_every_length_are_echoed() {
    let server = running(Reporter::new().0).await;
    let mut client = server.open("/echo").await;
    for len in [
        0, 1, 125, 126, 127, 4096, 4097, 16_385, 65_535, 65_536, 65_537, 1_000_000,
    ] {
        let payload: Vec<u8> = (0..len)
            .map(|at| b'a' + u8::try_from(at % 26).unwrap())
            .collect();
        for opcode in [TEXT, BINARY] {
            client.send(frame(opcode, &payload)).await;
            let echo = client.frame().await;
            assert!(
                echo == Frame::whole(opcode, &payload),
                "{opcode} of {len} bytes"
            );
        }
    }
    let every_byte: Vec<u8> = (0..=255).collect();
    client.send(frame(BINARY, &every_byte)).await;
    assert_eq!(client.frame().await, Frame::whole(BINARY, &every_byte));
}

#[tokio::test]
async fn sixteen_mebibytes_are_echoed() {
    let server = running(Reporter::new().0).await;
    let mut client = server.open("/echo").await;
    let payload: Vec<u8> = (0..16 << 20)
        .map(|at: u32| at.to_le_bytes()[at as usize % 3])
        .collect();
    client.send(frame(BINARY, &payload)).await;
    let echo = client.frame().await;
    assert_eq!((echo.fin, echo.opcode), (true, BINARY));
    assert!(echo.payload == payload, "the payload has changed");
}

#[tokio::test]
async fn fragments_are_joined_and_pings_between_them_are_answered() {
    let server = running(Reporter::new().0).await;
    for path in ["/echo", "/slow"] {
        let mut client = server.open(path).await;
        // The euro sign is split across two fragments.
        let fragments = [
            raw(TEXT, "10 ".as_bytes()),
            frame(PING, "one"),
            raw(0, &"€".as_bytes()[..1]),
            raw(0, b""),
            frame(PING, "two"),
            frame(PONG, "nobody asked"),
            raw(0x80, &"€".as_bytes()[1..]),
        ];
        for fragment in fragments {
            client.send(fragment).await;
        }
        assert_eq!(client.frame().await, Frame::whole(PONG, b"one"));
        assert_eq!(client.frame().await, Frame::whole(PONG, b"two"));
        assert_eq!(client.text().await, "10 €");
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_its_own_payload() {
    let server = running(Reporter::new().0).await;
    let mut client = server.open("/echo").await;
    for payload in [&b""[..], b"x", &[0xff; 125]] {
        client.send(frame(PING, payload)).await;
        assert_eq!(client.frame().await, Frame::whole(PONG, payload));
    }
}

#[tokio::test]
async fn a_message_may_arrive_one_byte_at_a_time() {
    let server = running(Reporter::new().0).await;
    let mut client = Client::connect(server.address).await;
    let mut bytes = upgrade("/echo", &[]).into_bytes();
    bytes.extend(raw(TEXT, "gr".as_bytes()));
    bytes.extend(frame(PING, "p"));
    bytes.extend(raw(0x80, "ün".as_bytes()));
    bytes.extend(frame(BINARY, vec![7; 200]));
    bytes.extend(close(1000, "enough"));
    for byte in bytes {
        client.send([byte]).await;
        // The server reads each byte before the next is sent.
        tokio::task::yield_now().await;
    }
    assert_eq!(client.head().await.status, 101);
    assert_eq!(client.frame().await, Frame::whole(PONG, b"p"));
    assert_eq!(client.text().await, "grün");
    assert_eq!(client.frame().await, Frame::whole(BINARY, &[7; 200]));
    assert_eq!(client.close_frame().await.0, 1000);
    client.end().await;
}

#[tokio::test]
async fn sixty_four_messages_in_one_packet_are_answered_in_order() {
    let server = running(Reporter::new().0).await;
    for path in ["/echo", "/slow", "/small"] {
        let mut client = server.open(path).await;
        let packet: Vec<u8> = (0..64)
            .flat_map(|n: u32| frame(TEXT, n.to_string()))
            .collect();
        for _ in 0..3 {
            client.send(&packet).await;
            for n in 0..64 {
                assert_eq!(client.text().await, n.to_string(), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_starts_to_read_late_gets_everything_in_order() {
    let server = running(Reporter::new().0).await;
    for (path, size, count) in [
        ("/echo", 1 << 20, 24),
        ("/small", 1000, 20_000),
        ("/slow", 60_000, 200),
    ] {
        let (read, mut write) = server.open(path).await.stream.into_split();
        let message = move |n: usize| {
            let mut payload = vec![b'.'; size];
            payload[..8].copy_from_slice(&(n as u64).to_be_bytes());
            payload
        };
        let sending = tokio::spawn(async move {
            for n in 0..count {
                write.write_all(&frame(BINARY, message(n))).await.unwrap();
            }
            write
        });
        let mut client = Client::over(tokio::io::join(read, tokio::io::sink()));
        for n in 0..count {
            let echo = client.frame().await;
            assert!(
                echo == Frame::whole(BINARY, &message(n)),
                "{path}, message {n}"
            );
        }
        within("everything is sent", sending).await.unwrap();
    }
}

#[tokio::test]
async fn a_reply_of_many_messages_waits_for_room_in_a_small_outbox() {
    let server = running(Reporter::new().0).await;
    let mut client = server.open("/many").await;
    client.send_text("10000").await;
    client.send_text("2").await;
    let mut expected: VecDeque<u32> = (0..10_000).chain(0..2).collect();
    while let Some(number) = expected.pop_front() {
        assert_eq!(client.text().await, format!("{number:0>1000}"));
    }
}

#[tokio::test]
async fn a_client_that_has_shut_down_its_writes_still_gets_its_replies() {
    let (reporter, mut reports) = Reporter::new();
    let server = running(reporter).await;
    for path in ["/echo", "/slow"] {
        let mut client = server.open(path).await;
        for n in 0..100 {
            client.send_text(&n.to_string()).await;
        }
        client.finish().await;
        for n in 0..100 {
            assert_eq!(client.text().await, n.to_string(), "{path}");
        }
        client.end().await;
        assert_eq!(reports.next().await, "Lost 1006");
    }
}
