//! A line: `name: "/path" => …`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, LitStr, Result, Token, Visibility, token};

use super::{EXPECTED_ITEM, Line, LinePath, punctuation, remaining, target, without_semicolon};
use crate::errors::Errors;
use crate::source::{nearest, written};

/// The functions of a table have the visibility of the table.
pub(crate) fn check_has_no_visibility(input: ParseStream<'_>, errors: &Errors) -> Result<()> {
    let vis: Visibility = input.parse()?;
    if !matches!(vis, Visibility::Inherited) {
        let message = "a route takes no visibility: its function has the visibility of the \
            table\nhelp: remove this";
        errors.push(vis, message);
    }
    Ok(())
}

/// Parses the name at the start of an item. Reports a name in quotes, with hyphens, or a missing
/// one.
pub(crate) fn name(input: ParseStream<'_>, errors: &Errors) -> Result<Option<Ident>> {
    if input.peek(LitStr) {
        return quoted_name(input, errors).map(Some);
    }
    if !input.peek(Ident::peek_any) {
        return Ok(None);
    }
    let first = input.call(Ident::parse_any)?;
    let (mut name, mut tokens) = (first.to_string(), first.to_token_stream());
    while input.peek(Token![-]) && input.peek2(Ident::peek_any) {
        tokens.extend(input.parse::<TokenTree>());
        let part = input.call(Ident::parse_any)?;
        name = format!("{name}_{part}");
        part.to_tokens(&mut tokens);
    }
    if first == name {
        return Ok(Some(first));
    }
    errors.push(
        tokens,
        format!("the name of a route must be an identifier\nhelp: write `{name}`"),
    );
    Ok(Some(Ident::new(&name, first.span())))
}

/// `"name": "/path"`, or a path without a name.
fn quoted_name(input: ParseStream<'_>, errors: &Errors) -> Result<Ident> {
    let text = input.fork().parse::<LitStr>()?;
    if input.peek2(Token![:]) {
        input.parse::<LitStr>()?;
        let Ok(mut name) = text.parse_with(Ident::parse_any) else {
            let message = "the name of a route must be an identifier, without quotes";
            return Err(syn::Error::new_spanned(text, message));
        };
        name.set_span(text.span());
        let message = format!("the name of a route must not be quoted\nhelp: write `{name}`");
        errors.push(text, message);
        return Ok(name);
    }
    let segment = text.value();
    let is_name = |part: &&str| syn::parse_str::<Ident>(part).is_ok();
    let name = segment.split('/').find(is_name).unwrap_or("home");
    let message = format!(
        "a route needs a name\nhelp: write `{name}: {} => …`",
        text.token()
    );
    Err(syn::Error::new_spanned(text, message))
}

/// Parses a line after its name.
///
/// # Errors
///
/// Returns an error if the item is not a line, and its kind is unknown.
pub(crate) fn parse(
    attrs: Vec<Attribute>,
    name: &Ident,
    input: ParseStream<'_>,
    errors: &Errors,
) -> Result<Line> {
    check_is_line(name, input)?;
    check_colon(name, input, errors);
    let path = path(name, input);
    if let LinePath::Invalid(error) = &path {
        errors.push_syn(error.clone());
    }
    Ok(Line {
        attrs,
        name: name.clone(),
        target: target::parse(name, &path, input, errors),
        path,
    })
}

/// Checks that the name is followed by a path or a `=>`.
fn check_is_line(name: &Ident, input: ParseStream<'_>) -> Result<()> {
    let fork = input.fork();
    let sign = punctuation(&fork).to_string();
    let has_path = fork.peek(LitStr);
    let has_arrow = || remaining(&input.fork()).to_string().contains("=>");
    if has_path
        || (matches!(&*sign, ":" | "=") && has_arrow())
        || (sign == ":" && fork.peek(Token![=>]))
    {
        return Ok(());
    }
    let known = nearest(&name.to_string(), ["state", "defaults", "crate"]);
    let takes_braces = input.peek(token::Brace) || fork.peek(token::Brace);
    let message = match known {
        Some(known) if name != known && (sign != "=>" || takes_braces) => {
            format!("unknown item `{name}`\nhelp: did you mean `{known}`?")
        }
        _ if sign == ":" => {
            format!(
                "the path of a route must be a string\nhelp: write `{name}: \"/path\" => Handler;`"
            )
        }
        _ => EXPECTED_ITEM.to_owned(),
    };
    Err(syn::Error::new_spanned(name, message))
}

fn check_colon(name: &Ident, input: ParseStream<'_>, errors: &Errors) {
    if input.peek(Token![:]) {
        let _ = input.parse::<Token![:]>();
        return;
    }
    let fork = input.fork();
    let _ = punctuation(&fork);
    let path = fork.parse::<LitStr>();
    let path = path.map_or_else(|_| "\"/path\"".to_owned(), |path| path.token().to_string());
    let help = format!("help: write `{name}: {path} => …`");
    if input.peek(LitStr) {
        errors.push(name, format!("a `:` is missing after the name\n{help}"));
    } else {
        let sign = input.parse::<TokenTree>().ok();
        let sign = sign.map(ToTokens::into_token_stream).unwrap_or_default();
        errors.push(sign, format!("expected `:` after the name\n{help}"));
    }
}

/// Parses the tokens between the name and the arrow.
fn path(name: &Ident, input: ParseStream<'_>) -> LinePath {
    if input.peek(LitStr)
        && let Ok(path) = input.parse()
    {
        return LinePath::Text(path);
    }
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![=>]) {
        tokens.extend(input.parse::<TokenTree>());
    }
    let text = written(&tokens).replace(' ', "");
    let help = if text.starts_with('/') && !text.contains('"') {
        format!("write \"{text}\"")
    } else {
        format!("write `{name}: \"/path\" => …`")
    };
    let is_call = text.contains('!');
    let called = text.split('!').next().unwrap_or_default();
    let message = if tokens.is_empty() {
        return LinePath::Invalid(syn::Error::new_spanned(
            name,
            format!("the path is missing after the name\nhelp: {help}"),
        ));
    } else if is_call {
        format!(
            "the path of a route must be a string literal: the table is parsed before \
             `{called}!` is \
             expanded\nhelp: write the whole path; routes that share a prefix can be in a nested table"
        )
    } else if let Ok(constant) = syn::parse2::<syn::Path>(tokens.clone()) {
        format!(
            "the path of a route must be a string literal: the table is parsed before `{}` has a \
             value\n\
             help: write the whole path; routes that share a prefix can be in a nested table",
            written(constant)
        )
    } else {
        format!("the path of a route must be a string\nhelp: {help}")
    };
    LinePath::Invalid(syn::Error::new_spanned(without_semicolon(tokens), message))
}
