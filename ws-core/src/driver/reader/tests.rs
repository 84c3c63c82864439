//! Reads of a stream that follows a script.

use std::task::Waker;

use super::super::test_doubles::{Read, ScriptedTransport};
use super::*;
use crate::protocol::encoder::encode_masked;
use crate::protocol::{BinaryData, OpCode, TextData};

const MASK: [u8; 4] = [1, 2, 3, 4];

/// A stream that returns these bytes, read by read, and then ends.
fn stream(reads: &[&[u8]]) -> ScriptedTransport {
    let reads = reads.iter().map(|read| Read::Bytes(read.to_vec()));
    ScriptedTransport::new(reads.chain([Read::End]))
}

/// A reader of messages of up to a megabyte.
fn reader() -> Reader {
    Reader::new(1 << 20, None)
}

fn read(reader: &mut Reader, stream: &mut ScriptedTransport, scratch: &mut [u8]) -> ReadOutcome {
    let cx = &mut TaskContext::from_waker(Waker::noop());
    match reader.poll_read(cx, stream, scratch) {
        Poll::Ready(read) => read.unwrap(),
        Poll::Pending => panic!("the script has no pauses"),
    }
}

fn text(text: &str) -> Event<'_> {
    Event::Message(Incoming::Text(TextData::Borrowed(text)))
}

#[test]
fn one_read_may_contain_many_events_and_a_part_of_the_next() {
    let mut bytes = encode_masked(OpCode::Text, true, b"one", MASK);
    bytes.extend(encode_masked(OpCode::Text, true, b"two", MASK));
    bytes.extend(&encode_masked(OpCode::Text, true, b"three", MASK)[..8]);
    let (mut reader, mut scratch) = (reader(), [0; 100]);
    let read = read(&mut reader, &mut stream(&[&bytes]), &mut scratch);
    assert_eq!(read, ReadOutcome::Scratch(bytes.len()));
    let mut input = &mut scratch[..bytes.len()];
    let one = Incoming::Text(TextData::Borrowed("one"));
    assert_eq!(reader.next_short(&mut input), Some(Ok(one)));
    assert_eq!(reader.next_event(&mut input), Ok(Some(text("two"))));
    assert_eq!(reader.next_short(&mut input), None);
    assert_eq!(reader.next_event(&mut input), Ok(None));
    assert!(input.is_empty() && reader.buffered() > 0);
}

#[test]
fn the_rest_of_a_large_message_is_read_into_its_buffer() {
    let payload = vec![7; 100_000];
    let frame = encode_masked(OpCode::Binary, true, &payload, MASK);
    let (head, rest) = frame.split_at(50);
    let (mut reader, mut scratch) = (reader(), [0; 100]);
    let mut stream = stream(&[head, rest]);
    assert_eq!(
        read(&mut reader, &mut stream, &mut scratch),
        ReadOutcome::Scratch(50)
    );
    assert_eq!(reader.next_event(&mut &mut scratch[..50]), Ok(None));
    let message = loop {
        let outcome = read(&mut reader, &mut stream, &mut scratch);
        assert!(matches!(outcome, ReadOutcome::Target(1..)), "{outcome:?}");
        if let Some(event) = reader.end_of_target().unwrap() {
            break event;
        }
    };
    let expected = BinaryData::Borrowed(&payload);
    assert_eq!(message, Event::Message(Incoming::Binary(expected)));
    assert_eq!(
        read(&mut reader, &mut stream, &mut scratch),
        ReadOutcome::End
    );
}

#[test]
fn after_a_protocol_error_bytes_are_read_but_never_into_a_message() {
    let large = encode_masked(OpCode::Binary, false, &vec![7; 50_000], MASK);
    let (mut reader, mut scratch) = (reader(), [0; 100]);
    // The first frame of a large message; a text frame in the middle of it is an error.
    let mut input = &mut large.clone()[..];
    assert_eq!(reader.next_event(&mut input), Ok(None));
    let mut second = encode_masked(OpCode::Text, true, b"x", MASK);
    assert!(!reader.has_protocol_error());
    assert_eq!(
        reader.next_event(&mut &mut second[..]),
        Err(ProtocolError::ExpectedContinuation)
    );
    assert!(reader.has_protocol_error());
    let mut stream = stream(&[b"more"]);
    assert_eq!(
        read(&mut reader, &mut stream, &mut scratch),
        ReadOutcome::Scratch(4)
    );
}

#[test]
fn skipped_messages_are_no_events() {
    let mut bytes = encode_masked(OpCode::Text, true, b"one", MASK);
    bytes.extend(encode_masked(OpCode::Close, true, b"", MASK));
    let mut reader = reader();
    reader.skip_messages();
    let mut input = &mut bytes[..];
    assert_eq!(reader.next_event(&mut input), Ok(Some(Event::Close(None))));
}
