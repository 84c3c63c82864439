//! Random tables: the search finds the same first pair as a comparison of all pairs.

use proptest::prelude::*;

use super::super::{Below, Faults, Line, Outline, find, hash};
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
fn routes(most: usize) -> impl Strategy<Value = Vec<&'static [Segment]>> {
    prop::collection::vec(shape(), 0..most).prop_map(|shapes| {
        let mut kept: Vec<&'static [Segment]> = Vec::new();
        for shape in shapes {
            if kept
                .iter()
                .all(|known| !naive::are_ambiguous_alone(known, shape))
            {
                kept.push(shape);
            }
        }
        kept
    })
}

fn prefix() -> impl Strategy<Value = &'static [&'static str]> {
    prop::collection::vec(prop::sample::select(&["a", "b", "7"][..]), 0..3)
        .prop_map(|prefix| &*prefix.leak())
}

fn outline(routes: Vec<&'static [Segment]>, nested: Vec<Below>) -> &'static Outline {
    let lines = routes.into_iter().enumerate();
    let lines = lines.map(|(at, shape)| Line::new(name("route", at), shape));
    Box::leak(Box::new(Outline {
        routes: lines.collect::<Vec<_>>().leak(),
        nested: nested.leak(),
    }))
}

fn name(kind: &str, at: usize) -> &'static str {
    format!("{kind}{at}").leak()
}

fn lines(nested: Vec<(&'static [&'static str], &'static Outline)>) -> Vec<Below> {
    let lines = nested.into_iter().enumerate();
    let lines = lines.map(|(at, (prefix, outline))| Below {
        name: name("table", at),
        prefix,
        outline,
    });
    lines.collect()
}

/// A table with this many levels of nested tables.
fn table(most: usize, levels: u32) -> BoxedStrategy<&'static Outline> {
    if levels == 0 {
        return routes(most)
            .prop_map(|routes| outline(routes, Vec::new()))
            .boxed();
    }
    let nested = prop::collection::vec((prefix(), table(most, levels - 1)), 0..4);
    (routes(most), nested)
        .prop_map(|(routes, nested)| outline(routes, lines(nested)))
        .boxed()
}

fn check(outline: &'static Outline) -> Result<(), TestCaseError> {
    let faults = find::<SIZE>(outline);
    for (at, below) in outline.nested.iter().enumerate() {
        let found = faults.of(below.name).map(|text| text.as_str().to_owned());
        prop_assert_eq!(found, naive::fault(outline, at), "{}", below.name);
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
    fn the_faults_of_small_tables_are_those_of_all_pairs(outline in table(3, 1)) {
        check(outline)?;
    }

    #[test]
    fn the_faults_of_large_tables_are_those_of_all_pairs(outline in table(24, 1)) {
        check(outline)?;
    }

    #[test]
    fn the_faults_of_tables_below_tables_are_those_of_all_pairs(outline in table(3, 2)) {
        check(outline)?;
    }
}

fn text_of(faults: &Faults<SIZE>, name: &str) -> Option<String> {
    faults.of(name).map(|fault| fault.as_str().to_owned())
}

#[test]
fn literals_of_the_same_hash_are_compared_as_texts() {
    let [one, other] = ["costarring", "liquid"];
    assert_eq!(hash(one), hash(other));
    let inner = outline(vec![vec![Literal(other)].leak()], Vec::new());
    let nested = lines(vec![(&[], inner), (&["liquid"], inner)]);
    let own: Vec<&'static [Segment]> = vec![vec![Literal(one)].leak()];
    let outer = outline(own, nested);
    let faults = find::<SIZE>(outer);
    assert_eq!(
        ["table0", "table1"].map(|name| text_of(&faults, name)),
        [None, None]
    );
    let same = outline(vec![vec![Literal(one)].leak()], Vec::new());
    let outer = outline(vec![vec![Literal(one)].leak()], lines(vec![(&[], same)]));
    let fault = text_of(&find::<SIZE>(outer), "table0").unwrap();
    assert!(
        fault.contains("overlap: both match \"/costarring\""),
        "{fault}"
    );
}
