//! The choice between many literals: by the byte that distinguishes most of them, repeatedly, until
//! a few are left to be compared. So its time does not grow with their number.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Literal as Token, TokenStream};
use quote::quote;

/// The maximum number of literals that are compared one by one.
const MAX_COMPARED: usize = 2;

/// One of the literals, and the statements for a segment that equals it.
pub(crate) struct Literal<'t> {
    pub text: &'t str,
    pub condition: TokenStream,
    pub then: TokenStream,
}

/// Generates statements that compare the next segment of the path with the literals and run those
/// of the equal one, if any; there `__path` is the rest of the path after it.
pub(crate) fn choose(literals: &[Literal<'_>]) -> TokenStream {
    choose_among(&literals.iter().collect::<Vec<_>>())
}

fn choose_among(literals: &[&Literal<'_>]) -> TokenStream {
    if literals.len() <= MAX_COMPARED {
        return compare(literals);
    }
    let at = distinguishing_byte(literals);
    let arms = grouped(literals, |text| byte(text, at)).into_iter();
    let arms = arms.map(|(byte, group)| {
        let (byte, inner) = (Token::byte_character(byte), choose_among(&group));
        quote!(#byte => { #inner })
    });
    let at = Token::usize_unsuffixed(at);
    quote!(match __path.byte(#at) { #(#arms)* _ => {} })
}

/// Returns the position at which these literals have the most different bytes, and at which none
/// has ended before. Two different literals differ there or earlier, so every resulting group is
/// smaller.
fn distinguishing_byte(literals: &[&Literal<'_>]) -> usize {
    let lengths = literals.iter().map(|literal| literal.text.len());
    let different = |at: &usize| {
        let bytes = literals.iter().map(|literal| byte(literal.text, *at));
        bytes.collect::<BTreeSet<_>>().len()
    };
    // The first of the best positions.
    let shortest = lengths.min().unwrap_or_default();
    (0..=shortest)
        .rev()
        .max_by_key(different)
        .unwrap_or_default()
}

/// Returns a byte of a literal as the matcher sees it: its end is followed by a slash.
fn byte(text: &str, at: usize) -> u8 {
    text.as_bytes().get(at).copied().unwrap_or(b'/')
}

fn compare(literals: &[&Literal<'_>]) -> TokenStream {
    let arms = literals.iter().map(|literal| {
        let Literal {
            text,
            condition,
            then,
        } = literal;
        // As bytes: for a `str`, character boundaries would be checked.
        let text = Token::byte_string(text.as_bytes());
        quote! {
            #condition
            {
                if let ::core::option::Option::Some(__path) = __path.strip_literal(#text) { #then }
            }
        }
    });
    arms.collect()
}

/// Groups the literals by this key of their texts.
fn grouped<'l, 't, K: Ord>(
    literals: &[&'l Literal<'t>],
    by: impl Fn(&str) -> K,
) -> BTreeMap<K, Vec<&'l Literal<'t>>> {
    let mut groups: BTreeMap<K, Vec<_>> = BTreeMap::new();
    for literal in literals {
        groups.entry(by(literal.text)).or_default().push(*literal);
    }
    groups
}
