//! Finds patterns of a table that match the same path although neither is more specific.

use crate::block::pattern::{Pattern, Segment};
use crate::block::sample::{common, common_text, example};

/// The reason for which two patterns of a table conflict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// Both match this path.
    Path(String),
    /// These two types are at the same position, and no text is known that both parse.
    Types(String, String),
}

/// Returns the overlap of two patterns, if neither of them is more specific.
///
/// Two patterns are compared segment by segment: a literal is more specific than a typed parameter,
/// a typed parameter than text, and text than a wildcard. Of two different types at the same
/// position neither is more specific, because the macro cannot know which of them parses more
/// texts. So the matcher never has to choose between two types for one path.
pub(crate) fn overlap(first: &Pattern, second: &Pattern) -> Option<Overlap> {
    let mut path = String::new();
    let mut types = None;
    let mut more_specific = (false, false);
    let longest = first.segments.len().max(second.segments.len());
    for at in 0..longest {
        let pair = (first.segments.get(at), second.segments.get(at));
        if matches!(
            pair,
            (Some(Segment::Rest { .. }), Some(Segment::Rest { .. }))
        ) {
            break;
        }
        if let (Some(Segment::Rest { .. }), other) | (other, Some(Segment::Rest { .. })) = pair {
            let wildcard_is_first = matches!(pair.0, Some(Segment::Rest { .. }));
            more_specific.0 |= !wildcard_is_first;
            more_specific.1 |= wildcard_is_first;
            let longer = if wildcard_is_first { second } else { first };
            if other.is_some() {
                let left = longer.segments[at..].iter();
                path.extend(left.filter_map(example).map(|text| format!("/{text}")));
            }
            break;
        }
        let (Some(one), Some(other)) = pair else {
            return None;
        };
        path.push('/');
        types = types.or_else(|| types_without_a_text(one, other));
        path.push_str(&common(one, other)?);
        let incomparable = differ_in_type(one, other);
        more_specific.0 |= incomparable || one.weight() > other.weight();
        more_specific.1 |= incomparable || one.weight() < other.weight();
    }
    let decided = more_specific.0 != more_specific.1;
    let path = if path.is_empty() {
        "/".to_owned()
    } else {
        path
    };
    (!decided).then(|| types.unwrap_or(Overlap::Path(path)))
}

/// Returns two different types if no text is known that both parse.
fn types_without_a_text(one: &Segment, other: &Segment) -> Option<Overlap> {
    let (
        Segment::Typed { written: first, .. },
        Segment::Typed {
            written: second, ..
        },
    ) = (one, other)
    else {
        return None;
    };
    (first != second && common_text(first, second).is_none())
        .then(|| Overlap::Types(parameter(one), parameter(other)))
}

/// Returns a parameter as written in a path.
fn parameter(segment: &Segment) -> String {
    match segment {
        Segment::Typed { name, written, .. } => format!("{{{name}: {written}}}"),
        _ => String::new(),
    }
}

/// Whether the types differ, compared as they are written.
fn differ_in_type(one: &Segment, other: &Segment) -> bool {
    match (one, other) {
        (Segment::Typed { written: one, .. }, Segment::Typed { written: other, .. }) => {
            one != other
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
