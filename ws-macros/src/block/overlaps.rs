//! The search for lines whose patterns match the same texts.

use proc_macro2::Ident;
use syn::{Attribute, LitStr};

use super::pattern::Pattern;
use crate::condition::{are_alternatives, condition_texts};
use crate::errors::Errors;

/// A line with its pattern.
pub(crate) struct PatternLine<'l> {
    pub attrs: &'l [Attribute],
    pub name: &'l Ident,
    pub text: &'l LitStr,
    pub pattern: &'l Pattern,
}

/// Reports each line that overlaps an earlier one, at its pattern. `overlap` compares a line with an
/// earlier one and returns the rest of the message, after the names of both.
pub(crate) fn report(
    lines: &[PatternLine<'_>],
    overlap: impl Fn(&PatternLine<'_>, &PatternLine<'_>) -> Option<String>,
    errors: &Errors,
) {
    let conditions: Vec<_> = lines
        .iter()
        .map(|line| condition_texts(line.attrs))
        .collect();
    for (at, later) in lines.iter().enumerate() {
        let found = lines[..at]
            .iter()
            .zip(&conditions)
            .find_map(|(earlier, condition)| {
                let is_flawed = earlier.pattern.is_flawed || later.pattern.is_flawed;
                if is_flawed || are_alternatives(condition, &conditions[at]) {
                    return None;
                }
                Some((earlier, overlap(later, earlier)?))
            });
        let Some((earlier, message)) = found else {
            continue;
        };
        let (own, other) = (later.name, earlier.name);
        let line = line_of(earlier.text, later.text);
        errors.push(
            later.text,
            format!("`{own}` and `{other}`{line} overlap: {message}"),
        );
    }
}

/// Returns ` (line 7)`, or nothing if both are in one line. If lines are unknown, as in editors,
/// all tokens are in one line.
fn line_of(earlier: &LitStr, later: &LitStr) -> String {
    let line = |text: &LitStr| text.span().start().line;
    if line(earlier) == line(later) {
        return String::new();
    }
    format!(" (line {})", line(earlier))
}
