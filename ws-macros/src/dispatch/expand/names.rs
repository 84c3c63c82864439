//! The names in the expansion of a table, and the places of its tokens.
//!
//! What the user wrote is there with its own place once, in what an editor is to go to. Names that
//! are made of it have the location of the user's, or none, so that no search for the user's finds
//! a path of the library. Names that the compiler may show can be read.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Attribute;
use syn::ext::IdentExt;

use crate::condition::attributes;
use crate::crate_path::hidden_module;
use crate::dispatch::ast::TableItem;
use crate::dispatch::table::{Route, Table};
use crate::source::blamed;

/// The import of what expansions name, so that a library of another name is one error.
pub fn library(table: &Table) -> TokenStream {
    let core = core();
    let library = table
        .library
        .as_ref()
        .map_or_else(|| quote!(::ws_server), |library| quote!(#library));
    let hidden = hidden_module();
    quote!(use #library::#hidden as #core;)
}

/// The module of the library that has what expansions name, beside [`library`].
pub fn core() -> TokenStream {
    quote!(__ws)
}

/// The markers of all lines, in a module.
pub fn markers(table: &Table) -> TokenStream {
    let routes = table.routes.iter().map(|route| (&route.attrs, &route.name));
    let nests = table
        .nested
        .iter()
        .map(|nested| (&nested.attrs, &nested.name));
    let markers = routes.chain(nests).map(|(attrs, name)| {
        let cfg = attributes(attrs, &["cfg"]);
        marker_type(&cfg, &written_for(name))
    });
    let module = module("route_of", &table.item);
    quote!(mod #module { #(#markers)* })
}

/// The type of a marker. All of it has the place of the name, which the compiler shows.
pub fn marker_type(cfg: &[&Attribute], name: &Ident) -> TokenStream {
    let place = quote!((super));
    let marker = quote_spanned!(name.span()=> pub #place enum #name {});
    quote!(#(#cfg)* #marker)
}

/// The marker of a line: `route_of_Routes::room`.
pub fn marker(item: &TableItem, name: &Ident) -> TokenStream {
    let (module, name) = (module("route_of", item), with_span(name, Span::call_site()));
    quote!(#module::#name)
}

/// A module of the table. The compiler names it if two tables have routes of one name.
pub fn module(start: &str, item: &TableItem) -> Ident {
    format_ident!("{start}_{}", item.name.unraw(), span = Span::call_site())
}

pub fn entry_name(route: &Route) -> Ident {
    format_ident!("__ENTRY_{}", route.name.unraw(), span = Span::call_site())
}

/// A name of the user's, as what the expansion declares by it. It has the place of the user's, but
/// lints know that a macro declares it: they look for no capitals in the name of a marker,
/// and do not miss a use of a URL.
pub fn written_for(name: &Ident) -> Ident {
    with_span(name, Span::call_site().located_at(name.span()))
}

/// The same name at another place.
pub fn with_span(name: &Ident, span: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(span);
    name
}

/// The state that the table names, or that of a table that names none.
pub fn state_type(table: &Table, core: &TokenStream) -> TokenStream {
    let default = || quote!(#core::extract::NoState);
    table
        .state
        .as_ref()
        .map_or_else(default, ToTokens::to_token_stream)
}

/// An error of the compiler at this place, where a constant says that something is wrong.
pub fn fault(found: &TokenStream, place: Span) -> TokenStream {
    // At the place in both uses: a name from a `macro_rules` is not visible to others.
    let fault = Ident::new("__fault", place);
    let panic = blamed(quote!(::core::panic!("{}", #fault.as_str())), place, place);
    quote!(if let ::core::option::Option::Some(#fault) = &#found { #panic })
}
