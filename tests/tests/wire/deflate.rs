//! Compressed messages over real sockets (RFC 7692).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use serde_json::{Value, json};
use warp::Filter;
use ws_server::prelude::*;

use crate::browser::Browser;
use crate::client::{BINARY, Client, PING, PONG, TEXT, close, frame, raw, upgrade};
use crate::running::{Reporter, Reports, Running};

/// The first bytes of frames with FIN, RSV1 and an opcode.
const COMPRESSED_TEXT: u8 = 0xc0 | TEXT;
const COMPRESSED_BINARY: u8 = 0xc0 | BINARY;

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
const ACCEPTED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn news() -> Topic<Message> {
    Topic::local("news")
}

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

/// Subscribes to the news; sends each message back twice, with `send` and with `send_async`.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(news());
        Reader
    }

    async fn message(&mut self, text: String, socket: &Socket<Self>) {
        let _ = socket.send(text.clone());
        let _ = socket.send_async(text).await;
    }
}

dispatch! {
    struct Routes;
    state: Reporter;

    defaults { require_session: false }

    echo:   "/echo"   => Echo { deflate: true, max_message: 1 MiB, outbox: 4 MiB };
    plain:  "/plain"  => Echo;
    never:  "/never"  => Echo { deflate: false };
    reader: "/reader" => Reader { deflate: true };
    page:   "/page"   => PageStream { deflate: true, require_session: true };
}

async fn running() -> (Running, Reports) {
    let (reporter, reports) = Reporter::new();
    let ws = Server::new(Routes::table()).state(reporter).build();
    (Running::start(ws.unwrap()).await, reports)
}

/// A client that offers these extensions, and the extensions in the server's response.
async fn offering(server: &Running, path: &str, lines: &[&str]) -> (Client, Option<String>) {
    let mut client = Client::connect(server.address).await;
    client.send(upgrade(path, lines)).await;
    let head = client.head().await;
    assert_eq!(head.status, 101, "{head:?}");
    let accepted = head.header("sec-websocket-extensions").map(str::to_owned);
    (client, accepted)
}

async fn packing(server: &Running, path: &str) -> Client {
    let (client, accepted) = offering(server, path, &[OFFER]).await;
    assert_eq!(accepted.as_deref(), Some(ACCEPTED));
    client
}

fn pack(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 1024);
    let mut compress = Compress::new(Compression::best(), false);
    let sync = FlushCompress::Sync;
    compress.compress_vec(payload, &mut out, sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

fn unpack(payload: &[u8]) -> Vec<u8> {
    let wire = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut out = Vec::with_capacity(4 << 20);
    let sync = FlushDecompress::Sync;
    let mut decompress = Decompress::new(false);
    decompress.decompress_vec(&wire, &mut out, sync).unwrap();
    assert_eq!(decompress.total_in(), wire.len() as u64);
    out
}

/// Text that compresses well.
fn long(len: usize) -> String {
    "to be or not to be; ".chars().cycle().take(len).collect()
}

#[tokio::test]
async fn the_response_has_the_negotiated_parameters_if_the_route_compresses() {
    let (server, _reports) = running().await;
    let header = "Sec-WebSocket-Extensions: ";
    let windowed = format!("{ACCEPTED}; server_max_window_bits=10");
    let table: &[(&[&str], Option<&str>)] = &[
        (&[], None),
        (&["permessage-deflate"], Some(ACCEPTED)),
        (
            &["permessage-deflate; client_max_window_bits"],
            Some(ACCEPTED),
        ),
        (
            &["permessage-deflate; server_max_window_bits=\"10\""],
            Some(&windowed),
        ),
        (
            &[
                "x-other; a=\"b,c\"",
                "permessage-deflate;server_max_window_bits=10",
            ],
            Some(&windowed),
        ),
        (&["permessage-deflate; server_max_window_bits=8"], None),
        (
            &["permessage-deflate; mode=fast, permessage-deflate"],
            Some(ACCEPTED),
        ),
        (&["permessage-deflate; server_max_window_bits=08"], None),
        (&["\"; ="], None),
    ];
    for (offers, expected) in table {
        let lines: Vec<_> = offers
            .iter()
            .map(|offer| format!("{header}{offer}"))
            .collect();
        let lines: Vec<_> = lines.iter().map(|line| &**line).collect();
        let (mut client, accepted) = offering(&server, "/echo", &lines).await;
        assert_eq!(accepted.as_deref(), *expected, "{offers:?}");
        // Uncompressed messages are valid with every negotiated extension.
        client.send_text("hello").await;
        assert_eq!(client.text().await, "hello");
        for route in ["/plain", "/never"] {
            assert_eq!(offering(&server, route, &lines).await.1, None, "{route}");
        }
    }
}

#[tokio::test]
async fn messages_are_compressed_in_both_directions() {
    let (server, _reports) = running().await;
    let mut client = packing(&server, "/echo").await;
    for len in [256, 257, 4096, 16_385, 100_000, 1 << 20] {
        let text = long(len);
        for (first, plain) in [(COMPRESSED_TEXT, TEXT), (COMPRESSED_BINARY, BINARY)] {
            client.send(raw(first, &pack(text.as_bytes()))).await;
            let (echo, payload) = client.raw_frame().await;
            assert_eq!(echo, first, "{len} bytes");
            assert!(payload.len() < len / 2, "{len} bytes as {}", payload.len());
            assert!(unpack(&payload) == text.as_bytes(), "{len} bytes");
            // The server compresses its reply to an uncompressed message: each side decides for
            // itself.
            client.send(frame(plain, &text)).await;
            assert!(client.raw_frame().await == (echo, payload), "{len} bytes");
        }
    }
    // In fragments, with a Ping between them.
    let packed = pack(long(5000).as_bytes());
    let (one, two) = packed.split_at(packed.len() / 2);
    client.send(raw(0x40 | TEXT, one)).await;
    client.send(frame(PING, b"?")).await;
    client.send(raw(0x80, two)).await;
    assert_eq!(client.raw_frame().await, (0x80 | PONG, b"?".to_vec()));
    let (first, payload) = client.raw_frame().await;
    assert_eq!(
        (first, unpack(&payload)),
        (COMPRESSED_TEXT, long(5000).into_bytes())
    );
    client.send(close(1000, "")).await;
    assert_eq!(client.close_frame().await.0, 1000);
}

#[tokio::test]
async fn short_and_incompressible_messages_are_sent_uncompressed() {
    let (server, _reports) = running().await;
    let mut client = packing(&server, "/echo").await;
    client.send_text(&long(255)).await;
    assert_eq!(
        client.raw_frame().await,
        (0x80 | TEXT, long(255).into_bytes())
    );
    client.send_text(&long(256)).await;
    assert_eq!(client.raw_frame().await.0, COMPRESSED_TEXT);
    // A compressed message may be short, or empty.
    client.send(raw(COMPRESSED_TEXT, &pack(b"short"))).await;
    assert_eq!(client.text().await, "short");
    client.send(raw(COMPRESSED_BINARY, &[0])).await;
    assert_eq!(client.raw_frame().await, (0x80 | BINARY, Vec::new()));
    let mut state = 1_u64;
    let mut noise = |len: usize| -> Vec<u8> {
        let next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(len).collect()
    };
    for len in [300, 20_000, 200_000] {
        let noise = noise(len);
        client.send(frame(BINARY, &noise)).await;
        assert!(
            client.raw_frame().await == (0x80 | BINARY, noise),
            "{len} bytes"
        );
    }
}

#[tokio::test]
async fn a_bomb_is_refused_with_1009() {
    let (server, mut reports) = running().await;
    let mut client = packing(&server, "/echo").await;
    // One gibibyte: a block of 4 MiB of zeros without back-references, 256 times.
    let mut piece = Vec::with_capacity(64 << 10);
    let mut compress = Compress::new(Compression::best(), false);
    let full = FlushCompress::Full;
    compress
        .compress_vec(&vec![0; 4 << 20], &mut piece, full)
        .unwrap();
    let mut bomb = piece.repeat(256);
    bomb.truncate(bomb.len() - 4);
    assert!(bomb.len() <= 1 << 20, "{} bytes", bomb.len());
    client.send(raw(COMPRESSED_BINARY, &bomb)).await;
    assert_eq!(client.until_close().await, (Vec::new(), 1009));
    client.finish().await;
    assert_eq!(reports.next().await, "ProtocolError 1009");
    // One byte above the limit, and a header that declares more compressed bytes than the limit.
    let mut client = packing(&server, "/echo").await;
    client
        .send(raw(COMPRESSED_TEXT, &pack(&vec![b' '; 1 + (1 << 20)])))
        .await;
    assert_eq!(client.until_close().await, (Vec::new(), 1009));
    let mut client = packing(&server, "/echo").await;
    client
        .send(crate::client::header(COMPRESSED_BINARY, 1 + (1 << 20)))
        .await;
    assert_eq!(client.until_close().await, (Vec::new(), 1009));
}

#[tokio::test]
async fn data_that_cannot_be_inflated_is_refused_with_1007() {
    let (server, mut reports) = running().await;
    let cut = &pack(long(300).as_bytes())[..10];
    for payload in [&b"\x07"[..], b"", b"plain text", cut, &pack(b"caf\xe9")] {
        let mut client = packing(&server, "/echo").await;
        client.send(raw(COMPRESSED_TEXT, payload)).await;
        assert_eq!(
            client.until_close().await,
            (Vec::new(), 1007),
            "{payload:x?}"
        );
        client.finish().await;
        assert_eq!(reports.next().await, "InvalidPayload 1007");
    }
}

#[tokio::test]
async fn an_unexpected_rsv1_is_refused_with_1002() {
    let (server, mut reports) = running().await;
    let packed = raw(COMPRESSED_TEXT, &pack(b"Hello"));
    let (mut refused, accepted) = offering(&server, "/plain", &[OFFER]).await;
    assert_eq!(accepted, None);
    let mut silent = offering(&server, "/echo", &[]).await.0;
    for client in [&mut refused, &mut silent] {
        client.send(&packed).await;
        assert_eq!(client.until_close().await, (Vec::new(), 1002));
        client.finish().await;
        assert_eq!(reports.next().await, "ProtocolError 1002");
    }
    for wrong in [
        raw(0xc0 | PING, b""),
        raw(0xc0 | 8, b""),
        [raw(TEXT, b"a"), raw(0xc0, b"b")].concat(),
        raw(COMPRESSED_TEXT | 0x20, &pack(b"Hello")),
        raw(0x90 | TEXT, b"Hello"),
    ] {
        let mut client = packing(&server, "/echo").await;
        client.send(&wrong).await;
        assert_eq!(client.until_close().await, (Vec::new(), 1002), "{wrong:x?}");
        client.finish().await;
        assert_eq!(reports.next().await, "ProtocolError 1002");
    }
}

#[tokio::test]
async fn a_publish_reaches_each_subscriber_in_its_negotiated_form() {
    let (server, _reports) = running().await;
    let mut plain = offering(&server, "/reader", &[]).await.0;
    let mut packed = packing(&server, "/reader").await;
    let small = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9";
    let (mut small, accepted) = offering(&server, "/reader", &[small]).await;
    assert!(accepted.unwrap().ends_with("; server_max_window_bits=9"));
    let mut other = packing(&server, "/reader").await;
    for text in [long(300), long(50_000)] {
        assert_eq!(
            server
                .ws
                .hub()
                .publish(news(), &Message::text(text.clone()))
                .reached(),
            4
        );
        assert_eq!(plain.text().await, text);
        // If a subscriber has a smaller window, it gets the message uncompressed, because it would
        // need a compression of its own.
        assert_eq!(small.text().await, text);
        let (first, payload) = packed.raw_frame().await;
        assert_eq!(first, COMPRESSED_TEXT);
        assert!(unpack(&payload) == text.as_bytes());
        assert!(other.raw_frame().await == (first, payload));
    }
    server.ws.hub().publish(news(), &Message::text("short"));
    for client in [&mut plain, &mut packed, &mut small, &mut other] {
        assert_eq!(client.text().await, "short");
    }
}

#[tokio::test]
async fn messages_sent_through_a_handle_are_compressed() {
    let (server, _reports) = running().await;
    let text = long(3000);
    let mut packed = packing(&server, "/reader").await;
    packed.send_text(&text).await;
    for _ in 0..2 {
        let (first, payload) = packed.raw_frame().await;
        assert_eq!(
            (first, unpack(&payload)),
            (COMPRESSED_TEXT, text.clone().into_bytes())
        );
    }
    let mut plain = offering(&server, "/reader", &[]).await.0;
    plain.send_text(&text).await;
    assert_eq!(
        (plain.text().await, plain.text().await),
        (text.clone(), text)
    );
}

#[tokio::test]
async fn the_stream_of_a_page_is_compressed_in_both_directions() {
    let (reporter, _reports) = Reporter::new();
    let ws = Server::new(Routes::table())
        .state(reporter)
        .build()
        .unwrap();
    let page = warp::path::end()
        .and(warp::get())
        .and(ws.page())
        .map(|visit: Visit, page: Page| visit.reply(page.stream_tag(&Routes::page()).to_string()));
    let filter = ws.filter().or(page);
    let server = Running::serve(ws, filter).await;
    server.ws.hub().on_page_message(|sent, _hub| {
        sent.page.push("heard", &sent.message.as_text());
    });
    let mut browser = Browser::new(server.address);
    let tag = browser.get("/").await;
    let (_, rest) = tag.split_once(" data-epoch=\"").unwrap();
    let epoch = rest.split_once('"').unwrap().0;
    browser.lines = vec![
        "Sec-WebSocket-Protocol: page.v1".to_owned(),
        OFFER.to_owned(),
    ];
    let page = browser.cookie("z_pid").to_owned();
    let target = format!("/page?z_pid={page}&epoch={epoch}&offset=0");
    let mut client = browser.open(&target).await;
    let welcome = json!({"type": "welcome", "epoch": epoch, "offset": 0, "seen": 0});
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert_eq!(read(client.text().await.as_bytes()), welcome);
    assert_eq!(server.ws.hub().broadcast("n", &long(5000)), 1);
    let (first, payload) = client.raw_frame().await;
    assert_eq!(first, COMPRESSED_TEXT);
    let event = json!({"type": "event", "offset": 1, "event": "n", "data": long(5000)});
    assert_eq!(read(&unpack(&payload)), event);
    let message = json!({"type": "text", "id": 1, "data": long(600)}).to_string();
    client
        .send(raw(COMPRESSED_TEXT, &pack(message.as_bytes())))
        .await;
    let event = json!({"type": "event", "offset": 2, "event": "heard", "data": long(600)});
    let (first, payload) = client.raw_frame().await;
    assert_eq!((first, read(&unpack(&payload))), (COMPRESSED_TEXT, event));
    assert_eq!(
        read(client.text().await.as_bytes()),
        json!({"type": "seen", "id": 1})
    );
}
