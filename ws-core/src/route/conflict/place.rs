//! Where a route stands, all prefixes included, and how two of them are compared.

use super::reads::may_read;
use super::{Below, Line, Outline};
use crate::route::{MAX_SEGMENTS, Segment};

/// A route or a table at its place.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The prefixes of the tables that it is in; none of them is empty.
    prefixes: [&'static [&'static str]; MAX_SEGMENTS],
    /// How many there are.
    depth: usize,
    /// How many segments they have.
    before: usize,
    /// The route's own pattern; nothing for a table.
    shape: &'static [Segment],
    pub(super) name: &'static str,
}

impl Place {
    /// The outermost table.
    pub(super) const ROOT: Self = Self {
        prefixes: [&[]; MAX_SEGMENTS],
        depth: 0,
        before: 0,
        shape: &[],
        name: "",
    };

    /// A table in this one; `None` where its prefixes are too long.
    pub(super) const fn below(&self, below: &Below) -> Option<Self> {
        let mut place = *self;
        place.name = below.name;
        if below.prefix.is_empty() {
            return Some(place);
        }
        place.before += below.prefix.len();
        if place.before > MAX_SEGMENTS {
            return None;
        }
        place.prefixes[place.depth] = below.prefix;
        place.depth += 1;
        Some(place)
    }

    /// A route of this table.
    pub(super) const fn at(&self, line: &Line) -> Self {
        let mut place = *self;
        (place.name, place.shape) = (line.name, line.shape);
        place
    }

    /// The route, of all in this table, whose pattern is too long with its prefixes.
    pub(super) const fn too_long(&self, outline: &'static Outline) -> Option<&'static str> {
        let mut at = 0;
        while at < outline.routes.len() {
            let line = &outline.routes[at];
            if self.before + line.shape.len() > MAX_SEGMENTS {
                return Some(line.name);
            }
            at += 1;
        }
        // What is further below its own table has compared, but for this prefix.
        let mut at = 0;
        while at < outline.nested.len() {
            let below = &outline.nested[at];
            match self.below(below) {
                None => return Some(below.name),
                Some(place) => {
                    if let Some(name) = place.too_long(below.outline) {
                        return Some(name);
                    }
                }
            }
            at += 1;
        }
        None
    }

    /// The segment at this place of the whole pattern, if there is one.
    pub(super) const fn segment(&self, at: usize) -> Option<Segment> {
        if at >= self.before {
            let own = at - self.before;
            return if own < self.shape.len() {
                Some(self.shape[own])
            } else {
                None
            };
        }
        let (mut left, mut part) = (at, 0);
        while left >= self.prefixes[part].len() {
            left -= self.prefixes[part].len();
            part += 1;
        }
        Some(Segment::Literal(self.prefixes[part][left]))
    }

    /// As [`segment`](Self::segment), where a wildcard goes on without end.
    pub(super) const fn segment_or_rest(&self, at: usize) -> Option<Segment> {
        match self.shape {
            [.., Segment::Rest] if at >= self.before + self.shape.len() => Some(Segment::Rest),
            _ => self.segment(at),
        }
    }

    /// Whether a path below the prefixes of this table may match the route too.
    pub(super) const fn may_lead_into(&self, table: &Self) -> bool {
        let mut at = 0;
        while at < table.before {
            match (self.segment(at), table.segment(at)) {
                (Some(Segment::Rest), _) => return true,
                (Some(one), Some(other)) if has_common(one, other) => {}
                _ => return false,
            }
            at += 1;
        }
        true
    }

    /// Whether some path matches both routes, and neither is the more specific one: that is
    /// the rule of `dispatch!` within a table.
    pub(super) const fn is_ambiguous_with(&self, other: &Self) -> bool {
        let (mut more, mut less) = (false, false);
        let mut at = 0;
        loop {
            match (self.segment(at), other.segment(at)) {
                (None, None) | (Some(Segment::Rest), Some(Segment::Rest)) => break,
                (Some(Segment::Rest), _) => {
                    less = true;
                    break;
                }
                (_, Some(Segment::Rest)) => {
                    more = true;
                    break;
                }
                (Some(one), Some(two)) => {
                    if !has_common(one, two) {
                        return false;
                    }
                    let incomparable = differ_in_type(one, two);
                    more |= incomparable || one.weight() > two.weight();
                    less |= incomparable || one.weight() < two.weight();
                }
                _ => return false,
            }
            at += 1;
        }
        more == less
    }
}

/// Types are compared as they are written.
const fn differ_in_type(one: Segment, other: Segment) -> bool {
    match (one, other) {
        (Segment::Typed(one), Segment::Typed(other)) => !equal(one, other),
        _ => false,
    }
}

/// Whether one text matches both segments.
const fn has_common(one: Segment, other: Segment) -> bool {
    match (one, other) {
        (Segment::Literal(one), Segment::Literal(other)) => equal(one, other),
        (Segment::Literal(text), Segment::Typed(ty))
        | (Segment::Typed(ty), Segment::Literal(text)) => may_read(ty, text),
        _ => true,
    }
}

/// Whether two texts are the same. Names in a table often begin alike, and end otherwise.
pub(in crate::route) const fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = one.len();
    while at > 0 {
        at -= 1;
        if one[at] != other[at] {
            return false;
        }
    }
    true
}
