//! The types, constants and names of options in a block of topics, for editors.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::ast::TopicsBlock;
use super::options::constant_in_value;
use crate::block::editor::{core_of, item, of_line, of_settings, of_target, path_in};
use crate::block::value::{Value, ValueKind};

/// The item for editors.
pub(crate) fn editor_item(block: &TopicsBlock) -> TokenStream {
    let core = core_of(&block.crates);
    let constants = quote!(#core::topic::options);
    let of_value = |name: &Ident, value: &Value| {
        if let ValueKind::Type(ty) = &value.kind {
            return Some(quote!(let _: #ty;));
        }
        let path = path_in(value, |kind| constant_in_value(name, kind))?;
        Some(if name == "presence" {
            quote!(let _: #path;)
        } else {
            quote!(let _ = #path;)
        })
    };
    let lines = block.lines.iter().map(|line| {
        let value = of_target(&line.value);
        let options = of_settings(&line.options, &constants, &quote!(history), of_value);
        of_line(&line.attrs, quote!(#value #options))
    });
    item(&quote!(#(#lines)*))
}
