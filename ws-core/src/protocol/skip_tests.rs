//! A decoder that skips messages, as after a Close of our own.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::decoder_tests::{MASK, decode_into, ping, to_owned_event};
use super::encoder::encode_masked;
use super::frame::RSV1;
use super::{Decoder, Event, OpCode, ProtocolError, Role};

const LIMIT: usize = 100_000;

fn skipping() -> Decoder {
    let mut decoder = Decoder::new(Role::Server, LIMIT).with_deflate(true);
    decoder.skip_messages();
    decoder
}

fn compressed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[0] |= RSV1;
    frame
}

#[test]
fn invalid_deflate_and_invalid_text_are_skipped() {
    let corrupt = [0xff; 40];
    let wire = [
        compressed(encode_masked(OpCode::Text, true, &corrupt, MASK)),
        compressed(encode_masked(OpCode::Binary, false, &corrupt, MASK)),
        encode_masked(OpCode::Continuation, true, &corrupt, MASK),
        encode_masked(OpCode::Text, true, &corrupt, MASK),
        encode_masked(OpCode::Text, true, b"short", MASK),
        encode_masked(OpCode::Ping, true, b"?", MASK),
    ];
    let mut events = Vec::new();
    assert_eq!(
        decode_into(&mut skipping(), &wire.concat(), &mut events),
        Ok(())
    );
    assert_eq!(events, [ping(b"?")]);
}

#[test]
fn the_buffer_of_a_skipped_message_is_freed() {
    let wire = encode_masked(OpCode::Binary, true, &vec![7; LIMIT], MASK);
    let mut decoder = Decoder::new(Role::Server, LIMIT);
    assert_eq!(decoder.decode(&mut &mut wire.clone()[..50_000]), Ok(None));
    assert!(decoder.buffered() > 49_000 && decoder.read_target().is_some());
    decoder.skip_messages();
    assert_eq!(decoder.buffered(), 0, "the buffer is freed");
    assert!(decoder.read_target().is_none());
    let mut rest = wire[50_000..].to_vec();
    rest.extend(encode_masked(OpCode::Ping, true, b"?", MASK));
    let event = decoder.decode(&mut &mut rest[..]);
    assert_eq!(
        event.map(|event| event.map(to_owned_event)),
        Ok(Some(ping(b"?")))
    );
}

#[test]
fn an_invalid_header_is_an_error_while_skipping() {
    let half = encode_masked(OpCode::Binary, false, &vec![7; LIMIT / 2 + 1], MASK);
    let more = encode_masked(OpCode::Continuation, true, &vec![7; LIMIT / 2], MASK);
    let too_big = ProtocolError::TooBig {
        limit: LIMIT,
        size: LIMIT as u64 + 1,
    };
    let mut unmasked = encode_masked(OpCode::Text, true, b"", MASK);
    unmasked[1] = 0;
    for (wire, error) in [
        ([half, more].concat(), too_big),
        (unmasked, ProtocolError::UnmaskedFrame),
        (
            encode_masked(OpCode::Continuation, true, b"", MASK),
            ProtocolError::UnexpectedContinuation,
        ),
    ] {
        let mut events = Vec::new();
        assert_eq!(decode_into(&mut skipping(), &wire, &mut events), Err(error));
        assert_eq!(events, []);
    }
}

/// Frames of messages with any payload, and control frames between them.
fn wire() -> impl Strategy<Value = Vec<(Vec<u8>, Option<Vec<u8>>)>> {
    let payload = || {
        prop_oneof![
            4 => vec(any::<u8>(), 0..200),
            1 => (any::<u8>(), 200..20_000_usize).prop_map(|(byte, len)| vec![byte; len]),
        ]
    };
    let message = (vec(payload(), 1..4), any::<bool>(), any::<bool>()).prop_map(
        |(fragments, is_text, deflated)| {
            let last = fragments.len() - 1;
            let mut wire = Vec::new();
            for (index, fragment) in fragments.iter().enumerate() {
                let opcode = match (index, is_text) {
                    (0, true) => OpCode::Text,
                    (0, false) => OpCode::Binary,
                    _ => OpCode::Continuation,
                };
                let frame = encode_masked(opcode, index == last, fragment, MASK);
                let first_deflated = index == 0 && deflated;
                wire.extend(if first_deflated {
                    compressed(frame)
                } else {
                    frame
                });
            }
            wire
        },
    );
    let body = proptest::option::of(vec(any::<u8>(), 0..126));
    vec((message, body), 1..6)
}

proptest! {
    #[test]
    fn control_frames_between_skipped_messages_are_decoded(
        parts in wire(),
        from in any::<Index>(),
        reads in vec(any::<Index>(), 0..8),
    ) {
        let mut decoder = Decoder::new(Role::Server, LIMIT).with_deflate(true);
        let mut bytes = Vec::new();
        let mut pings = Vec::new();
        for (message, body) in &parts {
            bytes.extend_from_slice(message);
            if let Some(body) = body {
                bytes.extend(encode_masked(OpCode::Ping, true, body, MASK));
                pings.push(ping(body));
            }
        }
        // If the input so far is invalid, there is nothing to skip.
        let from = from.index(bytes.len().min(200));
        let mut events = Vec::new();
        prop_assume!(decode_into(&mut decoder, &bytes[..from], &mut events).is_ok());
        decoder.skip_messages();
        let mut ends: Vec<_> = reads.iter().map(|it| it.index(bytes.len() - from + 1) + from).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut start = from;
        for end in ends {
            prop_assert_eq!(decode_into(&mut decoder, &bytes[start..end], &mut events), Ok(()));
            // A header, or a control frame.
            prop_assert!(decoder.buffered() <= 125 + 14);
            start = end;
        }
        events.retain(|event| !matches!(event, Event::Message(_)));
        prop_assert_eq!(events, pings);
    }
}
