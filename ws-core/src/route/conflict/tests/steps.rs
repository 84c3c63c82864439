//! Large tables are compared within the number of steps that the compiler grants a constant before
//! it reports a long-running evaluation. It counts steps, so the test does not depend on time.

#![deny(long_running_const_eval)]

use super::super::{Below, Faults, Line, Outline, find, size};
use crate::route::Segment::{self, Literal, Text, Typed};

/// The number of routes of each table.
const COUNT: usize = 1_000;

/// The length of each literal.
const LETTERS: usize = 4;

/// A different literal for each route.
static LITERALS: [u8; COUNT * LETTERS] = {
    let mut letters = [b'a'; COUNT * LETTERS];
    let mut route = 0;
    while route < COUNT {
        let (mut left, mut at) = (route, 1);
        while at < LETTERS {
            letters[route * LETTERS + at] = b"abcdefghij"[left % 10];
            left /= 10;
            at += 1;
        }
        route += 1;
    }
    letters
};

const fn literal(route: usize) -> Segment {
    let (_, from) = LITERALS.split_at(route * LETTERS);
    match std::str::from_utf8(from.split_at(LETTERS).0) {
        Ok(text) => Literal(text),
        Err(_) => panic!("letters are UTF-8"),
    }
}

/// A table of routes whose patterns have a unique literal among other segments.
macro_rules! table {
    ($name:ident: [$($before:expr),*], own, [$($after:expr),*]) => {
        static $name: Outline = {
            const SEGMENTS: usize = [$($before,)* Text, $($after),*].len();
            static SHAPES: [[Segment; SEGMENTS]; COUNT] = {
                let mut shapes = [[Text; SEGMENTS]; COUNT];
                let mut at = 0;
                while at < COUNT {
                    shapes[at] = [$($before,)* literal(at), $($after),*];
                    at += 1;
                }
                shapes
            };
            static LINES: [Line; COUNT] = {
                let mut lines = [Line::new("route", &[]); COUNT];
                let mut at = 0;
                while at < COUNT {
                    lines[at] = Line::new("route", &SHAPES[at]);
                    at += 1;
                }
                lines
            };
            Outline { routes: &LINES, nested: &[] }
        };
    };
}

table!(LITERAL_FIRST: [], own, [Literal("one")]);
table!(OTHER_LITERAL: [], own, [Literal("other")]);
table!(TYPE_FIRST: [Typed("u64")], own, [Literal("one")]);
table!(OTHER_TYPE: [Typed("u64")], own, [Literal("other")]);
table!(TEXT_FIRST: [Text], own, [Text, Literal("c")]);
table!(TEXT_LATER: [], own, [Literal("no"), Typed("u64"), Text]);

/// Two tables below the same prefix.
macro_rules! below_one_prefix {
    ($($name:ident: $one:ident, $other:ident;)*) => {$(
        static $name: Faults<{ 3 + 2 * COUNT }> = {
            static NESTED: [Below; 2] = [
                Below { name: "one", prefix: &["api", "v1"], outline: &$one },
                Below { name: "other", prefix: &["api", "v1"], outline: &$other },
            ];
            static OUTER: Outline = Outline { routes: &[], nested: &NESTED };
            assert!(size(&OUTER) == 3 + 2 * COUNT);
            find(&OUTER)
        };
    )*};
}

below_one_prefix! {
    LITERALS_BESIDE_LITERALS: LITERAL_FIRST, OTHER_LITERAL;
    TYPES_BESIDE_TYPES: TYPE_FIRST, OTHER_TYPE;
    TEXT_BESIDE_LITERALS: TEXT_FIRST, TEXT_LATER;
    LITERALS_BESIDE_TYPES: LITERAL_FIRST, TYPE_FIRST;
    THE_SAME_TWICE: TYPE_FIRST, TYPE_FIRST;
}

/// A table below a prefix that routes of the outer table may match too.
static BELOW_AN_OUTER_TABLE: Faults<{ 2 + 2 * COUNT }> = {
    static NESTED: [Below; 1] = [Below {
        name: "other",
        prefix: &["api"],
        outline: &OTHER_LITERAL,
    }];
    static OUTER: Outline = Outline {
        routes: TEXT_FIRST.routes,
        nested: &NESTED,
    };
    find(&OUTER)
};

fn text_of<const N: usize>(faults: &Faults<N>, name: &str) -> Option<String> {
    faults.of(name).map(|fault| fault.as_str().to_owned())
}

#[test]
fn tables_of_a_thousand_routes_are_compared_in_few_steps() {
    for fine in [
        &LITERALS_BESIDE_LITERALS,
        &TYPES_BESIDE_TYPES,
        &TEXT_BESIDE_LITERALS,
        &LITERALS_BESIDE_TYPES,
    ] {
        assert_eq!(
            ["one", "other"].map(|name| text_of(fine, name)),
            [None, None]
        );
    }
    assert_eq!(text_of(&BELOW_AN_OUTER_TABLE, "other"), None);
    assert_eq!(text_of(&THE_SAME_TWICE, "one"), None);
    let fault = THE_SAME_TWICE.of("other").unwrap();
    let expected = "`route` (\"/api/v1/{_: u64}/aaaa/one\") and `route` \
                    (\"/api/v1/{_: u64}/aaaa/one\") overlap: both match \"/api/v1/7/aaaa/one\"";
    assert!(fault.as_str().starts_with(expected), "{fault:?}");
}
