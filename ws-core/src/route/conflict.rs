//! Routes of different tables that match the same paths, found while the program compiles.
//!
//! Within one table `dispatch!` compares the routes itself. What other tables contain it
//! cannot see: there it writes constants, and the compiler evaluates what is in here.

mod place;
mod reads;
mod text;

use place::Place;
pub(super) use place::equal;
pub use text::Text;
pub(super) use text::missing_field;

use super::{Marker, Segment, Table};

/// A table that `dispatch!` has made.
pub trait Dispatch {
    /// What the compiler knows of its routes.
    const OUTLINE: &'static Outline;
}

/// A table that may stand in a table over the state `S`, whose part its own state is.
///
/// The state is a parameter, and the other's is not named: it may be a private type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no routing table",
    label = "no table of `dispatch!`",
    note = "behind `use` stands the type that a `dispatch!` block begins with, such as \
            `use crate::admin::Routes`; for a handler leave `use` out"
)]
pub trait Nested<S>: Dispatch {
    /// Adds this table to another, below a prefix.
    fn nest_in(outer: Table<S>, prefix: &'static [&'static str]) -> Table<S>;
}

/// A line of a table over the state `S` with another table behind it.
///
/// All that the other table has to be is asked here, so that it is reported once.
pub trait Mounted<S> {
    /// The name of the line.
    const NAME: &'static str;
    /// The segments of its path.
    const PREFIX: &'static [&'static str];
    /// The other table.
    type Table: Nested<S>;
}

/// The routes of a table, and the tables below it.
#[derive(Debug)]
pub struct Outline {
    /// Its own routes.
    pub routes: &'static [Line],
    /// Tables below a prefix.
    pub nested: &'static [Below],
}

/// A route, as far as other routes are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    name: &'static str,
    shape: &'static [Segment],
}

impl Line {
    /// The route with this marker.
    pub const fn of<R: Marker>() -> Self {
        Self {
            name: R::SPEC.name,
            shape: R::SHAPE,
        }
    }
}

/// A table below a prefix of another.
#[derive(Clone, Copy, Debug)]
pub struct Below {
    name: &'static str,
    prefix: &'static [&'static str],
    outline: &'static Outline,
}

impl Below {
    /// What stands at this line.
    pub const fn of<S, M: Mounted<S>>() -> Self {
        Self {
            name: M::NAME,
            prefix: M::PREFIX,
            outline: <M::Table as Dispatch>::OUTLINE,
        }
    }
}

/// What is wrong with the table at the line of this name, seen from the table that has it:
/// a route of it and one of this table, or of a table at an earlier line, match the same
/// path, and neither is more specific; or a pattern has too many segments.
///
/// `dispatch!` compares the tables of one block pair by pair: for each line all that stands
/// before it, and its own routes.
pub const fn find(outline: &'static Outline, name: &str) -> Option<Text> {
    let mut at = 0;
    while at < outline.nested.len() {
        let below = &outline.nested[at];
        if equal(below.name, name) {
            return faults_of(outline, at);
        }
        at += 1;
    }
    None
}

const fn faults_of(outline: &'static Outline, at: usize) -> Option<Text> {
    let below = &outline.nested[at];
    let Some(inner) = Place::ROOT.below(below) else {
        return Some(text::too_long(below.name));
    };
    if let Some(name) = inner.too_long(below.outline) {
        return Some(text::too_long(name));
    }
    let mut route = 0;
    while route < outline.routes.len() {
        let own = Place::ROOT.at(&outline.routes[route]);
        if own.may_lead_into(&inner)
            && let Some(fault) = against(&own, &inner, below.outline)
        {
            return Some(fault);
        }
        route += 1;
    }
    let mut earlier = 0;
    while earlier < at {
        let other = &outline.nested[earlier];
        if let Some(place) = Place::ROOT.below(other)
            && let Some(fault) = among(&place, other.outline, &inner, below.outline)
        {
            return Some(fault);
        }
        earlier += 1;
    }
    None
}

/// Compares all routes of one table with all of another.
const fn among(
    one: &Place,
    outline: &'static Outline,
    other: &Place,
    others: &'static Outline,
) -> Option<Text> {
    let mut route = 0;
    while route < outline.routes.len() {
        let place = one.at(&outline.routes[route]);
        if place.may_lead_into(other)
            && let Some(fault) = against(&place, other, others)
        {
            return Some(fault);
        }
        route += 1;
    }
    let mut nested = 0;
    while nested < outline.nested.len() {
        let below = &outline.nested[nested];
        if let Some(place) = one.below(below)
            && let Some(fault) = among(&place, below.outline, other, others)
        {
            return Some(fault);
        }
        nested += 1;
    }
    None
}

/// Compares one route with all routes of a table.
const fn against(one: &Place, at: &Place, outline: &'static Outline) -> Option<Text> {
    let mut route = 0;
    while route < outline.routes.len() {
        let other = at.at(&outline.routes[route]);
        if one.is_ambiguous_with(&other) {
            return Some(text::overlap(one, &other));
        }
        route += 1;
    }
    let mut nested = 0;
    while nested < outline.nested.len() {
        let below = &outline.nested[nested];
        if let Some(place) = at.below(below)
            && one.may_lead_into(&place)
            && let Some(fault) = against(one, &place, below.outline)
        {
            return Some(fault);
        }
        nested += 1;
    }
    None
}

#[cfg(test)]
mod tests;
