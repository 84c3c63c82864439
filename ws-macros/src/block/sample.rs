//! Examples of texts that the segments of patterns match.

use super::pattern::Segment;

/// Returns a text that both segments match; neither is a wildcard.
pub(crate) fn common(one: &Segment, other: &Segment) -> Option<String> {
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

/// Returns a text that two types of the standard library both parse.
pub(crate) fn common_text(one: &str, other: &str) -> Option<&'static str> {
    let (first, second) = (sample(one)?, sample(other)?);
    let both = |text: &&str| may_parse(one, text) && may_parse(other, text);
    [first, second].into_iter().find(both)
}

/// Returns a text that a segment matches; a wildcard also matches nothing.
pub(crate) fn example(segment: &Segment) -> Option<String> {
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
pub(crate) fn may_parse(ty: &str, text: &str) -> bool {
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
