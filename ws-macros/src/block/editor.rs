//! A copy of the user's code for editors only: an item that no compiler reads.
//!
//! rust-analyzer sets `miri` and `rust_analyzer`. The compiler knows the first name and removes the
//! item because of it, before it sees the second, of which it would warn. So the lint is
//! allowed only inside, and a crate may forbid it.
//!
//! When an editor completes a path, it expands the block twice, unchanged and with an identifier
//! at the cursor, and expects it at the same position in both. So this item is the first of every
//! expansion, contains each line in its order, and contains unfinished paths. Because it is the
//! first, an editor also finds it first when it goes to a definition.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, ExprPath, Path};

use super::line::TargetType;
use super::settings::{Setting, Settings};
use super::unfinished::with_missing_name;
use super::value::{Value, ValueKind};
use crate::condition::attributes_named;
use crate::crate_path::hidden_module;

/// Returns the path of the library's items, for a block with these settings.
pub(crate) fn core_of(libraries: &[Path]) -> TokenStream {
    let library = libraries
        .first()
        .map_or_else(|| quote!(::ws_server), ToTokens::to_token_stream);
    let hidden = hidden_module();
    quote!(#library::#hidden)
}

/// The item that contains these statements.
pub(crate) fn item(statements: &TokenStream) -> TokenStream {
    quote! {
        #[cfg(miri)]
        #[allow(unexpected_cfgs)]
        const _: () = {
            #[cfg(rust_analyzer)]
            {
                #statements
            }
        };
    }
}

/// The statements of a line, under its conditions.
pub(crate) fn of_line(attrs: &[Attribute], statements: TokenStream) -> TokenStream {
    let cfg = attributes_named(attrs, &["cfg"]);
    if cfg.is_empty() {
        statements
    } else {
        quote!(#(#cfg)* { #statements })
    }
}

/// A target that could not be parsed becomes the type `_`.
pub(crate) fn of_target(named: &TargetType) -> TokenStream {
    match named {
        TargetType::Type(ty) => quote!(let _: #ty;),
        TargetType::Invalid(Some(path)) => quote!(let _: #path;),
        TargetType::Invalid(None) => quote!(let _: _;),
    }
}

/// Options by the documented constants of this module, with the items in their values as `of_value`
/// returns them. If the user may be about to type an option, this ends with the path of some option:
/// an editor needs a path at the position of the cursor.
pub(crate) fn of_settings(
    settings: &Settings,
    constants: &TokenStream,
    some_option: &TokenStream,
    of_value: impl Fn(&Ident, &Value) -> Option<TokenStream>,
) -> TokenStream {
    let list = settings.list.iter().map(|setting| {
        let (option, value) = (of_name(setting, constants), &setting.value);
        let value = of_value(&setting.name, value);
        quote!(#option #value)
    });
    let next = settings
        .is_open
        .then(|| quote!(let _ = #constants::#some_option;));
    quote!(#(#list)* #next)
}

/// The name of an option is also that of a constant with its documentation.
fn of_name(Setting { name, .. }: &Setting, constants: &TokenStream) -> Option<TokenStream> {
    let is_name = syn::parse2::<Ident>(name.to_token_stream()).is_ok() && name != "gen";
    is_name.then(|| quote!(let _ = #constants::#name;))
}

/// Returns the path in a value: `item` finds it in a valid one, and an unfinished path has a name
/// appended.
pub(crate) fn path_in(
    value: &Value,
    item: impl FnOnce(&ValueKind) -> Option<ExprPath>,
) -> Option<ExprPath> {
    match &value.kind {
        ValueKind::Invalid => with_missing_name(&value.tokens),
        kind => item(kind),
    }
}
