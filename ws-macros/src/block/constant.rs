//! Options whose value is a constant of the program: each becomes a constant of the expansion, with
//! the type that the option takes. The macro checks literals itself; for constants, the compiler
//! performs the same checks, and reports errors on the option.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ExprPath;

use super::quantity::Quantity;
use super::value::ValueKind;
use crate::source::with_spans;

/// A constant, and the kind of number that the option takes.
#[derive(Clone)]
pub(crate) struct Constant {
    pub quantity: Quantity,
    pub path: ExprPath,
}

impl Constant {
    /// Returns the constant that a value names. A single identifier is a constant only if it is
    /// in capitals: others are keywords of the block, such as `off`.
    pub(crate) fn named_by(value: &ValueKind) -> Option<ExprPath> {
        match value {
            ValueKind::Path(path) => Some(path.clone()),
            ValueKind::Identifier(word) => {
                let is_upper_case = !word.to_string().contains(|c: char| c.is_lowercase());
                item_path(word).filter(|_| is_upper_case)
            }
            _ => None,
        }
    }

    /// Generates the constant of an option, and its checks.
    pub(crate) fn expand(
        &self,
        option: &str,
        name: &Ident,
        colon: Option<Span>,
        cfg: &TokenStream,
        core: &TokenStream,
    ) -> TokenStream {
        let (ty, path) = (self.quantity.constant_type(core), &self.path);
        let place = last_name(path);
        let names = colon.unwrap_or(place);
        let faults = self.quantity.faults(option, name);
        let checks = faults.iter().map(|(condition, message)| {
            let panic = with_spans(quote!(::core::panic!(#message)), place, names);
            quote!(if #condition { #panic })
        });
        quote! {
            #cfg
            const #name: #ty = #path;
            #cfg
            const _: () = { #(#checks)* };
        }
    }
}

/// Returns an identifier that can name a function or a constant; a keyword cannot.
pub(crate) fn item_path(word: &Ident) -> Option<ExprPath> {
    let name = syn::parse2::<Ident>(word.into_token_stream()).ok()?;
    Some(syn::parse_quote!(#name))
}

/// Returns the span of the last name of a path, at which its errors are reported: the name of the
/// constant.
fn last_name(path: &ExprPath) -> Span {
    let last = path.path.segments.last();
    last.map_or_else(Span::call_site, |last| last.ident.span())
}
