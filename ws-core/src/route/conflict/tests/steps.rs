//! Large tables are compared within the number of steps that the compiler grants a constant before
//! it reports a long-running evaluation. It counts steps, so the test does not depend on time.

#![deny(long_running_const_eval)]

use super::super::{Conflicts, NestedOutline, RouteOutline, TableOutline, find, size};
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
        static $name: TableOutline = {
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
            static ROUTES: [RouteOutline; COUNT] = {
                let mut routes = [RouteOutline::new("route", &[]); COUNT];
                let mut at = 0;
                while at < COUNT {
                    routes[at] = RouteOutline::new("route", &SHAPES[at]);
                    at += 1;
                }
                routes
            };
            TableOutline { routes: &ROUTES, nested: &[] }
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
macro_rules! nested_at_one_prefix {
    ($($name:ident: $one:ident, $other:ident;)*) => {$(
        static $name: Conflicts<{ 3 + 2 * COUNT }> = {
            static NESTED: [NestedOutline; 2] = [
                NestedOutline { name: "one", prefix: &["api", "v1"], outline: &$one },
                NestedOutline { name: "other", prefix: &["api", "v1"], outline: &$other },
            ];
            static OUTER: TableOutline = TableOutline { routes: &[], nested: &NESTED };
            assert!(size(&OUTER) == 3 + 2 * COUNT);
            find(&OUTER)
        };
    )*};
}

nested_at_one_prefix! {
    LITERALS_AND_LITERALS: LITERAL_FIRST, OTHER_LITERAL;
    TYPES_AND_TYPES: TYPE_FIRST, OTHER_TYPE;
    TEXT_AND_LITERALS: TEXT_FIRST, TEXT_LATER;
    LITERALS_AND_TYPES: LITERAL_FIRST, TYPE_FIRST;
    SAME_TABLE_TWICE: TYPE_FIRST, TYPE_FIRST;
}

/// A table below a prefix that routes of the outer table may match too.
static NESTED_IN_AN_OUTER_TABLE: Conflicts<{ 2 + 2 * COUNT }> = {
    static NESTED: [NestedOutline; 1] = [NestedOutline {
        name: "other",
        prefix: &["api"],
        outline: &OTHER_LITERAL,
    }];
    static OUTER: TableOutline = TableOutline {
        routes: TEXT_FIRST.routes,
        nested: &NESTED,
    };
    find(&OUTER)
};

fn text_of<const N: usize>(conflicts: &Conflicts<N>, name: &str) -> Option<String> {
    conflicts
        .of(name)
        .map(|conflict| conflict.as_str().to_owned())
}

#[test]
fn tables_of_a_thousand_routes_are_compared_in_few_steps() {
    for no_conflict in [
        &LITERALS_AND_LITERALS,
        &TYPES_AND_TYPES,
        &TEXT_AND_LITERALS,
        &LITERALS_AND_TYPES,
    ] {
        assert_eq!(
            ["one", "other"].map(|name| text_of(no_conflict, name)),
            [None, None]
        );
    }
    assert_eq!(text_of(&NESTED_IN_AN_OUTER_TABLE, "other"), None);
    assert_eq!(text_of(&SAME_TABLE_TWICE, "one"), None);
    let conflict = SAME_TABLE_TWICE.of("other").unwrap();
    let expected = "`route` (\"/api/v1/{_: u64}/aaaa/one\") and `route` \
                    (\"/api/v1/{_: u64}/aaaa/one\") overlap: both match \"/api/v1/7/aaaa/one\"";
    assert!(conflict.as_str().starts_with(expected), "{conflict:?}");
}
