//! Routes of one table that match the same paths.

use syn::LitStr;

use crate::condition::{are_alternatives, condition_texts};
use crate::dispatch::overlap::{Overlap, overlap};
use crate::dispatch::table::Route;
use crate::errors::Errors;

/// Checks that no path leads to two routes unless one of them is more specific.
pub(crate) fn check(routes: &[Route], errors: &Errors) {
    let conditions: Vec<_> = routes
        .iter()
        .map(|route| condition_texts(&route.attrs))
        .collect();
    for (at, later) in routes.iter().enumerate() {
        let found = routes[..at]
            .iter()
            .zip(&conditions)
            .find_map(|(earlier, condition)| {
                let flawed = earlier.pattern.is_flawed || later.pattern.is_flawed;
                if flawed || are_alternatives(condition, &conditions[at]) {
                    return None;
                }
                Some((earlier, overlap(&later.pattern, &earlier.pattern)?))
            });
        let Some((earlier, overlap)) = found else {
            continue;
        };
        let names = format!(
            "`{}` and `{}`{} overlap",
            later.name,
            earlier.name,
            line_of(&earlier.path, &later.path)
        );
        let message = match overlap {
            Overlap::Path(path) => format!(
                "{names}: both match \"{path}\", and neither is more specific\n\
                 help: add a literal segment to one of them, or remove one"
            ),
            Overlap::Types(own, other) => format!(
                "{names}: `{own}` and `{other}` are at the same position, and neither is more \
                 specific\n\
                 help: types are compared by name, not by the texts that they parse: add a literal \
                 segment to one of the routes, or remove one"
            ),
        };
        errors.push(&later.path, message);
    }
}

/// Returns ` (line 7)`, or nothing if both are in one line. If lines are unknown, as in editors,
/// all tokens are in one line.
fn line_of(earlier: &LitStr, later: &LitStr) -> String {
    let line = |path: &LitStr| path.span().start().line;
    if line(earlier) == line(later) {
        return String::new();
    }
    format!(" (line {})", line(earlier))
}
