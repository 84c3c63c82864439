//! The names of lines, and names in expansions.
//!
//! Each token of the user appears with its own span once, at the item to which an editor should go.
//! Generated names have the location of the user's name, or none, so that a search for the user's
//! name finds no path of the library.

use std::collections::HashMap;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Path};

use super::grammar::Grammar;
use crate::condition::{are_alternatives, condition_texts};
use crate::crate_path::hidden_module;
use crate::errors::Errors;

/// The names of the lines so far, without `r#`, and the conditions of each line.
#[derive(Default)]
pub(crate) struct LineNames(HashMap<String, Vec<Vec<String>>>);

impl LineNames {
    /// Adds the name of a line, unless a line has it under the same conditions.
    ///
    /// # Errors
    ///
    /// Returns the error if there is such a line; the error has been reported.
    pub(crate) fn register(
        &mut self,
        name: &Ident,
        attrs: &[Attribute],
        grammar: &Grammar,
        errors: &Errors,
    ) -> syn::Result<()> {
        let conditions = condition_texts(attrs);
        let known = self.0.entry(name.unraw().to_string()).or_default();
        if known
            .iter()
            .any(|known| !are_alternatives(known, &conditions))
        {
            let line = grammar.line;
            let message =
                format!("the name `{name}` is used twice\nhelp: give each {line} its own name");
            let error = syn::Error::new_spanned(name, message);
            errors.push_syn(error.clone());
            return Err(error);
        }
        known.push(conditions);
        Ok(())
    }
}

/// Whether the name of a line can name an item. Reports a keyword.
pub(crate) fn is_usable(name: &Ident, errors: &Errors) -> bool {
    let text = name.to_string();
    // `gen` is a keyword since edition 2024, which `syn` does not check.
    if text != "gen" && syn::parse_str::<Ident>(&text).is_ok() {
        return true;
    }
    let hint = match &*text {
        "_" | "self" | "Self" | "super" | "crate" => "choose another name".to_owned(),
        _ => format!("write `r#{text}`, or choose another name"),
    };
    errors.push(name, format!("`{text}` is a keyword\nhelp: {hint}"));
    false
}

/// Returns the first of these names and errors for each name that can name an item.
pub(crate) fn first_of_each(
    names: &[(Ident, syn::Error)],
) -> impl Iterator<Item = &(Ident, syn::Error)> {
    let firsts = names.iter().enumerate().filter(|(at, (name, _))| {
        let mut known = names[..*at].iter().map(|(known, _)| known.unraw());
        let is_first = known.all(|known| known != name.unraw());
        is_first && syn::parse_str::<Ident>(&name.to_string()).is_ok()
    });
    firsts.map(|(_, named)| named)
}

/// Imports the items that expansions use, so that a library under another name is one error.
pub(crate) fn import(library: Option<&Path>) -> TokenStream {
    let core = core();
    let library = library.map_or_else(|| quote!(::ws_server), |library| quote!(#library));
    let hidden = hidden_module();
    quote!(use #library::#hidden as #core;)
}

/// Returns the module with the items that expansions use, as imported by [`import`].
pub(crate) fn core() -> TokenStream {
    quote!(__ws)
}

/// Returns a name of the user for an item that the expansion declares. It has the location of the
/// user's name, but lints know that a macro declares it: they expect no capitals in the name of a
/// marker, and do not report an unused URL.
pub(crate) fn generated_name(name: &Ident) -> Ident {
    with_span(name, Span::call_site().located_at(name.span()))
}

/// Returns the same name with another span.
pub(crate) fn with_span(name: &Ident, span: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(span);
    name
}
