use proptest::prelude::*;

use super::*;
use crate::block::sample::may_parse;
use crate::dispatch::reachability::covering_patterns;

fn both_match(first: &str, second: &str) -> Option<String> {
    let (one, other) = (Pattern::of(first), Pattern::of(second));
    let found = overlap(&one, &other);
    let other_way = overlap(&other, &one);
    assert_eq!(found.is_some(), other_way.is_some(), "{first} and {second}");
    found.map(|overlap| match overlap {
        Overlap::Path(path) => path,
        Overlap::Types(one, other) => format!("{one} and {other}"),
    })
}

#[test]
fn patterns_of_one_shape_overlap_with_an_example() {
    let rooms = both_match("/rooms/{id: u64}/chat", "/rooms/{number: u64}/chat");
    assert_eq!(rooms.as_deref(), Some("/rooms/7/chat"));
    assert_eq!(both_match("/a", "/a").as_deref(), Some("/a"));
    assert_eq!(both_match("/", "/").as_deref(), Some("/"));
    assert_eq!(both_match("/{a}", "/{b}").as_deref(), Some("/x"));
    assert_eq!(both_match("/a/{*x}", "/a/{*y}").as_deref(), Some("/a"));
    assert_eq!(
        both_match("/{on: bool}", "/{off: bool}").as_deref(),
        Some("/true")
    );
    assert_eq!(
        both_match("/u/{id: UserId}", "/u/{it: UserId}").as_deref(),
        Some("/u/{id}")
    );
}

#[test]
fn different_types_at_one_position_overlap() {
    assert_eq!(both_match("/{a: u64}", "/{b: i32}").as_deref(), Some("/7"));
    assert_eq!(
        both_match("/{id: u64}", "/{slug: Slug}").as_deref(),
        Some("{id: u64} and {slug: Slug}")
    );
    assert_eq!(
        both_match("/{a: u64}", "/{b: bool}").as_deref(),
        Some("{a: u64} and {b: bool}")
    );
    assert_eq!(
        both_match("/{a: bool}", "/{b: char}").as_deref(),
        Some("{a: bool} and {b: char}")
    );
    let nested = both_match("/{a: i64}/{b}", "/{c: u64}/x");
    assert_eq!(nested.as_deref(), Some("/7/x"));
}

#[test]
fn the_more_specific_of_two_patterns_is_no_overlap() {
    assert_eq!(both_match("/rooms/new", "/rooms/{id: u64}"), None);
    assert_eq!(both_match("/rooms/{id: u64}", "/rooms/{name}"), None);
    assert_eq!(both_match("/rooms/{name}", "/rooms/{*rest}"), None);
    assert_eq!(both_match("/rooms", "/rooms/{*rest}"), None);
    assert_eq!(both_match("/", "/{*rest}"), None);
    assert_eq!(both_match("/{a}/b/{c}", "/{a}/{b}/{*rest}"), None);
}

#[test]
fn patterns_that_are_each_more_specific_somewhere_overlap() {
    assert_eq!(both_match("/a/{x}", "/{y}/b").as_deref(), Some("/a/b"));
    assert_eq!(both_match("/a/{*rest}", "/{x}").as_deref(), Some("/a"));
    assert_eq!(
        both_match("/a/{*rest}", "/{x}/{id: u64}").as_deref(),
        Some("/a/7")
    );
    assert_eq!(
        both_match("/7/{x}", "/{id: u64}/b").as_deref(),
        Some("/7/b")
    );
}

#[test]
fn patterns_without_a_common_path_do_not_overlap() {
    assert_eq!(both_match("/a", "/b"), None);
    assert_eq!(both_match("/a/{x}", "/a"), None);
    assert_eq!(both_match("/me/{x}", "/{id: u64}/b"), None);
    assert_eq!(both_match("/{id: u64}/a", "/{id: i64}/b"), None);
}

/// Whether a pattern matches a path, by the definition.
fn matches(segments: &[Segment], path: &[&str]) -> bool {
    match (segments.first(), path.first()) {
        (Some(Segment::Rest { .. }), _) | (None, None) => true,
        (Some(segment), Some(text)) => {
            let this = match segment {
                Segment::Literal(literal) => literal == text,
                Segment::Typed { written, .. } => may_parse(written, text),
                Segment::Text { .. } | Segment::Rest { .. } => true,
            };
            this && matches(&segments[1..], &path[1..])
        }
        _ => false,
    }
}

/// A pattern of up to three segments and perhaps a wildcard.
fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        3 => prop::sample::select(&["a", "b", "7", "true", "false"][..]).prop_map(str::to_owned),
        1 => prop::sample::select(&["u64", "bool", "i8"][..]).prop_map(|ty| format!("{{N: {ty}}}")),
        1 => Just("{N}".to_owned()),
    ];
    (prop::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, rest)| {
        let mut path = String::new();
        for (at, segment) in segments.iter().enumerate() {
            path.push('/');
            path.push_str(&segment.replace('N', &format!("p{at}")));
        }
        if rest {
            path.push_str("/{*rest}");
        }
        if path.is_empty() {
            "/".to_owned()
        } else {
            path
        }
    })
}

/// Every path of up to four segments that could distinguish such patterns.
fn paths() -> Vec<Vec<&'static str>> {
    let mut all = vec![vec![]];
    let mut last: Vec<Vec<&str>> = vec![vec![]];
    for _ in 0..4 {
        let longer = last.iter().flat_map(|path| {
            ["a", "b", "7", "true", "false", "x"].map(|text| [&path[..], &[text]].concat())
        });
        last = longer.collect();
        all.extend(last.iter().cloned());
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn disjoint_patterns_share_no_path_and_each_witness_matches_both(
        first in pattern(),
        second in pattern(),
    ) {
        let (one, other) = (Pattern::of(&first), Pattern::of(&second));
        let both = |path: &[&str]| matches(&one.segments, path) && matches(&other.segments, path);
        let meet = paths().into_iter().find(|path| both(path));
        match both_match(&first, &second) {
            // If no text is known that two types both parse, they count as overlapping, and are
            // shown.
            Some(witness) if witness.contains('{') => {}
            Some(witness) => {
                let path: Vec<_> = witness.split('/').filter(|text| !text.is_empty()).collect();
                prop_assert!(both(&path), "{} and {}: {}", first, second, witness);
            }
            None if meet.is_none() => {}
            // They overlap, and wherever they differ, the same one is more specific.
            None => {
                let weights = |pattern: &Pattern| -> Vec<u8> {
                    let ends = match pattern.segments.last() {
                        Some(Segment::Rest { .. }) => 0,
                        _ => 3,
                    };
                    let own = pattern.segments.iter().map(Segment::weight);
                    own.chain(std::iter::repeat(ends)).take(5).collect()
                };
                let until = |pattern: &Pattern| pattern.segments.iter().position(
                    |segment| matches!(segment, Segment::Rest { .. })
                ).unwrap_or(4);
                let until = until(&one).min(until(&other));
                let (one, other) = (weights(&one), weights(&other));
                let pairs: Vec<_> = one.iter().zip(&other).take(until + 1).collect();
                let more = pairs.iter().all(|(one, other)| one >= other);
                let less = pairs.iter().all(|(one, other)| one <= other);
                prop_assert!(more != less, "{} and {}", first, second);
            }
        }
    }

    #[test]
    fn no_path_reaches_an_unreachable_route(
        route in pattern(),
        others in prop::collection::vec(pattern(), 0..5),
    ) {
        let own = Pattern::of(&route);
        let others: Vec<_> = others.iter().map(|other| Pattern::of(other)).collect();
        if let Some(covering_patterns) = covering_patterns(&own, others.iter().enumerate()) {
            let taken = |path: &[&str]| covering_patterns.iter().any(|at| matches(&others[*at].segments, path));
            let left = paths().into_iter().find(|path| matches(&own.segments, path) && !taken(path));
            prop_assert_eq!(left, None);
        }
    }
}
