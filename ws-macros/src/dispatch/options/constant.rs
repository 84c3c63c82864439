//! Options whose value is a constant of the program.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ExprPath;

use super::{MAX_NUMBER, MAX_TIME, OptionKind, ValueKind, item_path};

/// A constant, and the kind of the option.
#[derive(Clone)]
pub(crate) struct Constant {
    pub kind: OptionKind,
    pub path: ExprPath,
}

impl Constant {
    /// Returns the constant that a value names. A single identifier is a constant only if it is
    /// in capitals: others are keywords of the table, such as `off`.
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

    /// The type that the constant must have.
    pub(crate) fn ty(&self, core: &TokenStream) -> TokenStream {
        match self.kind {
            OptionKind::Time | OptionKind::TimeOrOff => quote!(::core::time::Duration),
            OptionKind::Rate => quote!(#core::limits::Rate),
            _ => quote!(::core::primitive::usize),
        }
    }
}

impl OptionKind {
    /// Whether the value may be a constant: options that affect how the table is checked may not.
    pub(crate) fn may_be_constant(self) -> bool {
        self.is_number() || matches!(self, Self::Time | Self::TimeOrOff | Self::Rate)
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Size | Self::Count | Self::CountOrNone)
    }

    /// Returns the conditions under which a constant is invalid for an option, with their messages.
    pub(crate) fn faults(self, name: &str, constant: &Ident) -> Vec<(TokenStream, String)> {
        let longest = MAX_TIME.as_secs();
        let too_long = |time: TokenStream| {
            (
                quote!(#time.as_secs() > #longest),
                format!("`{name}` must be at max one year"),
            )
        };
        let above_zero = format!("`{name}` must be above zero");
        match self {
            Self::Size => vec![
                (quote!(#constant == 0), above_zero),
                (
                    quote!(#constant as ::core::primitive::u64 > #MAX_NUMBER),
                    format!("`{name}` must be below 4 GiB"),
                ),
            ],
            Self::Count | Self::CountOrNone => {
                let zero = (self == Self::Count).then(|| (quote!(#constant == 0), above_zero));
                let max = (
                    quote!(#constant as ::core::primitive::u64 > #MAX_NUMBER),
                    format!("`{name}` must be at max {MAX_NUMBER}"),
                );
                zero.into_iter().chain([max]).collect()
            }
            Self::TimeOrOff => {
                let message = format!("{above_zero}\nhelp: `{name}: off` disables it");
                vec![
                    (quote!(#constant.is_zero()), message),
                    too_long(quote!(#constant)),
                ]
            }
            Self::Rate => vec![
                (
                    quote!(#constant.per.is_zero()),
                    format!("the interval of `{name}` must be above zero"),
                ),
                too_long(quote!(#constant.per)),
            ],
            _ => vec![
                (quote!(#constant.is_zero()), above_zero),
                too_long(quote!(#constant)),
            ],
        }
    }
}
