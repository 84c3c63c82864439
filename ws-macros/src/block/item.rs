//! The type of a block: `pub struct Routes;`.

use proc_macro2::{TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Token, Visibility};

use super::grammar::{Grammar, ItemForm};
use super::split;
use super::syntax::{attributes, expect_end, is_at_end, remaining};
use crate::errors::Errors;
use crate::source::written;

/// `pub struct Routes;`
pub(crate) struct BlockItem {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    pub keyword: Token![struct],
    pub name: Ident,
}

impl BlockItem {
    /// Generates the item.
    pub(crate) fn expand(&self) -> TokenStream {
        let (attrs, vis, keyword, name) = (&self.attrs, &self.vis, &self.keyword, &self.name);
        let end = quote_spanned!(name.span()=> ;);
        quote!(#(#attrs)* #vis #keyword #name #end)
    }
}

/// The types in a block; only one is valid.
#[derive(Default)]
pub(crate) struct BlockItems {
    pub list: Vec<BlockItem>,
    /// Whether there is one that could not be parsed, which was reported.
    pub has_invalid: bool,
}

/// Splits a block, and parses each item separately, so that a syntax error in one hides no other.
/// Returns the types; `parse_other` parses other items after their attributes.
pub(crate) fn parse_items(
    tokens: TokenStream,
    grammar: &Grammar,
    errors: &Errors,
    mut parse_other: impl FnMut(Vec<Attribute>, ParseStream<'_>) -> syn::Result<()>,
) -> BlockItems {
    let mut types = BlockItems::default();
    let mut parse_item = |input: ParseStream<'_>| {
        let attrs = attributes(input)?;
        if !peek(input, grammar) {
            return parse_other(attrs, input);
        }
        let item = parse(attrs, input, grammar, errors);
        types.has_invalid |= item.is_none();
        types.list.extend(item);
        Ok(())
    };
    let items = errors.ok_or_report(split::items(tokens, grammar));
    for item in items.unwrap_or_default() {
        let read = |input: ParseStream<'_>| {
            if let Err(error) = parse_item(input) {
                errors.push_syn(error);
            }
            // The rest of an item in which a mistake was reported.
            let _ = remaining(input);
            Ok(())
        };
        errors.ok_or_report(read.parse2(item));
    }
    types
}

/// Whether the item is the type of the block, possibly with another keyword or without one.
fn peek(input: ParseStream<'_>, grammar: &Grammar) -> bool {
    let fork = input.fork();
    let has_visibility = match fork.parse() {
        Ok(Visibility::Inherited) => false,
        Ok(_) => true,
        Err(_) => return false,
    };
    if fork.peek(Token![struct]) {
        return true;
    }
    let is_recognizable = grammar.item == ItemForm::Recognizable;
    let Ok(first) = fork.call(Ident::parse_any) else {
        return is_recognizable && has_visibility && !fork.peek(LitStr);
    };
    let is_alone = fork.is_empty() || fork.peek(Token![;]);
    let is_type = first
        .to_string()
        .starts_with(|c: char| c.is_ascii_uppercase());
    let is_item = is_keyword(&first) && fork.peek(Ident);
    is_item || (is_recognizable && is_alone && (has_visibility || is_type))
}

/// Whether this is the keyword of another item.
fn is_keyword(word: &Ident) -> bool {
    const ITEMS: [&str; 9] = [
        "enum", "union", "trait", "type", "mod", "fn", "const", "static", "impl",
    ];
    ITEMS.iter().any(|item| word == item)
}

/// Parses the item, which has neither fields nor generics.
fn parse(
    attrs: Vec<Attribute>,
    input: ParseStream<'_>,
    grammar: &Grammar,
    errors: &Errors,
) -> Option<BlockItem> {
    let vis: Visibility = input.parse().ok()?;
    let is_struct = input.peek(Token![struct]);
    let keyword = keyword(&vis, input, grammar, errors)?;
    let Ok(name) = input.parse::<Ident>() else {
        let (block, example) = (grammar.block, example(&vis, grammar.block_type));
        errors.push(
            keyword,
            format!("the type of the {block} needs a name\nhelp: write `{example}`"),
        );
        return None;
    };
    if is_at_end(input) {
        expect_end(&name, input, errors);
    } else if is_struct {
        errors.push(
            &name,
            format!(
                "the type of a {} must not have fields or generics\nhelp: write `struct {name};`",
                grammar.block
            ),
        );
    }
    Some(BlockItem {
        attrs,
        vis,
        keyword,
        name,
    })
}

/// Parses `struct`; reports another token in its place.
fn keyword(
    vis: &Visibility,
    input: ParseStream<'_>,
    grammar: &Grammar,
    errors: &Errors,
) -> Option<Token![struct]> {
    if input.peek(Token![struct]) {
        return input.parse().ok();
    }
    let fork = input.fork();
    let Ok(first) = fork.call(Ident::parse_any) else {
        let (block, name) = (grammar.block, grammar.block_type);
        errors.push(
            vis,
            format!("expected the type of the {block}\nhelp: write `pub struct {name};`"),
        );
        return None;
    };
    let name = fork.parse::<Ident>().ok();
    let name = name.filter(|_| is_keyword(&first));
    let named = name.as_ref().unwrap_or(&first);
    let example = example(vis, &named.to_string());
    errors.push(
        &first,
        format!(
            "the type of a {} must be a struct\nhelp: write `{example}`",
            grammar.block
        ),
    );
    if name.is_some() {
        let _ = input.parse::<TokenTree>();
    }
    Some(Token![struct](first.span()))
}

/// Returns `pub struct Routes;` with the visibility that the user wrote.
fn example(vis: &Visibility, name: &str) -> String {
    let written = written(vis);
    let gap = if written.is_empty() { "" } else { " " };
    format!("{written}{gap}struct {name};")
}
