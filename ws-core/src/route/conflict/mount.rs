//! Nested tables with their prefixes, and the routes in them.

use super::literals::hash;
use super::{NestedOutline, RouteOutline, TableOutline};
use crate::route::{MAX_SEGMENTS, Segment};

/// The position of a nested table.
#[derive(Clone, Copy)]
pub(super) struct MountPoint {
    /// The non-empty prefixes of the outer tables and of the table itself.
    prefixes: [&'static [&'static str]; MAX_SEGMENTS],
    /// The number of prefixes.
    depth: usize,
    /// The number of segments of all prefixes.
    pub(super) prefix_len: usize,
    /// The hashes of these segments.
    hashes: [u32; MAX_SEGMENTS],
}

impl MountPoint {
    /// The outermost table.
    pub(super) const ROOT: Self = Self {
        prefixes: [&[]; MAX_SEGMENTS],
        depth: 0,
        prefix_len: 0,
        hashes: [0; MAX_SEGMENTS],
    };

    /// The position of a table nested in this one; `None` if its prefixes are too long.
    pub(super) const fn nest(&self, nested: &NestedOutline) -> Option<Self> {
        let mut mount = *self;
        if nested.prefix.is_empty() {
            return Some(mount);
        }
        if mount.prefix_len + nested.prefix.len() > MAX_SEGMENTS {
            return None;
        }
        let mut at = 0;
        while at < nested.prefix.len() {
            mount.hashes[mount.prefix_len] = hash(nested.prefix[at]);
            mount.prefix_len += 1;
            at += 1;
        }
        mount.prefixes[mount.depth] = nested.prefix;
        mount.depth += 1;
        Some(mount)
    }

    /// The name of a route in this table whose pattern exceeds the limit together with its
    /// prefixes.
    pub(super) const fn too_long(&self, outline: &'static TableOutline) -> Option<&'static str> {
        let mut at = 0;
        while at < outline.routes.len() {
            let route = &outline.routes[at];
            if self.prefix_len + route.shape.len() > MAX_SEGMENTS {
                return Some(route.name);
            }
            at += 1;
        }
        // Nested tables were checked with their own table, but without this prefix.
        let mut at = 0;
        while at < outline.nested.len() {
            let nested = &outline.nested[at];
            match self.nest(nested) {
                None => return Some(nested.name),
                Some(mount) => {
                    if let Some(name) = mount.too_long(nested.outline) {
                        return Some(name);
                    }
                }
            }
            at += 1;
        }
        None
    }

    /// The hash of a literal segment of this route.
    pub(super) const fn hash(&self, route: &RouteOutline, at: usize) -> u32 {
        if at < self.prefix_len {
            self.hashes[at]
        } else {
            route.hashes[at - self.prefix_len]
        }
    }

    /// A segment of a route of this table, if the route has that many.
    pub(super) const fn segment(&self, route: &RouteOutline, at: usize) -> Option<Segment> {
        if at >= self.prefix_len {
            let own = at - self.prefix_len;
            return if own < route.shape.len() {
                Some(route.shape[own])
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
pub(super) struct MountedRoute {
    pub(super) mount: MountPoint,
    pub(super) route: &'static RouteOutline,
}

impl MountedRoute {
    /// A segment of the whole pattern, if it has that many.
    pub(super) const fn segment(&self, at: usize) -> Option<Segment> {
        self.mount.segment(self.route, at)
    }

    /// Same as [`segment`](Self::segment), but a wildcard repeats without end.
    pub(super) const fn segment_or_rest(&self, at: usize) -> Option<Segment> {
        match self.route.shape {
            [.., Segment::Rest] if at >= self.mount.prefix_len + self.route.shape.len() => {
                Some(Segment::Rest)
            }
            _ => self.segment(at),
        }
    }
}

/// The route with this number: the routes of a table come before those of its nested tables. Tables
/// whose prefixes are too long are not counted.
pub(super) const fn nth(outline: &'static TableOutline, number: usize) -> Option<MountedRoute> {
    let mut left = number;
    nth_in(&MountPoint::ROOT, outline, &mut left)
}

const fn nth_in(
    mount: &MountPoint,
    outline: &'static TableOutline,
    left: &mut usize,
) -> Option<MountedRoute> {
    if *left < outline.routes.len() {
        return Some(MountedRoute {
            mount: *mount,
            route: &outline.routes[*left],
        });
    }
    *left -= outline.routes.len();
    let mut at = 0;
    while at < outline.nested.len() {
        let nested = &outline.nested[at];
        if let Some(mount) = mount.nest(nested)
            && let Some(mounted) = nth_in(&mount, nested.outline, left)
        {
            return Some(mounted);
        }
        at += 1;
    }
    None
}
