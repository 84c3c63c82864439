//! Tests of whole expansions, outside of a compiler: what is written, how much of it there
//! is, and what becomes of damaged blocks.

mod damaged;
mod editor;
mod samples;
mod size;
mod slips;
mod snapshots;

use proc_macro2::{TokenStream, TokenTree};
use syn::DeriveInput;

/// A macro of this crate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Macro {
    Handler,
    Main,
    Dispatch,
    FromRef,
    PathParams,
}

impl Macro {
    /// Calls the macro as its entry does. Only attributes have arguments.
    fn expand(self, arguments: TokenStream, input: TokenStream) -> TokenStream {
        let derive = |expand: fn(&DeriveInput) -> TokenStream| match syn::parse2(input.clone()) {
            Ok(input) => expand(&input),
            Err(error) => error.to_compile_error(),
        };
        match self {
            Self::Handler => crate::handler::expand(arguments, &input),
            Self::Main => crate::main_attr::expand(arguments, &input),
            Self::Dispatch => crate::dispatch::expand(input),
            Self::FromRef => derive(crate::from_ref::expand),
            Self::PathParams => derive(crate::path_params::expand),
        }
    }
}

/// The tokens of a text, each with its place in the text.
fn tokens(text: &str) -> TokenStream {
    text.parse().expect("a text of whole tokens")
}

/// All tokens, where a pair of brackets is one.
fn count(tokens: TokenStream) -> usize {
    let inner = |token| match token {
        TokenTree::Group(group) => 1 + count(group.stream()),
        _ => 1,
    };
    tokens.into_iter().map(inner).sum()
}
