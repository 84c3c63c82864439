//! A copy of the user's code for editors only: an item that no compiler reads.
//!
//! rust-analyzer sets `miri` and `rust_analyzer`. The compiler knows the first name and removes the
//! item because of it, before it sees the second, of which it would warn. So the lint is
//! allowed only inside, and a crate may forbid it.
//!
//! When an editor completes a path, it expands the table twice, unchanged and with an identifier
//! at the cursor, and expects it at the same position in both. So this item is the first of every
//! expansion, contains each line in its order, and contains unfinished paths. Because it is the
//! first, an editor also finds it first when it goes to a definition.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ExprPath;

use super::ast::{Setting, Settings, TableBlock, Target, TargetType, with_missing_name};
use super::options::item_in_value;
use super::value::ValueKind;
use crate::condition::attributes_named;
use crate::crate_path::hidden_module;

/// The types, functions, constants and names of options in a block.
pub(crate) fn editor_item(block: &TableBlock) -> TokenStream {
    let library = block
        .crates
        .first()
        .map_or_else(|| quote!(::ws_server), ToTokens::to_token_stream);
    let hidden = hidden_module();
    let core = quote!(#library::#hidden);
    let states = block.states.iter().map(ToTokens::to_token_stream);
    let unfinished = block.invalid_items.unfinished_state.iter();
    let states = states.chain(unfinished.map(ToTokens::to_token_stream));
    let states = states.map(|state| quote!(let _: #state;));
    let defaults = block.defaults.iter();
    let defaults = defaults.map(|defaults| of_settings(&defaults.options, &core));
    let lines = block.lines.iter().map(|line| {
        let (named, options) = match &line.target {
            Target::Handler { handler, options } => (handler, of_settings(options, &core)),
            Target::Table { table, .. } => (table, TokenStream::new()),
        };
        let named = of_target(named);
        let cfg = attributes_named(&line.attrs, &["cfg"]);
        if cfg.is_empty() {
            quote!(#named #options)
        } else {
            quote!(#(#cfg)* { #named #options })
        }
    });
    quote! {
        #[cfg(miri)]
        #[allow(unexpected_cfgs)]
        const _: () = {
            #[cfg(rust_analyzer)]
            {
                #(#states)*
                #(#defaults)*
                #(#lines)*
            }
        };
    }
}

/// A target that could not be parsed becomes the type `_`.
fn of_target(named: &TargetType) -> TokenStream {
    match named {
        TargetType::Type(ty) => quote!(let _: #ty;),
        TargetType::Invalid(Some(path)) => quote!(let _: #path;),
        TargetType::Invalid(None) => quote!(let _: _;),
    }
}

/// If the user may be about to type an option, this ends with the path of some option: an editor needs
/// a path at the position of the cursor.
fn of_settings(settings: &Settings, core: &TokenStream) -> TokenStream {
    let list = settings
        .list
        .iter()
        .map(|setting| of_setting(setting, core));
    let next = settings
        .is_open
        .then(|| quote!(let _ = #core::route::options::require_session;));
    quote!(#(#list)* #next)
}

/// The name of an option is also that of a constant with its documentation.
fn of_setting(Setting { name, value, .. }: &Setting, core: &TokenStream) -> TokenStream {
    let is_name = syn::parse2::<Ident>(name.to_token_stream()).is_ok() && name != "gen";
    let option = is_name.then(|| quote!(let _ = #core::route::options::#name;));
    let path = match &value.kind {
        ValueKind::Invalid => with_missing_name::<ExprPath>(&value.tokens),
        kind => item_in_value(name, kind),
    };
    let path = path.map(|path| {
        if name == "start" {
            quote!(#core::route::is_start::<(), _, _>(&#path);)
        } else {
            quote!(let _ = #path;)
        }
    });
    quote!(#option #path)
}
