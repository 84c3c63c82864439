//! `#[ws_handler]`: from an impl block with hooks to an implementation of `Handler`.
//!
//! `ast` parses the block into hooks and their arguments, `check` reports every mistake, and
//! `expand` generates the implementation. The user's block is emitted unchanged, even with
//! mistakes, so that editors can still complete code in it.

mod ast;
mod check;
mod expand;

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Item, ItemImpl, Type};

use crate::crate_path::{AttributeArgument, CratePath, parse_arguments};
use crate::errors::Errors;
use crate::source::{head_of, written};
use ast::HandlerBlock;

pub(crate) use ast::unwrapped;

/// Expands `#[ws_handler(arguments)] item`.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let errors = Errors::new();
    let Arguments { path, sends } = Arguments::parse(arguments, &errors);
    let Some(item) = impl_block(item, &errors) else {
        let reported = errors.finish().err();
        return quote!(#item #reported);
    };
    let mut block = HandlerBlock::parse(item);
    check::check(&mut block, &errors);
    let reported = errors.finish().err();
    if reported.is_some() {
        block.remove_repeated_hooks();
    } else {
        block.hide_signatures_from_lints();
    }
    let user = &block.item;
    let expanded = expand::implementation(&block, &path, sends.as_deref(), reported.is_some());
    quote!(#user #reported #expanded)
}

/// The arguments in the parentheses of the attribute.
struct Arguments {
    path: CratePath,
    /// The types of `sends(…)`; `None` if the handler may send every type.
    sends: Option<Vec<Type>>,
}

impl Arguments {
    fn parse(arguments: TokenStream, errors: &Errors) -> Self {
        let (mut path, mut sends) = (CratePath::default(), None);
        for argument in parse_arguments(arguments, "ws_handler", &["crate", "sends"], errors) {
            match argument {
                AttributeArgument::Crate(given) => path = CratePath::new(given),
                AttributeArgument::Sends(types) => sends = Some(without_duplicates(types, errors)),
                AttributeArgument::Workers(_) => {}
            }
        }
        let path = path.or_dependency("ws_handler", errors);
        Self { path, sends }
    }
}

/// Returns the types without repeated ones, which are reported.
fn without_duplicates(types: Vec<Type>, errors: &Errors) -> Vec<Type> {
    let mut known = HashSet::new();
    let mut distinct = types;
    distinct.retain(|ty| {
        let text = written(ty);
        let is_new = known.insert(text.clone());
        if !is_new {
            errors.push(ty, format_args!("`{text}` is listed twice"));
        }
        is_new
    });
    distinct
}

/// Returns the impl block, or reports the item in its place.
fn impl_block(item: &TokenStream, errors: &Errors) -> Option<ItemImpl> {
    let what = match errors.ok_or_report(syn::parse2::<Item>(item.clone()))? {
        Item::Impl(block) => return Some(block),
        Item::Struct(_) => "a struct",
        Item::Enum(_) => "an enum",
        Item::Union(_) => "a union",
        Item::Fn(_) => "a function",
        Item::Trait(_) => "a trait",
        Item::Mod(_) => "a module",
        _ => "something else",
    };
    errors.push(
        head_of(item),
        format_args!(
            "`#[ws_handler]` belongs on an impl block, not on {what}\n\
             help: write `#[ws_handler] impl Room {{ fn init() -> Self {{ … }} }}`"
        ),
    );
    None
}
