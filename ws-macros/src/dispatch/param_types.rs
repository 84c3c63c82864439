//! The types of a table's parameters, each a constant of the expansion.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Meta, Type};

use super::table::Route;
use crate::block::pattern::Segment;
use crate::source::respanned;

/// The conditions under which an item exists: the `#[cfg]` predicates of each route that leads to
/// it, all of which must hold for that route.
pub(crate) type Conditions = Vec<Vec<TokenStream>>;

/// The types as written, each once.
pub(crate) struct ParamTypes<'t> {
    types: Vec<ParamType<'t>>,
}

struct ParamType<'t> {
    written: &'t str,
    ty: &'t Type,
    conditions: Conditions,
}

impl<'t> ParamTypes<'t> {
    /// Collects the types of the parameters of these routes.
    pub(crate) fn of(routes: &'t [Route]) -> Self {
        let mut types: Vec<ParamType<'t>> = Vec::new();
        for route in routes {
            for segment in &route.pattern.segments {
                let Segment::Typed { written, ty, .. } = segment else {
                    continue;
                };
                let at = types.iter().position(|known| known.written == written);
                let at = at.unwrap_or_else(|| {
                    types.push(ParamType {
                        written,
                        ty,
                        conditions: Conditions::new(),
                    });
                    types.len() - 1
                });
                types[at].conditions.push(predicates(&route.attrs));
            }
        }
        Self { types }
    }

    /// Returns the name of the constant of a type.
    pub(crate) fn name(&self, written: &str) -> Ident {
        let at = self.types.iter().position(|known| known.written == written);
        format_ident!(
            "__PARAM_{}",
            at.unwrap_or_default(),
            span = Span::call_site()
        )
    }

    /// Generates the constants. A type that is not valid for a parameter is reported here.
    pub(crate) fn constants(&self, core: &TokenStream) -> TokenStream {
        let constants = self.types.iter().map(
            |ParamType {
                 written,
                 ty,
                 conditions,
             }| {
                let (name, condition) = (self.name(written), condition(conditions));
                let core_here = respanned(core.clone(), ty.span());
                let new = quote_spanned!(ty.span()=> #core_here::route::ParamType::<#ty>::new());
                quote!(#condition const #name: #core::route::ParamType<#ty> = #new;)
            },
        );
        constants.collect()
    }
}

/// Returns the predicates in the `#[cfg]` attributes of a line.
pub(crate) fn predicates(attrs: &[Attribute]) -> Vec<TokenStream> {
    let metas = attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .map(|attr| &attr.meta);
    let predicates = metas.filter_map(|meta| match meta {
        Meta::List(list) => Some(list.tokens.clone()),
        Meta::Path(_) | Meta::NameValue(_) => None,
    });
    predicates.collect()
}

/// Returns the `#[cfg]` attribute of an item that several routes lead to; nothing if one of them is
/// unconditional.
pub(crate) fn condition(conditions: &[Vec<TokenStream>]) -> TokenStream {
    if conditions.iter().any(Vec::is_empty) {
        return TokenStream::new();
    }
    let mut any: Vec<TokenStream> = Vec::new();
    let mut seen = Vec::new();
    for predicates in conditions {
        let all = quote!(all(#(#predicates),*));
        let text = all.to_string();
        if !seen.contains(&text) {
            seen.push(text);
            any.push(all);
        }
    }
    quote!(#[cfg(any(#(#any),*))])
}
