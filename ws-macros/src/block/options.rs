//! The options of a line, resolved from what is written.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use syn::Ident;

use super::settings::Setting;
use super::value::{Value, ValueKind};
use crate::errors::Errors;
use crate::source::nearest;

/// One option with its meaning.
#[derive(Clone)]
pub(crate) struct Choice<V> {
    pub value: V,
    /// The value as written, for spans; `None` if it is not from this line.
    pub written: Option<TokenStream>,
    /// The span of the `:` before it.
    pub colon: Option<Span>,
}

/// The options of a line by their names.
pub(crate) struct Resolved<V> {
    pub choices: BTreeMap<&'static str, Choice<V>>,
    /// Options that are present, but have an invalid value.
    pub flawed: Vec<&'static str>,
}

/// Resolves options of these names and kinds; mistakes are reported and omitted.
pub(crate) fn resolve<K: Copy, V>(
    settings: &[Setting],
    known: &[(&'static str, K)],
    errors: &Errors,
    read: impl Fn(&'static str, K, &Value) -> Result<V, String>,
) -> Resolved<V> {
    let mut options = Resolved {
        choices: BTreeMap::new(),
        flawed: Vec::new(),
    };
    let mut seen: Vec<&Ident> = Vec::new();
    for setting in settings {
        let name = &setting.name;
        if seen.contains(&name) {
            errors.push(
                name,
                format!("the option `{name}` is set twice\nhelp: remove one"),
            );
            continue;
        }
        seen.push(name);
        let names = || known.iter().map(|(known, _)| *known);
        let Some((known, kind)) = known.iter().find(|(known, _)| name == known) else {
            options.flawed.extend(nearest(&name.to_string(), names()));
            errors.push(name, unknown_option(&name.to_string(), names()));
            continue;
        };
        if matches!(setting.value.kind, ValueKind::Invalid) {
            options.flawed.push(known);
            continue;
        }
        match read(known, *kind, &setting.value) {
            Ok(value) => {
                let choice = Choice {
                    value,
                    written: Some(setting.value.tokens.clone()),
                    colon: Some(setting.colon),
                };
                options.choices.insert(known, choice);
            }
            Err(message) => {
                options.flawed.push(known);
                errors.push(&setting.value.tokens, message);
            }
        }
    }
    options
}

fn unknown_option(name: &str, known: impl Iterator<Item = &'static str> + Clone) -> String {
    if let Some(known) = nearest(name, known.clone()) {
        return format!("unknown option `{name}`\nhelp: did you mean `{known}`?");
    }
    let list = known.collect::<Vec<_>>().join("`, `");
    format!("unknown option `{name}`\nhelp: the options are `{list}`")
}

/// Returns the message about a constant as the value of an option that takes none.
pub(crate) fn must_be_literal(expected: &str, block: &str) -> String {
    format!(
        "{expected}\nhelp: write a literal: the {block} is checked before constants have values"
    )
}
