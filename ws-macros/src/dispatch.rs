//! `dispatch!`: one block becomes a routing table.
//!
//! The tokens are read into typed syntax ([`ast`]), every rule is checked and what is
//! meant is resolved ([`check`]), then the table is written ([`expand`]), which cannot
//! fail. After a mistake the lines without one are written, and stubs of the others ([`stub`]),
//! so that the rest of the program still type-checks.

mod ast;
mod check;
mod editor;
mod expand;
mod literals;
mod options;
mod overlap;
mod param_types;
mod pattern;
mod reach;
mod stub;
mod table;
mod trie;
mod value;
mod warn;

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::crate_path::other_dependency;
use crate::errors::Errors;

#[cfg(test)]
pub use options::names as names_of_options;

/// Expands one block.
///
/// The compiler keeps quiet about unknown names in a module that has an error of a macro. Those of
/// a table are in a constant, so that unknown types are reported in the same run. Without a table
/// every use of it would be one, and without the library every path of the expansion.
pub fn expand(input: TokenStream) -> TokenStream {
    let errors = Errors::new();
    let mut block = ast::Block::parse(input, &errors);
    if block.crates.is_empty() {
        let place = block.items.first().map(|item| item.name.span());
        let dependency = other_dependency(place.unwrap_or_else(Span::call_site), &errors, |path| {
            format!("add `crate: {path};` to the block")
        });
        block.crates.extend(dependency);
    }
    let for_editors = editor::written(&block);
    let table = check::table(block, &errors);
    let table = match (errors.finish(), table) {
        (Ok(()), Some(table)) => {
            let (items, warnings) = (expand::table(&table), warn::warnings(&table));
            quote!(#items #warnings)
        }
        (Ok(()), None) => TokenStream::new(),
        (Err(errors), None) => errors,
        (Err(errors), Some(table)) => {
            let stub = stub::table(table);
            quote!(#stub const _: () = { #errors };)
        }
    };
    quote!(#for_editors #table)
}
