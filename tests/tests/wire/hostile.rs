//! Hostile clients: other clients are not affected, and memory does not grow.

use bytes::Bytes;
use tokio::sync::mpsc;
use ws_server::Sender;
use ws_server::prelude::*;

use crate::client::{
    BINARY, CLOSE, Client, Frame, PING, PONG, TEXT, frame, header, raw, until, upgrade, within,
};
use crate::running::{Reporter, Reports, Running};

/// The outbox limit of one client of [`Flooded`], in bytes.
const OUTBOX: usize = 64 * 1024;

#[derive(Clone, FromRef)]
struct App {
    reporter: Reporter,
    senders: mpsc::UnboundedSender<Sender>,
}

fn flood() -> Topic<Message> {
    Topic::local("flood")
}

/// Subscribes to the topic.
struct Flooded(Reporter);

#[ws_handler]
impl Flooded {
    fn init(
        State(reporter): State<Reporter>,
        senders: State<mpsc::UnboundedSender<Sender>>,
        socket: &Socket<Self>,
    ) -> Self {
        socket.subscribe(flood());
        let _ = senders.send(socket.sender());
        Flooded(reporter)
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

/// Echoes every message.
struct Echo(Reporter);

#[ws_handler]
impl Echo {
    fn init(
        State(reporter): State<Reporter>,
        senders: State<mpsc::UnboundedSender<Sender>>,
        socket: &Socket<Self>,
    ) -> Self {
        let _ = senders.send(socket.sender());
        Echo(reporter)
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }

    fn terminate(self, reason: CloseReason) {
        self.0.terminated(&reason);
    }
}

dispatch! {
    struct Routes;
    state: App;

    defaults { require_session: false, close_timeout: 100ms, outbox: 64 KiB }

    flooded: "/flooded" => Flooded { stall: 200ms };
    late:    "/late"    => Flooded { close_timeout: 30s };
    echo:    "/echo"    => Echo { stall: 200ms };
    small:   "/small"   => Echo { max_message: 1 KiB };
}

async fn running() -> (Running, Reports, mpsc::UnboundedReceiver<Sender>) {
    let (reporter, reports) = Reporter::new();
    let (senders, sender) = mpsc::unbounded_channel();
    let ws = Server::new(Routes::table()).state(App { reporter, senders });
    (Running::start(ws.build().unwrap()).await, reports, sender)
}

/// Publishes until the connection accepts no more. Returns the number of accepted messages.
async fn publish_until_full(server: &Running, sender: &Sender) -> u64 {
    let hub = server.ws.hub();
    let mut taken = 0_u64;
    while sender.is_open() {
        let mut payload = vec![0; 16 * 1024];
        payload[..8].copy_from_slice(&taken.to_be_bytes());
        let receipt = hub.publish(flood(), &Message::binary(payload));
        taken += u64::try_from(receipt.reached()).unwrap();
        assert!(
            sender.buffered() <= OUTBOX + 200,
            "{} bytes wait",
            sender.buffered()
        );
        assert!(taken < 100_000, "no system buffers so much");
        tokio::task::yield_now().await;
    }
    taken
}

#[tokio::test]
async fn a_slow_reader_gets_whole_frames_and_then_1013() {
    let (server, mut reports, mut senders) = running().await;
    let mut client = server.open("/late").await;
    let sender = senders.recv().await.unwrap();
    let taken = publish_until_full(&server, &sender).await;
    let (before, code) = client.until_close().await;
    assert_eq!(code, 1013);
    // Waiting messages are discarded.
    assert!(
        (1..taken).contains(&(before.len() as u64)),
        "{} of {taken}",
        before.len()
    );
    for (n, frame) in (0_u64..).zip(&before) {
        assert_eq!(
            (frame.fin, frame.opcode, frame.payload.len()),
            (true, BINARY, 16 * 1024)
        );
        assert_eq!(frame.payload[..8], n.to_be_bytes());
    }
    client.finish().await;
    assert_eq!(reports.next().await, "Overflow 1013");
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_others_are_not_affected() {
    let (server, mut reports, mut senders) = running().await;
    let mut other = server.open("/echo").await;
    let _ = senders.recv().await;
    let client = server.open("/flooded").await;
    let sender = senders.recv().await.unwrap();
    publish_until_full(&server, &sender).await;
    other.send_text("not felt").await;
    assert_eq!(other.text().await, "not felt");
    assert_eq!(reports.next().await, "Overflow 1013");
    assert_eq!(sender.buffered(), 0);
    assert!(matches!(
        sender.send("more"),
        Err(ws_server::SendError::Closed(_))
    ));
    until("only one is left", || {
        server.ws.hub().connection_count() == 1
    })
    .await;
    drop(client);
}

#[tokio::test]
async fn a_client_that_sends_and_never_reads_is_throttled_and_then_cut() {
    let (server, mut reports, mut senders) = running().await;
    let client = server.open("/echo").await;
    let sender = senders.recv().await.unwrap();
    let (_read, mut write) = client.stream.into_split();
    let packet = frame(TEXT, "x".repeat(32 * 1024));
    let sending = tokio::spawn(async move {
        while tokio::io::AsyncWriteExt::write_all(&mut write, &packet)
            .await
            .is_ok()
        {}
    });
    let mut max_buffered = 0;
    while sender.is_open() {
        max_buffered = max_buffered.max(sender.buffered());
        tokio::task::yield_now().await;
    }
    assert!(
        max_buffered <= OUTBOX + 64 * 1024,
        "{max_buffered} bytes waited"
    );
    assert_eq!(reports.next().await, "Stalled 1013");
    within("the client is cut", sending).await.unwrap();
}

#[tokio::test]
async fn unread_pongs_do_not_pile_up() {
    let (server, mut reports, mut senders) = running().await;
    let client = server.open("/late").await;
    let sender = senders.recv().await.unwrap();
    let (mut read, mut write) = client.stream.into_split();
    let packet: Vec<u8> = (0..512).flat_map(|_| frame(PING, [0; 125])).collect();
    let sending = tokio::spawn(async move {
        // 64 MiB: more than any system buffers in one direction.
        for _ in 0..1024 {
            tokio::io::AsyncWriteExt::write_all(&mut write, &packet)
                .await
                .unwrap();
        }
        let last = frame(PING, "the last");
        tokio::io::AsyncWriteExt::write_all(&mut write, &last)
            .await
            .unwrap();
        write
    });
    let write = within("everything is taken", sending).await.unwrap();
    assert!(
        sender.buffered() <= OUTBOX + 64 * 1024,
        "{} bytes wait",
        sender.buffered()
    );
    let mut client = Client::over(tokio::io::join(&mut read, tokio::io::sink()));
    loop {
        let frame = client.frame().await;
        assert_eq!(frame.opcode, PONG);
        if frame.payload == b"the last" {
            break;
        }
    }
    drop(write);
    assert_eq!(reports.next().await, "Lost 1006");
}

#[tokio::test]
async fn endless_fragments_hit_the_limit_of_a_message() {
    let (server, mut reports, _senders) = running().await;
    let mut client = server.open("/small").await;
    let mut packet = raw(TEXT, b"");
    for _ in 0..100_000 {
        packet.extend(raw(0, b""));
    }
    client.send(packet).await;
    let mut packet = Vec::new();
    for _ in 0..1025 {
        packet.extend(raw(0, b"x"));
    }
    client.send(packet).await;
    assert_eq!(client.close_frame().await.0, 1009);
    drop(client);
    assert_eq!(reports.next().await, "ProtocolError 1009");
}

#[tokio::test]
async fn declared_bytes_that_never_arrive_use_no_memory() {
    let (server, _reports, mut senders) = running().await;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut client = server.open("/echo").await;
        client.send(header(0x82, 64 * 1024)).await;
        client.send([0; 10]).await;
        waiting.push(client);
        assert_eq!(senders.recv().await.unwrap().buffered(), 0);
    }
    let mut other = server.open("/echo").await;
    other.send_text("not felt").await;
    assert_eq!(other.text().await, "not felt");
}

#[tokio::test]
async fn garbage_gets_400_or_no_response_and_never_stops_the_server() {
    let (server, _reports, _senders) = running().await;
    let packets: [&[u8]; 8] = [
        b"\r\n\r\n\r\n\r\nhello?\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting \r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /echo HTTP/9.9\r\n\r\n",
        b"GET  /echo  HTTP/1.1\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost : example.com\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: example.com\r\nContent-Length: -1\r\n\r\n",
    ];
    for packet in packets {
        let mut client = Client::connect(server.address).await;
        client.send(packet).await;
        client.finish().await;
        client.gone().await;
    }
    // A request inside a body is not a request.
    let mut client = Client::connect(server.address).await;
    let hidden = upgrade("/echo", &[]);
    let lines = format!("Content-Length: {}", hidden.len());
    let outer = upgrade("/none", &[&lines]);
    client.send(outer + &hidden).await;
    assert_eq!(client.response().await.0.status, 404);
    client.finish().await;
    client.gone().await;
    let mut other = server.open("/echo").await;
    other.send_text("not felt").await;
    assert_eq!(other.text().await, "not felt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_after_the_handshake_get_a_close_frame() {
    let (server, mut reports, _senders) = running().await;
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200 {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.to_le_bytes()[0]
        })
        .take(100)
        .collect();
        let mut client = server.open("/small").await;
        client.send(&noise).await;
        client.finish().await;
        // If the noise is an incomplete frame, the end of the stream closes the connection.
        let end = reports.next().await;
        let known = [
            "ProtocolError 1002",
            "ProtocolError 1009",
            "InvalidPayload 1007",
            "Lost 1006",
        ];
        assert!(
            known.contains(&&*end) || end.starts_with("ClientClosed"),
            "{end}"
        );
    }
}

#[tokio::test]
async fn many_short_connections_leak_nothing() {
    let (server, mut reports, _senders) = running().await;
    for round in 0..200_u32 {
        let mut client = server.open("/echo").await;
        match round % 4 {
            0 => client.reset(),
            1 => drop(client),
            2 => client.send(&frame(CLOSE, "")).await,
            _ => client.send([0xff; 2]).await,
        }
        reports.next().await;
    }
    let hub = server.ws.hub();
    until("nothing is left", || hub.connection_count() == 0).await;
    assert_eq!(hub.subscriber_count(flood()), 0);
    let mut client = server.open("/echo").await;
    client
        .send(frame(BINARY, Bytes::from_static(b"as ever")))
        .await;
    assert_eq!(client.frame().await, Frame::whole(BINARY, b"as ever"));
}
