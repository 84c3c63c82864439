//! `topics!`: expands one block into the types of topics.
//!
//! [`ast`] parses the tokens into typed syntax, [`check`] checks every rule and resolves the
//! meaning, and [`expand`], which cannot fail, generates the types. After a mistake, the lines
//! without one are generated, and stubs of the others ([`stub`]), so that the rest of the program
//! still type-checks.

mod ast;
mod check;
mod declaration;
mod editor;
mod expand;
pub(crate) mod grammar;
mod options;
mod overlap;
mod stub;

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::crate_path::other_dependency;
use crate::errors::Errors;

#[cfg(test)]
pub(crate) use options::names as option_names;

/// Expands one block.
///
/// In a module with an error of a macro, the compiler does not report unknown names. So the errors
/// of a block are in a constant, and unknown types are reported in the same run.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let errors = Errors::new();
    let mut block = ast::TopicsBlock::parse(input, &errors);
    if block.crates.is_empty() {
        let place = block.lines.first().map(|line| line.name.span());
        let dependency = other_dependency(place.unwrap_or_else(Span::call_site), &errors, |path| {
            format!("add `crate: {path};` to the block")
        });
        block.crates.extend(dependency);
    }
    let for_editors = editor::editor_item(&block);
    let topics = check::topics(block, &errors);
    let valid = expand::topics(&topics);
    let rest = errors.finish().err().map(|errors| {
        let stub = stub::faulty_topics(&topics);
        quote!(#stub const _: () = { #errors };)
    });
    quote!(#for_editors #valid #rest)
}
