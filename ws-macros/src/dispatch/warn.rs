//! Valid parts of a table that are probably not intended: compiler warnings, on the user's tokens.
//!
//! A macro cannot warn. So a warning is the use of a deprecated constant, whose name and note
//! describe the problem; `#[allow(deprecated)]` at the line allows it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::Attribute;
use syn::spanned::Spanned;

use super::options::Options;
use super::reachability::covering_patterns;
use super::table::{Route, Table};
use crate::condition::{CFG_AND_LINTS, attributes_named};

/// One warning.
struct Warning {
    /// The lints and conditions of its line.
    attrs: Vec<Attribute>,
    place: Span,
    name: &'static str,
    note: String,
}

/// Generates all warnings about the routes and `defaults`.
pub(crate) fn warnings(table: &Table) -> TokenStream {
    let (routes, defaults) = (&table.routes, &table.defaults);
    let mut all = Vec::new();
    unreachable_routes(routes, &mut all);
    for route in routes {
        options_without_effect(&route.options, defaults, &route.attrs, &mut all);
    }
    defaults_without_effect(routes, defaults, &mut all);
    all.iter().map(Warning::expand).collect()
}

/// Warns of a route that no path reaches, because more specific routes match every path first.
fn unreachable_routes(routes: &[Route], all: &mut Vec<Warning>) {
    for (at, route) in routes.iter().enumerate() {
        // A conditional route matches nothing if its condition does not hold.
        let others = routes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .filter(|(_, other)| attributes_named(&other.attrs, &["cfg"]).is_empty())
            .map(|(_, other)| (&other.name, &other.pattern));
        if let Some(covering) = covering_patterns(&route.pattern, others) {
            let names = covering.iter().map(|name| format!("`{name}`"));
            let names = names.collect::<Vec<_>>().join(" and ");
            all.push(Warning {
                attrs: route.attrs.clone(),
                place: route.path.span(),
                name: "UNREACHABLE_ROUTE",
                note: format!(
                    "`{}` is never reached: {names} match every path that it matches; remove it",
                    route.name
                ),
            });
        }
    }
}

/// Warns of an option that is already the default, or that has no effect.
fn options_without_effect(
    options: &Options,
    defaults: &Options,
    attrs: &[Attribute],
    all: &mut Vec<Warning>,
) {
    let written = |name: &str| options.choices.get(name)?.written.clone();
    let mut warn = |tokens: TokenStream, note: &str| {
        all.push(Warning {
            attrs: attrs.to_vec(),
            place: tokens.span(),
            name: "OPTION_WITHOUT_EFFECT",
            note: note.to_owned(),
        });
    };
    let no_session = options.flag("require_session") == Some(false);
    let no_page = options.flag("require_page") == Some(false);
    if let (true, true, Some(page)) = (no_session, no_page, written("require_page"))
        && defaults.flag("require_page") != Some(true)
    {
        warn(
            page,
            "`require_page: false` has no effect without a session; remove it",
        );
    }
    if let (None, Some(reason)) = (options.cross_site(), written("cross_site")) {
        warn(
            reason,
            "`cross_site` has no effect without `origins: any` and a session; remove it",
        );
    }
}

/// Warns of an option of `defaults` that no route takes from there.
fn defaults_without_effect(routes: &[Route], defaults: &Options, all: &mut Vec<Warning>) {
    for (name, choice) in &defaults.choices {
        let is_used = |route: &Route| {
            let own = route.options.choices.get(name);
            own.is_some_and(|own| own.written.is_none())
        };
        let Some(place) = &choice.written else {
            continue;
        };
        if !routes.iter().any(is_used) {
            let why = if routes.is_empty() {
                "the block has no routes, and a nested table has its own `defaults`"
            } else {
                "each route sets its own"
            };
            all.push(Warning {
                attrs: Vec::new(),
                place: place.span(),
                name: "OPTION_WITHOUT_EFFECT",
                note: format!("no route uses `{name}` from `defaults`: {why}; remove it"),
            });
        }
    }
}

impl Warning {
    /// Generates the use of a separate constant.
    fn expand(&self) -> TokenStream {
        let attrs = attributes_named(&self.attrs, &CFG_AND_LINTS);
        let (name, note) = (Ident::new(self.name, self.place), &self.note);
        quote! {
            #(#attrs)*
            const _: () = {
                #[deprecated(note = #note)]
                const #name: () = ();
                #name
            };
        }
    }
}
