//! Finds routes of different tables that match the same paths, at compile time.
//!
//! Within one table, `dispatch!` compares the routes itself. It cannot see the routes of other
//! tables, so it generates constants, and the compiler evaluates the functions in this module.

mod kinds;
mod literals;
mod mount;
mod parsers;
mod search;
mod text;

use kinds::Kinds;
use literals::hash;
use mount::{MountPoint, nth};
use search::{Overlap, overlaps};
pub(super) use text::missing_field;

pub use super::nesting::{Mounted, Nested};
use super::{MAX_SEGMENTS, RouteData, Segment};
pub use crate::compile_error::CompileError;
use crate::compile_error::equal;

/// A table that `dispatch!` has generated.
pub trait Dispatch {
    /// The outline of its routes for the compiler.
    const OUTLINE: &'static TableOutline;
}

/// Implemented by a route whose handler may be the table `T`; no route implements it.
///
/// `dispatch!` makes each table a handler of the routes that implement this, so that the compiler
/// reports a missing `use` as such.
#[diagnostic::on_unimplemented(
    message = "`{T}` is a routing table, not a handler",
    label = "a nested table needs `use`",
    note = "write `use {T}` after `=>`"
)]
pub trait TakesTable<T> {}

/// The routes of a table and of its nested tables.
#[derive(Debug)]
pub struct TableOutline {
    /// Its own routes.
    pub routes: &'static [RouteOutline],
    /// The tables nested below a prefix.
    pub nested: &'static [NestedOutline],
}

/// A route, reduced to the data that comparisons need.
#[derive(Clone, Copy, Debug)]
pub struct RouteOutline {
    name: &'static str,
    shape: &'static [Segment],
    kinds: Kinds,
    /// A hash of each literal of the pattern; 0 for parameters.
    hashes: [u32; MAX_SEGMENTS],
}

impl RouteOutline {
    /// Creates the outline of the route with this marker.
    pub const fn of<R: RouteData>() -> Self {
        Self::new(R::SPEC.name, R::SHAPE)
    }

    const fn new(name: &'static str, shape: &'static [Segment]) -> Self {
        let mut hashes = [0; MAX_SEGMENTS];
        let mut at = 0;
        while at < shape.len() && at < MAX_SEGMENTS {
            if let Segment::Literal(text) = shape[at] {
                hashes[at] = hash(text);
            }
            at += 1;
        }
        Self {
            name,
            shape,
            kinds: Kinds::of(shape),
            hashes,
        }
    }
}

/// A table nested below a prefix of another.
#[derive(Clone, Copy, Debug)]
pub struct NestedOutline {
    pub(super) name: &'static str,
    pub(super) prefix: &'static [&'static str],
    pub(super) outline: &'static TableOutline,
}

/// The number of routes and tables in a table, including nested tables and the table itself.
pub const fn size(outline: &TableOutline) -> usize {
    let mut all = 1 + outline.routes.len();
    let mut at = 0;
    while at < outline.nested.len() {
        all += size(outline.nested[at].outline);
        at += 1;
    }
    all
}

/// The errors of the nested tables of one table.
#[derive(Debug)]
pub struct Conflicts<const N: usize> {
    outline: &'static TableOutline,
    overlaps: [Option<Overlap>; N],
}

/// Compares the nested tables of a table with its own routes and with each other. `N` must be the
/// [`size`] of the table.
pub const fn find<const N: usize>(outline: &'static TableOutline) -> Conflicts<N> {
    Conflicts {
        outline,
        overlaps: overlaps(outline),
    }
}

impl<const N: usize> Conflicts<N> {
    /// The error of the nested table at the line with this name, if any: one of its routes and a
    /// route of the outer table or of a nested table at an earlier line match the same path and
    /// neither is more specific, or a pattern has too many segments.
    pub const fn of(&self, name: &str) -> Option<CompileError> {
        let mut at = 0;
        while at < self.outline.nested.len() {
            if equal(self.outline.nested[at].name, name) {
                return self.of_nested(at);
            }
            at += 1;
        }
        None
    }

    const fn of_nested(&self, at: usize) -> Option<CompileError> {
        let nested = &self.outline.nested[at];
        let Some(mount) = MountPoint::ROOT.nest(nested) else {
            return Some(text::too_long(nested.name));
        };
        if let Some(name) = mount.too_long(nested.outline) {
            return Some(text::too_long(name));
        }
        let Some(overlap) = &self.overlaps[at] else {
            return None;
        };
        let earlier = nth(self.outline, overlap.earlier);
        let later = nth(self.outline, overlap.later);
        match (earlier, later) {
            (Some(earlier), Some(later)) => Some(text::overlap(&earlier, &later)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
