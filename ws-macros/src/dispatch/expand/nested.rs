//! The data that the tables of other blocks need about this one, and this one about them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::names::{fault, marker, state_type};
use crate::condition::attributes_named;
use crate::dispatch::table::{Nested, Table};
use crate::source::unused_name;

/// Generates the markers of the lines with nested tables, the outline of the table, the constant
/// that compares their routes with the others, and for each such line a constant that reports its
/// faults.
pub(crate) fn nested(table: &Table, core: &TokenStream) -> TokenStream {
    let state = state_type(table, core);
    let mounts = table
        .nested
        .iter()
        .map(|nested| mount(nested, table, &state, core));
    let outline = outline(table, &state, core);
    let faults = (!table.nested.is_empty()).then(|| conflicts(table, core));
    let checks = table.nested.iter().map(check);
    quote!(#(#mounts)* #outline #faults #(#checks)*)
}

/// Generates the mount of a line. Only here, and on its type, does the compiler check that it is a
/// table.
fn mount(nested: &Nested, table: &Table, state: &TokenStream, core: &TokenStream) -> TokenStream {
    let cfg = attributes_named(&nested.attrs, &["cfg"]);
    let (prefix, inner) = (&nested.prefix, &nested.table);
    let marker = marker(&table.item, &nested.name);
    let text = nested.name.unraw().to_string();
    quote! {
        #(#cfg)*
        impl #core::route::conflict::Mounted<#state> for #marker {
            const NAME: &'static ::core::primitive::str = #text;
            const PREFIX: &'static [&'static ::core::primitive::str] = &[#(#prefix),*];
            type Table = #inner;
        }
    }
}

/// Generates the outline of the table for other tables.
fn outline(table: &Table, state: &TokenStream, core: &TokenStream) -> TokenStream {
    let routes = table.routes.iter().map(|route| {
        let cfg = attributes_named(&route.attrs, &["cfg"]);
        let marker = marker(&table.item, &route.name);
        quote!(#(#cfg)* #core::route::conflict::RouteOutline::of::<#marker>())
    });
    let nested = table.nested.iter().map(|nested| {
        let cfg = attributes_named(&nested.attrs, &["cfg"]);
        let marker = marker(&table.item, &nested.name);
        quote!(#(#cfg)* #core::route::conflict::NestedOutline::of::<#state, #marker>())
    });
    let item = &table.item.name;
    let nests = nests(table, core);
    quote! {
        #nests
        impl #core::route::conflict::Dispatch for #item {
            const OUTLINE: &'static #core::route::conflict::TableOutline =
                &#core::route::conflict::TableOutline {
                    routes: &[#(#routes),*],
                    nested: &[#(#nested),*],
                };
        }
    }
}

/// The table may be used behind `use`, but never as a handler.
fn nests(table: &Table, core: &TokenStream) -> TokenStream {
    let (item, state) = (&table.item.name, state_type(table, core));
    let route = unused_name("SomeRoute", item);
    let outer = unused_name("StateOfOuterTable", quote!(#item #state));
    quote! {
        impl<#route: #core::route::conflict::TakesTable<#item>> #core::handler::Handler<#route> for #item {
            async fn init(
                _: &#core::extract::Opening<Self>,
            ) -> ::core::result::Result<Self, #core::error::Refusal> {
                ::core::unreachable!()
            }
        }
        impl<#outer: #core::route::GivesState<#state>> #core::route::conflict::Nested<#outer> for #item {
            fn nest_in(
                __outer: #core::route::Table<#outer>,
                __prefix: &'static [&'static ::core::primitive::str],
            ) -> #core::route::Table<#outer> {
                #outer::nest(__outer, __prefix, <#item>::table())
            }
        }
    }
}

/// Compares the nested tables with the rest of the table, all at once. For thousands of routes this
/// takes fewer steps than `long_running_const_eval` counts, so a crate may forbid that lint.
fn conflicts(table: &Table, core: &TokenStream) -> TokenStream {
    let item = &table.item.name;
    let outline = quote!(<#item as #core::route::conflict::Dispatch>::OUTLINE);
    quote! {
        const __CONFLICTS: #core::route::conflict::Conflicts<{ #core::route::conflict::size(#outline) }> =
            #core::route::conflict::find(#outline);
    }
}

/// Reports the faults of a nested table, at the path of its line. It is not an item with
/// parameters, so that `cargo check` evaluates it.
fn check(nested: &Nested) -> TokenStream {
    let attrs = attributes_named(&nested.attrs, &["cfg"]);
    let name = nested.name.unraw().to_string();
    let report = fault(&quote!(__CONFLICTS.of(#name)), nested.path.span());
    quote! {
        #(#attrs)*
        const _: () = #report;
    }
}
