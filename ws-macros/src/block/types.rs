//! Types in a block that a value is stored in: they are named, have a known size, and own their
//! data.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::Type;

use crate::errors::Errors;
use crate::source::written;

/// The words of the messages about a type.
pub(crate) struct TypeWords {
    /// The value of the type: `the state`.
    pub value: &'static str,
    /// An example of a line with such a type.
    pub example: &'static str,
}

/// Checks that a type is named, has a known size, and borrows nothing. Another one is reported, and
/// replaced by an [`error_type`].
pub(crate) fn checked(ty: Type, words: &TypeWords, errors: &Errors) -> Type {
    let TypeWords { value, example } = words;
    let message = match &ty {
        Type::TraitObject(_) | Type::Slice(_) => {
            let written = written(&ty);
            format!(
                "`{written}` has no known size, so it cannot be {value}\nhelp: write \
                 `Arc<{written}>`"
            )
        }
        Type::Reference(borrowed) if borrowed.lifetime.is_none() => {
            let written = written(&borrowed.elem);
            format!(
                "{value} must own its data\nhelp: write `Arc<{written}>` or `&'static {written}`"
            )
        }
        Type::ImplTrait(_) | Type::Infer(_) | Type::Never(_) => {
            format!("{value} must be a named type\nhelp: write `{example}`")
        }
        _ if borrows(ty.to_token_stream()) => {
            format!("{value} must own its data\nhelp: use no lifetime except `'static`")
        }
        _ => return ty,
    };
    let error = syn::Error::new_spanned(ty, message);
    errors.push_syn(error.clone());
    error_type(&error)
}

/// Whether a type contains a lifetime other than `'static`. A lifetime that it declares itself, as
/// in `for<'a>`, does not count.
fn borrows(ty: TokenStream) -> bool {
    let mut tokens = ty.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match token {
            TokenTree::Ident(name) if name == "for" => return false,
            TokenTree::Group(group) => borrows(group.stream()),
            TokenTree::Punct(sign) if sign.as_char() == '\'' => {
                let name = tokens.peek().map(ToString::to_string);
                name.is_some_and(|name| name != "static")
            }
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// Returns a type that contains a reported error: its uses are not reported.
pub(crate) fn error_type(error: &syn::Error) -> Type {
    let error = error.to_compile_error();
    syn::parse_quote!([(); #error])
}
