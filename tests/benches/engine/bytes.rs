//! Work for every byte, compared with the simplest implementation.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ws_core::protocol::{mask, utf8};

use crate::{SIZES, name};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Masks as defined in RFC 6455, section 5.3.
fn by_definition(bytes: &mut [u8], mask: [u8; 4]) {
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte ^= mask[index % 4];
    }
}

pub(crate) fn mask(criterion: &mut Criterion) {
    for size in SIZES {
        let mut bytes = vec![b'p'; size];
        let mut group = criterion.benchmark_group(format!("mask/{}", name(size)));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function("ours", |bencher| {
            bencher.iter(|| mask::apply(black_box(&mut bytes), black_box(MASK), 0));
        });
        group.bench_function("ours inside a frame", |bencher| {
            bencher.iter(|| mask::apply(black_box(&mut bytes[1..]), black_box(MASK), 3));
        });
        group.bench_function("by definition", |bencher| {
            bencher.iter(|| by_definition(black_box(&mut bytes), black_box(MASK)));
        });
        group.finish();
    }
}

/// Text of at most this size that ends at a whole character.
fn text(words: &str, size: usize) -> String {
    let mut text = words.repeat(size.div_ceil(words.len()));
    let end = (0..=size).rev().find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
    text
}

pub(crate) fn utf8(criterion: &mut Criterion) {
    let languages = [
        ("ASCII", "the quick brown fox "),
        ("mixed", "flinker brauner F\u{fc}chs: \u{20ac} 5 \u{1f98a} "),
        ("Greek", "\u{3b1}\u{3bb}\u{3b5}\u{3c0}\u{3bf}\u{3cd} "),
    ];
    for (language, words) in languages {
        for size in SIZES {
            let text = text(words, size);
            let bytes = text.as_bytes();
            let mut group = criterion.benchmark_group(format!("utf8/{language}/{}", name(size)));
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_function("ours", |bencher| {
                bencher.iter(|| utf8::validate(black_box(bytes)).is_ok());
            });
            group.bench_function("ours in two pieces", |bencher| {
                let (first, second) = bytes.split_at(bytes.len() / 2);
                bencher.iter(|| {
                    let mut validator = utf8::Validator::default();
                    for piece in [first, second] {
                        let fed = validator.feed(black_box(piece), |valid| {
                            black_box(valid);
                        });
                        assert_eq!(fed, Ok(()));
                    }
                    validator.is_complete()
                });
            });
            group.bench_function("std", |bencher| {
                bencher.iter(|| std::str::from_utf8(black_box(bytes)).is_ok());
            });
            group.finish();
        }
    }
}
