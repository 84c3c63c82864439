//! Topics of one block that have a name in common.

use super::declaration::Topic;
use crate::block::overlaps::{PatternLine, report};
use crate::block::pattern::{Pattern, Segment};
use crate::block::sample::{common, example};
use crate::errors::Errors;

/// A name that two patterns have in common.
#[derive(Debug, PartialEq, Eq)]
enum Overlap {
    /// Both have this name.
    Name(String),
    /// They have this name in common if the types of the parameters are not compared, as when a
    /// server compares blocks.
    Shape(String),
}

/// Checks that no name belongs to two topics.
pub(crate) fn check(topics: &[Topic], errors: &Errors) {
    let lines: Vec<_> = topics
        .iter()
        .map(|topic| PatternLine {
            attrs: &topic.attrs,
            name: &topic.name,
            text: &topic.text,
            pattern: &topic.pattern,
        })
        .collect();
    let message = |later: &PatternLine<'_>, earlier: &PatternLine<'_>| {
        let (own, other) = (later.text.value(), earlier.text.value());
        Some(match overlap(later.pattern, earlier.pattern)? {
            Overlap::Name(name) => format!(
                "`{own}` and `{other}` both name \"{name}\"\n\
                 help: change a literal segment of one of them"
            ),
            Overlap::Shape(name) => format!(
                "a parameter counts as any text, so `{own}` and `{other}` both name \"{name}\"\n\
                 help: change a literal segment of one of them, or add one"
            ),
        })
    };
    report(&lines, message, errors);
}

/// Returns the overlap of two patterns: they have as many segments, and at no position two different
/// literals.
fn overlap(first: &Pattern, second: &Pattern) -> Option<Overlap> {
    let pairs = || first.segments.iter().zip(&second.segments);
    let differ = |(one, other): (&Segment, &Segment)| match (one, other) {
        (Segment::Literal(one), Segment::Literal(other)) => one != other,
        _ => false,
    };
    if first.segments.len() != second.segments.len() || pairs().any(differ) {
        return None;
    }
    let mut is_exact = true;
    let segments = pairs().map(|(one, other)| {
        common(one, other).or_else(|| {
            is_exact = false;
            literal(one, other)
        })
    });
    let name = segments.collect::<Option<Vec<_>>>()?.join("/");
    Some(if is_exact {
        Overlap::Name(name)
    } else {
        Overlap::Shape(name)
    })
}

/// Returns the literal of a literal and a parameter.
fn literal(one: &Segment, other: &Segment) -> Option<String> {
    match (one, other) {
        (Segment::Literal(_), _) => example(one),
        _ => example(other),
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use syn::LitStr;

    use super::*;
    use crate::block::pattern::Syntax;

    fn parsed(pattern: &str) -> Pattern {
        let errors = Errors::new();
        let text = LitStr::new(pattern, Span::call_site());
        let pattern = Pattern::parse(&text, Syntax::TopicName, &errors);
        errors.finish().expect("a pattern without mistakes");
        pattern
    }

    fn both(first: &str, second: &str) -> Option<Overlap> {
        let (one, other) = (parsed(first), parsed(second));
        let found = overlap(&one, &other);
        assert_eq!(found, overlap(&other, &one), "{first} and {second}");
        found
    }

    #[test]
    fn patterns_of_one_shape_have_a_name_in_common() {
        let name = |text: &str| Some(Overlap::Name(text.to_owned()));
        assert_eq!(both("lobby", "lobby"), name("lobby"));
        assert_eq!(both("room/{x}", "room/lobby"), name("room/lobby"));
        assert_eq!(both("room/{id: u64}", "room/{x}"), name("room/7"));
        assert_eq!(both("room/{id: u64}", "room/7"), name("room/7"));
        assert_eq!(both("{a}/{b}", "room/{x}"), name("room/x"));
        assert_eq!(both("{a}/x", "y/{b}"), name("y/x"));
        assert_eq!(both("room/{on: bool}", "room/{x}"), name("room/true"));
    }

    #[test]
    fn types_of_parameters_are_not_compared() {
        let shape = |text: &str| Some(Overlap::Shape(text.to_owned()));
        assert_eq!(both("room/{id: u64}", "room/lobby"), shape("room/lobby"));
        assert_eq!(both("{on: bool}/{x}", "room/lobby"), shape("room/lobby"));
    }

    #[test]
    fn other_patterns_have_no_name_in_common() {
        for (first, second) in [
            ("lobby", "hall"),
            ("room/{id}", "hall/{id}"),
            ("room/{id}", "room/{id}/typing"),
            ("room/{id}/seen", "room/{id}/typing"),
            ("{a}", "{a}/{b}"),
            ("a/{x}/b", "{y}/c/d"),
        ] {
            assert_eq!(both(first, second), None, "{first} and {second}");
        }
    }
}
