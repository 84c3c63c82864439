//! The close codes for clients that break a rule or exceed a limit.

use super::*;

#[tokio::test]
async fn a_protocol_error_closes_with_1002() {
    let (server, told, mut reports) = running().await;
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
        assert_eq!(reports.next().await, "ProtocolError 1002", "{name}");
    }
    assert_eq!(told.open(), 0);
}

#[tokio::test]
async fn reserved_close_codes_are_refused() {
    let (server, _, mut reports) = running().await;
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        let mut client = server.open("/obeys").await;
        client.send(close(code, "")).await;
        assert_eq!(client.close_frame().await.0, 1002, "{code}");
        client.end().await;
        client.finish().await;
        assert_eq!(reports.next().await, "ProtocolError 1002", "{code}");
    }
}

#[tokio::test]
async fn earlier_messages_are_answered_before_a_malformed_frame_closes() {
    let (server, _, _reports) = running().await;
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
async fn a_message_of_the_wrong_kind_is_closed_with_1003() {
    let (server, _, mut reports) = running().await;
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
        assert_eq!(reports.next().await, "InvalidPayload 1003", "{path}");
    }
}

#[tokio::test]
async fn invalid_utf8_is_closed_with_1007_before_the_end_of_its_frame() {
    let (server, _, mut reports) = running().await;
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
        assert_eq!(reports.next().await, "InvalidPayload 1007", "{name}");
    }
}

#[tokio::test]
async fn an_undecodable_payload_is_closed_with_1007() {
    let (server, _, mut reports) = running().await;
    let mut client = server.open("/numbers").await;
    client.send_text("many").await;
    assert_eq!(client.close_frame().await.0, 1007);
    client.send(close(1007, "")).await;
    client.end().await;
    assert_eq!(reports.next().await, "InvalidPayload 1007");
}

#[tokio::test]
async fn too_many_messages_are_closed_with_1008() {
    let (server, _, mut reports) = running().await;
    let mut client = server.open("/rate").await;
    for text in ["one", "two", "three"] {
        client.send_text(text).await;
        client.send(frame(PING, "is no message")).await;
        assert_eq!(client.text().await, text);
        client.frame().await;
    }
    client.send_text("four").await;
    assert_eq!(client.close_frame().await.0, 1008);
    client.send(close(1008, "")).await;
    client.end().await;
    assert_eq!(reports.next().await, "RateLimit 1008");
}

#[tokio::test]
async fn a_message_over_the_limit_is_closed_with_1009_after_its_header() {
    let (server, _, mut reports) = running().await;
    let mut client = server.open("/obeys").await;
    let fits = "x".repeat(1024);
    client.send_text(&fits).await;
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
        assert_eq!(reports.next().await, "ProtocolError 1009", "{name}");
    }
}
