//! The target of a line: a handler with options, or with `use` another table.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::parse::discouraged::Speculative;
use syn::{LitStr, PathArguments, Token, Type, token};

use super::unfinished::with_missing_name;
use super::{
    LinePath, NAME_IS_MISSING, Settings, Target, TargetType, closing_token, expect_end, is_at_end,
    punctuation, remaining, settings, without_semicolon,
};
use crate::errors::Errors;
use crate::source::written;

/// Parses the `=>` of a line and its target; reports mistakes.
pub(crate) fn parse(
    name: &Ident,
    path: &LinePath,
    input: ParseStream<'_>,
    errors: &Errors,
) -> Target {
    let Some(arrow) = arrow(name, path, input, errors) else {
        return Target::Handler {
            handler: TargetType::Invalid(None),
            options: Settings::default(),
        };
    };
    if let Ok(keyword) = input.parse::<Token![use]>() {
        return table(&keyword, input, errors);
    }
    if is_at_end(input) || input.peek(token::Brace) {
        let message = format!(
            "a handler is missing after `=>`\nhelp: write `{} => Handler;`",
            start(name, path)
        );
        errors.push(arrow, message);
        let (options, _) = options(input, errors);
        return Target::Handler {
            handler: TargetType::Invalid(None),
            options,
        };
    }
    handler(input, errors)
}

/// Returns a line up to its arrow, for the text of a message.
fn start(name: &Ident, path: &LinePath) -> String {
    match path {
        LinePath::Text(path) => format!("{name}: {}", path.token()),
        LinePath::Invalid(_) => format!("{name}: \"/path\""),
    }
}

/// Parses the `=>`, or the token in its place. Returns `None` if the line ends after the path.
fn arrow(
    name: &Ident,
    path: &LinePath,
    input: ParseStream<'_>,
    errors: &Errors,
) -> Option<TokenStream> {
    if input.peek(Token![=>]) {
        return input
            .parse::<Token![=>]>()
            .ok()
            .map(ToTokens::into_token_stream);
    }
    let message = format!(
        "expected `=>` and a handler\nhelp: write `{} => Handler;`",
        start(name, path)
    );
    if is_at_end(input) {
        match path {
            LinePath::Text(path) => errors.push(path, message),
            LinePath::Invalid(_) => errors.push(name, message),
        }
        return None;
    }
    let found = punctuation(input);
    if found.is_empty() {
        errors.push_syn(input.error(message));
    } else {
        errors.push(&found, message);
    }
    Some(found)
}

/// Parses the rest of `use crate::admin::Routes` after the keyword.
fn table(keyword: &Token![use], input: ParseStream<'_>, errors: &Errors) -> Target {
    let invalid = |unfinished| Target::Table {
        table: TargetType::Invalid(unfinished),
        options: None,
    };
    if is_at_end(input) {
        let message = "a table is missing after `use`\nhelp: write `use crate::admin::Routes;`";
        errors.push(keyword, message);
        return invalid(None);
    }
    let table = match called_type(input) {
        Some(_) => None,
        None => named_type(input),
    };
    let Some(table) = table else {
        let tokens = tokens_until_braces(input);
        let unfinished = with_missing_name(&tokens);
        let message = match &unfinished {
            Some(_) => NAME_IS_MISSING,
            None => "expected the type of one table, such as `crate::admin::Routes`",
        };
        errors.push(&tokens, message);
        return invalid(unfinished);
    };
    let options: Option<Group> = input
        .peek(token::Brace)
        .then(|| input.parse().ok())
        .flatten();
    match &options {
        Some(group) => expect_end(&closing_token(group), input, errors),
        None => expect_end(&table, input, errors),
    }
    Target::Table {
        table: TargetType::Type(Box::new(table)),
        options,
    }
}

/// `chat::Room { max_message: 16 KiB }`
fn handler(input: ParseStream<'_>, errors: &Errors) -> Target {
    if let Some(called_type) = called_type(input) {
        let handler = constructed_type(called_type);
        let message = format!(
            "a handler must be a type: `init` creates its values\nhelp: write `{}`",
            written(&handler)
        );
        errors.push(tokens_until_braces(input), message);
        let (options, _) = options(input, errors);
        return Target::Handler {
            handler: TargetType::Type(Box::new(handler)),
            options,
        };
    }
    let Some(handler) = named_type(input) else {
        return report_invalid_handler(input, errors);
    };
    let (options, last) = options(input, errors);
    let last = last.unwrap_or_else(|| handler.to_token_stream());
    expect_end(&last, input, errors);
    Target::Handler {
        handler: TargetType::Type(Box::new(handler)),
        options,
    }
}

/// Reports a target that is not the type of a handler.
fn report_invalid_handler(input: ParseStream<'_>, errors: &Errors) -> Target {
    let text = input.fork().parse::<LitStr>();
    let is_closure = input.peek(Token![|]) || input.peek(Token![move]) || input.peek(Token![async]);
    let handler = text.as_ref().ok().and_then(|text| text.parse().ok());
    let tokens = if is_closure {
        without_semicolon(remaining(input))
    } else {
        tokens_until_braces(input)
    };
    let unfinished = with_missing_name(&tokens);
    let message = match (&handler, text) {
        _ if unfinished.is_some() => NAME_IS_MISSING.to_owned(),
        (Some(handler), Ok(_)) => format!(
            "a handler must be a type, not a string\nhelp: write `{}`",
            written(handler)
        ),
        (None, Ok(_)) => "a handler must be a type, not a string\nhelp: write its path, such as \
            `chat::Room`"
            .to_owned(),
        _ if is_closure => "a handler must be a type, not a closure\nhelp: define a type with \
            `#[ws_handler]`, whose `message` takes the argument of the closure"
            .to_owned(),
        _ => "expected the type of a handler, such as `chat::Room`".to_owned(),
    };
    errors.push(&tokens, message);
    let (options, _) = options(input, errors);
    let handler = handler.map_or(TargetType::Invalid(unfinished), |handler| {
        TargetType::Type(Box::new(handler))
    });
    Target::Handler { handler, options }
}

/// Parses a type by its name; options in parentheses are not part of it. Consumes nothing if it is
/// not a type.
fn named_type(input: ParseStream<'_>) -> Option<Type> {
    if let Some((ty, _)) = before_parentheses(input) {
        while !input.peek(token::Paren) && input.parse::<TokenTree>().is_ok() {}
        return Some(ty);
    }
    let fork = input.fork();
    let ty = fork.parse::<Type>().ok().filter(is_named)?;
    input.advance_to(&fork);
    Some(ty)
}

fn is_named(ty: &Type) -> bool {
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

/// Returns the path of a function that is called here, as a type. Consumes nothing.
fn called_type(input: ParseStream<'_>) -> Option<Type> {
    let (ty, group) = before_parentheses(input)?;
    (!settings::contain_options(&group)).then_some(ty)
}

/// Returns the type before the first parentheses of a line, and the parentheses. Consumes nothing.
fn before_parentheses(input: ParseStream<'_>) -> Option<(Type, Group)> {
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

/// Returns the type whose function is called: `Room` of `Room::new()`.
fn constructed_type(called_type: Type) -> Type {
    let Type::Path(mut path) = called_type else {
        return called_type;
    };
    let is_function = path.path.segments.last().is_some_and(|last| {
        let name = last.ident.to_string();
        name.starts_with(|c: char| c.is_ascii_lowercase())
    });
    if is_function && path.path.segments.len() > 1 {
        path.path.segments.pop();
        path.path.segments.pop_punct();
    }
    Type::Path(path)
}

/// Consumes the tokens up to the options or the end of the line.
fn tokens_until_braces(input: ParseStream<'_>) -> TokenStream {
    let mut tokens = TokenStream::new();
    while !is_at_end(input) && !input.peek(token::Brace) {
        tokens.extend(input.parse::<TokenTree>());
    }
    tokens
}

/// Parses the options after a handler, and returns the token that ends them.
fn options(input: ParseStream<'_>, errors: &Errors) -> (Settings, Option<TokenStream>) {
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
        settings::settings(&group, errors),
        Some(closing_token(&group)),
    )
}
