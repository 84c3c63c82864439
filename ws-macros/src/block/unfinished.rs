//! Unfinished paths.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::parse::Parse;

/// Parses a path that ends in `::`, as it does while the user types, with a name appended.
pub(crate) fn with_missing_name<T: Parse>(tokens: &TokenStream) -> Option<T> {
    let mut last = tokens
        .clone()
        .into_iter()
        .collect::<Vec<_>>()
        .into_iter()
        .rev();
    let mut ends_with_colon = || {
        let last = last.next();
        last.is_some_and(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ':'))
    };
    if !ends_with_colon() || !ends_with_colon() {
        return None;
    }
    let name = Ident::new("unfinished", Span::mixed_site());
    syn::parse2(quote!(#tokens #name)).ok()
}
