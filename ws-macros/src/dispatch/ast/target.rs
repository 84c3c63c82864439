//! The target of a line: a handler with options, or with `use` another table.

use proc_macro2::{Group, Ident, TokenTree};
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::parse::discouraged::Speculative;
use syn::{LitStr, Token, Type, token};

use super::Target;
use crate::block::line::{
    LinePattern, TargetType, arrow, before_parentheses, is_named, missing_target, options,
    tokens_until_braces,
};
use crate::block::settings::{Settings, contain_options};
use crate::block::syntax::{
    NAME_IS_MISSING, closing_token, expect_end, is_at_end, remaining, without_semicolon,
};
use crate::block::unfinished::with_missing_name;
use crate::dispatch::grammar::GRAMMAR;
use crate::errors::Errors;
use crate::source::written;

/// Parses the `=>` of a line and its target; reports mistakes.
pub(crate) fn parse(
    name: &Ident,
    path: &LinePattern,
    input: ParseStream<'_>,
    errors: &Errors,
) -> Target {
    let Ok(arrow) = arrow(name, path, input, &GRAMMAR, errors) else {
        return Target::Handler {
            handler: TargetType::Invalid(None),
            options: Settings::default(),
        };
    };
    if let Ok(keyword) = input.parse::<Token![use]>() {
        return table(&keyword, input, errors);
    }
    if is_at_end(input) || input.peek(token::Brace) {
        errors.push_syn(missing_target(name, path, arrow, &GRAMMAR));
        let (options, _) = options(input, &GRAMMAR, errors);
        return Target::Handler {
            handler: TargetType::Invalid(None),
            options,
        };
    }
    handler(input, errors)
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
        let (options, _) = options(input, &GRAMMAR, errors);
        return Target::Handler {
            handler: TargetType::Type(Box::new(handler)),
            options,
        };
    }
    let Some(handler) = named_type(input) else {
        return report_invalid_handler(input, errors);
    };
    let (options, last) = options(input, &GRAMMAR, errors);
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
    let (options, _) = options(input, &GRAMMAR, errors);
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

/// Returns the path of a function that is called here, as a type. Consumes nothing.
fn called_type(input: ParseStream<'_>) -> Option<Type> {
    let (ty, group) = before_parentheses(input)?;
    (!contain_options(&group)).then_some(ty)
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
