//! Splits a block into its items before any of them is parsed, so that a syntax error in one never
//! swallows the next.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Result, Token, Visibility, token};

use super::grammar::Grammar;

/// The number of tokens after a name within which the `=>` of its line must be if the pattern is not
/// a string.
const PATTERN_TOKENS: usize = 24;

/// Splits a block into items. Each ends after its `;`, or before a token that begins another item.
pub(crate) fn items(tokens: TokenStream, grammar: &Grammar) -> Result<Vec<TokenStream>> {
    let items = |input: ParseStream<'_>| {
        let mut items = Vec::new();
        while !input.is_empty() {
            items.push(item(input, grammar)?);
        }
        Ok(items)
    };
    items.parse2(tokens)
}

fn item(input: ParseStream<'_>, grammar: &Grammar) -> Result<TokenStream> {
    let ends_with_braces = is_braced(input, grammar);
    let mut item = head(input)?;
    while !input.is_empty() && (item.is_empty() || !starts_item(input, grammar)) {
        let token: TokenTree = input.parse()?;
        let is_last = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                ends_with_braces && !input.peek(Token![;]) && !input.peek(Token![,])
            }
            _ => false,
        };
        item.extend([token]);
        if is_last {
            break;
        }
    }
    Ok(item)
}

/// Consumes the start of an item, up to the pattern of a line. None of these tokens begins another
/// item.
fn head(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut head = TokenStream::new();
    let mut take = |count: usize| -> Result<()> {
        for _ in 0..count {
            head.extend([input.parse::<TokenTree>()?]);
        }
        Ok(())
    };
    while input.peek(Token![#]) && (input.peek2(token::Bracket) || input.peek3(token::Bracket)) {
        take(if input.peek2(Token![!]) { 3 } else { 2 })?;
    }
    if input.peek(Token![pub]) {
        take(if input.peek2(token::Paren) { 2 } else { 1 })?;
    }
    if input.peek(LitStr) {
        take(1)?;
        if input.peek(Token![:]) && input.peek2(LitStr) {
            take(2)?;
        }
        return Ok(head);
    }
    if input.peek(Token![struct]) {
        take(1)?;
    }
    if input.peek(Ident::peek_any) {
        take(1)?;
    }
    while input.peek(Token![-]) && input.peek2(Ident::peek_any) {
        take(2)?;
    }
    if peek_sign(input) {
        take(1)?;
    }
    if input.peek(LitStr) {
        take(1)?;
    }
    Ok(head)
}

/// Whether an item begins here that ends with its braces, without a `;`.
fn is_braced(input: ParseStream<'_>, grammar: &Grammar) -> bool {
    let fork = input.fork();
    if fork.call(Attribute::parse_outer).is_err() {
        return false;
    }
    if fork.peek(Token![pub]) || fork.peek(Token![struct]) {
        return !is_line(&fork, grammar);
    }
    if fork.call(Ident::parse_any).is_err() {
        return false;
    }
    // A sign as in `defaults: { … }`, or a name as in `enum Routes { … }`.
    if !fork.peek(token::Brace) && fork.peek2(token::Brace) {
        let _ = fork.parse::<TokenTree>();
    }
    fork.peek(token::Brace)
}

/// Whether the next tokens can only be the beginning of an item.
fn starts_item(input: ParseStream<'_>, grammar: &Grammar) -> bool {
    let may_start = input.peek(Token![#]) || input.peek(Ident::peek_any) || input.peek(LitStr);
    if !may_start {
        return false;
    }
    let fork = input.fork();
    if input.peek(Token![#]) && fork.call(Attribute::parse_outer).is_err() {
        return false;
    }
    is_struct(&fork) || is_setting_of_the_block(&fork, grammar) || is_line(&fork, grammar)
}

fn is_struct(input: ParseStream<'_>) -> bool {
    let fork = input.fork();
    (fork.parse::<Visibility>().is_ok()) && fork.peek(Token![struct]) && fork.peek2(Ident)
}

/// Whether the next tokens are `state: App`, `crate: ::path` or `defaults { … }`, possibly with a
/// wrong sign after the name.
fn is_setting_of_the_block(input: ParseStream<'_>, grammar: &Grammar) -> bool {
    let fork = input.fork();
    let Ok(name) = fork.call(Ident::parse_any) else {
        return false;
    };
    let has_sign = skip_sign(&fork);
    let is_one_of = |names: &[&str]| names.iter().any(|known| name == known);
    (has_sign && is_one_of(grammar.settings))
        || ((fork.peek(token::Brace) || fork.peek(token::Paren))
            && is_one_of(grammar.braced_settings))
}

/// Whether the next tokens are `name: "/path"`, possibly with a mistake in the name, the sign or
/// the pattern if a `=>` follows.
fn is_line(input: ParseStream<'_>, grammar: &Grammar) -> bool {
    let fork = input.fork();
    if fork.peek(Token![pub]) && fork.parse::<Visibility>().is_err() {
        return false;
    }
    if fork.peek(LitStr) {
        let _ = fork.parse::<LitStr>();
        return fork.peek(Token![=>]) || (fork.peek(Token![:]) && fork.peek2(LitStr));
    }
    if fork.call(Ident::parse_any).is_err() {
        return false;
    }
    while fork.peek(Token![-]) && fork.peek2(Ident::peek_any) {
        let _ = fork.parse::<TokenTree>();
        let _ = fork.parse::<TokenTree>();
    }
    let has_sign = skip_sign(&fork);
    if let Ok(pattern) = fork.parse::<LitStr>() {
        let may_be_one = !grammar.begins_with_slash || pattern.value().starts_with('/');
        return fork.peek(Token![=>]) || (has_sign && may_be_one);
    }
    has_sign && arrow_follows(&fork)
}

/// Consumes the `:` after a name, or the `=` that was written instead.
fn skip_sign(input: ParseStream<'_>) -> bool {
    peek_sign(input) && input.parse::<TokenTree>().is_ok()
}

fn peek_sign(input: ParseStream<'_>) -> bool {
    let is_colon = input.peek(Token![:]) && !input.peek(Token![::]);
    let is_equals = input.peek(Token![=]) && !input.peek(Token![=>]) && !input.peek(Token![==]);
    is_colon || is_equals
}

fn arrow_follows(input: ParseStream<'_>) -> bool {
    for _ in 0..PATTERN_TOKENS {
        if input.peek(Token![=>]) {
            return true;
        }
        let ends = input.peek(Token![;]) || input.peek(Token![,]);
        if ends || input.parse::<TokenTree>().is_err() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(block: &str) -> Vec<String> {
        let items = items(block.parse().unwrap(), &crate::dispatch::grammar::GRAMMAR).unwrap();
        items.iter().map(ToString::to_string).collect()
    }

    /// Returns the items, each printed as the compiler prints tokens.
    fn printed(items: &[&str]) -> Vec<String> {
        let print = |item: &&str| item.parse::<TokenStream>().unwrap().to_string();
        items.iter().map(print).collect()
    }

    #[test]
    fn a_valid_block_is_split_at_its_ends() {
        let items = [
            "/// The table.\npub struct Routes;",
            "state: App;",
            "crate: ::live::sockets;",
            "defaults { ping: 20s }",
            "/// A room.\n#[cfg(unix)] room: \"/rooms/{id: u64}\" => chat::Room<u8, { 1 + 1 }> { mailbox: 8 };",
            "state: \"/state\" => crate::State;",
            "admin: \"/admin\" => use crate::admin::Routes;",
        ];
        assert_eq!(split(&items.join("\n")), printed(&items));
    }

    #[test]
    fn an_item_without_an_end_stops_before_the_next() {
        let items = [
            "pub struct Routes",
            "state: App,",
            "a: \"/a\" => Room,",
            "b: \"/b\" =>",
            "c: \"/c\"",
            "#[cfg(unix)] d: \"/d\" => Room { mailbox: 8 }",
            "e = \"/e\" => Room",
            "f \"/f\" => Room",
            "pub g: \"/g\" => Room junk { more } junk",
            "h: concat!(\"/h\", \"/i\") => Room",
            "my-room: \"/i\" => Room;",
            "\"/j\" => Room",
            "\"k\": \"/k\" => Room",
            "defaults { ping: 20s }",
            "l: /l/{id} => Room",
            "m: \"/m\" => use",
            "n: \"/n\" => Room<",
            "o: \"/o\" => Room",
        ];
        assert_eq!(split(&items.join("\n")), printed(&items));
    }

    #[test]
    fn braces_end_an_item_that_has_no_other_end() {
        let items = [
            "pub struct Routes { hub: Hub }",
            "default { idle: 90s }",
            "defaults: { idle: 90s };",
            "bad => Echo;",
        ];
        assert_eq!(split(&items.join("\n")), printed(&items));
    }
}
