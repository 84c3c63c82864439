//! Client frames to messages, and messages to frames.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ws_core::message::Message;
use ws_core::outbox::Frame;
use ws_core::protocol::encoder::{encode_masked, put_frame};
use ws_core::protocol::{Decoder, OpCode, Role};

use crate::{SIZES, name};

/// Decoding unmasks in place, so every second run masks the payload again. With this mask, ASCII
/// stays ASCII, so every run does the same work.
const MASK: [u8; 4] = [1, 2, 3, 4];

const LARGE: usize = 1024 * 1024;

/// The largest read of a connection.
const READ: usize = 64 * 1024;

fn masked(opcode: OpCode, size: usize) -> Vec<u8> {
    encode_masked(opcode, true, &vec![b'p'; size], MASK)
}

/// Decodes the bytes of one read. Returns the number of complete messages.
fn decode_read(decoder: &mut Decoder, mut read: &mut [u8]) -> usize {
    let mut messages = 0;
    while let Some(event) = decoder.decode(&mut read).unwrap() {
        black_box(&event);
        messages += 1;
    }
    messages
}

pub(crate) fn decode(criterion: &mut Criterion) {
    let binary = |size| (name(size), masked(OpCode::Binary, size), 1);
    let text = masked(OpCode::Text, 16);
    let cases = [
        ("text of 16 B".to_owned(), text.clone(), 1),
        binary(125),
        binary(4 * 1024),
        binary(LARGE),
        ("16 texts of 16 B".to_owned(), text.repeat(16), 16),
    ];
    let mut group = criterion.benchmark_group("decode");
    for (name, mut wire, messages) in cases {
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(name, |bencher| {
            let mut decoder = Decoder::new(Role::Server, LARGE);
            bencher.iter(|| {
                assert_eq!(decode_read(&mut decoder, black_box(&mut wire)), messages);
            });
        });
    }
    let mut wire = masked(OpCode::Binary, LARGE);
    group.throughput(Throughput::Bytes(wire.len() as u64));
    group.bench_function("1 MiB in reads of 64 KiB", |bencher| {
        let mut decoder = Decoder::new(Role::Server, LARGE);
        bencher.iter(|| {
            let reads = black_box(&mut wire).chunks_mut(READ);
            let messages: usize = reads.map(|read| decode_read(&mut decoder, read)).sum();
            assert_eq!(messages, 1);
        });
    });
    group.finish();
}

/// Encodes into a burst's buffer, and as a frame that many clients share.
pub(crate) fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for size in SIZES {
        let message = Message::binary(vec![b'p'; size]);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("into a buffer/{}", name(size)), |bencher| {
            let mut buffer = Vec::new();
            bencher.iter(|| {
                buffer.clear();
                put_frame(&mut buffer, OpCode::Binary, black_box(message.as_bytes()));
                black_box(buffer.len())
            });
        });
        group.bench_function(format!("shared/{}", name(size)), |bencher| {
            bencher.iter(|| Frame::of(black_box(&message)));
        });
    }
    group.finish();
}
