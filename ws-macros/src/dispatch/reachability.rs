//! Routes that no path ever reaches, because more specific routes match every path first.
//!
//! Only two kinds of segments can be split: a wildcard, into the end of the path and one more
//! segment, and a `bool`, into its two texts. A route without them is always reachable.

use crate::block::pattern::{Pattern, Segment};
use crate::block::sample::surely_parses;

/// Returns a minimal set of these named patterns that together match every path of a pattern;
/// `None` if some path is left.
pub(crate) fn covering_patterns<'p, N>(
    pattern: &Pattern,
    others: impl Iterator<Item = (N, &'p Pattern)>,
) -> Option<Vec<N>> {
    // For nearly all routes, the others need not be checked.
    if !pattern.segments.iter().any(can_be_split) {
        return None;
    }
    let mut covering: Vec<_> = others
        .filter(|(_, other)| takes_precedence(other, pattern))
        .collect();
    let all_covered = |covering: &[(N, &Pattern)]| {
        let tails: Vec<_> = covering
            .iter()
            .map(|(_, other)| &other.segments[..])
            .collect();
        is_covered(&pattern.segments, &tails)
    };
    if !all_covered(&covering) {
        return None;
    }
    let mut at = 0;
    while at < covering.len() {
        let one = covering.remove(at);
        if !all_covered(&covering) {
            covering.insert(at, one);
            at += 1;
        }
    }
    Some(covering.into_iter().map(|(name, _)| name).collect())
}

fn can_be_split(segment: &Segment) -> bool {
    match segment {
        Segment::Rest { .. } => true,
        Segment::Typed { written, .. } => written == "bool",
        _ => false,
    }
}

/// Whether the matcher prefers this pattern if both match.
fn takes_precedence(one: &Pattern, other: &Pattern) -> bool {
    let weight = |pattern: &Pattern, at: usize| match pattern.segments.get(at) {
        Some(segment) => segment.weight(),
        None => match pattern.segments.last() {
            Some(rest @ Segment::Rest { .. }) => rest.weight(),
            // The end of a pattern takes precedence over any further segment, as a literal does.
            _ => 3,
        },
    };
    let longest = one.segments.len().max(other.segments.len());
    let differs = (0..=longest).find(|at| weight(one, *at) != weight(other, *at));
    differs.is_some_and(|at| weight(one, at) > weight(other, at))
}

/// Whether one of the others matches each path that this tail of a pattern matches.
fn is_covered(tail: &[Segment], others: &[&[Segment]]) -> bool {
    if others.is_empty() {
        return false;
    }
    let matches_all = |other: &&[Segment]| matches!(other.first(), Some(Segment::Rest { .. }));
    let ends = || {
        others
            .iter()
            .any(|other| other.is_empty() || matches_all(other))
    };
    let Some((first, rest)) = tail.split_first() else {
        return ends();
    };
    match first {
        Segment::Rest { .. } => {
            others.iter().any(matches_all)
                || (ends() && is_covered(tail, &remaining_after(others, is_text)))
        }
        Segment::Text { .. } => is_covered(rest, &remaining_after(others, is_text)),
        Segment::Typed { written, .. } if written == "bool" => {
            ["true", "false"].iter().all(|text| {
                is_covered(
                    rest,
                    &remaining_after(others, |other| matches_text(other, text)),
                )
            })
        }
        Segment::Typed { written: own, .. } => {
            let same = |other: &Segment| {
                is_text(other) || matches!(other, Segment::Typed { written, .. } if written == own)
            };
            is_covered(rest, &remaining_after(others, same))
        }
        Segment::Literal(text) => is_covered(
            rest,
            &remaining_after(others, |other| matches_text(other, text)),
        ),
    }
}

/// Returns the tails of those patterns whose next segment matches this one.
fn remaining_after<'s>(
    others: &[&'s [Segment]],
    matches: impl Fn(&Segment) -> bool,
) -> Vec<&'s [Segment]> {
    let tails = others.iter().filter_map(|other| match other.split_first() {
        Some((Segment::Rest { .. }, _)) => Some(*other),
        Some((first, rest)) if matches(first) => Some(rest),
        _ => None,
    });
    tails.collect()
}

fn is_text(segment: &Segment) -> bool {
    matches!(segment, Segment::Text { .. })
}

fn matches_text(segment: &Segment, text: &str) -> bool {
    match segment {
        Segment::Literal(literal) => literal == text,
        Segment::Typed { written, .. } => surely_parses(written, text),
        Segment::Text { .. } | Segment::Rest { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covering(pattern: &str, others: &[&str]) -> Option<Vec<usize>> {
        let parsed: Vec<_> = others.iter().map(|other| Pattern::of(other)).collect();
        covering_patterns(&Pattern::of(pattern), parsed.iter().enumerate())
    }

    #[test]
    fn a_wildcard_is_covered_by_its_end_and_all_longer_paths() {
        let others = ["/files", "/files/{name}", "/files/{name}/{*more}", "/other"];
        assert_eq!(covering("/files/{*rest}", &others), Some(vec![0, 2]));
        assert_eq!(covering("/files/{*rest}", &others[..2]), None);
        assert_eq!(covering("/files/{*rest}", &others[1..]), None);
        // A type does not match every text.
        let typed = ["/files", "/files/{id: u64}/{*more}"];
        assert_eq!(covering("/files/{*rest}", &typed), None);
    }

    #[test]
    fn a_bool_is_covered_by_its_two_texts() {
        let others = ["/on/true", "/on/false", "/on/{text}"];
        assert_eq!(covering("/on/{is: bool}", &others), Some(vec![0, 1]));
        assert_eq!(covering("/on/{is: bool}", &others[1..]), None);
        assert_eq!(covering("/on/{is: bool}/{*rest}", &others), None);
    }

    #[test]
    fn less_specific_patterns_cover_nothing() {
        assert_eq!(covering("/a", &["/{x}", "/{*rest}"]), None);
        assert_eq!(covering("/{x}", &["/a", "/{*rest}"]), None);
        assert_eq!(covering("/{id: u64}", &["/{x}"]), None);
        assert_eq!(covering("/a/{*rest}", &["/{*rest}", "/a"]), None);
    }

    #[test]
    fn a_wildcard_can_be_split_more_than_once() {
        let others = ["/", "/{a}", "/{a}/{b}/{*rest}"];
        assert_eq!(covering("/{*rest}", &others), Some(vec![0, 1, 2]));
        assert_eq!(covering("/{*rest}", &others[..2]), None);
    }
}
