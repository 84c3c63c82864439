//! The types, functions, constants and names of options in a table, for editors.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};

use super::ast::{TableBlock, Target};
use super::options::item_in_value;
use crate::block::editor::{core_of, item, of_line, of_settings, of_target, path_in};
use crate::block::settings::Settings;
use crate::block::value::Value;

/// The item for editors.
pub(crate) fn editor_item(block: &TableBlock) -> TokenStream {
    let core = core_of(&block.crates);
    let states = block.states.iter().map(ToTokens::to_token_stream);
    let unfinished = block.invalid_items.unfinished_state.iter();
    let states = states.chain(unfinished.map(ToTokens::to_token_stream));
    let states = states.map(|state| quote!(let _: #state;));
    let defaults = block.defaults.iter();
    let defaults = defaults.map(|defaults| options(&defaults.options, &core));
    let lines = block.lines.iter().map(|line| {
        let (named, options) = match &line.target {
            Target::Handler { handler, options } => (handler, self::options(options, &core)),
            Target::Table { table, .. } => (table, TokenStream::new()),
        };
        let named = of_target(named);
        of_line(&line.attrs, quote!(#named #options))
    });
    item(&quote! {
        #(#states)*
        #(#defaults)*
        #(#lines)*
    })
}

fn options(settings: &Settings, core: &TokenStream) -> TokenStream {
    let constants = quote!(#core::route::options);
    let of_value = |name: &Ident, value: &Value| {
        let path = path_in(value, |kind| item_in_value(name, kind))?;
        Some(if name == "start" {
            quote!(#core::route::is_start::<(), _, _>(&#path);)
        } else {
            quote!(let _ = #path;)
        })
    };
    of_settings(settings, &constants, &quote!(require_session), of_value)
}
