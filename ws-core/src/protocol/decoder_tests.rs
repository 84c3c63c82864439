//! How the decoder handles frames, fragments and control frames, and which ones it rejects.

use bytes::BytesMut;

use super::encoder::{self, encode_masked};
use super::{BinaryData, Decoder, Event, Incoming, OpCode, ProtocolError, Role, TextData};
use crate::close::{Close, CloseCode};

pub(super) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The event with all borrowed data copied.
pub(super) fn to_owned_event(event: Event<'_>) -> Event<'static> {
    let text = |text: TextData<'_>| TextData::Owned(text.into_string());
    let data = |data: BinaryData<'_>| BinaryData::Owned(BytesMut::from(data.as_slice()));
    match event {
        Event::Message(Incoming::Text(it)) => Event::Message(Incoming::Text(text(it))),
        Event::Message(Incoming::Binary(it)) => Event::Message(Incoming::Binary(data(it))),
        Event::Ping(payload) => ping(payload.as_slice()),
        Event::Pong(payload) => pong(payload.as_slice()),
        Event::Close(body) => Event::Close(body.map(|(code, it)| (code, text(it)))),
    }
}

pub(super) fn text(text: &str) -> Event<'static> {
    Event::Message(Incoming::Text(TextData::Owned(text.to_owned())))
}

pub(super) fn binary(bytes: &[u8]) -> Event<'static> {
    Event::Message(Incoming::Binary(BinaryData::Owned(bytes.into())))
}

pub(super) fn ping(payload: &[u8]) -> Event<'static> {
    Event::control(OpCode::Ping, BinaryData::Owned(payload.into())).expect("any payload")
}

pub(super) fn pong(payload: &[u8]) -> Event<'static> {
    Event::control(OpCode::Pong, BinaryData::Owned(payload.into())).expect("any payload")
}

fn close(code: CloseCode, text: &str) -> Event<'static> {
    Event::Close(Some((code, TextData::Owned(text.to_owned()))))
}

/// All events of one input, up to its end or its first error.
pub(super) fn decode_into(
    decoder: &mut Decoder,
    wire: &[u8],
    events: &mut Vec<Event<'static>>,
) -> Result<(), ProtocolError> {
    let mut read = wire.to_vec();
    let mut input = &mut read[..];
    while let Some(event) = decoder.decode(&mut input)? {
        events.push(to_owned_event(event));
    }
    assert!(input.is_empty(), "the input was not consumed");
    Ok(())
}

fn decode_as(role: Role, wire: &[u8]) -> Result<Vec<Event<'static>>, ProtocolError> {
    let mut events = Vec::new();
    decode_into(&mut Decoder::new(role, 1 << 20), wire, &mut events).map(|()| events)
}

/// Decodes these frames (opcode, FIN, payload) as a server.
pub(super) fn decode_frames(
    frames: &[(OpCode, bool, &[u8])],
) -> Result<Vec<Event<'static>>, ProtocolError> {
    decode_as(Role::Server, &masked(frames))
}

pub(super) fn masked(frames: &[(OpCode, bool, &[u8])]) -> Vec<u8> {
    let frames = frames.iter();
    frames
        .flat_map(|(opcode, fin, payload)| encode_masked(*opcode, *fin, payload, MASK))
        .collect()
}

use OpCode::{Binary, Continuation, Ping, Pong, Text};

#[test]
fn the_samples_of_the_rfc_are_decoded() {
    let hello = Ok(vec![text("Hello")]);
    assert_eq!(decode_as(Role::Client, b"\x81\x05Hello"), hello);
    assert_eq!(decode_as(Role::Client, b"\x01\x03Hel\x80\x02lo"), hello);
    let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(decode_as(Role::Server, masked), hello);
    let answer = b"\x89\x05Hello\x8a\x05Hello";
    assert_eq!(
        decode_as(Role::Client, answer),
        Ok(vec![ping(b"Hello"), pong(b"Hello")])
    );
    let large = [&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &vec![3; 65_536]].concat();
    assert_eq!(
        decode_as(Role::Client, &large),
        Ok(vec![binary(&[3; 65_536])])
    );
}

#[test]
fn a_whole_frame_is_borrowed_from_the_input() {
    let mut read = masked(&[(Text, true, b"text"), (Binary, true, b"data")]);
    let range = read.as_ptr_range();
    let mut input = &mut read[..];
    let mut decoder = Decoder::new(Role::Server, 100);
    let event = decoder.decode(&mut input);
    let Ok(Some(Event::Message(Incoming::Text(TextData::Borrowed(text))))) = event else {
        panic!("{event:?} is not borrowed");
    };
    assert!(range.contains(&text.as_ptr()));
    let event = decoder.decode(&mut input);
    let Ok(Some(Event::Message(Incoming::Binary(BinaryData::Borrowed(data))))) = event else {
        panic!("{event:?} is not borrowed");
    };
    assert!(range.contains(&data.as_ptr()));
    assert_eq!((text, data), ("text", &b"data"[..]));
}

#[test]
fn control_frames_between_fragments_are_decoded() {
    let events = decode_frames(&[
        (Text, false, b"on"),
        (Ping, true, b"1"),
        (Continuation, false, b"e t"),
        (Pong, true, b""),
        (Ping, true, b"2"),
        (Continuation, true, b"ext"),
        (Binary, true, b"next"),
    ]);
    let expected = vec![
        ping(b"1"),
        pong(b""),
        ping(b"2"),
        text("one text"),
        binary(b"next"),
    ];
    assert_eq!(events, Ok(expected));
}

#[test]
fn a_code_point_may_be_split_over_fragments() {
    let events = decode_frames(&[
        (Text, false, b"\xf0"),
        (Continuation, false, b"\x9f\x92"),
        (Continuation, false, b""),
        (Continuation, true, b"\xa9!"),
    ]);
    assert_eq!(events, Ok(vec![text("\u{1f4a9}!")]));
}

#[test]
fn empty_frames_and_fragments_are_messages_too() {
    let empty = |opcode| (opcode, true, &b""[..]);
    let events = decode_frames(&[
        empty(Text),
        empty(Binary),
        empty(Ping),
        (Text, false, b""),
        (Continuation, true, b""),
        (Binary, false, b""),
        (Continuation, false, b"x"),
        (Continuation, true, b""),
        empty(OpCode::Close),
    ]);
    let expected = vec![
        text(""),
        binary(b""),
        ping(b""),
        text(""),
        binary(b"x"),
        Event::Close(None),
    ];
    assert_eq!(events, Ok(expected));
}

#[test]
fn payloads_at_the_boundaries_of_the_length_forms_are_decoded() {
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 65_537] {
        let payload = vec![b'x'; len];
        let string = String::from_utf8(payload.clone()).expect("ASCII");
        let events = decode_frames(&[(Binary, true, &payload), (Text, true, &payload)]);
        assert_eq!(events, Ok(vec![binary(&payload), text(&string)]));
        let wire = encoder::encode_binary(&payload);
        assert_eq!(decode_as(Role::Client, &wire), Ok(vec![binary(&payload)]));
    }
}

#[test]
fn protocol_violations_have_their_close_codes() {
    use ProtocolError as E;
    let server: &[(&[u8], E, u16)] = &[
        (b"\xc1\x80\0\0\0\0", E::ReservedBits, 1002),
        (b"\xa1\x80\0\0\0\0", E::ReservedBits, 1002),
        (b"\x92\x80\0\0\0\0", E::ReservedBits, 1002),
        (b"\x83\x80\0\0\0\0", E::ReservedOpcode(3), 1002),
        (b"\x8f\x80\0\0\0\0", E::ReservedOpcode(15), 1002),
        (b"\x81\x05Hello", E::UnmaskedFrame, 1002),
        (b"\x81\xfe\x00\x7d\0\0\0\0", E::NonMinimalLength, 1002),
        (b"\x81\xfe\x00\x01\0\0\0\0x", E::NonMinimalLength, 1002),
        (b"\x82\xff\0\0\0\0\0\0\xff\xff", E::NonMinimalLength, 1002),
        (b"\x82\xff\x80\0\0\0\0\0\0\0", E::LengthOverflow, 1002),
        (b"\x89\xfe\x00\x7e", E::ControlTooLong, 1002),
        (b"\x09\x80\0\0\0\0", E::FragmentedControl, 1002),
        (b"\x80\x80\0\0\0\0", E::UnexpectedContinuation, 1002),
        (
            b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0",
            E::ExpectedContinuation,
            1002,
        ),
        (
            b"\x02\x80\0\0\0\0\x02\x80\0\0\0\0",
            E::ExpectedContinuation,
            1002,
        ),
        (b"\x81\x81\0\0\0\0\xff", E::InvalidUtf8, 1007),
        (b"\x88\x81\0\0\0\0\x03", E::CloseLength, 1002),
        (b"\x88\x82\0\0\0\0\x03\xed", E::CloseCode(1005), 1002),
        (b"\x88\x83\0\0\0\0\x03\xe8\xff", E::InvalidUtf8, 1007),
        (
            b"\x82\xff\0\0\0\0\0\x10\0\x01\0\0\0\0",
            E::TooBig {
                limit: 1 << 20,
                size: (1 << 20) + 1,
            },
            1009,
        ),
    ];
    for (wire, error, code) in server {
        assert_eq!(decode_as(Role::Server, wire), Err(*error), "{wire:x?}");
        assert_eq!(error.close_code().get(), *code, "{error}");
    }
    assert_eq!(
        decode_as(Role::Client, b"\x81\x80\0\0\0\0"),
        Err(E::MaskedFrame)
    );
    assert_eq!(E::MaskedFrame.close_code(), CloseCode::PROTOCOL_ERROR);
}

#[test]
fn text_fails_early_inside_an_unfinished_frame() {
    // The frame declares 100 bytes; the third payload byte cannot follow the second.
    let mut payload = b"a\xf4\x90".to_vec();
    payload.resize(100, b'x');
    let wire = masked(&[(Text, true, &payload)]);
    let mut decoder = Decoder::new(Role::Server, 1000);
    let mut events = Vec::new();
    assert_eq!(decode_into(&mut decoder, &wire[..8], &mut events), Ok(()));
    assert_eq!(
        decode_into(&mut decoder, &wire[8..9], &mut events),
        Err(ProtocolError::InvalidUtf8)
    );
    assert_eq!(events, []);
}

#[test]
fn text_fails_early_in_an_unfinished_message() {
    let fails = [
        &[(Text, false, &b"\xed\xa0"[..])][..],
        &[(Text, false, b"\xe2"), (Continuation, false, b"A")],
        &[(Text, false, b"\xe2"), (Continuation, true, b"\x82")],
        &[(Text, false, b"ok"), (Continuation, false, b"\x80")],
    ];
    for frames in fails {
        assert_eq!(
            decode_frames(frames),
            Err(ProtocolError::InvalidUtf8),
            "{frames:?}"
        );
    }
}

#[test]
fn an_incomplete_code_point_is_an_error_at_the_end_of_a_frame() {
    let frames = [(Text, true, &b"caf\xc3"[..])];
    assert_eq!(decode_frames(&frames), Err(ProtocolError::InvalidUtf8));
}

#[test]
fn only_sendable_close_codes_are_accepted() {
    for code in (0..=5000).chain([u16::MAX]) {
        let body = [&code.to_be_bytes()[..], b"bye"].concat();
        let sendable = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let expected = match CloseCode::new(code) {
            Some(code) if sendable => Ok(vec![close(code, "bye")]),
            _ => Err(ProtocolError::CloseCode(code)),
        };
        assert_eq!(
            decode_frames(&[(OpCode::Close, true, &body)]),
            expected,
            "{code}"
        );
    }
}

#[test]
fn an_encoded_close_is_decoded() {
    let long = Close::new(CloseCode::SERVICE_RESTART, "\u{20ac}".repeat(41));
    for sent in [Close::NORMAL, Close::UNAUTHORIZED, long] {
        let wire = encoder::encode_close(&sent);
        let expected = close(sent.code(), sent.text());
        assert_eq!(decode_as(Role::Client, &wire), Ok(vec![expected]));
    }
    let bare = encoder::encode_close(&Close::from(CloseCode::NO_STATUS));
    assert_eq!(decode_as(Role::Client, &bare), Ok(vec![Event::Close(None)]));
}

#[test]
fn text_decodes_at_any_alignment() {
    let words = "abcdefghijklmnopqrstuvwxyz \u{e9}t\u{e9} \u{1f600}".repeat(6);
    for start in 0..16 {
        for len in (0..=words.len()).filter(|len| words.is_char_boundary(*len)) {
            let frames = [&words[..len], &words[len..]]
                .map(|text| encode_masked(OpCode::Text, true, text.as_bytes(), MASK));
            let mut read = [&vec![0; start][..], &frames.concat()].concat();
            let mut input = &mut read[start..];
            let mut decoder = Decoder::new(Role::Server, 1024);
            for expected in [&words[..len], &words[len..]] {
                let event = decoder.decode(&mut input).expect("valid");
                assert_eq!(event, Some(text(expected)), "{len} bytes from {start}");
            }
        }
    }
}

#[test]
fn invalid_utf8_is_refused_at_any_alignment() {
    for start in 0..16 {
        for len in 1..100 {
            let mut payload = vec![b'a'; len];
            payload[len - 1] = 0xff;
            let frame = encode_masked(OpCode::Text, true, &payload, MASK);
            let mut read = [&vec![0; start][..], &frame].concat();
            let decoded = Decoder::new(Role::Server, 1024).decode(&mut &mut read[start..]);
            assert_eq!(decoded, Err(ProtocolError::InvalidUtf8), "{len} bytes");
        }
    }
}
