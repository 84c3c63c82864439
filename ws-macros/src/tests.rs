//! Tests of whole expansions, without a compiler: their text, their size, and the handling of
//! damaged blocks.

mod damaged;
mod editor;
mod line_errors;
mod samples;
mod size;
mod snapshots;

use proc_macro2::{TokenStream, TokenTree};
use syn::DeriveInput;

/// A macro of this crate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Macro {
    Handler,
    Main,
    Dispatch,
    Topics,
    FromRef,
    PathParams,
}

impl Macro {
    /// Calls the macro as its entry point does. Only attributes have arguments.
    fn expand(self, arguments: TokenStream, input: TokenStream) -> TokenStream {
        let derive = |expand: fn(&DeriveInput) -> TokenStream| match syn::parse2(input.clone()) {
            Ok(input) => expand(&input),
            Err(error) => error.to_compile_error(),
        };
        match self {
            Self::Handler => crate::handler::expand(arguments, &input),
            Self::Main => crate::main_attr::expand(arguments, &input),
            Self::Dispatch => crate::dispatch::expand(input),
            Self::Topics => crate::topics::expand(input),
            Self::FromRef => derive(crate::from_ref::expand),
            Self::PathParams => derive(crate::path_params::expand),
        }
    }
}

/// Parses a text into tokens, each with its span in the text.
fn tokens(text: &str) -> TokenStream {
    text.parse().expect("a text of whole tokens")
}

/// Counts all tokens; a pair of brackets counts as one.
fn count(tokens: TokenStream) -> usize {
    let inner = |token| match token {
        TokenTree::Group(group) => 1 + count(group.stream()),
        _ => 1,
    };
    tokens.into_iter().map(inner).sum()
}
