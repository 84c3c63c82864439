//! The same rules, implemented without optimization: each route is compared with each other one,
//! segment by segment. The tests compare [`find`](super::super::find) with this.

use super::super::mount::{MountPoint, MountedRoute};
use super::super::parsers::may_parse;
use super::super::{RouteOutline, TableOutline, text};
use crate::route::Segment;

/// The error of the nested table at this line.
pub(crate) fn conflict(outline: &'static TableOutline, at: usize) -> Option<String> {
    let nested = &outline.nested[at];
    let Some(mount) = MountPoint::ROOT.nest(nested) else {
        return Some(text::too_long(nested.name).as_str().to_owned());
    };
    if let Some(name) = mount.too_long(nested.outline) {
        return Some(text::too_long(name).as_str().to_owned());
    }
    let mut earlier = routes(&MountPoint::ROOT, outline, at);
    let mut later = Vec::new();
    add(&mount, nested.outline, usize::MAX, &mut later);
    earlier.iter_mut().find_map(|one| {
        let other = later.iter().find(|other| are_ambiguous(one, other))?;
        Some(text::overlap(one, other).as_str().to_owned())
    })
}

/// The routes of a table and of its first nested tables, up to this number.
fn routes(
    mount: &MountPoint,
    outline: &'static TableOutline,
    nested_count: usize,
) -> Vec<MountedRoute> {
    let mut all = Vec::new();
    add(mount, outline, nested_count, &mut all);
    all
}

fn add(
    mount: &MountPoint,
    outline: &'static TableOutline,
    nested_count: usize,
    all: &mut Vec<MountedRoute>,
) {
    all.extend(outline.routes.iter().map(|route| MountedRoute {
        mount: *mount,
        route,
    }));
    for nested in outline.nested.iter().take(nested_count) {
        if let Some(mount) = mount.nest(nested) {
            add(&mount, nested.outline, usize::MAX, all);
        }
    }
}

/// Same as [`are_ambiguous`], for two routes of the outermost table.
pub(crate) fn are_ambiguous_shapes(one: &'static [Segment], other: &'static [Segment]) -> bool {
    are_ambiguous(&root_route("one", one), &root_route("other", other))
}

/// A route of the outermost table.
pub(crate) fn root_route(name: &'static str, shape: &'static [Segment]) -> MountedRoute {
    MountedRoute {
        mount: MountPoint::ROOT,
        route: Box::leak(Box::new(RouteOutline::new(name, shape))),
    }
}

/// Whether some path matches both routes, and neither is more specific: the rule of `dispatch!`
/// within a table.
pub(crate) fn are_ambiguous(one: &MountedRoute, other: &MountedRoute) -> bool {
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
        | (Segment::Typed(ty), Segment::Literal(text)) => may_parse(ty, text),
        _ => true,
    }
}
