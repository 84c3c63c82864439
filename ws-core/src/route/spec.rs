//! The constant data of a route.

use super::MAX_SEGMENTS;
use crate::limits::LimitOptions;

/// One line of a table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RouteSpec {
    /// The name of the route.
    pub name: &'static str,
    /// The pattern as written in the table, without the prefix of an outer table.
    pub pattern: &'static str,
    /// The names of the parameters in the order of the pattern.
    pub params: &'static [&'static str],
    /// The options of the route, those of `defaults { … }` included.
    pub options: RouteOptions,
}

/// The options of a route; the server's settings apply if an option is `None`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RouteOptions {
    /// Whether a connection needs a live session. Default: true.
    pub require_session: Option<bool>,
    /// Whether it also needs the id of a page. Default: the value of `require_session`.
    pub require_page: Option<bool>,
    /// The origins (RFC 6454) that may connect.
    pub origins: Option<Origins>,
    /// The supported subprotocols (RFC 6455, section 1.9) in order of preference.
    pub protocols: Option<&'static [&'static str]>,
    /// Whether messages are compressed if the client offers it (RFC 7692). Default: false.
    pub deflate: Option<bool>,
    /// Whether a `start` function may refuse a handshake or choose another handler.
    pub start: bool,
    /// Whether the handler lives as long as a page, over any number of connections.
    pub attach_page: bool,
    /// The limits.
    pub limits: LimitOptions,
}

impl RouteOptions {
    /// No option is set.
    pub const NONE: Self = Self {
        require_session: None,
        require_page: None,
        origins: None,
        protocols: None,
        deflate: None,
        start: false,
        attach_page: false,
        limits: LimitOptions::NONE,
    };
}

impl Default for RouteOptions {
    fn default() -> Self {
        Self::NONE
    }
}

/// Which origins may connect (RFC 6455, section 10.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origins {
    /// The origin of the server itself.
    Same,
    /// Every origin: for public data, or if the client authenticates in another way.
    Any,
    /// The origin of the server, and these, such as `https://app.example`,
    /// `https://*.preview.example` (one label), `file://` or `null`.
    List(&'static [&'static str]),
}

/// One segment of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Segment {
    /// `rooms`: this text.
    Literal(&'static str),
    /// `{id: u64}`: a text that this type accepts.
    Typed(&'static str),
    /// `{name}`: any one segment.
    Text,
    /// `{*rest}`: the whole rest, which may be empty. Only the last segment can be one.
    Rest,
}

impl Segment {
    /// How specific the segment is: a literal ranks above a typed parameter, that above a `String`,
    /// and that above a wildcard.
    pub(super) const fn weight(self) -> u64 {
        match self {
            Self::Literal(_) => 3,
            Self::Typed(_) => 2,
            Self::Text => 1,
            Self::Rest => 0,
        }
    }
}

/// The data of a route, as a marker type; `dispatch!` implements it.
pub trait RouteData: 'static {
    /// The line of the table.
    const SPEC: &'static RouteSpec;
    /// The pattern of the route, parsed.
    const SHAPE: &'static [Segment];
}

/// How specific a pattern is: two bits per segment, the first segment in the highest bits.
///
/// Of all routes that match a path, the router chooses the highest rank. A pattern that ends at the
/// position of another's wildcard is more specific, so the positions after its end count as
/// literals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank(u64);

impl Rank {
    /// The rank of a pattern under a prefix of this many literals.
    ///
    /// Segments past [`MAX_SEGMENTS`] are not counted; no router has such patterns.
    pub(super) fn of(prefix: usize, shape: &[Segment]) -> Self {
        let literals = std::iter::repeat_n(Segment::Literal("").weight(), prefix);
        let own = shape.iter().map(|segment| segment.weight());
        let after = match shape.last() {
            Some(Segment::Rest) => Segment::Rest,
            _ => Segment::Literal(""),
        };
        let all = literals.chain(own).chain(std::iter::repeat(after.weight()));
        Self(
            all.take(MAX_SEGMENTS)
                .fold(0, |rank, weight| (rank << 2) | weight),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Segment::{Literal, Rest, Text, Typed};
    use super::*;

    fn rank(shape: &[Segment]) -> Rank {
        Rank::of(0, shape)
    }

    #[test]
    fn a_literal_ranks_before_a_type_before_a_string_before_a_wildcard() {
        let shapes = [Literal("a"), Typed("u64"), Text, Rest].map(|segment| rank(&[segment]));
        assert!(shapes.is_sorted_by(|more, less| more > less), "{shapes:?}");
    }

    #[test]
    fn the_first_segment_that_differs_decides() {
        assert!(rank(&[Literal("a"), Rest]) > rank(&[Text, Literal("b")]));
        assert!(rank(&[Literal("a"), Literal("b")]) > rank(&[Literal("a"), Text]));
    }

    #[test]
    fn the_end_of_a_pattern_ranks_before_an_empty_wildcard() {
        assert!(rank(&[Literal("a")]) > rank(&[Literal("a"), Rest]));
        assert!(rank(&[]) > rank(&[Rest]));
    }

    #[test]
    fn a_prefix_counts_as_its_literals() {
        assert_eq!(Rank::of(1, &[Text]), rank(&[Literal("admin"), Text]));
        let longest = [Text; MAX_SEGMENTS];
        assert_eq!(rank(&longest), Rank(0x5555_5555_5555_5555));
    }
}
