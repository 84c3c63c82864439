//! Hooks under `#[cfg(…)]`. An attribute macro sees conditions before the compiler evaluates them,
//! and a where clause cannot have any, so the implementation is generated once for each
//! combination, each under its own `#[cfg(…)]`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::condition::Condition;
use crate::handler::ast::{HandlerBlock, Hook};

/// The hooks that exist together under one condition.
pub(crate) struct Variant<'b> {
    /// `#[cfg(…)]`, or nothing.
    pub condition: TokenStream,
    pub hooks: Vec<&'b Hook>,
}

/// Returns every combination of the conditions of the hooks; one if no hook has a condition.
pub(crate) fn combinations(block: &HandlerBlock) -> Vec<Variant<'_>> {
    let mut predicates: Vec<&TokenStream> = Vec::new();
    let is = |known: &TokenStream, wanted: &TokenStream| known.to_string() == wanted.to_string();
    for Condition { predicate, .. } in block.callable_hooks().flat_map(|hook| &hook.conditions) {
        if !predicates.iter().any(|known| is(known, predicate)) {
            predicates.push(predicate);
        }
    }
    let place = |condition: &Condition| {
        predicates
            .iter()
            .position(|known| is(known, &condition.predicate))
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
        let exists = |hook: &&Hook| hook.conditions.iter().all(|it| holds(place(it)));
        Variant {
            condition: condition.unwrap_or_default(),
            hooks: block.callable_hooks().filter(exists).collect(),
        }
    };
    (0..1_usize << predicates.len()).map(variant).collect()
}
