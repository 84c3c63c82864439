//! The output after a mistake: the table of all lines without one, so that the compiler checks them
//! in the same run, and functions with the right signatures for the others, so that no use of the
//! table is reported as well.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Ident, LitStr, Visibility};

use super::expand::{
    self, argument, core, inner_url, library, nested_summary, url_attributes, url_summary,
};
use super::pattern::{Pattern, params_meant};
use super::table::{LeadsTo, Nested, Route, Table, Unread};
use crate::condition::attributes;

/// Generates the table of the valid lines, and the functions of all others that could be parsed.
pub fn table(mut table: Table) -> TokenStream {
    let (library, core) = (library(&table), core());
    let rest = Rest::taken_from(&mut table);
    table.has_mistakes = true;
    let sound = expand::table(&table);
    let (name, vis) = (&table.item.name, &table.item.vis);
    let handlers = rest.routes.iter().map(handler);
    let functions = rest.functions();
    let functions = functions.map(|function| function.expand(vis, &core));
    let unclear = rest.unclear(vis);
    quote! {
        #sound
        const _: () = {
            #library
            #(#handlers)*
            impl #name {
                #(#functions)*
                #(#unclear)*
            }
        };
    }
}

/// For a route with a mistake, checks only that its handler is a type.
fn handler(route: &Route) -> TokenStream {
    let (cfg, handler) = (attributes(&route.attrs, &["cfg"]), &route.handler);
    quote!(#(#cfg)* const _: ::core::marker::PhantomData<#handler> = ::core::marker::PhantomData;)
}

/// The lines of a table that have mistakes.
struct Rest {
    routes: Vec<Route>,
    nested: Vec<Nested>,
    unread: Vec<Unread>,
    /// Names whose functions are not known, and the error that was reported there.
    unclear: Vec<(Ident, syn::Error)>,
}

impl Rest {
    /// Removes the lines with mistakes from the table.
    fn taken_from(table: &mut Table) -> Self {
        let mut rest = Self {
            routes: Vec::new(),
            nested: Vec::new(),
            unread: std::mem::take(&mut table.unread),
            unclear: std::mem::take(&mut table.unclear),
        };
        let knows_defaults = !table.has_unread_defaults;
        let is_sound =
            |route: &Route| knows_defaults && route.is_sound() && !rest.is_unclear(&route.name);
        let (sound, routes) = std::mem::take(&mut table.routes)
            .into_iter()
            .partition(is_sound);
        let (sound_nested, nested) = std::mem::take(&mut table.nested)
            .into_iter()
            .partition(|nested: &Nested| nested.is_sound() && !rest.is_unclear(&nested.name));
        (table.routes, table.nested) = (sound, sound_nested);
        (rest.routes, rest.nested) = (routes, nested);
        rest
    }

    fn is_unclear(&self, name: &Ident) -> bool {
        let mut names = self.unclear.iter().map(|(unclear, _)| unclear);
        names.any(|unclear| unclear.unraw() == name.unraw())
    }

    /// Returns the functions of all lines that can have one.
    fn functions(&self) -> impl Iterator<Item = Function<'_>> {
        let routes = self.routes.iter().map(|route| {
            let function = Function {
                attrs: &route.attrs,
                name: &route.name,
                path: &route.path,
                pattern: &route.pattern,
                leads_to: LeadsTo::Handler,
            };
            (route.has_usable_name, function)
        });
        let nested = self.nested.iter().map(|nested| {
            let function = Function {
                attrs: &nested.attrs,
                name: &nested.name,
                path: &nested.path,
                pattern: &nested.pattern,
                leads_to: LeadsTo::Table,
            };
            (nested.has_usable_name, function)
        });
        let unread = self.unread.iter().map(|line| {
            let function = Function {
                attrs: &line.attrs,
                name: &line.name,
                path: &line.path,
                pattern: &line.pattern,
                leads_to: line.leads_to,
            };
            (line.has_usable_name, function)
        });
        let all = routes.chain(nested).chain(unread);
        all.filter(|(is_usable, function)| *is_usable && !self.is_unclear(function.name))
            .map(|(_, function)| function)
    }

    /// Instead of functions with unknown arguments, generates constants whose type contains the
    /// reported error. The compiler shows the error once, and reports no use of such a type.
    fn unclear(&self, vis: &Visibility) -> impl Iterator<Item = TokenStream> {
        let firsts = self.unclear.iter().enumerate().filter(|(at, (name, _))| {
            let mut known = self.unclear[..*at].iter().map(|(known, _)| known.unraw());
            let is_first = known.all(|known| known != name.unraw());
            is_first && syn::parse_str::<Ident>(&name.to_string()).is_ok()
        });
        firsts.map(move |(_, (name, error))| {
            let error = error.to_compile_error();
            quote!(#vis const #name: [(); #error] = ::core::unreachable!();)
        })
    }
}

/// A function for URLs.
struct Function<'t> {
    attrs: &'t [Attribute],
    name: &'t Ident,
    path: &'t LitStr,
    pattern: &'t Pattern,
    leads_to: LeadsTo,
}

impl Function<'_> {
    fn expand(&self, vis: &Visibility, core: &TokenStream) -> TokenStream {
        let (name, path) = (self.name, self.path.value());
        let (summary, arguments) = match self.leads_to {
            LeadsTo::Handler => (url_summary(&path), self.arguments()),
            LeadsTo::Table => (
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
        let count = params_meant(&self.path.value());
        (0..count)
            .map(|place| {
                let name = format_ident!("value{place}");
                quote!(#name: impl ::core::marker::Sized)
            })
            .collect()
    }
}
