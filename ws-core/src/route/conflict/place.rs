//! Nested tables with their prefixes, and the routes in them.

use super::literals::hash;
use super::{Below, Line, Outline};
use crate::route::{MAX_SEGMENTS, Segment};

/// The position of a nested table.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The non-empty prefixes of the outer tables and of the table itself.
    prefixes: [&'static [&'static str]; MAX_SEGMENTS],
    /// The number of prefixes.
    depth: usize,
    /// The number of segments of all prefixes.
    pub(super) before: usize,
    /// The hashes of these segments.
    hashes: [u32; MAX_SEGMENTS],
}

impl Place {
    /// The outermost table.
    pub(super) const ROOT: Self = Self {
        prefixes: [&[]; MAX_SEGMENTS],
        depth: 0,
        before: 0,
        hashes: [0; MAX_SEGMENTS],
    };

    /// The position of a table nested in this one; `None` if its prefixes are too long.
    pub(super) const fn below(&self, below: &Below) -> Option<Self> {
        let mut place = *self;
        if below.prefix.is_empty() {
            return Some(place);
        }
        if place.before + below.prefix.len() > MAX_SEGMENTS {
            return None;
        }
        let mut at = 0;
        while at < below.prefix.len() {
            place.hashes[place.before] = hash(below.prefix[at]);
            place.before += 1;
            at += 1;
        }
        place.prefixes[place.depth] = below.prefix;
        place.depth += 1;
        Some(place)
    }

    /// The name of a route in this table whose pattern exceeds the limit together with its
    /// prefixes.
    pub(super) const fn too_long(&self, outline: &'static Outline) -> Option<&'static str> {
        let mut at = 0;
        while at < outline.routes.len() {
            let line = &outline.routes[at];
            if self.before + line.shape.len() > MAX_SEGMENTS {
                return Some(line.name);
            }
            at += 1;
        }
        // Nested tables were checked with their own table, but without this prefix.
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

    /// The hash of a literal segment of this route.
    pub(super) const fn hash(&self, line: &Line, at: usize) -> u32 {
        if at < self.before {
            self.hashes[at]
        } else {
            line.hashes[at - self.before]
        }
    }

    /// A segment of a route of this table, if the route has that many.
    pub(super) const fn segment(&self, line: &Line, at: usize) -> Option<Segment> {
        if at >= self.before {
            let own = at - self.before;
            return if own < line.shape.len() {
                Some(line.shape[own])
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
}

/// A route with its position.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    pub(super) place: Place,
    pub(super) line: &'static Line,
}

impl Placed {
    /// A segment of the whole pattern, if it has that many.
    pub(super) const fn segment(&self, at: usize) -> Option<Segment> {
        self.place.segment(self.line, at)
    }

    /// Same as [`segment`](Self::segment), but a wildcard repeats without end.
    pub(super) const fn segment_or_rest(&self, at: usize) -> Option<Segment> {
        match self.line.shape {
            [.., Segment::Rest] if at >= self.place.before + self.line.shape.len() => {
                Some(Segment::Rest)
            }
            _ => self.segment(at),
        }
    }
}

/// The route with this number: the routes of a table come before those of its nested tables. Tables
/// whose prefixes are too long are not counted.
pub(super) const fn nth(outline: &'static Outline, number: usize) -> Option<Placed> {
    let mut left = number;
    nth_in(&Place::ROOT, outline, &mut left)
}

const fn nth_in(place: &Place, outline: &'static Outline, left: &mut usize) -> Option<Placed> {
    if *left < outline.routes.len() {
        return Some(Placed {
            place: *place,
            line: &outline.routes[*left],
        });
    }
    *left -= outline.routes.len();
    let mut at = 0;
    while at < outline.nested.len() {
        let below = &outline.nested[at];
        if let Some(place) = place.below(below)
            && let Some(placed) = nth_in(&place, below.outline, left)
        {
            return Some(placed);
        }
        at += 1;
    }
    None
}
