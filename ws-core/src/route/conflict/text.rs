//! The error messages about routes.

use super::mount::MountedRoute;
use super::parsers::{may_parse, sample};
use crate::compile_error::CompileError;
use crate::route::Segment;

impl CompileError {
    /// Appends the name of a route and its whole pattern.
    const fn add_route(self, route: &MountedRoute) -> Self {
        let mut text = self.add("`").add(route.route.name).add("` (\"");
        let mut at = 0;
        while let Some(segment) = route.segment(at) {
            text = text.add("/");
            text = match segment {
                Segment::Literal(literal) => text.add(literal),
                Segment::Typed(ty) => text.add("{_: ").add(ty).add("}"),
                Segment::Text => text.add("{_}"),
                Segment::Rest => text.add("{*_}"),
            };
            at += 1;
        }
        if at == 0 {
            text = text.add("/");
        }
        text.add("\")")
    }

    /// Appends an example of a path that both routes match.
    const fn add_example_path(self, one: &MountedRoute, other: &MountedRoute) -> Self {
        let mut text = self;
        let mut at = 0;
        loop {
            text = match (one.segment_or_rest(at), other.segment_or_rest(at)) {
                (None | Some(Segment::Rest), None | Some(Segment::Rest)) => break,
                (Some(only), None | Some(Segment::Rest))
                | (None | Some(Segment::Rest), Some(only)) => text.add("/").add_example(only),
                (Some(one), Some(other)) => text.add("/").add_common(one, other),
            };
            at += 1;
        }
        if at == 0 { text.add("/") } else { text }
    }

    /// Appends a text that both segments match; neither is a wildcard.
    const fn add_common(self, one: Segment, other: Segment) -> Self {
        match (one, other) {
            (Segment::Literal(text), _) | (_, Segment::Literal(text)) => self.add(text),
            (Segment::Typed(one), Segment::Typed(other)) => match sample(one) {
                Some(text) if sample(other).is_some() && may_parse(other, text) => self.add(text),
                _ => self.add("{").add(one).add("}"),
            },
            (typed @ Segment::Typed(_), _) | (_, typed) => self.add_example(typed),
        }
    }

    /// Appends an example of a text that the segment matches.
    const fn add_example(self, segment: Segment) -> Self {
        match segment {
            Segment::Literal(text) => self.add(text),
            Segment::Typed(ty) => match sample(ty) {
                Some(text) => self.add(text),
                None => self.add("{").add(ty).add("}"),
            },
            Segment::Text | Segment::Rest => self.add("x"),
        }
    }
}

/// The message for two routes that match the same path.
pub(super) const fn overlap(one: &MountedRoute, other: &MountedRoute) -> CompileError {
    CompileError::EMPTY
        .add_route(other)
        .add(" and ")
        .add_route(one)
        .add(" overlap: both match \"")
        .add_example_path(one, other)
        .add(
            "\", and neither is more specific\nhelp: add a literal segment to one of them, or \
             change the prefix of the nested table",
        )
}

/// The message for a parameter without a field in the struct in `Path`.
pub(in crate::route) const fn missing_field(param: &str) -> CompileError {
    CompileError::EMPTY
        .add(
            "the struct that the handler of this route takes in `Path` has no field for the \
              parameter `",
        )
        .add(param)
        .add("`\nhelp: add the field, or name the parameter `_")
        .add(param)
        .add("`")
}

/// The message for a route with too many segments.
pub(super) const fn too_long(name: &str) -> CompileError {
    CompileError::EMPTY.add("`").add(name).add(
        "` has more than 32 segments, including the prefixes of its tables\nhelp: shorten them",
    )
}

impl std::fmt::Debug for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
