//! A line: `name: "/path" => …`, up to its target.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{LitStr, Path, PathArguments, Result, Token, Type, token};

use super::grammar::Grammar;
use super::settings::{self, Settings};
use super::syntax::{closing_token, is_at_end, punctuation, remaining, without_semicolon};
use crate::errors::Errors;
use crate::source::{nearest, written};

/// The string of a line.
pub(crate) enum LinePattern {
    Text(LitStr),
    /// Not a string; the error reported there.
    Invalid(syn::Error),
}

impl LinePattern {
    /// Returns a line up to its arrow, for the text of a message.
    pub(crate) fn start(&self, name: &Ident, grammar: &Grammar) -> String {
        match self {
            Self::Text(pattern) => format!("{name}: {}", pattern.token()),
            Self::Invalid(_) => format!("{name}: {}", grammar.pattern_example),
        }
    }
}

/// The type after the arrow of a line.
pub(crate) enum TargetType {
    Type(Box<Type>),
    /// Not parsed, which was reported; a path that ends in `::` is here with a name appended.
    Invalid(Option<Path>),
}

impl TargetType {
    /// The type, unless a mistake was reported.
    pub(crate) fn ty(self) -> Option<Type> {
        match self {
            Self::Type(ty) => Some(*ty),
            Self::Invalid(_) => None,
        }
    }
}

/// Parses the name at the start of an item. Reports a name in quotes, with hyphens, or a missing
/// one.
pub(crate) fn name(
    input: ParseStream<'_>,
    grammar: &Grammar,
    errors: &Errors,
) -> Result<Option<Ident>> {
    if input.peek(LitStr) {
        return quoted_name(input, grammar, errors).map(Some);
    }
    if !input.peek(Ident::peek_any) {
        return Ok(None);
    }
    let first = input.call(Ident::parse_any)?;
    let (mut words, mut tokens) = (vec![first.to_string()], first.to_token_stream());
    while input.peek(Token![-]) && input.peek2(Ident::peek_any) {
        tokens.extend(input.parse::<TokenTree>());
        let part = input.call(Ident::parse_any)?;
        words.push(part.to_string());
        part.to_tokens(&mut tokens);
    }
    if words.len() == 1 {
        return Ok(Some(first));
    }
    let name = (grammar.line_name)(&words);
    errors.push(
        tokens,
        format!(
            "the name of a {} must be an identifier\nhelp: write `{name}`",
            grammar.line
        ),
    );
    Ok(Some(Ident::new(&name, first.span())))
}

/// `"name": "/path"`, or a path without a name.
fn quoted_name(input: ParseStream<'_>, grammar: &Grammar, errors: &Errors) -> Result<Ident> {
    let line = grammar.line;
    let text = input.fork().parse::<LitStr>()?;
    if input.peek2(Token![:]) {
        input.parse::<LitStr>()?;
        let Ok(mut name) = text.parse_with(Ident::parse_any) else {
            let message = format!("the name of a {line} must be an identifier, without quotes");
            return Err(syn::Error::new_spanned(text, message));
        };
        name.set_span(text.span());
        let message = format!("the name of a {line} must not be quoted\nhelp: write `{name}`");
        errors.push(text, message);
        return Ok(name);
    }
    let segment = text.value();
    let is_name = |part: &&str| syn::parse_str::<Ident>(part).is_ok();
    let name = segment.split('/').find(is_name);
    let name = name.map_or_else(
        || grammar.default_name.to_owned(),
        |word| (grammar.line_name)(&[word.to_owned()]),
    );
    let message = format!(
        "a {line} needs a name\nhelp: write `{name}: {} => …`",
        text.token()
    );
    Err(syn::Error::new_spanned(text, message))
}

/// Parses the `:` and the pattern after the name of a line; reports mistakes.
///
/// # Errors
///
/// Returns an error if the item is not a line, and its kind is unknown.
pub(crate) fn pattern(
    name: &Ident,
    input: ParseStream<'_>,
    grammar: &Grammar,
    errors: &Errors,
) -> Result<LinePattern> {
    check_is_line(name, input, grammar)?;
    check_colon(name, input, grammar, errors);
    let pattern = string(name, input, grammar);
    if let LinePattern::Invalid(error) = &pattern {
        errors.push_syn(error.clone());
    }
    Ok(pattern)
}

/// Checks that the name is followed by a path or a `=>`.
fn check_is_line(name: &Ident, input: ParseStream<'_>, grammar: &Grammar) -> Result<()> {
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
    let known = nearest(&name.to_string(), grammar.all_settings());
    let takes_braces = input.peek(token::Brace) || fork.peek(token::Brace);
    let message = match known {
        Some(known) if name != known && (sign != "=>" || takes_braces) => {
            format!("unknown item `{name}`\nhelp: did you mean `{known}`?")
        }
        _ if sign == ":" => {
            format!(
                "the {} of a {} must be a string\nhelp: write `{name}: {} => {};`",
                grammar.pattern, grammar.line, grammar.pattern_example, grammar.target_example
            )
        }
        _ => grammar.expected_item.to_owned(),
    };
    Err(syn::Error::new_spanned(name, message))
}

fn check_colon(name: &Ident, input: ParseStream<'_>, grammar: &Grammar, errors: &Errors) {
    if input.peek(Token![:]) {
        let _ = input.parse::<Token![:]>();
        return;
    }
    let fork = input.fork();
    let _ = punctuation(&fork);
    let pattern = fork.parse::<LitStr>();
    let pattern = pattern.map_or_else(
        |_| grammar.pattern_example.to_owned(),
        |pattern| pattern.token().to_string(),
    );
    let help = format!("help: write `{name}: {pattern} => …`");
    if input.peek(LitStr) {
        errors.push(name, format!("a `:` is missing after the name\n{help}"));
    } else {
        let sign = input.parse::<TokenTree>().ok();
        let sign = sign.map(ToTokens::into_token_stream).unwrap_or_default();
        errors.push(sign, format!("expected `:` after the name\n{help}"));
    }
}

/// Parses the tokens between the name and the arrow.
fn string(name: &Ident, input: ParseStream<'_>, grammar: &Grammar) -> LinePattern {
    if input.peek(LitStr)
        && let Ok(pattern) = input.parse()
    {
        return LinePattern::Text(pattern);
    }
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![=>]) {
        tokens.extend(input.parse::<TokenTree>());
    }
    let text = written(&tokens).replace(' ', "");
    let Grammar {
        block,
        line,
        pattern,
        pattern_example,
        common_parts,
        ..
    } = grammar;
    let help = if text.starts_with('/') && !text.contains('"') {
        format!("write \"{text}\"")
    } else {
        format!("write `{name}: {pattern_example} => …`")
    };
    let is_call = text.contains('!');
    let called = text.split('!').next().unwrap_or_default();
    let literal = format!("the {pattern} of a {line} must be a string literal");
    let write = format!("help: write the whole {pattern}; {common_parts}");
    let message = if tokens.is_empty() {
        return LinePattern::Invalid(syn::Error::new_spanned(
            name,
            format!("the {pattern} is missing after the name\nhelp: {help}"),
        ));
    } else if is_call {
        format!("{literal}: the {block} is parsed before `{called}!` is expanded\n{write}")
    } else if let Ok(constant) = syn::parse2::<Path>(tokens.clone()) {
        format!(
            "{literal}: the {block} is parsed before `{}` has a value\n{write}",
            written(constant)
        )
    } else {
        format!("the {pattern} of a {line} must be a string\nhelp: {help}")
    };
    LinePattern::Invalid(syn::Error::new_spanned(without_semicolon(tokens), message))
}

/// Parses the `=>`, or the token in its place.
///
/// # Errors
///
/// Returns an error if the line ends after the pattern; the error has been reported.
pub(crate) fn arrow(
    name: &Ident,
    pattern: &LinePattern,
    input: ParseStream<'_>,
    grammar: &Grammar,
    errors: &Errors,
) -> Result<TokenStream> {
    if input.peek(Token![=>]) {
        return input.parse::<Token![=>]>().map(ToTokens::into_token_stream);
    }
    let message = format!(
        "expected `=>` and {}\nhelp: write `{} => {};`",
        grammar.target,
        pattern.start(name, grammar),
        grammar.target_example
    );
    if is_at_end(input) {
        let error = match pattern {
            LinePattern::Text(pattern) => syn::Error::new_spanned(pattern, message),
            LinePattern::Invalid(_) => syn::Error::new_spanned(name, message),
        };
        errors.push_syn(error.clone());
        return Err(error);
    }
    let found = punctuation(input);
    if found.is_empty() {
        errors.push_syn(input.error(message));
    } else {
        errors.push(&found, message);
    }
    Ok(found)
}

/// Returns the error for a line that ends after its arrow, or has options there.
pub(crate) fn missing_target(
    name: &Ident,
    pattern: &LinePattern,
    arrow: TokenStream,
    grammar: &Grammar,
) -> syn::Error {
    let message = format!(
        "{} is missing after `=>`\nhelp: write `{} => {};`",
        grammar.target,
        pattern.start(name, grammar),
        grammar.target_example
    );
    syn::Error::new_spanned(arrow, message)
}

/// Consumes the tokens up to the options or the end of the line.
pub(crate) fn tokens_until_braces(input: ParseStream<'_>) -> TokenStream {
    let mut tokens = TokenStream::new();
    while !is_at_end(input) && !input.peek(token::Brace) {
        tokens.extend(input.parse::<TokenTree>());
    }
    tokens
}

/// Parses the options after the target, and returns the token that ends them.
pub(crate) fn options(
    input: ParseStream<'_>,
    grammar: &Grammar,
    errors: &Errors,
) -> (Settings, Option<TokenStream>) {
    let has_braces = input.peek(token::Brace);
    if !has_braces && !input.peek(token::Paren) && !input.peek(token::Bracket) {
        return (Settings::default(), None);
    }
    let Ok(group) = input.parse::<Group>() else {
        return (Settings::default(), None);
    };
    if !has_braces {
        settings::report_brackets(&group, errors);
    }
    (
        settings::settings(&group, grammar, errors),
        Some(closing_token(&group)),
    )
}

/// Whether a type is a path, also in brackets, or a macro.
pub(crate) fn is_named(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .iter()
            .all(|segment| !matches!(segment.arguments, PathArguments::Parenthesized(_))),
        Type::Group(group) => is_named(&group.elem),
        Type::Paren(paren) => is_named(&paren.elem),
        Type::Macro(_) => true,
        _ => false,
    }
}

/// Returns the type before the first parentheses of a line, and the parentheses. Consumes nothing.
pub(crate) fn before_parentheses(input: ParseStream<'_>) -> Option<(Type, Group)> {
    let fork = input.fork();
    let mut before = TokenStream::new();
    loop {
        match fork.parse().ok()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                let ty = syn::parse2::<Type>(before).ok();
                let ty = ty.filter(|ty| matches!(ty, Type::Path(_)) && is_named(ty))?;
                return Some((ty, group));
            }
            token => before.extend([token]),
        }
    }
}
