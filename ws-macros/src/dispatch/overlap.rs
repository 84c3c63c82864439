//! Finds patterns of a table that match the same path although neither is more specific.

use super::pattern::{Pattern, Segment};

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

/// Returns a text that two types of the standard library both parse.
fn common_text(one: &str, other: &str) -> Option<&'static str> {
    let (first, second) = (sample(one)?, sample(other)?);
    let both = |text: &&str| may_parse(one, text) && may_parse(other, text);
    [first, second].into_iter().find(both)
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

/// Returns a text that both segments match; neither is a wildcard.
fn common(one: &Segment, other: &Segment) -> Option<String> {
    match (one, other) {
        (Segment::Literal(one), Segment::Literal(other)) => (one == other).then(|| one.clone()),
        (Segment::Literal(text), Segment::Typed { written, .. })
        | (Segment::Typed { written, .. }, Segment::Literal(text)) => {
            may_parse(written, text).then(|| text.clone())
        }
        (Segment::Literal(text), _) | (_, Segment::Literal(text)) => Some(text.clone()),
        (Segment::Typed { written, name, .. }, Segment::Typed { written: other, .. }) => {
            Some(common_text(written, other).map_or_else(|| format!("{{{name}}}"), str::to_owned))
        }
        (typed @ Segment::Typed { .. }, _) | (_, typed) => example(typed),
    }
}

/// Returns a text that a segment matches; a wildcard also matches nothing.
fn example(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Literal(text) => Some(text.clone()),
        Segment::Typed { written, name, .. } => {
            Some(sample(written).map_or_else(|| format!("{{{name}}}"), str::to_owned))
        }
        Segment::Text { .. } => Some("x".to_owned()),
        Segment::Rest { .. } => None,
    }
}

/// Returns a text that a type of the standard library parses.
fn sample(ty: &str) -> Option<&'static str> {
    Some(match ty {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" | "f32" | "f64" | "char" => "7",
        "bool" => "true",
        _ => return None,
    })
}

/// Whether a type is known to parse a text.
pub(crate) fn surely_parses(ty: &str, text: &str) -> bool {
    sample(ty).is_some() && may_parse(ty, text)
}

/// Whether a type may parse a text; assumed for types that are not known here.
fn may_parse(ty: &str, text: &str) -> bool {
    match ty {
        "u8" => text.parse::<u8>().is_ok(),
        "u16" => text.parse::<u16>().is_ok(),
        "u32" => text.parse::<u32>().is_ok(),
        "u64" | "usize" => text.parse::<u64>().is_ok(),
        "u128" => text.parse::<u128>().is_ok(),
        "i8" => text.parse::<i8>().is_ok(),
        "i16" => text.parse::<i16>().is_ok(),
        "i32" => text.parse::<i32>().is_ok(),
        "i64" | "isize" => text.parse::<i64>().is_ok(),
        "i128" => text.parse::<i128>().is_ok(),
        "f32" | "f64" => text.parse::<f64>().is_ok(),
        "bool" => text.parse::<bool>().is_ok(),
        "char" => text.parse::<char>().is_ok(),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
