//! What is written after a mistake: the table's type with functions of the right
//! signatures, so that no use of the table is reported as well.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::check::{Route, Table};
use super::expand::{
    argument, attributes, core, empty_outline, item, nested_summary, state_type, url_attributes,
    url_summary,
};

/// The table's type, its `table()`, and the functions of all lines that could be read.
pub fn table(table: &Table) -> TokenStream {
    let (item, core) = (item(table), core(table));
    let (name, vis) = (&table.item.name, &table.item.vis);
    let state = state_type(table, &core);
    let handlers = table.routes.iter().map(|route| {
        let (cfg, handler) = (attributes(&route.attrs, &["cfg"]), &route.handler);
        quote!(#(#cfg)* let _: ::core::marker::PhantomData<#handler>;)
    });
    let routes = table
        .routes
        .iter()
        .filter(|route| route.has_usable_name && !is_unclear(table, &route.name))
        .map(|route| {
            let attrs = url_attributes(&route.attrs, &url_summary(route));
            let name = &route.name;
            let arguments = arguments(route);
            quote! {
                #attrs
                #vis fn #name(#(#arguments),*) -> #core::route::RouteUrl { ::core::unreachable!() }
            }
        });
    let nested = table
        .nested
        .iter()
        .filter(|nested| nested.has_usable_name && !is_unclear(table, &nested.name))
        .map(|nested| {
            let attrs = url_attributes(&nested.attrs, &nested_summary(nested));
            let name = &nested.name;
            quote! {
                #attrs
                #vis fn #name(_: #core::route::RouteUrl) -> #core::route::RouteUrl {
                    ::core::unreachable!()
                }
            }
        });
    let unclear = unclear(table);
    let outline = empty_outline(table, &core);
    quote! {
        #item
        #outline
        #[allow(
            dead_code, non_upper_case_globals, private_bounds, private_interfaces,
            non_local_definitions,
        )]
        impl #name {
            /// The routing table.
            #vis fn table() -> #core::route::Table<#state> {
                #(#handlers)*
                ::core::unreachable!()
            }
            #(#routes)*
            #(#nested)*
            #(#unclear)*
        }
    }
}

fn is_unclear(table: &Table, name: &Ident) -> bool {
    table.unclear.iter().any(|(unclear, _)| unclear == name)
}

/// What stands for functions of unknown arguments: constants whose type has the error in it that
/// was reported. The compiler says it once, and nothing of what is done with such a type.
fn unclear(table: &Table) -> impl Iterator<Item = TokenStream> {
    let vis = &table.item.vis;
    let firsts = table.unclear.iter().enumerate().filter(|(at, (name, _))| {
        let is_first = table.unclear[..*at].iter().all(|(known, _)| known != name);
        is_first && syn::parse_str::<Ident>(&name.to_string()).is_ok()
    });
    firsts.map(move |(_, (name, error))| {
        let error = error.to_compile_error();
        quote!(#vis const #name: [(); #error] = ::core::unreachable!();)
    })
}

/// The arguments of a route's function. Of a flawed path not all parameters were understood:
/// where one seems to be meant, anything is taken.
fn arguments(route: &Route) -> Vec<TokenStream> {
    let name = |place: usize| format_ident!("_value{place}");
    if !route.pattern.is_flawed {
        let params = route.pattern.params().enumerate();
        return params
            .map(|(place, segment)| argument(&name(place), segment))
            .collect();
    }
    let meant = |segment: &str| match segment.matches('{').count() {
        0 => usize::from(segment.starts_with([':', '*'])),
        braces => braces,
    };
    let count = route.path.value().split('/').map(meant).sum();
    (0..count)
        .map(|place| {
            let name = name(place);
            quote!(#name: impl ::core::marker::Sized)
        })
        .collect()
}
