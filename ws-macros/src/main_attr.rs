//! `#[ws_server::main]`: an `async fn main` on the runtime of the library.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{AttrStyle, GenericParam, Generics, ItemFn};

use crate::crate_path::{AttributeArgument, CratePath, parse_arguments};
use crate::errors::Errors;
use crate::source::head_of;

/// Expands `#[ws_server::main(arguments)] item`.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let errors = Errors::new();
    let mut path = CratePath::default();
    let mut workers = None;
    for argument in parse_arguments(arguments, "ws_server::main", &["crate", "workers"], &errors) {
        match argument {
            AttributeArgument::Crate(given) => path = CratePath::new(given),
            AttributeArgument::Workers(given) => workers = Some(given),
            AttributeArgument::Sends(_) => {}
        }
    }
    let path = path.or_dependency("ws_server::main", &errors);
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        errors.push(
            head_of(item),
            "`#[ws_server::main]` belongs on a function\nhelp: write `async fn main() { … }`",
        );
        let reported = errors.finish().err();
        return quote!(#item #reported);
    };
    check(&function, &errors);
    let reported = errors.finish().err();
    let hidden = path.hidden();
    let name = &function.sig.ident;
    let call = match (&reported, workers) {
        (Some(_), _) => quote!(::core::unreachable!()),
        (None, None) => quote!(#hidden::runtime::block_on(#name())),
        (None, Some(workers)) => {
            quote!(#hidden::runtime::block_on_with_workers(#workers, #name()))
        }
    };
    assemble(function, &call, reported.as_ref())
}

/// Puts the user's function inside a plain function of the same name, which calls it.
///
/// The inner function keeps the signature, so that the compiler reports a wrong body as
/// in any `async fn`.
fn assemble(function: ItemFn, call: &TokenStream, reported: Option<&TokenStream>) -> TokenStream {
    let ItemFn {
        attrs,
        vis,
        mut sig,
        block,
        ..
    } = function;
    // The inner attributes of the body have been parsed as if they preceded the function.
    let (inner, attrs): (Vec<_>, Vec<_>) = attrs
        .into_iter()
        .partition(|attr| matches!(attr.style, AttrStyle::Inner(_)));
    let mut outer = sig.clone();
    outer.asyncness = None;
    outer.inputs.clear();
    outer.generics = Generics::default();
    let name = &sig.ident;
    let has_types = sig
        .generics
        .params
        .iter()
        .any(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
    // A rejected function is used nevertheless: otherwise the compiler would also report it as dead
    // code.
    let used = (reported.is_some() && !has_types).then(|| quote!(let _ = #name;));
    if reported.is_some() {
        sig.asyncness.get_or_insert_default();
    }
    let place = proc_macro2::Span::call_site().located_at(block.span());
    let body = quote_spanned!(place=> { #(#inner)* #sig #block #used #call });
    quote! {
        #reported
        #(#attrs)*
        #vis #outer #body
    }
}

/// Checks that `main` is asynchronous and takes no arguments.
fn check(function: &ItemFn, errors: &Errors) {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        errors.push(
            signature.fn_token,
            format_args!(
                "`#[ws_server::main]` needs an asynchronous function\nhelp: write `async fn {}`",
                signature.ident
            ),
        );
    }
    if !signature.inputs.is_empty() {
        errors.push(
            &signature.inputs,
            format_args!(
                "`{}` takes no arguments\nhelp: remove them; `std::env::args` returns those of \
                 the command line",
                signature.ident
            ),
        );
    }
    if !signature.generics.params.is_empty() {
        errors.push(
            &signature.generics,
            format_args!(
                "`{}` cannot be generic\nhelp: remove the parameters",
                signature.ident
            ),
        );
    }
}
