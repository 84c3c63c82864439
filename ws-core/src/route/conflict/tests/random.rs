//! Random tables: the search finds the same first pair as a comparison of all pairs.

use proptest::prelude::*;

use super::super::{Conflicts, NestedOutline, RouteOutline, TableOutline, find, hash};
use super::naive;
use crate::route::Segment::{self, Literal, Rest, Text, Typed};

/// The size of the largest table in this file.
const SIZE: usize = 256;

/// Few texts and types, so that routes often overlap.
fn segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        4 => prop::sample::select(&["a", "b", "7", "-7", "true", "c"][..]).prop_map(Literal),
        2 => prop::sample::select(&["u64", "usize", "i8", "bool", "Id", "UserId"][..])
            .prop_map(Typed),
        1 => Just(Text),
    ]
}

fn shape() -> impl Strategy<Value = &'static [Segment]> {
    (
        prop::collection::vec(segment(), 0..5),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(mut shape, rest)| {
            if rest {
                shape.push(Rest);
            }
            &*shape.leak()
        })
}

/// Routes of one table, without those that `dispatch!` rejects.
fn routes(max: usize) -> impl Strategy<Value = Vec<&'static [Segment]>> {
    prop::collection::vec(shape(), 0..max).prop_map(|shapes| {
        let mut compatible: Vec<&'static [Segment]> = Vec::new();
        for shape in shapes {
            if compatible
                .iter()
                .all(|known| !naive::are_ambiguous_shapes(known, shape))
            {
                compatible.push(shape);
            }
        }
        compatible
    })
}

fn prefix() -> impl Strategy<Value = &'static [&'static str]> {
    prop::collection::vec(prop::sample::select(&["a", "b", "7"][..]), 0..3)
        .prop_map(|prefix| &*prefix.leak())
}

fn outline(routes: Vec<&'static [Segment]>, nested: Vec<NestedOutline>) -> &'static TableOutline {
    let outlines = routes.into_iter().enumerate();
    let outlines = outlines.map(|(at, shape)| RouteOutline::new(name("route", at), shape));
    Box::leak(Box::new(TableOutline {
        routes: outlines.collect::<Vec<_>>().leak(),
        nested: nested.leak(),
    }))
}

fn name(kind: &str, at: usize) -> &'static str {
    format!("{kind}{at}").leak()
}

fn nested_tables(
    nested: Vec<(&'static [&'static str], &'static TableOutline)>,
) -> Vec<NestedOutline> {
    let outlines = nested.into_iter().enumerate();
    let outlines = outlines.map(|(at, (prefix, outline))| NestedOutline {
        name: name("table", at),
        prefix,
        outline,
    });
    outlines.collect()
}

/// A table with this many levels of nested tables.
fn table(max: usize, levels: u32) -> BoxedStrategy<&'static TableOutline> {
    if levels == 0 {
        return routes(max)
            .prop_map(|routes| outline(routes, Vec::new()))
            .boxed();
    }
    let nested = prop::collection::vec((prefix(), table(max, levels - 1)), 0..4);
    (routes(max), nested)
        .prop_map(|(routes, nested)| outline(routes, nested_tables(nested)))
        .boxed()
}

fn check(outline: &'static TableOutline) -> Result<(), TestCaseError> {
    let conflicts = find::<SIZE>(outline);
    for (at, nested) in outline.nested.iter().enumerate() {
        let found = conflicts
            .of(nested.name)
            .map(|text| text.as_str().to_owned());
        prop_assert_eq!(found, naive::conflict(outline, at), "{}", nested.name);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 2_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_conflicts_of_small_tables_are_those_of_all_pairs(outline in table(3, 1)) {
        check(outline)?;
    }

    #[test]
    fn the_conflicts_of_large_tables_are_those_of_all_pairs(outline in table(24, 1)) {
        check(outline)?;
    }

    #[test]
    fn the_conflicts_of_tables_below_tables_are_those_of_all_pairs(outline in table(3, 2)) {
        check(outline)?;
    }
}

fn text_of(conflicts: &Conflicts<SIZE>, name: &str) -> Option<String> {
    conflicts
        .of(name)
        .map(|conflict| conflict.as_str().to_owned())
}

#[test]
fn literals_of_the_same_hash_are_compared_as_texts() {
    let [one, other] = ["costarring", "liquid"];
    assert_eq!(hash(one), hash(other));
    let inner = outline(vec![vec![Literal(other)].leak()], Vec::new());
    let nested = nested_tables(vec![(&[], inner), (&["liquid"], inner)]);
    let own: Vec<&'static [Segment]> = vec![vec![Literal(one)].leak()];
    let outer = outline(own, nested);
    let conflicts = find::<SIZE>(outer);
    assert_eq!(
        ["table0", "table1"].map(|name| text_of(&conflicts, name)),
        [None, None]
    );
    let same = outline(vec![vec![Literal(one)].leak()], Vec::new());
    let outer = outline(
        vec![vec![Literal(one)].leak()],
        nested_tables(vec![(&[], same)]),
    );
    let conflict = text_of(&find::<SIZE>(outer), "table0").unwrap();
    assert!(
        conflict.contains("overlap: both match \"/costarring\""),
        "{conflict}"
    );
}
