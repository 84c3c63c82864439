//! The type of the table: `pub struct Routes;`.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitStr, Token, Visibility};

use super::{TableItem, expect_end, is_at_end};
use crate::errors::Errors;
use crate::source::written;

/// Whether the item is the type of the table, possibly with another keyword or without one.
pub(crate) fn peek(input: ParseStream<'_>) -> bool {
    let fork = input.fork();
    let has_visibility = match fork.parse() {
        Ok(Visibility::Inherited) => false,
        Ok(_) => true,
        Err(_) => return false,
    };
    if fork.peek(Token![struct]) {
        return true;
    }
    let Ok(first) = fork.call(Ident::parse_any) else {
        return has_visibility && !fork.peek(LitStr);
    };
    let is_alone = fork.is_empty() || fork.peek(Token![;]);
    let is_type = first
        .to_string()
        .starts_with(|c: char| c.is_ascii_uppercase());
    let is_item = is_keyword(&first) && fork.peek(Ident);
    is_item || (is_alone && (has_visibility || is_type))
}

/// Whether this is the keyword of another item.
fn is_keyword(word: &Ident) -> bool {
    const ITEMS: [&str; 9] = [
        "enum", "union", "trait", "type", "mod", "fn", "const", "static", "impl",
    ];
    ITEMS.iter().any(|item| word == item)
}

/// Parses the item, which has neither fields nor generics.
pub(crate) fn parse(
    attrs: Vec<Attribute>,
    input: ParseStream<'_>,
    errors: &Errors,
) -> Option<TableItem> {
    let vis: Visibility = input.parse().ok()?;
    let is_struct = input.peek(Token![struct]);
    let keyword = keyword(&vis, input, errors)?;
    let Ok(name) = input.parse::<Ident>() else {
        let example = example(&vis, "Routes");
        errors.push(
            keyword,
            format!("the type of the table needs a name\nhelp: write `{example}`"),
        );
        return None;
    };
    if is_at_end(input) {
        expect_end(&name, input, errors);
    } else if is_struct {
        errors.push(
            &name,
            format!(
                "the type of a table must not have fields or generics\nhelp: write `struct {name};`"
            ),
        );
    }
    Some(TableItem {
        attrs,
        vis,
        keyword,
        name,
    })
}

/// Parses `struct`; reports another token in its place.
fn keyword(vis: &Visibility, input: ParseStream<'_>, errors: &Errors) -> Option<Token![struct]> {
    if input.peek(Token![struct]) {
        return input.parse().ok();
    }
    let fork = input.fork();
    let Ok(first) = fork.call(Ident::parse_any) else {
        let message = "expected the type of the table\nhelp: write `pub struct Routes;`";
        errors.push(vis, message);
        return None;
    };
    let name = fork.parse::<Ident>().ok();
    let name = name.filter(|_| is_keyword(&first));
    let named = name.as_ref().unwrap_or(&first);
    let example = example(vis, &named.to_string());
    errors.push(
        &first,
        format!("the type of a table must be a struct\nhelp: write `{example}`"),
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
