//! `dispatch!`: expands one block into a routing table.
//!
//! [`ast`] parses the tokens into typed syntax, [`check`] checks every rule and resolves the
//! meaning, and [`expand`], which cannot fail, generates the table. After a mistake, the lines
//! without one are generated, and stubs of the others ([`stub`]), so that the rest of the program
//! still type-checks.

mod ast;
mod check;
mod editor;
mod expand;
pub(crate) mod grammar;
mod literals;
mod options;
mod overlap;
mod param_types;
mod reachability;
mod stub;
mod table;
mod trie;
mod warn;

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::crate_path::other_dependency;
use crate::errors::Errors;

#[cfg(test)]
pub(crate) use options::names as option_names;

/// Expands one block.
///
/// In a module with an error of a macro, the compiler does not report unknown names. So the errors
/// of a table are in a constant, and unknown types are reported in the same run. Without a table,
/// every use of it would be an unknown name, and without the library every path of the expansion.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let errors = Errors::new();
    let mut block = ast::TableBlock::parse(input, &errors);
    if block.crates.is_empty() {
        let place = block.items.first().map(|item| item.name.span());
        let dependency = other_dependency(place.unwrap_or_else(Span::call_site), &errors, |path| {
            format!("add `crate: {path};` to the block")
        });
        block.crates.extend(dependency);
    }
    let for_editors = editor::editor_item(&block);
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
