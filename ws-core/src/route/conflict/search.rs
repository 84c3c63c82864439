//! Finds ambiguous routes among a table and its nested tables, in time proportional to the number
//! of routes, not of their pairs.
//!
//! Routes are grouped by the kinds of their segments. Two groups are compared only if their kinds
//! do not decide which routes are more specific. Two of their routes can be ambiguous if their
//! literals are equal at each segment that is a literal in both groups; a hash table finds these.
//! If a segment has a type in one group and a literal in the other, routes whose literal the type
//! rejects are left out first.

use super::kinds::{Kinds, Relation};
use super::literals::combine;
use super::mount::MountPoint;
use super::parsers::may_parse;
use super::{RouteOutline, TableOutline};
use crate::compile_error::equal;
use crate::route::Segment;

/// Two routes that match the same path, by their [numbers](super::place::nth): the first such pair,
/// ordered by the earlier route and then by the later one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overlap {
    /// A route of the table itself, or of a nested table at an earlier line.
    pub(super) earlier: usize,
    /// A route of the nested table.
    pub(super) later: usize,
}

/// Finds the first overlap with the routes before it for each line with a nested table.
pub(super) const fn overlaps<const N: usize>(
    outline: &'static TableOutline,
) -> [Option<Overlap>; N] {
    let mut found = [None; N];
    if outline.nested.is_empty() {
        return found;
    }
    let mut search = Search::<N>::new();
    search.collect(&MountPoint::ROOT, outline, None);
    let mut one = 0;
    while one < search.group_count {
        let mut other = one;
        while other < search.group_count {
            search.compare(one, other, &mut found);
            other += 1;
        }
        one += 1;
    }
    found
}

/// No route.
const NONE: usize = usize::MAX;

/// A route, or an unused entry.
#[derive(Clone, Copy)]
struct Candidate {
    route: &'static RouteOutline,
    /// The number of its table in [`Search::mounts`].
    mount: usize,
    /// 0 for routes of the table itself, then one for each line with a nested table.
    row: usize,
    /// The next route of the same group.
    next: usize,
}

/// Routes with the same kinds of segments, in the order of their numbers.
#[derive(Clone, Copy)]
struct Group {
    kinds: Kinds,
    first: usize,
    last: usize,
}

/// All routes of a table and its nested tables.
struct Search<const N: usize> {
    routes: [Candidate; N],
    route_count: usize,
    mounts: [MountPoint; N],
    mount_count: usize,
    groups: [Group; N],
    group_count: usize,
}

/// The masks of segments by which two groups are compared.
#[derive(Clone, Copy)]
struct SegmentMasks {
    relation: Relation,
    /// Segments that are literals in both.
    shared: u64,
    /// Segments that are literals in the first and typed in the second.
    parsed_by_second: u64,
    /// Segments that are typed in the first and literals in the second.
    parsed_by_first: u64,
    /// Segments that are typed in both.
    typed: u64,
}

impl SegmentMasks {
    const fn new(first: &Kinds, second: &Kinds) -> Self {
        Self {
            relation: first.relation(second),
            shared: first.literals() & second.literals(),
            parsed_by_second: first.literals() & second.typed(),
            parsed_by_first: first.typed() & second.literals(),
            typed: first.typed() & second.typed(),
        }
    }

    const fn swapped(self) -> Self {
        Self {
            parsed_by_second: self.parsed_by_first,
            parsed_by_first: self.parsed_by_second,
            ..self
        }
    }
}

/// A hash table of the routes of one group. Routes with the same hash slot are linked.
struct RouteIndex<const N: usize> {
    slots: [usize; N],
    next: [usize; N],
    keys: [u32; N],
}

impl<const N: usize> Search<N> {
    const fn new() -> Self {
        const NO_ROUTE: &RouteOutline = &RouteOutline::new("", &[]);
        Self {
            routes: [Candidate {
                route: NO_ROUTE,
                mount: 0,
                row: 0,
                next: NONE,
            }; N],
            route_count: 0,
            mounts: [MountPoint::ROOT; N],
            mount_count: 0,
            groups: [Group {
                kinds: NO_ROUTE.kinds,
                first: NONE,
                last: NONE,
            }; N],
            group_count: 0,
        }
    }

    /// Collects the routes of a table and its nested tables. `row` is `None` for the outermost
    /// table.
    const fn collect(
        &mut self,
        mount: &MountPoint,
        outline: &'static TableOutline,
        row: Option<usize>,
    ) {
        let number = self.mount_count;
        self.mounts[number] = *mount;
        self.mount_count += 1;
        let mut at = 0;
        while at < outline.routes.len() {
            let row = if let Some(row) = row { row } else { 0 };
            self.add(&outline.routes[at], number, row);
            at += 1;
        }
        let mut at = 0;
        while at < outline.nested.len() {
            let nested = &outline.nested[at];
            let row = if let Some(row) = row { row } else { at + 1 };
            if let Some(mount) = mount.nest(nested) {
                self.collect(&mount, nested.outline, Some(row));
            }
            at += 1;
        }
    }

    const fn add(&mut self, route: &'static RouteOutline, mount: usize, row: usize) {
        let number = self.route_count;
        self.routes[number] = Candidate {
            route,
            mount,
            row,
            next: NONE,
        };
        self.route_count += 1;
        let kinds = route.kinds.with_prefix(self.mounts[mount].prefix_len);
        let mut at = 0;
        while at < self.group_count && !self.groups[at].kinds.equals(&kinds) {
            at += 1;
        }
        if at == self.group_count {
            self.groups[at] = Group {
                kinds,
                first: number,
                last: number,
            };
            self.group_count += 1;
        } else {
            self.routes[self.groups[at].last].next = number;
            self.groups[at].last = number;
        }
    }

    /// Compares all routes of two groups.
    const fn compare(&self, one: usize, other: usize, found: &mut [Option<Overlap>; N]) {
        let (first, second) = (&self.groups[one], &self.groups[other]);
        let masks = SegmentMasks::new(&first.kinds, &second.kinds);
        if matches!(masks.relation, Relation::Unambiguous) {
            return;
        }
        self.join(first, second, &masks, found);
        if one != other {
            self.join(second, first, &masks.swapped(), found);
        }
    }

    /// Finds the overlaps of earlier routes of one group and later routes of another.
    const fn join(
        &self,
        earlier: &Group,
        later: &Group,
        masks: &SegmentMasks,
        found: &mut [Option<Overlap>; N],
    ) {
        let last_row = self.routes[later.last].row;
        if self.routes[earlier.first].row >= last_row {
            return;
        }
        let mut index = RouteIndex::<N> {
            slots: [NONE; N],
            next: [NONE; N],
            keys: [0; N],
        };
        let mut at = earlier.first;
        while at != NONE && self.routes[at].row < last_row {
            if self.may_be_parsed(at, later.first, masks.parsed_by_second) {
                self.insert(&mut index, at, masks);
            }
            at = self.routes[at].next;
        }
        let mut at = later.first;
        while at != NONE {
            if self.may_be_parsed(at, earlier.first, masks.parsed_by_first)
                && let Some(first) = self.earliest(&index, at, masks)
            {
                let row = self.routes[at].row;
                let is_first = match found[row - 1] {
                    // Later routes are visited in their order.
                    Some(known) => {
                        first < known.earlier || (first == known.earlier && at < known.later)
                    }
                    None => true,
                };
                if is_first {
                    found[row - 1] = Some(Overlap {
                        earlier: first,
                        later: at,
                    });
                }
            }
            at = self.routes[at].next;
        }
    }

    /// Adds a route to the hash table. If only the literals matter, it keeps only the first route
    /// of those with equal literals.
    const fn insert(&self, index: &mut RouteIndex<N>, route: usize, masks: &SegmentMasks) {
        let key = self.key(route, masks.shared);
        let slot = key as usize % N;
        if matches!(masks.relation, Relation::Ambiguous) {
            let mut at = index.slots[slot];
            while at != NONE {
                if index.keys[at] == key && self.are_equal(at, route, masks.shared) {
                    return;
                }
                at = index.next[at];
            }
        }
        index.keys[route] = key;
        index.next[route] = index.slots[slot];
        index.slots[slot] = route;
    }

    /// The first route of the hash table that is ambiguous with this route of a later line.
    const fn earliest(
        &self,
        index: &RouteIndex<N>,
        route: usize,
        masks: &SegmentMasks,
    ) -> Option<usize> {
        let key = self.key(route, masks.shared);
        let mut first = None;
        let mut at = index.slots[key as usize % N];
        while at != NONE {
            let is_earlier = match first {
                Some(first) => at < first,
                None => true,
            };
            if is_earlier
                && index.keys[at] == key
                && self.routes[at].row < self.routes[route].row
                && self.are_equal(at, route, masks.shared)
                && (matches!(masks.relation, Relation::Ambiguous)
                    || !self.are_equal(at, route, masks.typed))
            {
                first = Some(at);
            }
            at = index.next[at];
        }
        first
    }

    /// The hash of the literals of a route at these segments.
    const fn key(&self, number: usize, segments: u64) -> u32 {
        let Candidate { route, mount, .. } = &self.routes[number];
        let mount = &self.mounts[*mount];
        let (mut key, mut left) = (0, segments);
        while left != 0 {
            key = combine(key, mount.hash(route, left.trailing_zeros() as usize));
            left &= left - 1;
        }
        key
    }

    const fn segment(&self, number: usize, at: usize) -> Segment {
        let Candidate { route, mount, .. } = &self.routes[number];
        match self.mounts[*mount].segment(route, at) {
            Some(segment) => segment,
            None => Segment::Rest,
        }
    }

    /// Whether two routes have equal literals, or types of the same name, at these segments.
    const fn are_equal(&self, one: usize, other: usize, segments: u64) -> bool {
        let mut left = segments;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            let alike = match (self.segment(one, at), self.segment(other, at)) {
                (Segment::Literal(one), Segment::Literal(other))
                | (Segment::Typed(one), Segment::Typed(other)) => equal(one, other),
                _ => true,
            };
            if !alike {
                return false;
            }
            left &= left - 1;
        }
        true
    }

    /// Whether the types of one route may accept the literals of another at these segments. Within
    /// a group, the types at a segment all accept the same texts.
    const fn may_be_parsed(&self, literal: usize, typed: usize, segments: u64) -> bool {
        let mut left = segments;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            if let (Segment::Literal(text), Segment::Typed(ty)) =
                (self.segment(literal, at), self.segment(typed, at))
                && !may_parse(ty, text)
            {
                return false;
            }
            left &= left - 1;
        }
        true
    }
}
