//! The matcher of a table: nested matches over the segments of its patterns.
//!
//! At each segment the literals are tried first, then the typed parameters, text, the end of the
//! path, and the wildcard. If the rest does not match, the next alternative is tried. So the first
//! match is the most specific one.

use proc_macro2::TokenStream;
use quote::quote;

use super::literals::{self, Literal};
use super::param_types::{Conditions, ParamTypes, condition};
use crate::block::pattern::{Pattern, Segment};

/// A position in the patterns of a table.
#[derive(Default)]
pub(crate) struct Node {
    conditions: Conditions,
    literals: Vec<(String, Node)>,
    typed: Vec<TypedChild>,
    text: Option<Box<Node>>,
    ends: Vec<Leaf>,
    wildcards: Vec<Leaf>,
}

struct TypedChild {
    written: String,
    node: Node,
}

/// The end of a route: its number, and its condition.
struct Leaf {
    number: usize,
    condition: TokenStream,
}

impl Node {
    /// Adds a route under the predicates of its `#[cfg]` attributes.
    pub(crate) fn add(&mut self, pattern: &Pattern, number: usize, predicates: &[TokenStream]) {
        let mut node = self;
        node.conditions.push(predicates.to_vec());
        let leaf = || Leaf {
            number,
            condition: condition(&[predicates.to_vec()]),
        };
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(text) => node.literal(text),
                Segment::Typed { written, .. } => node.typed(written),
                Segment::Text { .. } => &mut **node.text.get_or_insert_default(),
                Segment::Rest { .. } => {
                    node.wildcards.push(leaf());
                    return;
                }
            };
            node.conditions.push(predicates.to_vec());
        }
        node.ends.push(leaf());
    }

    fn literal(&mut self, text: &str) -> &mut Self {
        let at = self
            .literals
            .iter()
            .position(|(known, _)| known == text)
            .unwrap_or_else(|| {
                self.literals.push((text.to_owned(), Self::default()));
                self.literals.len() - 1
            });
        &mut self.literals[at].1
    }

    fn typed(&mut self, written: &str) -> &mut Self {
        let at = self
            .typed
            .iter()
            .position(|typed| typed.written == written)
            .unwrap_or_else(|| {
                self.typed.push(TypedChild {
                    written: written.to_owned(),
                    node: Self::default(),
                });
                self.typed.len() - 1
            });
        &mut self.typed[at].node
    }

    /// Generates statements that return the number of the route that matches the rest of the path,
    /// if one does. In them, `__path` is the rest of the path.
    pub(crate) fn statements(&self, types: &ParamTypes<'_>) -> TokenStream {
        let literals = self.literals.iter().map(|(text, node)| Literal {
            text,
            condition: condition(&node.conditions),
            then: node.statements(types),
        });
        let literals = literals::choose(&literals.collect::<Vec<_>>());
        let with_type = self.typed.iter().map(|TypedChild { written, node }| {
            let (condition, inner) = (condition(&node.conditions), node.statements(types));
            let ty = types.name(written);
            quote!(#condition { if #ty.fits(__segment) { #inner } })
        });
        let text = self.text.iter().map(|node| {
            let (condition, inner) = (condition(&node.conditions), node.statements(types));
            quote!(#condition { #inner })
        });
        let has_params = !self.typed.is_empty() || self.text.is_some();
        let params = has_params.then(|| {
            quote! {
                let __segment = __path.first();
                if !__segment.is_empty() {
                    let __path = __path.skip(__segment.len());
                    #(#with_type)* #(#text)*
                }
            }
        });
        let ends = self.ends.iter().map(|Leaf { number, condition }| {
            quote!(#condition { if __path.is_end() { return ::core::option::Option::Some(#number); } })
        });
        let wildcards = self.wildcards.iter().map(|Leaf { number, condition }| {
            // A condition only in form, so that lints do not report the following code as
            // unreachable.
            quote!(#condition { if true { return ::core::option::Option::Some(#number); } })
        });
        quote!(#literals #params #(#ends)* #(#wildcards)*)
    }
}
