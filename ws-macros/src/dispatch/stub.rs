//! The output after a mistake: the table of all lines without one, so that the compiler checks them
//! in the same run, and functions with the right signatures for the others, so that no use of the
//! table is reported as well.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Ident, LitStr, Visibility};

use super::expand::{self, argument, inner_url, nested_summary, url_attributes, url_summary};
use super::table::{InvalidLine, Nested, Route, Table, TargetKind};
use crate::block::names::{core, first_of_each, import};
use crate::block::pattern::{Pattern, Syntax, intended_param_count};
use crate::condition::attributes_named;

/// Generates the table of the valid lines, and the functions of all others that could be parsed.
pub(crate) fn table(mut table: Table) -> TokenStream {
    let (library, core) = (import(table.library.as_ref()), core());
    let faulty = FaultyLines::remove_from(&mut table);
    table.has_mistakes = true;
    let valid = expand::table(&table);
    let (name, vis) = (&table.item.name, &table.item.vis);
    let handlers = faulty.routes.iter().map(handler);
    let functions = faulty.functions();
    let functions = functions.map(|function| function.expand(vis, &core));
    let unknown_functions = faulty.unknown_functions(vis);
    quote! {
        #valid
        const _: () = {
            #library
            #(#handlers)*
            impl #name {
                #(#functions)*
                #(#unknown_functions)*
            }
        };
    }
}

/// For a route with a mistake, checks only that its handler is a type.
fn handler(route: &Route) -> TokenStream {
    let (cfg, handler) = (attributes_named(&route.attrs, &["cfg"]), &route.handler);
    quote!(#(#cfg)* const _: ::core::marker::PhantomData<#handler> = ::core::marker::PhantomData;)
}

/// The lines of a table that have mistakes.
struct FaultyLines {
    routes: Vec<Route>,
    nested: Vec<Nested>,
    invalid_lines: Vec<InvalidLine>,
    /// Names whose functions are not known, and the error that was reported there.
    unknown_functions: Vec<(Ident, syn::Error)>,
}

impl FaultyLines {
    /// Removes the lines with mistakes from the table.
    fn remove_from(table: &mut Table) -> Self {
        let mut faulty = Self {
            routes: Vec::new(),
            nested: Vec::new(),
            invalid_lines: std::mem::take(&mut table.invalid_lines),
            unknown_functions: std::mem::take(&mut table.unknown_functions),
        };
        let knows_defaults = !table.has_invalid_defaults;
        let is_valid = |route: &Route| {
            knows_defaults && route.is_valid() && !faulty.has_unknown_function(&route.name)
        };
        let (valid, routes) = std::mem::take(&mut table.routes)
            .into_iter()
            .partition(is_valid);
        let (valid_nested, nested) =
            std::mem::take(&mut table.nested)
                .into_iter()
                .partition(|nested: &Nested| {
                    nested.is_valid() && !faulty.has_unknown_function(&nested.name)
                });
        (table.routes, table.nested) = (valid, valid_nested);
        (faulty.routes, faulty.nested) = (routes, nested);
        faulty
    }

    fn has_unknown_function(&self, name: &Ident) -> bool {
        let mut names = self
            .unknown_functions
            .iter()
            .map(|(unknown_functions, _)| unknown_functions);
        names.any(|unknown_functions| unknown_functions.unraw() == name.unraw())
    }

    /// Returns the functions of all lines that can have one.
    fn functions(&self) -> impl Iterator<Item = UrlFunction<'_>> {
        let routes = self.routes.iter().map(|route| {
            let function = UrlFunction {
                attrs: &route.attrs,
                name: &route.name,
                path: &route.path,
                pattern: &route.pattern,
                target_kind: TargetKind::Handler,
            };
            (route.has_usable_name, function)
        });
        let nested = self.nested.iter().map(|nested| {
            let function = UrlFunction {
                attrs: &nested.attrs,
                name: &nested.name,
                path: &nested.path,
                pattern: &nested.pattern,
                target_kind: TargetKind::Table,
            };
            (nested.has_usable_name, function)
        });
        let invalid = self.invalid_lines.iter().map(|line| {
            let function = UrlFunction {
                attrs: &line.attrs,
                name: &line.name,
                path: &line.path,
                pattern: &line.pattern,
                target_kind: line.target_kind,
            };
            (line.has_usable_name, function)
        });
        let all = routes.chain(nested).chain(invalid);
        all.filter(|(is_usable, function)| *is_usable && !self.has_unknown_function(function.name))
            .map(|(_, function)| function)
    }

    /// Instead of functions with unknown arguments, generates constants whose type contains the
    /// reported error. The compiler shows the error once, and reports no use of such a type.
    fn unknown_functions(&self, vis: &Visibility) -> impl Iterator<Item = TokenStream> {
        first_of_each(&self.unknown_functions).map(move |(name, error)| {
            let error = error.to_compile_error();
            quote!(#vis const #name: [(); #error] = ::core::unreachable!();)
        })
    }
}

/// A function for URLs.
struct UrlFunction<'t> {
    attrs: &'t [Attribute],
    name: &'t Ident,
    path: &'t LitStr,
    pattern: &'t Pattern,
    target_kind: TargetKind,
}

impl UrlFunction<'_> {
    fn expand(&self, vis: &Visibility, core: &TokenStream) -> TokenStream {
        let (name, path) = (self.name, self.path.value());
        let (summary, arguments) = match self.target_kind {
            TargetKind::Handler => (url_summary(&path), self.arguments()),
            TargetKind::Table => (
                nested_summary(&path),
                vec![{
                    let inner = inner_url(name);
                    quote!(#inner: #core::route::RouteUrl)
                }],
            ),
        };
        let attrs = url_attributes(self.attrs, &summary);
        quote! {
            #attrs
            #vis fn #name(#(#arguments),*) -> #core::route::RouteUrl { ::core::unreachable!() }
        }
    }

    /// Returns the arguments of a route's function. If the path has a mistake, its parameters are
    /// not fully known: if it seems to have one, any arguments are accepted.
    fn arguments(&self) -> Vec<TokenStream> {
        if !self.pattern.is_flawed {
            let params = self.pattern.params();
            return params
                .filter_map(|segment| Some(argument(segment.param()?, segment)))
                .collect();
        }
        let count = intended_param_count(&self.path.value(), Syntax::Path);
        (0..count)
            .map(|place| {
                let name = format_ident!("value{place}");
                quote!(#name: impl ::core::marker::Sized)
            })
            .collect()
    }
}
