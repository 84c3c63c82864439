//! Negotiation, and round trips of messages.

use std::io::Write as _;

use bytes::BufMut as _;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use http::HeaderMap;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{DEFLATE_THRESHOLD, Deflate, InflateError, inflate};
use crate::close::CloseCode;
use crate::protocol::decoder_tests::{MASK, binary, decode_into, ping, text, to_owned_event};
use crate::protocol::encoder::encode_masked;
use crate::protocol::frame::RSV1;
use crate::protocol::{Decoder, Event, OpCode, ProtocolError, Role};

mod offers;

fn with_window(bits: u8) -> Deflate {
    let offer = format!("permessage-deflate; server_max_window_bits={bits}");
    let headers = [("sec-websocket-extensions", offer)];
    Deflate::negotiate(&HeaderMap::from_iter(
        headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())),
    ))
    .unwrap()
}

/// A payload compressed by another implementation.
fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(payload).unwrap();
    encoder.flush().unwrap();
    // The output up to the flush, without the final block that the end would add.
    let out = encoder.get_ref();
    out.strip_suffix(&[0x00, 0x00, 0xff, 0xff])
        .unwrap()
        .to_vec()
}

/// A compressed message of a client, in fragments up to these positions and a last one.
fn client_frames(opcode: OpCode, compressed: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut start = 0;
    for (at, end) in cuts.iter().copied().chain([compressed.len()]).enumerate() {
        let kind = if at == 0 {
            opcode
        } else {
            OpCode::Continuation
        };
        let mut frame = encode_masked(kind, at == cuts.len(), &compressed[start..end], MASK);
        frame[0] |= if at == 0 { RSV1 } else { 0 };
        wire.extend(frame);
        start = end;
    }
    wire
}

fn decode(wire: &[u8], limit: usize) -> Result<Vec<Event<'static>>, ProtocolError> {
    let mut events = Vec::new();
    let mut decoder = Decoder::new(Role::Server, limit).with_deflate(true);
    decode_into(&mut decoder, wire, &mut events).map(|()| events)
}

/// Text of this length, always the same, without repetitions.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 57) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn every_window_size_is_negotiated_and_used() {
    for bits in 9..=15 {
        let deflate = with_window(bits);
        assert_eq!(deflate.window_bits(), bits);
        let end = format!("; server_max_window_bits={bits}");
        assert!(deflate.response_header().to_str().unwrap().ends_with(&end));
        // Only the end of the text repeats its beginning, from a distance that is one too large for
        // the window, or from half of the window.
        let noise = noise(300 + (1 << bits));
        let repeated = |distance: usize| [&noise[..distance], &noise[..300]].concat();
        let encode = |payload: &[u8]| deflate.encode(OpCode::Binary, [payload, &[]]);
        assert_eq!(encode(&repeated((1 << bits) + 1)), None, "{bits} bits");
        if bits > 9 {
            let near = repeated(1 << (bits - 1));
            assert!(
                encode(&near).unwrap().len() < near.len() - 250,
                "{bits} bits"
            );
        }
    }
    assert!(Deflate::default().is_any_window() && with_window(15).is_any_window());
    assert!(!with_window(14).is_any_window());
}

#[test]
fn the_samples_of_the_rfc_are_inflated() {
    // Sections 7.2.3.1 to 7.2.3.5.
    for sample in [
        &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ] {
        assert_eq!(inflate(sample, 5), Ok(b"Hello".to_vec()), "{sample:x?}");
        let wire = client_frames(OpCode::Text, sample, &[]);
        assert_eq!(decode(&wire, 20), Ok(vec![text("Hello")]));
        let wire = client_frames(OpCode::Binary, sample, &[3, 3]);
        assert_eq!(decode(&wire, 20), Ok(vec![binary(b"Hello")]));
    }
    // Section 7.2.3.2: the second message of a connection, which repeats the first.
    let shared = b"\xf2\x00\x11\x00\x00";
    assert_eq!(inflate(shared, 5), Err(InflateError::Corrupt));
    // Section 7.2.3.6: an empty message.
    for empty in [&b"\x02\x00"[..], b"\x00"] {
        assert_eq!(inflate(empty, 0), Ok(Vec::new()));
    }
    // A final block, others after it, and one more final one.
    let two = b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    assert_eq!(inflate(two, 10), Ok(b"HelloHello".to_vec()));
}

#[test]
fn invalid_or_truncated_deflate_is_refused() {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    for end in 0..hello.len() {
        assert_eq!(
            inflate(&hello[..end], 99),
            Err(InflateError::Corrupt),
            "{end} bytes"
        );
    }
    for wrong in [
        // A reserved type of block, a stored block with a wrong length, and one whose content
        // includes the bytes of the end marker.
        &b"\x07\x00"[..],
        b"\x00\x05\x00\x00\x00Hello\x00",
        b"\x00\x04\x00\xfb\xff",
        b"\x00\x09\x00\xf6\xff",
        // Garbage after the final block, and an incomplete end.
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\xff\xff",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00",
        b"plain text",
    ] {
        assert_eq!(inflate(wrong, 99), Err(InflateError::Corrupt), "{wrong:x?}");
        for opcode in [OpCode::Text, OpCode::Binary] {
            let error = decode(&client_frames(opcode, wrong, &[]), 99).unwrap_err();
            assert_eq!(error, ProtocolError::InvalidDeflate);
            assert_eq!(error.close_code(), CloseCode::INVALID_PAYLOAD);
        }
    }
    let latin = client_frames(OpCode::Text, &deflated(b"caf\xe9"), &[]);
    assert_eq!(decode(&latin, 99), Err(ProtocolError::InvalidUtf8));
    // The thread's inflater has been reset.
    assert_eq!(inflate(hello, 5), Ok(b"Hello".to_vec()));
}

#[test]
fn rsv1_is_valid_only_on_the_first_frame_of_a_message_and_if_negotiated() {
    let rejected = Err(ProtocolError::ReservedBits);
    let wire = client_frames(OpCode::Text, &deflated(b"Hello"), &[]);
    let mut decoder = Decoder::new(Role::Server, 99);
    let result = decoder.decode(&mut &mut wire.clone()[..]).map(|_| ());
    assert_eq!(result, Err(ProtocolError::ReservedBits));
    for opcode in [OpCode::Ping, OpCode::Pong, OpCode::Close] {
        assert_eq!(decode(&client_frames(opcode, b"", &[]), 99), rejected);
    }
    let mut wire = encode_masked(OpCode::Text, false, b"a", MASK);
    wire.extend(client_frames(OpCode::Continuation, b"b", &[]));
    assert_eq!(decode(&wire, 99), rejected);
    // A message without RSV1 is uncompressed, even after a compressed one.
    let mut wire = client_frames(OpCode::Text, &deflated(b"Hello"), &[]);
    wire.extend(encode_masked(OpCode::Text, true, b"plain", MASK));
    assert_eq!(decode(&wire, 99), Ok(vec![text("Hello"), text("plain")]));
    // A control frame may appear between the fragments.
    let whole = client_frames(OpCode::Text, &deflated(b"Hello"), &[2]);
    let (first, rest) = whole.split_at(8);
    let wire = [first, &encode_masked(OpCode::Ping, true, b"?", MASK), rest].concat();
    assert_eq!(decode(&wire, 99), Ok(vec![ping(b"?"), text("Hello")]));
}

#[test]
fn the_limit_applies_to_the_inflated_message() {
    let zeros = deflated(&[0; 5000]);
    assert!(zeros.len() < 50);
    assert_eq!(inflate(&zeros, 5000).unwrap().len(), 5000);
    assert_eq!(inflate(&zeros, 4999), Err(InflateError::TooBig));
    assert_eq!(inflate(&zeros, 0), Err(InflateError::TooBig));
    let wire = client_frames(OpCode::Binary, &zeros, &[4]);
    let too_big = ProtocolError::TooBig {
        limit: 4999,
        size: 5000,
    };
    assert_eq!(decode(&wire, 4999), Err(too_big));
    assert_eq!(too_big.close_code(), CloseCode::TOO_BIG);
    assert_eq!(decode(&wire, 5000), Ok(vec![binary(&[0; 5000])]));
    // The limit bounds the compressed bytes too, by the header alone.
    let head = &client_frames(OpCode::Binary, &[0; 101], &[])[..6];
    let error = ProtocolError::TooBig {
        limit: 100,
        size: 101,
    };
    assert_eq!(decode(head, 100), Err(error));
}

#[test]
fn a_gibibyte_of_zeros_is_rejected_without_exceeding_the_limit() {
    // Each piece refers to nothing before it, so that it can be repeated.
    let mut piece = Vec::with_capacity(64 << 10);
    flate2::Compress::new(Compression::best(), false)
        .compress_vec(&vec![0; 1 << 20], &mut piece, flate2::FlushCompress::Full)
        .unwrap();
    let bomb = piece.repeat(1024);
    let bomb = bomb.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap();
    let limit = 2 << 20;
    assert!(bomb.len() < limit, "the compressed bytes pass");
    let one = inflate(&piece[..piece.len() - 4], limit).unwrap();
    assert!(one == vec![0; 1 << 20]);
    assert_eq!(inflate(bomb, limit), Err(InflateError::TooBig));
    let wire = client_frames(OpCode::Binary, bomb, &[]);
    let error = decode(&wire, limit).unwrap_err();
    assert_eq!(error.close_code(), CloseCode::TOO_BIG);
    // The buffer never exceeds the limit plus the byte that shows more.
    let max = deflated(&vec![0; limit]);
    let whole = inflate(&max, limit).unwrap();
    assert_eq!(whole.len(), limit);
    assert!(whole.capacity() <= limit + 1, "{}", whole.capacity());
    assert!(inflate(&deflated(b"a"), usize::MAX).unwrap().capacity() <= 1024);
}

#[test]
fn a_large_compressed_frame_uses_the_read_target() {
    let payload = noise(60_000);
    let mut compressed = deflated(&payload);
    for opcode in [OpCode::Text, OpCode::Binary] {
        let wire = client_frames(opcode, &compressed, &[]);
        let mut decoder = Decoder::new(Role::Server, payload.len()).with_deflate(true);
        assert_eq!(decoder.decode(&mut &mut wire[..20].to_vec()[..]), Ok(None));
        decoder.read_target().expect("large").put_slice(&wire[20..]);
        let event = decoder.target_filled().unwrap();
        let expected = match opcode {
            OpCode::Text => text(std::str::from_utf8(&payload).unwrap()),
            _ => binary(&payload),
        };
        assert!(event == Some(expected), "{opcode:?}");
        assert_eq!(decoder.buffered(), 0);
    }
    compressed.pop();
    let wire = client_frames(OpCode::Binary, &compressed, &[]);
    let mut decoder = Decoder::new(Role::Server, payload.len()).with_deflate(true);
    assert_eq!(decoder.decode(&mut &mut wire[..20].to_vec()[..]), Ok(None));
    decoder.read_target().expect("large").put_slice(&wire[20..]);
    assert_eq!(decoder.target_filled(), Err(ProtocolError::InvalidDeflate));
}

#[test]
fn a_message_that_compression_does_not_shrink_is_sent_uncompressed() {
    let mut out = b"before".to_vec();
    let deflate = Deflate::default();
    let repetitive = [b'a'; DEFLATE_THRESHOLD];
    assert!(!deflate.put_frame(&mut out, OpCode::Text, &repetitive[1..]));
    assert_eq!(out, b"before");
    assert!(deflate.put_frame(&mut out, OpCode::Text, &repetitive));
    assert_eq!(out[6], 0xc1, "FIN, RSV1 and text");
    assert!(out.len() < 20);
    for len in [DEFLATE_THRESHOLD, 5_000, 300_000] {
        let mut noise = vec![0; len];
        getrandom::fill(&mut noise).unwrap();
        let mut out = Vec::new();
        assert!(!deflate.put_frame(&mut out, OpCode::Binary, &noise));
        assert!(out.is_empty());
        assert_eq!(deflate.encode(OpCode::Binary, [&noise, &[]]), None);
        assert_eq!(deflate.encode(OpCode::Binary, [&[], &noise]), None);
    }
}

/// A compressor that has stopped in the middle of a message may retain bits of it. That depends on
/// the message: about one in thirty shows it.
#[test]
fn a_message_after_an_uncompressed_one_is_inflated() {
    let deflate = Deflate::default();
    // Just below a size of the buffer, so that it is full before everything is compressed.
    let mut noise = vec![0; 16_300];
    for times in 0..400 {
        getrandom::fill(&mut noise).unwrap();
        let (first, second) = noise.split_at(times * 40);
        assert_eq!(deflate.encode(OpCode::Binary, [first, second]), None);
        let payload = noise[..200].repeat(41);
        let frame = deflate.encode(OpCode::Binary, [&payload, &[]]);
        let mut wire = frame.expect("a compressible message").to_vec();
        let mut decoder = Decoder::new(Role::Client, payload.len()).with_deflate(true);
        let event = decoder
            .decode(&mut &mut wire[..])
            .unwrap()
            .map(to_owned_event);
        assert_eq!(event, Some(binary(&payload)));
    }
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..2000),
        "[a-d\u{e9} ]{0,3000}".prop_map(String::into_bytes),
        (vec(any::<u8>(), 1..300), 1..600_usize).prop_map(|(part, times)| part.repeat(times)),
    ]
}

proptest! {
    #[test]
    fn compressed_messages_are_inflated_unchanged(
        payload in content(),
        cut: Index,
        bits in 9..=15_u8,
    ) {
        let (first, second) = payload.split_at(cut.index(payload.len() + 1));
        let deflate = with_window(bits);
        if let Some(frame) = deflate.encode(OpCode::Binary, [first, second]) {
            prop_assert!(payload.len() >= DEFLATE_THRESHOLD);
            let mut appended = Vec::new();
            let mut decoder = Decoder::new(Role::Client, payload.len()).with_deflate(true);
            let mut wire = frame.to_vec();
            let event = decoder.decode(&mut &mut wire[..]).unwrap().map(to_owned_event);
            prop_assert_eq!(event, Some(binary(&payload)));
            prop_assert!(deflate.put_frame(&mut appended, OpCode::Binary, &payload));
            prop_assert!(appended.len() <= payload.len() + 9);
        }
        prop_assert_eq!(inflate(&deflated(&payload), payload.len()), Ok(payload));
    }

    #[test]
    fn any_split_of_a_compressed_message_gives_the_same_events(
        payload in content(),
        fragments in vec(any::<Index>(), 0..4),
        reads in vec(any::<Index>(), 0..6),
        is_text: bool,
    ) {
        let compressed = deflated(&payload);
        let mut cuts: Vec<_> = fragments.iter().map(|it| it.index(compressed.len() + 1)).collect();
        cuts.sort_unstable();
        let opcode = if is_text { OpCode::Text } else { OpCode::Binary };
        let limit = payload.len().max(compressed.len());
        let expected = decode(&client_frames(opcode, &compressed, &[]), limit);
        match String::from_utf8(payload.clone()) {
            _ if !is_text => prop_assert_eq!(&expected, &Ok(vec![binary(&payload)])),
            Ok(it) => prop_assert_eq!(&expected, &Ok(vec![text(&it)])),
            Err(_) => prop_assert_eq!(&expected, &Err(ProtocolError::InvalidUtf8)),
        }
        let wire = client_frames(opcode, &compressed, &cuts);
        prop_assert_eq!(&decode(&wire, limit), &expected);
        let mut ends: Vec<_> = reads.iter().map(|it| it.index(wire.len() + 1)).collect();
        ends.push(wire.len());
        ends.sort_unstable();
        let mut decoder = Decoder::new(Role::Server, limit).with_deflate(true);
        let mut events = Vec::new();
        let mut start = 0;
        let mut result = Ok(());
        for end in ends {
            result = decode_into(&mut decoder, &wire[start..end], &mut events);
            start = end;
            if result.is_err() {
                break;
            }
        }
        prop_assert_eq!(result.map(|()| events), expected);
    }

    #[test]
    fn arbitrary_input_never_exceeds_the_limit_or_panics(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..400),
            (content(), any::<Index>(), any::<u8>()).prop_map(|(payload, at, byte)| {
                let mut bytes = deflated(&payload);
                let at = at.index(bytes.len());
                bytes[at] = byte;
                bytes
            }),
        ],
        limit in prop_oneof![0..50_usize, 0..5000_usize],
    ) {
        if let Ok(out) = inflate(&bytes, limit) {
            prop_assert!(out.len() <= limit && out.capacity() <= limit + 1);
        }
        let _ = decode(&client_frames(OpCode::Text, &bytes, &[]), limit);
    }
}
