//! Implementations of `Sends`: the types that the handler may send in addition to its replies.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Generics, Type};

use super::names::free_ident;
use crate::condition::conditions;
use crate::crate_path::CratePath;
use crate::handler::ast::{HandlerBlock, HookKind};

/// Allows the handler to send the declared types, or every type if it declares none. This does not
/// depend on the hooks, so it is generated once for all their conditions.
///
/// A block without `init` is a part of another block's handler, which has these implementations.
pub(crate) fn sends(
    block: &HandlerBlock,
    path: &CratePath,
    declared: Option<&[Type]>,
) -> TokenStream {
    let has_init = block.hooks_of(HookKind::Init).next().is_some();
    if !has_init && block.item.trait_.is_none() && block.callable_hooks().next().is_some() {
        return TokenStream::new();
    }
    let generics = &block.item.generics;
    let Some(declared) = declared else {
        let any = free_ident("Any", &block.item.to_token_stream());
        let mut generics = generics.clone();
        generics
            .params
            .push(syn::parse_quote!(#any: ?::core::marker::Sized));
        return implementation(block, path, &generics, &quote!(#any));
    };
    let own = path.hidden();
    let listed = declared
        .iter()
        .map(|ty| implementation(block, path, generics, &quote!(#ty)));
    // With only one type, the compiler would use it for every type that it has to infer.
    let nothing = implementation(block, path, generics, &quote!(#own::reply::Nothing));
    quote! {
        #(#listed)*
        #[diagnostic::do_not_recommend]
        #nothing
    }
}

fn implementation(
    block: &HandlerBlock,
    path: &CratePath,
    generics: &Generics,
    value: &TokenStream,
) -> TokenStream {
    let own = path.hidden();
    let predicates = conditions(&block.item.attrs);
    let predicates = predicates.iter().map(|condition| &condition.predicate);
    let (parameters, _, bounds) = generics.split_for_impl();
    let ty = &block.item.self_ty;
    quote! {
        #(#[cfg(#predicates)])*
        #[automatically_derived]
        impl #parameters #own::socket::Sends<#value> for #ty #bounds {}
    }
}
