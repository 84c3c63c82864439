//! The limits of the decoder: the size of messages, and memory bounded by the received bytes.

use bytes::BufMut;

use super::decoder_tests::{MASK, binary, decode_into, masked, ping, text, to_owned_event};
use super::encoder::encode_masked;
use super::unfinished::{MAX_PREALLOCATION, MIN_TARGET};
use super::{BinaryData, Decoder, Event, Incoming, OpCode, ProtocolError, Role, TextData};

use OpCode::{Binary, Continuation, Ping, Text};

/// A masked binary header that declares `len` bytes, with a mask of zeros.
fn declare(len: u64) -> Vec<u8> {
    [&[0x82, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat()
}

#[test]
fn a_message_over_the_limit_is_rejected_by_its_header() {
    let wire = masked(&[(Binary, true, &[0; 1001])]);
    let mut decoder = Decoder::new(Role::Server, 1000);
    let error = ProtocolError::TooBig {
        limit: 1000,
        size: 1001,
    };
    let header = &wire[..8];
    assert_eq!(
        decode_into(&mut decoder, header, &mut Vec::new()),
        Err(error)
    );
    assert_eq!(decoder.buffered(), 0, "nothing was kept of it");
    let mut decoder = Decoder::new(Role::Server, 1000);
    assert_eq!(
        decode_into(&mut decoder, &wire, &mut Vec::new()),
        Err(error)
    );
    assert_eq!(error.close_code().get(), 1009);
}

#[test]
fn the_largest_declared_length_does_not_overflow_the_limit() {
    let len = (1 << 63) - 1;
    let mut decoder = Decoder::new(Role::Server, 10);
    let mut events = Vec::new();
    let start = masked(&[(Binary, false, b"12345")]);
    assert_eq!(decode_into(&mut decoder, &start, &mut events), Ok(()));
    let mut rest = declare(len);
    rest[0] = 0x80;
    assert_eq!(
        decode_into(&mut decoder, &rest, &mut events),
        Err(ProtocolError::TooBig {
            limit: 10,
            size: len + 5
        })
    );
}

#[test]
fn the_limit_counts_all_fragments_and_no_control_frames() {
    let frames = |last: &'static [u8]| {
        masked(&[
            (Text, false, b"123\xc3"),
            (Ping, true, &[0; 125]),
            (Continuation, false, b"\xa9"),
            (Continuation, true, last),
        ])
    };
    let mut events = Vec::new();
    let mut decoder = Decoder::new(Role::Server, 10);
    assert_eq!(
        decode_into(&mut decoder, &frames(b"67890"), &mut events),
        Ok(())
    );
    assert_eq!(events, [ping(&[0; 125]), text("123\u{e9}67890")]);
    let wire = frames(b"678901");
    let before_payload = &wire[..wire.len() - 6];
    assert_eq!(
        decode_into(&mut decoder, before_payload, &mut events),
        Err(ProtocolError::TooBig {
            limit: 10,
            size: 11
        })
    );
}

#[test]
fn a_message_of_exactly_the_limit_is_decoded() {
    for limit in [0, 1, 125, 70_000] {
        let payload = vec![1; limit];
        let mut events = Vec::new();
        let mut decoder = Decoder::new(Role::Server, limit);
        let wire = masked(&[(Binary, true, &payload)]);
        assert_eq!(decode_into(&mut decoder, &wire, &mut events), Ok(()));
        assert_eq!(events, [binary(&payload)]);
    }
}

#[test]
fn a_frame_split_over_reads_is_allocated_exactly() {
    let mut read = masked(&[(Binary, true, &[1; 5000]), (Text, true, &[b'x'; 5000])]);
    let (first, second) = read.split_at_mut(100);
    let (second, third) = second.split_at_mut(6000);
    let mut decoder = Decoder::new(Role::Server, 1 << 20);
    let mut input = first;
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert_eq!(decoder.buffered(), 92);
    input = second;
    let event = decoder.decode(&mut input);
    let Ok(Some(Event::Message(Incoming::Binary(BinaryData::Owned(data))))) = event else {
        panic!("{event:?} is no owned binary message");
    };
    assert_eq!((data.len(), data.capacity()), (5000, 5000));
    assert_eq!(decoder.decode(&mut input), Ok(None));
    input = third;
    let event = decoder.decode(&mut input);
    let Ok(Some(Event::Message(Incoming::Text(TextData::Owned(text))))) = event else {
        panic!("{event:?} is no owned text message");
    };
    assert_eq!((text.len(), text.capacity()), (5000, 5000));
}

#[test]
fn a_huge_declared_length_takes_no_memory_before_its_bytes() {
    let huge = 1 << 32;
    let mut decoder = Decoder::new(Role::Server, usize::MAX);
    let mut events = Vec::new();
    assert_eq!(
        decode_into(&mut decoder, &declare(huge), &mut events),
        Ok(())
    );
    let mut received = 0;
    let chunk = vec![7; 100_000];
    while received < 5 * MAX_PREALLOCATION {
        let target = decoder.read_target().expect("a large binary frame");
        let capacity = received + target.remaining_mut();
        assert!(
            capacity <= MAX_PREALLOCATION.max(2 * received),
            "{capacity} bytes for {received}"
        );
        assert!(target.remaining_mut() >= MIN_TARGET);
        decode_into(&mut decoder, &chunk, &mut events).expect("binary");
        received += chunk.len();
        assert_eq!(decoder.buffered(), received);
    }
    assert_eq!(events, []);
}

#[test]
fn a_read_target_is_for_large_binary_frames_only() {
    let target = |frames: &[(OpCode, bool, &[u8])], end: usize| {
        let wire = masked(frames);
        let mut decoder = Decoder::new(Role::Server, 1 << 20);
        decode_into(&mut decoder, &wire[..end], &mut Vec::new()).expect("valid");
        decoder.read_target().map(|target| target.remaining_mut())
    };
    let large = vec![b'x'; MIN_TARGET + 100];
    assert_eq!(target(&[(Binary, true, &large)], 8), Some(MIN_TARGET + 100));
    assert_eq!(target(&[(Binary, true, &large)], 108), Some(MIN_TARGET));
    assert_eq!(target(&[(Binary, true, &large)], 109), None, "too little");
    assert_eq!(target(&[(Text, true, &large)], 8), None, "text");
    assert_eq!(target(&[(Binary, true, &large)], 7), None, "no header yet");
    let frames: [(OpCode, bool, &[u8]); 3] = [
        (Binary, false, b"start"),
        (Ping, true, b"payload"),
        (Continuation, true, &large),
    ];
    assert_eq!(target(&frames, 11), None, "between frames");
    assert_eq!(target(&frames, 20), None, "in a control frame");
    assert_eq!(target(&frames, 11 + 13 + 8), Some(MIN_TARGET + 100));
}

#[test]
fn a_target_filled_in_steps_gives_the_message() {
    let payload: Vec<u8> = (0_u8..=250).cycle().take(3 * MAX_PREALLOCATION).collect();
    let wire = encode_masked(Binary, true, &payload, MASK);
    let mut decoder = Decoder::new(Role::Server, payload.len());
    let mut events = Vec::new();
    let mut at = 1001;
    decode_into(&mut decoder, &wire[..at], &mut events).expect("valid");
    while let Some(mut target) = decoder.read_target() {
        let step = target.remaining_mut().min(77_777);
        target.put_slice(&wire[at..at + step]);
        at += step;
        events.extend(decoder.target_filled().expect("valid").map(to_owned_event));
        assert_eq!(
            decoder.buffered(),
            if at == wire.len() { 0 } else { at - 14 }
        );
    }
    decode_into(&mut decoder, &wire[at..], &mut events).expect("valid");
    assert!(events == [binary(&payload)], "the payload differs");
}

#[test]
fn an_idle_decoder_has_no_read_target() {
    let mut decoder = Decoder::new(Role::Server, 10);
    assert!(decoder.read_target().is_none());
    assert_eq!(decoder.target_filled(), Ok(None));
}
