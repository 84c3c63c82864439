//! `dispatch!`: one block becomes a routing table.
//!
//! The tokens are read into typed syntax ([`ast`]), every rule is checked and what is
//! meant is resolved ([`check`]), then the table is written ([`expand`]), which cannot
//! fail. After a mistake the lines without one are written, and stubs of the others ([`stub`]),
//! so that the rest of the program still type-checks.

mod ast;
mod check;
mod expand;
mod literals;
mod options;
mod overlap;
mod param_types;
mod pattern;
mod reach;
mod stub;
mod trie;
mod value;
mod warn;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// Expands one block.
pub fn expand(input: TokenStream) -> TokenStream {
    let errors = Errors::new();
    let block = ast::Block::parse(input, &errors);
    let table = check::table(block, &errors);
    match (errors.finish(), table) {
        (Ok(()), Some(table)) => expand::table(&table),
        (Ok(()), None) => TokenStream::new(),
        (Err(errors), None) => errors,
        (Err(mut errors), Some(table)) => {
            errors.extend(stub::table(table));
            errors
        }
    }
}
