//! The choice between many literals: by their length, then by the byte that tells most of them
//! apart, until a few are left to be compared. So its time does not grow with their number.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Literal as Token, TokenStream};
use quote::quote;

/// The most literals that are compared one after the other.
const FEW: usize = 2;

/// One of the literals, and the statements for a segment that equals it.
pub struct Literal<'t> {
    pub text: &'t str,
    pub condition: TokenStream,
    pub then: TokenStream,
}

/// Statements that run those of the literal that the segment at this place is, if there is one.
pub fn choose(at: usize, literals: &[Literal<'_>]) -> TokenStream {
    if literals.is_empty() {
        return TokenStream::new();
    }
    let all: Vec<_> = literals.iter().collect();
    let inner = if all.len() <= FEW {
        compare(&all)
    } else {
        by_length(&all)
    };
    quote! {
        let __segment = __path.bytes(#at);
        #inner
    }
}

fn by_length(literals: &[&Literal<'_>]) -> TokenStream {
    let arms = grouped(literals, str::len).into_iter();
    let arms = arms.map(|(length, group)| {
        let (length, inner) = (Token::usize_unsuffixed(length), of_one_length(&group));
        quote!(#length => { #inner })
    });
    quote!(match __segment.len() { #(#arms)* _ => {} })
}

/// The choice between literals that are equally long: no byte asked for lies behind the end.
fn of_one_length(literals: &[&Literal<'_>]) -> TokenStream {
    if literals.len() <= FEW {
        return compare(literals);
    }
    let at = telling_byte(literals);
    let arms = grouped(literals, |text| text.as_bytes()[at]).into_iter();
    let arms = arms.map(|(byte, group)| {
        let (byte, inner) = (Token::byte_character(byte), of_one_length(&group));
        quote!(#byte => { #inner })
    });
    let at = Token::usize_unsuffixed(at);
    quote!(match __segment[#at] { #(#arms)* _ => {} })
}

/// Where these literals have the most different bytes. Two different ones differ somewhere, so
/// every group that is made by it is smaller.
fn telling_byte(literals: &[&Literal<'_>]) -> usize {
    let length = literals.first().map_or(0, |literal| literal.text.len());
    let different = |at: &usize| {
        let bytes = literals.iter().map(|literal| literal.text.as_bytes()[*at]);
        bytes.collect::<BTreeSet<_>>().len()
    };
    // The first of the best.
    (0..length).rev().max_by_key(different).unwrap_or_default()
}

fn compare(literals: &[&Literal<'_>]) -> TokenStream {
    let arms = literals.iter().map(|literal| {
        let Literal {
            text,
            condition,
            then,
        } = literal;
        // As bytes: a text would be looked at for where its characters end.
        let text = Token::byte_string(text.as_bytes());
        quote!(#condition { if __segment == #text { #then } })
    });
    arms.collect()
}

/// The literals by what this says of their texts.
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
