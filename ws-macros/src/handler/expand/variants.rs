//! Hooks under `#[cfg(…)]`. An attribute macro sees conditions before they are decided, and
//! a where clause cannot have any, so the implementation is written once for each
//! combination, each under its own `#[cfg(…)]`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::handler::ast::{Block, Hook, predicate};

/// The hooks that exist together under one condition.
pub struct Variant<'b> {
    /// `#[cfg(…)]`, or nothing.
    pub condition: TokenStream,
    pub hooks: Vec<&'b Hook>,
}

/// Every combination of the conditions of the hooks. Where none has a condition, that is one.
pub fn combinations(block: &Block) -> Vec<Variant<'_>> {
    let mut predicates: Vec<TokenStream> = Vec::new();
    for cfg in block.hooks.iter().flat_map(|hook| &hook.cfgs) {
        let predicate = predicate(cfg);
        if !predicates
            .iter()
            .any(|known| known.to_string() == predicate.to_string())
        {
            predicates.push(predicate);
        }
    }
    let place = |cfg: &syn::Attribute| {
        let wanted = predicate(cfg).to_string();
        predicates
            .iter()
            .position(|known| known.to_string() == wanted)
            .unwrap_or_default()
    };
    let variant = |chosen: usize| {
        let holds = |place: usize| chosen & (1 << place) != 0;
        let terms = predicates.iter().enumerate().map(|(place, predicate)| {
            if holds(place) {
                quote!(#predicate)
            } else {
                quote!(not(#predicate))
            }
        });
        let condition = (!predicates.is_empty()).then(|| quote!(#[cfg(all(#(#terms),*))]));
        let exists = |hook: &&Hook| hook.cfgs.iter().all(|cfg| holds(place(cfg)));
        Variant {
            condition: condition.unwrap_or_default(),
            hooks: block.hooks.iter().filter(exists).collect(),
        }
    };
    (0..1_usize << predicates.len()).map(variant).collect()
}
