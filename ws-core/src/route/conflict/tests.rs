use proptest::prelude::*;

use super::*;
use crate::route::Segment::{Literal, Rest, Text as AnyText, Typed};
use naive::{are_ambiguous, root_route};

mod naive;
mod random;
mod steps;

const fn route(name: &'static str, shape: &'static [Segment]) -> RouteOutline {
    RouteOutline::new(name, shape)
}

const fn table(routes: &'static [RouteOutline], nested: &'static [NestedOutline]) -> TableOutline {
    TableOutline { routes, nested }
}

const fn nested(
    name: &'static str,
    prefix: &'static [&'static str],
    outline: &'static TableOutline,
) -> NestedOutline {
    NestedOutline {
        name,
        prefix,
        outline,
    }
}

fn found(outline: &'static TableOutline, name: &str) -> Option<String> {
    find::<16>(outline)
        .of(name)
        .map(|text| text.as_str().to_owned())
}

#[test]
fn a_route_and_one_of_a_nested_table_that_match_the_same_path_are_found() {
    static INNER: TableOutline = table(&[route("room", &[AnyText, Literal("chat")])], &[]);
    static OUTER: TableOutline = table(
        &[
            route("far", &[Literal("other"), AnyText]),
            route("user", &[Literal("admin"), Literal("me"), AnyText]),
        ],
        &[nested("admin", &["admin"], &INNER)],
    );
    let expected = "`room` (\"/admin/{_}/chat\") and `user` (\"/admin/me/{_}\") overlap: both match \
                    \"/admin/me/chat\", and neither is more specific\nhelp: add a literal \
                    segment to \
                    one of them, or change the prefix of the nested table";
    assert_eq!(found(&OUTER, "admin").as_deref(), Some(expected));
    assert_eq!(found(&OUTER, "other"), None);
}

#[test]
fn the_more_specific_of_two_routes_is_no_conflict() {
    static INNER: TableOutline = table(&[route("id", &[Typed("u64")]), route("all", &[Rest])], &[]);
    static OUTER: TableOutline = table(
        &[
            route("new", &[Literal("admin"), Literal("new")]),
            route("rest", &[Rest]),
            route("any", &[AnyText]),
        ],
        &[nested("admin", &["admin"], &INNER)],
    );
    static WITHOUT: TableOutline = table(
        &[
            route("new", &[Literal("admin"), Literal("new")]),
            route("rest", &[Rest]),
        ],
        &[nested("admin", &["admin"], &INNER)],
    );
    // `/admin` matches `any` and the wildcard of the nested table.
    let text = found(&OUTER, "admin").unwrap();
    assert!(
        text.contains("`all` (\"/admin/{*_}\") and `any` (\"/{_}\")"),
        "{text}"
    );
    assert!(text.contains("both match \"/admin\""), "{text}");
    assert_eq!(found(&WITHOUT, "admin"), None);
}

#[test]
fn nested_and_sibling_tables_are_compared() {
    static DEEP: TableOutline = table(&[route("leaf", &[Literal("x")])], &[]);
    static ONE: TableOutline = table(&[], &[nested("deep", &["b"], &DEEP)]);
    static TWO: TableOutline = table(&[route("other", &[Literal("b"), AnyText])], &[]);
    static OTHER: TableOutline = table(&[route("same", &[Literal("x")])], &[]);
    static OUTER: TableOutline = table(
        &[],
        &[
            nested("one", &["a"], &ONE),
            nested("two", &["a"], &TWO),
            nested("three", &["a", "b"], &OTHER),
            nested("empty", &[], &ONE),
        ],
    );
    assert_eq!(found(&OUTER, "one"), None);
    // A literal is more specific than any text.
    assert_eq!(found(&OUTER, "two"), None);
    let text = found(&OUTER, "three").unwrap();
    assert!(
        text.starts_with("`same` (\"/a/b/x\") and `leaf` (\"/a/b/x\") overlap"),
        "{text}"
    );
    assert_eq!(found(&OUTER, "empty"), None);
}

#[test]
fn a_pattern_that_its_prefixes_make_too_long_is_found() {
    static LONG: TableOutline = table(&[route("long", &[Literal("x"); 31])], &[]);
    static FITS: TableOutline = table(&[], &[nested("fits", &["a"], &LONG)]);
    static TOO_LONG: TableOutline = table(&[], &[nested("inner", &["b"], &FITS)]);
    assert_eq!(found(&FITS, "fits"), None);
    let expected = "`long` has more than 32 segments, including the prefixes of its tables\nhelp: \
                    shorten them";
    assert_eq!(found(&TOO_LONG, "inner").as_deref(), Some(expected));
}

#[test]
fn a_literal_that_the_type_rejects_is_no_conflict() {
    static INNER: TableOutline = table(&[route("chat", &[Literal("me"), AnyText])], &[]);
    static OUTER: TableOutline = table(
        &[route("by_id", &[Literal("a"), Typed("u64"), Literal("b")])],
        &[nested("inner", &["a"], &INNER)],
    );
    assert_eq!(found(&OUTER, "inner"), None);
}

/// Whether a pattern matches a path, by definition.
fn matches(shape: &[Segment], path: &[&str]) -> bool {
    match (shape.first(), path.first()) {
        (Some(Rest), _) | (None, None) => true,
        (Some(segment), Some(text)) => {
            let this = match segment {
                Literal(literal) => literal == text,
                Typed(ty) => parsers::may_parse(ty, text),
                AnyText | Rest => true,
            };
            this && matches(&shape[1..], &path[1..])
        }
        _ => false,
    }
}

/// Whether the first is at least as specific as the second at every segment, and more specific at
/// one.
fn is_more_specific(one: &[Segment], other: &[Segment]) -> bool {
    let weight = |shape: &[Segment], at: usize| match shape.get(at) {
        Some(segment) => segment.weight(),
        None if shape.last() == Some(&Rest) => Rest.weight(),
        None => 3,
    };
    let incomparable = |at: usize| match (one.get(at), other.get(at)) {
        (Some(Typed(one)), Some(Typed(other))) => one != other,
        _ => false,
    };
    // Segments after a wildcard do not count: it matches the whole rest.
    let wildcard = |shape: &[Segment]| shape.iter().position(|it| *it == Rest).unwrap_or(99);
    let last = wildcard(one)
        .min(wildcard(other))
        .min(one.len().max(other.len()));
    let mounts = 0..=last;
    let all = mounts
        .clone()
        .all(|at| weight(one, at) >= weight(other, at) && !incomparable(at));
    all && mounts
        .into_iter()
        .any(|at| weight(one, at) > weight(other, at))
}

fn segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        3 => prop::sample::select(&["a", "b", "7", "true"][..]).prop_map(Literal),
        1 => prop::sample::select(&["u64", "bool", "i8"][..]).prop_map(Typed),
        1 => Just(AnyText),
    ]
}

fn shape() -> impl Strategy<Value = &'static [Segment]> {
    (prop::collection::vec(segment(), 0..4), any::<bool>()).prop_map(|(mut shape, rest)| {
        if rest {
            shape.push(Rest);
        }
        &*shape.leak()
    })
}

/// Every path of up to four segments that could tell patterns apart.
fn paths() -> Vec<Vec<&'static str>> {
    let mut all = vec![vec![]];
    let mut last: Vec<Vec<&str>> = vec![vec![]];
    for _ in 0..4 {
        let longer = last.iter().flat_map(|path| {
            ["a", "b", "7", "true", "x"].map(|text| [&path[..], &[text]].concat())
        });
        last = longer.collect();
        all.extend(last.iter().cloned());
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn disjoint_patterns_share_no_path_and_each_example_matches_both(
        one in shape(),
        other in shape(),
    ) {
        let (first, second) = (root_route("one", one), root_route("other", other));
        let both = |path: &[&str]| matches(one, path) && matches(other, path);
        let decided = is_more_specific(one, other) || is_more_specific(other, one);
        let text = are_ambiguous(&first, &second).then(|| text::overlap(&first, &second));
        match text {
            Some(text) => {
                prop_assert!(!decided);
                let (_, path) = text.as_str().split_once("both match \"/").unwrap();
                let (path, _) = path.split_once('"').unwrap();
                // If two types accept no common text, the message shows one of them.
                if !path.contains('{') {
                    let path: Vec<_> = path.split('/').filter(|text| !text.is_empty()).collect();
                    prop_assert!(both(&path), "{text:?}");
                }
            }
            None if decided => {}
            None => prop_assert_eq!(paths().into_iter().find(|path| both(path)), None),
        }
        prop_assert_eq!(are_ambiguous(&first, &second), are_ambiguous(&second, &first));
    }

    #[test]
    fn a_prefix_is_a_part_of_the_pattern(
        prefix in prop::collection::vec(prop::sample::select(&["a", "b", "7"][..]), 0..3),
        inner in shape(),
        other in shape(),
    ) {
        let prefix: &'static [&'static str] = prefix.leak();
        let whole: Vec<_> = prefix.iter().map(|text| Literal(text)).chain(inner.iter().copied()).collect();
        let outline: &'static TableOutline = Box::leak(Box::new(TableOutline {
            routes: vec![route("inner", inner)].leak(),
            nested: &[],
        }));
        let outer: &'static TableOutline = Box::leak(Box::new(TableOutline {
            routes: vec![route("other", other)].leak(),
            nested: vec![nested("nested", prefix, outline)].leak(),
        }));
        let expected = are_ambiguous(&root_route("inner", whole.leak()), &root_route("other", other));
        prop_assert_eq!(found(outer, "nested").is_some(), expected);
    }
}
