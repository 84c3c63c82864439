//! `#[ws_handler]`: from an impl block with hooks to an implementation of `Handler`.
//!
//! `ast` reads the block into hooks and their arguments, `check` reports every mistake,
//! `expand` writes the implementation. The user's block is emitted as it is, mistakes or
//! not, so that editors go on completing in it.

mod ast;
mod check;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Item, ItemImpl};

use crate::crate_path::CratePath;
use crate::errors::Errors;
use crate::source::head_of;
use ast::Block;

pub use ast::unwrapped;

/// Expands `#[ws_handler(arguments)] item`.
pub fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let errors = Errors::new();
    let path = CratePath::parse_arguments(arguments, "ws_handler", &errors);
    let Some(item) = impl_block(item, &errors) else {
        let reported = errors.finish().err();
        return quote!(#item #reported);
    };
    let mut block = Block::parse(item);
    check::check(&mut block, &errors);
    let reported = errors.finish().err();
    if reported.is_some() {
        block.remove_repeated_hooks();
    } else {
        block.hide_signatures_from_lints();
    }
    let user = &block.item;
    let expanded = expand::implementation(&block, &path, reported.is_some());
    quote!(#user #reported #expanded)
}

/// The impl block, or a report of what stands in its place.
fn impl_block(item: &TokenStream, errors: &Errors) -> Option<ItemImpl> {
    let what = match errors.take(syn::parse2::<Item>(item.clone()))? {
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
