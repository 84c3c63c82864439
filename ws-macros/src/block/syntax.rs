//! The ends of items, the signs between their parts, and the settings of a block.

use proc_macro2::{Group, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::ParseStream;
use syn::{Attribute, Ident, Path, Result, Token};

use super::unfinished::with_missing_name;
use crate::errors::Errors;
use crate::source::written;

/// The message about a path that ends in `::`.
pub(crate) const NAME_IS_MISSING: &str = "a name is missing after `::`";

/// Parses the attributes at the start of an item.
pub(crate) fn attributes(input: ParseStream<'_>) -> Result<Vec<Attribute>> {
    let first = input.fork().parse::<TokenTree>()?;
    input.call(Attribute::parse_outer).map_err(|error| {
        if first.to_string() == "#" && error.to_string().starts_with("unexpected end") {
            return syn::Error::new_spanned(&first, "the brackets of an attribute are missing");
        }
        error
    })
}

/// Parses the rest of `crate: ::path;` after the name.
pub(crate) fn library(name: &Ident, input: ParseStream<'_>, errors: &Errors) -> Option<Path> {
    expect_colon(name, "::my_framework::ws", input, errors);
    let library = last_part(name, "the path of the library", input, errors);
    library.ok().filter(|path| is_of_a_module(path, errors))
}

/// Whether the path of the library can be imported, as the expansion does. Reports a path that no
/// `use` may have.
fn is_of_a_module(path: &Path, errors: &Errors) -> bool {
    let mut segments = path.segments.iter();
    let is_of_a_module = segments.all(|part| part.arguments.is_none() && part.ident != "Self");
    if !is_of_a_module {
        errors.push(path, "expected the path of the library");
    }
    is_of_a_module
}

/// Reports every library after the first.
pub(crate) fn check_one_library(libraries: &[Path], errors: &Errors) {
    for library in libraries.iter().skip(1) {
        errors.push(library, "`crate` is set twice\nhelp: remove one");
    }
}

/// Consumes the `:` of `state: App`; reports another token in its place.
pub(crate) fn expect_colon(name: &Ident, example: &str, input: ParseStream<'_>, errors: &Errors) {
    let sign = punctuation(input);
    if sign.to_string() != ":" {
        let place = if sign.is_empty() {
            name.to_token_stream()
        } else {
            sign
        };
        errors.push(
            place,
            format!("expected `:`\nhelp: write `{name}: {example};`"),
        );
    }
}

/// Whether an item ends here, or with a `,` that was written instead of its `;`.
pub(crate) fn is_at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![;]) || input.peek(Token![,])
}

/// Parses the last part of an item, and its `;`.
///
/// # Errors
///
/// Returns an error if that part is missing or invalid; the error has been reported.
pub(crate) fn last_part<T: syn::parse::Parse + ToTokens>(
    name: &Ident,
    what: &str,
    input: ParseStream<'_>,
    errors: &Errors,
) -> Result<T> {
    let report = |error: syn::Error| {
        errors.push_syn(error.clone());
        error
    };
    if is_at_end(input) {
        let message = format!("{what} is missing after `{name}:`");
        return Err(report(syn::Error::new_spanned(name, message)));
    }
    let written: TokenStream = input.fork().parse()?;
    if let Ok(last) = input.parse::<T>() {
        expect_end(&last, input, errors);
        return Ok(last);
    }
    let message = match with_missing_name::<Path>(&without_semicolon(written.clone())) {
        Some(_) => NAME_IS_MISSING.to_owned(),
        None => format!("expected {what}"),
    };
    Err(report(syn::Error::new_spanned(
        without_semicolon(written),
        message,
    )))
}

/// Checks that an item ends with `;`. `last` is the part after which it belongs.
pub(crate) fn expect_end(last: &impl ToTokens, input: ParseStream<'_>, errors: &Errors) {
    if input.peek(Token![;]) {
        let _ = input.parse::<Token![;]>();
    } else if input.is_empty() {
        errors.push(last, "a `;` is missing after this");
    } else if input.peek(Token![,]) {
        let _ = input
            .parse::<Token![,]>()
            .map(|comma| errors.push(comma, "end the line with `;` instead of `,`"));
    } else {
        let rest = without_semicolon(remaining(input));
        let message = format!(
            "unexpected `{}`\nhelp: end the line with a `;` before this",
            written(&rest)
        );
        errors.push(rest, message);
    }
}

/// A token at the end of a group.
pub(crate) fn closing_token(group: &Group) -> TokenStream {
    quote_spanned!(group.span_close()=> end)
}

/// Returns all tokens of an item without its `;`.
pub(crate) fn without_semicolon(tokens: TokenStream) -> TokenStream {
    let mut tokens: Vec<_> = tokens.into_iter().collect();
    let ends =
        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    tokens.pop_if(|last| ends(last));
    tokens.into_iter().collect()
}

/// Returns the remaining tokens of an item.
pub(crate) fn remaining(input: ParseStream<'_>) -> TokenStream {
    input.parse().unwrap_or_default()
}

/// Returns the next sign, such as `:`, `=` or `->`.
pub(crate) fn punctuation(input: ParseStream<'_>) -> TokenStream {
    let mut sign = TokenStream::new();
    while let Some((TokenTree::Punct(part), _)) = input.cursor().token_tree() {
        if !":=->".contains(part.as_char()) {
            break;
        }
        sign.extend(input.parse::<TokenTree>());
        if part.spacing() == Spacing::Alone {
            break;
        }
    }
    sign
}
