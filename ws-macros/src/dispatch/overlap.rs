//! When two patterns of a table match the same path and neither is more specific.

use super::pattern::{Pattern, Segment};

/// A path that both patterns match, if neither of them is the more specific one.
///
/// Two patterns are compared segment by segment: a literal is more specific than a typed
/// parameter, that than text, that than a wildcard. Of different types in one place neither
/// is more specific, because nothing says which of them reads more; so at no segment does
/// the matcher have to choose between two types for one path.
pub fn ambiguous_path(first: &Pattern, second: &Pattern) -> Option<String> {
    let mut path = String::new();
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
    (!decided).then_some(path)
}

/// Types are compared as they are written.
fn differ_in_type(one: &Segment, other: &Segment) -> bool {
    match (one, other) {
        (Segment::Typed { written: one, .. }, Segment::Typed { written: other, .. }) => {
            one != other
        }
        _ => false,
    }
}

/// A text that both segments match; neither is a wildcard.
fn common(one: &Segment, other: &Segment) -> Option<String> {
    match (one, other) {
        (Segment::Literal(one), Segment::Literal(other)) => (one == other).then(|| one.clone()),
        (Segment::Literal(text), Segment::Typed { written, .. })
        | (Segment::Typed { written, .. }, Segment::Literal(text)) => {
            may_read(written, text).then(|| text.clone())
        }
        (Segment::Literal(text), _) | (_, Segment::Literal(text)) => Some(text.clone()),
        (Segment::Typed { written, name, .. }, Segment::Typed { written: other, .. }) => {
            let text =
                sample(written).filter(|text| sample(other).is_some() && may_read(other, text));
            Some(text.map_or_else(|| format!("{{{name}}}"), str::to_owned))
        }
        (typed @ Segment::Typed { .. }, _) | (_, typed) => example(typed),
    }
}

/// A text that a segment matches; a wildcard matches nothing as well.
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

/// A text that a type of the standard library reads.
fn sample(ty: &str) -> Option<&'static str> {
    Some(match ty {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" | "f32" | "f64" | "char" => "7",
        "bool" => "true",
        _ => return None,
    })
}

/// Whether a type is known to read a text.
pub fn surely_reads(ty: &str, text: &str) -> bool {
    sample(ty).is_some() && may_read(ty, text)
}

/// Whether a type may read a text; of types that are not known here it is assumed.
fn may_read(ty: &str, text: &str) -> bool {
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
mod tests {
    use proc_macro2::Span;
    use syn::LitStr;

    use super::*;
    use crate::errors::Errors;

    fn both_match(first: &str, second: &str) -> Option<String> {
        let errors = Errors::new();
        let pattern = |text| Pattern::parse(&LitStr::new(text, Span::call_site()), &errors);
        let found = ambiguous_path(&pattern(first), &pattern(second));
        let other_way = ambiguous_path(&pattern(second), &pattern(first));
        assert_eq!(found.is_some(), other_way.is_some(), "{first} and {second}");
        errors.finish().expect("paths without mistakes");
        found
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
    fn different_types_in_one_place_overlap() {
        assert_eq!(both_match("/{a: u64}", "/{b: i32}").as_deref(), Some("/7"));
        assert_eq!(
            both_match("/{id: u64}", "/{slug: Slug}").as_deref(),
            Some("/{id}")
        );
        assert_eq!(
            both_match("/{a: u64}", "/{b: bool}").as_deref(),
            Some("/{a}")
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
}
