//! The same rules, implemented without optimization: each route is compared with each other one,
//! segment by segment. The tests compare [`find`](super::super::find) with this.

use super::super::place::{Place, Placed};
use super::super::reads::may_read;
use super::super::{Line, Outline, text};
use crate::route::Segment;

/// The error of the nested table at this line.
pub(crate) fn fault(outline: &'static Outline, at: usize) -> Option<String> {
    let below = &outline.nested[at];
    let Some(place) = Place::ROOT.below(below) else {
        return Some(text::too_long(below.name).as_str().to_owned());
    };
    if let Some(name) = place.too_long(below.outline) {
        return Some(text::too_long(name).as_str().to_owned());
    }
    let mut earlier = routes(&Place::ROOT, outline, at);
    let mut later = Vec::new();
    add(&place, below.outline, usize::MAX, &mut later);
    earlier.iter_mut().find_map(|one| {
        let other = later.iter().find(|other| are_ambiguous(one, other))?;
        Some(text::overlap(one, other).as_str().to_owned())
    })
}

/// The routes of a table and of its first nested tables, up to this number.
fn routes(place: &Place, outline: &'static Outline, lines: usize) -> Vec<Placed> {
    let mut all = Vec::new();
    add(place, outline, lines, &mut all);
    all
}

fn add(place: &Place, outline: &'static Outline, lines: usize, all: &mut Vec<Placed>) {
    all.extend(outline.routes.iter().map(|line| Placed {
        place: *place,
        line,
    }));
    for below in outline.nested.iter().take(lines) {
        if let Some(place) = place.below(below) {
            add(&place, below.outline, usize::MAX, all);
        }
    }
}

/// Same as [`are_ambiguous`], for two routes of the outermost table.
pub(crate) fn are_ambiguous_alone(one: &'static [Segment], other: &'static [Segment]) -> bool {
    are_ambiguous(&alone("one", one), &alone("other", other))
}

/// A route of the outermost table.
pub(crate) fn alone(name: &'static str, shape: &'static [Segment]) -> Placed {
    Placed {
        place: Place::ROOT,
        line: Box::leak(Box::new(Line::new(name, shape))),
    }
}

/// Whether some path matches both routes, and neither is more specific: the rule of `dispatch!`
/// within a table.
pub(crate) fn are_ambiguous(one: &Placed, other: &Placed) -> bool {
    let (mut more, mut less) = (false, false);
    for at in 0.. {
        match (one.segment(at), other.segment(at)) {
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
                if !have_common(one, two) {
                    return false;
                }
                let incomparable = differ_in_type(one, two);
                more |= incomparable || one.weight() > two.weight();
                less |= incomparable || one.weight() < two.weight();
            }
            _ => return false,
        }
    }
    more == less
}

/// Types are compared by name.
fn differ_in_type(one: Segment, other: Segment) -> bool {
    match (one, other) {
        (Segment::Typed(one), Segment::Typed(other)) => one != other,
        _ => false,
    }
}

/// Whether some text matches both segments.
fn have_common(one: Segment, other: Segment) -> bool {
    match (one, other) {
        (Segment::Literal(one), Segment::Literal(other)) => one == other,
        (Segment::Literal(text), Segment::Typed(ty))
        | (Segment::Typed(ty), Segment::Literal(text)) => may_read(ty, text),
        _ => true,
    }
}
