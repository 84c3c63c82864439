//! The names in the expansion of a table, and the spans of its tokens. Names that the compiler may
//! show are readable.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Attribute;
use syn::ext::IdentExt;

use crate::block::item::BlockItem;
use crate::block::names::{generated_name, with_span};
use crate::condition::attributes_named;
use crate::dispatch::table::{Route, Table};
use crate::source::with_spans;

/// The markers of all lines, in a module.
pub(crate) fn markers(table: &Table) -> TokenStream {
    let routes = table.routes.iter().map(|route| (&route.attrs, &route.name));
    let nests = table
        .nested
        .iter()
        .map(|nested| (&nested.attrs, &nested.name));
    let markers = routes.chain(nests).map(|(attrs, name)| {
        let cfg = attributes_named(attrs, &["cfg"]);
        marker_type(&cfg, &generated_name(name))
    });
    let module = module("route_of", &table.item);
    quote!(mod #module { #(#markers)* })
}

/// Declares the type of a marker. All its tokens have the span of the name, which the compiler
/// shows.
pub(crate) fn marker_type(cfg: &[&Attribute], name: &Ident) -> TokenStream {
    let place = quote!((super));
    let marker = quote_spanned!(name.span()=> pub #place enum #name {});
    quote!(#(#cfg)* #marker)
}

/// The marker of a line: `route_of_Routes::room`.
pub(crate) fn marker(item: &BlockItem, name: &Ident) -> TokenStream {
    let (module, name) = (module("route_of", item), with_span(name, Span::call_site()));
    quote!(#module::#name)
}

/// Returns a module of the table. The compiler shows its name if two tables have routes of one
/// name.
pub(crate) fn module(start: &str, item: &BlockItem) -> Ident {
    format_ident!("{start}_{}", item.name.unraw(), span = Span::call_site())
}

pub(crate) fn entry_name(route: &Route) -> Ident {
    format_ident!("__ENTRY_{}", route.name.unraw(), span = Span::call_site())
}

/// Returns the state type of the table, or the default if the table has none.
pub(crate) fn state_type(table: &Table, core: &TokenStream) -> TokenStream {
    let default = || quote!(#core::extract::NoState);
    table
        .state
        .as_ref()
        .map_or_else(default, ToTokens::to_token_stream)
}

/// Generates a compiler error with this span if the constant contains a fault.
pub(crate) fn fault(found: &TokenStream, place: Span) -> TokenStream {
    // With this span in both uses: otherwise a name from a `macro_rules` would not be visible.
    let fault = Ident::new("__fault", place);
    let panic = with_spans(quote!(::core::panic!("{}", #fault.as_str())), place, place);
    quote!(if let ::core::option::Option::Some(#fault) = &#found { #panic })
}
