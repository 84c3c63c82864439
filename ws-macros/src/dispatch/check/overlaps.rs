//! Routes of one table that match the same paths.

use crate::block::overlaps::{PatternLine, report};
use crate::dispatch::overlap::{Overlap, overlap};
use crate::dispatch::table::Route;
use crate::errors::Errors;

/// Checks that no path leads to two routes unless one of them is more specific.
pub(crate) fn check(routes: &[Route], errors: &Errors) {
    let lines: Vec<_> = routes
        .iter()
        .map(|route| PatternLine {
            attrs: &route.attrs,
            name: &route.name,
            text: &route.path,
            pattern: &route.pattern,
        })
        .collect();
    let message = |later: &PatternLine<'_>, earlier: &PatternLine<'_>| {
        Some(match overlap(later.pattern, earlier.pattern)? {
            Overlap::Path(path) => format!(
                "both match \"{path}\", and neither is more specific\n\
                 help: add a literal segment to one of them, or remove one"
            ),
            Overlap::Types(own, other) => format!(
                "`{own}` and `{other}` are at the same position, and neither is more specific\n\
                 help: types are compared by name, not by the texts that they parse: add a literal \
                 segment to one of the routes, or remove one"
            ),
        })
    };
    report(&lines, message, errors);
}
