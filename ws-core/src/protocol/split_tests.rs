//! The events do not depend on how bytes are split over reads.

use bytes::BufMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::decoder_tests::{binary, decode_into, ping, pong, text, to_owned_event};
use super::encoder::{self, encode_masked};
use super::unfinished::MIN_TARGET;
use super::{Decoder, Event, OpCode, ProtocolError, Role};

/// A frame of a valid stream.
type WireFrame = (OpCode, bool, Vec<u8>);

/// A message in fragments with control frames between them, and the expected events.
#[derive(Clone, Debug)]
struct FragmentedMessage {
    frames: Vec<WireFrame>,
    events: Vec<Event<'static>>,
}

fn content() -> impl Strategy<Value = (bool, Vec<u8>)> {
    prop_oneof![
        4 => ".{0,60}".prop_map(|text| (true, text.into_bytes())),
        1 => "[a-z\u{e9}\u{20ac}]{60,200}".prop_map(|text| (true, text.into_bytes())),
        3 => vec(any::<u8>(), 0..300).prop_map(|bytes| (false, bytes)),
        1 => (any::<u8>(), MIN_TARGET..4 * MIN_TARGET)
            .prop_map(|(seed, len)| (false, (seed..=255).cycle().take(len).collect())),
    ]
}

fn fragmented_message() -> impl Strategy<Value = FragmentedMessage> {
    let control = proptest::option::weighted(0.3, (any::<bool>(), vec(any::<u8>(), 0..126)));
    let cuts = vec((any::<Index>(), control), 0..4);
    (content(), cuts).prop_map(|((is_text, payload), cuts)| {
        let mut cuts: Vec<_> = cuts
            .into_iter()
            .map(|(cut, control)| (cut.index(payload.len() + 1), control))
            .collect();
        cuts.sort_by_key(|(cut, _)| *cut);
        let mut message = FragmentedMessage {
            frames: Vec::new(),
            events: Vec::new(),
        };
        let mut opcode = if is_text {
            OpCode::Text
        } else {
            OpCode::Binary
        };
        let mut start = 0;
        for (cut, control) in cuts {
            let fragment = payload[start..cut].to_vec();
            message.frames.push((opcode, false, fragment));
            opcode = OpCode::Continuation;
            start = cut;
            if let Some((is_ping, body)) = control {
                message
                    .events
                    .push(if is_ping { ping(&body) } else { pong(&body) });
                let opcode = if is_ping { OpCode::Ping } else { OpCode::Pong };
                message.frames.push((opcode, true, body));
            }
        }
        message
            .frames
            .push((opcode, true, payload[start..].to_vec()));
        message.events.push(match String::from_utf8(payload) {
            Ok(valid) if is_text => text(&valid),
            Ok(bytes) => binary(bytes.as_bytes()),
            Err(error) => binary(error.as_bytes()),
        });
        message
    })
}

fn wire_of(messages: &[FragmentedMessage], mask: [u8; 4]) -> Vec<u8> {
    let frames = messages.iter().flat_map(|message| &message.frames);
    frames
        .flat_map(|(opcode, fin, payload)| encode_masked(*opcode, *fin, payload, mask))
        .collect()
}

/// Splits at each cut, in order, and at every byte from `dense` on.
fn pieces<'w>(wire: &'w [u8], cuts: &[Index], dense: Index) -> Vec<&'w [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
    let dense = dense.index(wire.len() + 1);
    at.extend((dense..wire.len()).take(300));
    at.extend([0, wire.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect()
}

/// Decodes piece by piece like a socket: into the read target if there is one.
fn decode_pieces(
    decoder: &mut Decoder,
    pieces: &[&[u8]],
    use_target: bool,
    events: &mut Vec<Event<'static>>,
) -> Result<(), ProtocolError> {
    for mut piece in pieces.iter().copied() {
        while use_target && !piece.is_empty() {
            let Some(mut target) = decoder.read_target() else {
                break;
            };
            let (now, later) = piece.split_at(piece.len().min(target.remaining_mut()));
            target.put_slice(now);
            piece = later;
            events.extend(decoder.target_filled()?.map(to_owned_event));
        }
        decode_into(decoder, piece, events)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_split_of_a_valid_stream_gives_the_events_of_one_buffer(
        messages in vec(fragmented_message(), 0..6),
        mask: [u8; 4],
        cuts in vec(any::<Index>(), 0..12),
        dense: Index,
        use_target: bool,
    ) {
        let wire = wire_of(&messages, mask);
        let expected: Vec<_> = messages.iter().flat_map(|message| message.events.clone()).collect();
        let mut whole = Vec::new();
        let mut decoder = Decoder::new(Role::Server, 1 << 20);
        prop_assert_eq!(decode_into(&mut decoder, &wire, &mut whole), Ok(()));
        prop_assert_eq!(&whole, &expected);

        let mut split = Vec::new();
        let pieces = pieces(&wire, &cuts, dense);
        let done = decode_pieces(&mut decoder, &pieces, use_target, &mut split);
        prop_assert_eq!(done, Ok(()));
        prop_assert_eq!(split, expected);
        prop_assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn any_split_of_a_damaged_stream_gives_the_same_events_and_error(
        messages in vec(fragmented_message(), 1..4),
        mask: [u8; 4],
        damage in vec((any::<Index>(), any::<u8>()), 1..4),
        cuts in vec(any::<Index>(), 0..12),
        dense: Index,
        limit in prop_oneof![Just(1_usize << 20), 50_usize..400],
    ) {
        let mut wire = wire_of(&messages, mask);
        for (at, byte) in damage {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        let (mut whole, mut split) = (Vec::new(), Vec::new());
        let mut decoder = Decoder::new(Role::Server, limit);
        let expected = decode_into(&mut decoder, &wire, &mut whole);
        let mut decoder = Decoder::new(Role::Server, limit);
        let pieces = pieces(&wire, &cuts, dense);
        let done = decode_pieces(&mut decoder, &pieces, true, &mut split);
        prop_assert_eq!(done, expected);
        prop_assert_eq!(split, whole);
    }

    #[test]
    fn any_bytes_are_decoded_or_rejected_without_a_panic(
        wire in vec(prop_oneof![
            any::<u8>(), Just(0x81), Just(0x82), Just(0x01), Just(0x80), Just(0x88)
        ], 0..200),
        cuts in vec(any::<Index>(), 0..6),
        dense: Index,
        masked: bool,
    ) {
        let role = if masked { Role::Server } else { Role::Client };
        let (mut whole, mut split) = (Vec::new(), Vec::new());
        let expected = decode_into(&mut Decoder::new(role, 150), &wire, &mut whole);
        let pieces = pieces(&wire, &cuts, dense);
        let done = decode_pieces(&mut Decoder::new(role, 150), &pieces, true, &mut split);
        prop_assert_eq!(done, expected);
        prop_assert_eq!(split, whole);
    }

    #[test]
    fn encoded_frames_are_decoded(
        string in ".{0,200}",
        bytes in vec(any::<u8>(), 0..70_000),
        body in vec(any::<u8>(), 0..126),
    ) {
        let mut wire = encoder::encode_text(&string).to_vec();
        encoder::put_frame(&mut wire, OpCode::Binary, &bytes);
        wire.extend(encoder::encode_pong(&body));
        encoder::put_header(&mut wire, OpCode::Ping, body.len());
        wire.extend(&body);
        let mut events = Vec::new();
        let mut decoder = Decoder::new(Role::Client, 1 << 20);
        prop_assert_eq!(decode_into(&mut decoder, &wire, &mut events), Ok(()));
        prop_assert_eq!(events, [text(&string), binary(&bytes), pong(&body), ping(&body)]);
    }
}
