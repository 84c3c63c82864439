//! Options in braces: `{ name: value, … }`.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{ExprPath, LitStr, Token};

use super::grammar::Grammar;
use super::syntax::{NAME_IS_MISSING, punctuation};
use super::unfinished::with_missing_name;
use super::value::Value;
use crate::errors::Errors;

/// The options in braces.
#[derive(Default)]
pub(crate) struct Settings {
    pub list: Vec<Setting>,
    /// Whether a user may be about to type another option: the braces are empty or end with a comma.
    pub is_open: bool,
}

/// `name: value`
pub(crate) struct Setting {
    pub name: Ident,
    /// The span of the `:`.
    pub colon: Span,
    pub value: Value,
}

/// Parses the options in a group; a syntax error in one of them hides no other.
pub(crate) fn settings(group: &Group, grammar: &Grammar, errors: &Errors) -> Settings {
    let list = |input: ParseStream<'_>| {
        let mut settings = Vec::new();
        while !input.is_empty() {
            match setting(input, grammar, errors) {
                Some(setting) => {
                    settings.push(setting);
                    separator(input, errors);
                }
                None => skip_to_next(input),
            }
        }
        Ok(settings)
    };
    let final_token = group.stream().into_iter().last();
    let is_open = match final_token {
        Some(TokenTree::Punct(sign)) => sign.as_char() == ',',
        Some(_) => false,
        None => true,
    };
    let list = errors.ok_or_report(list.parse2(group.stream()));
    Settings {
        list: list.unwrap_or_default(),
        is_open,
    }
}

/// Reports options in parentheses or brackets.
pub(crate) fn report_brackets(group: &Group, errors: &Errors) {
    let (open, close) = match group.delimiter() {
        Delimiter::Bracket => ('[', ']'),
        _ => ('(', ')'),
    };
    errors.push(
        group,
        format!("options must be in braces\nhelp: write `{{ … }}` instead of `{open}…{close}`"),
    );
}

/// Whether a group contains tokens that look like options.
pub(crate) fn contain_options(group: &Group) -> bool {
    let starts = |input: ParseStream<'_>| {
        let found = starts_setting(input) || input.peek(Token![!]);
        let _: TokenStream = input.parse()?;
        Ok(found)
    };
    starts.parse2(group.stream()).unwrap_or(false)
}

fn starts_setting(input: ParseStream<'_>) -> bool {
    let has_sign = input.peek2(Token![:]) && !input.peek2(Token![::]);
    input.peek(Ident::peek_any) && (has_sign || input.peek2(Token![=]))
}

/// Parses one option. If it has a mistake, this is reported, and its value is a [`Value::invalid`].
fn setting(input: ParseStream<'_>, grammar: &Grammar, errors: &Errors) -> Option<Setting> {
    if input.peek(Token![!]) {
        return negated(input, grammar, errors);
    }
    let Some(name) = name(input, errors) else {
        let place = input.parse::<TokenTree>().ok()?;
        errors.push(place, expected_option(grammar));
        return None;
    };
    let sign = punctuation(input);
    let sign_span = sign.span();
    let ends = input.is_empty() || input.peek(Token![,]) || input.peek(Token![;]);
    if ends {
        let message = format!("an option needs a value\nhelp: write `{name}: …`");
        errors.push(&name, message);
        let value = Value::invalid(name.to_token_stream());
        let colon = name.span();
        return Some(Setting { name, colon, value });
    }
    if sign.to_string() != ":" {
        let place = if sign.is_empty() {
            name.to_token_stream()
        } else {
            sign
        };
        let message =
            format!("a `:` is missing before the value of an option\nhelp: write `{name}: …`");
        errors.push(place, message);
    }
    let (colon, written) = (sign_span, peek_value(input));
    let value = if grammar.type_options.iter().any(|known| name == known) {
        Value::parse_type(input)
    } else {
        Value::parse(input)
    };
    let value = value.unwrap_or_else(|error| {
        match with_missing_name::<ExprPath>(&written) {
            Some(_) => errors.push(&written, NAME_IS_MISSING),
            None => errors.push_syn(error),
        }
        Value::invalid(written)
    });
    Some(Setting { name, colon, value })
}

fn expected_option(grammar: &Grammar) -> String {
    format!("expected an option such as `{}`", grammar.option_example)
}

/// Returns the tokens up to the next separator, without consuming them.
fn peek_value(input: ParseStream<'_>) -> TokenStream {
    let fork = input.fork();
    let mut tokens = TokenStream::new();
    while !fork.is_empty() && !fork.peek(Token![,]) && !fork.peek(Token![;]) {
        tokens.extend(fork.parse::<TokenTree>());
    }
    tokens
}

/// Parses `!name`, which is meant as `name: false`.
fn negated(input: ParseStream<'_>, grammar: &Grammar, errors: &Errors) -> Option<Setting> {
    let sign: Token![!] = input.parse().ok()?;
    let name = input.call(Ident::parse_any);
    let Ok(name) = name else {
        errors.push(sign, expected_option(grammar));
        return None;
    };
    let mut tokens = sign.into_token_stream();
    name.to_tokens(&mut tokens);
    let message = format!("an option needs a value\nhelp: write `{name}: false`");
    errors.push(&tokens, message);
    let value = Value::invalid(tokens);
    Some(Setting {
        colon: name.span(),
        name,
        value,
    })
}

/// Parses the name of an option; reports quotes and hyphens.
fn name(input: ParseStream<'_>, errors: &Errors) -> Option<Ident> {
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let mut name = text.parse_with(Ident::parse_any).ok()?;
        input.parse::<LitStr>().ok()?;
        name.set_span(text.span());
        let message = format!("the name of an option must not be quoted\nhelp: write `{name}`");
        errors.push(text, message);
        return Some(name);
    }
    let mut name = input.call(Ident::parse_any).ok()?;
    let mut tokens = name.to_token_stream();
    let mut has_hyphens = false;
    while input.peek(Token![-]) && input.peek2(Ident::peek_any) && !input.peek(Token![->]) {
        tokens.extend(input.parse::<TokenTree>());
        let part = input.call(Ident::parse_any).ok()?;
        part.to_tokens(&mut tokens);
        name = format_ident!("{name}_{part}", span = name.span());
        has_hyphens = true;
    }
    if has_hyphens {
        let message =
            format!("the name of an option must not contain hyphens\nhelp: write `{name}`");
        errors.push(tokens, message);
    }
    Some(name)
}

/// Parses the `,` between options.
fn separator(input: ParseStream<'_>, errors: &Errors) {
    if input.is_empty() {
        return;
    }
    if input.peek(Token![,]) {
        let _ = input.parse::<Token![,]>();
        return;
    }
    if let Ok(sign) = input.parse::<Token![;]>() {
        errors.push(sign, "options are separated by `,`, not by `;`");
        return;
    }
    errors.push_syn(input.error("expected `,` between options"));
    skip_to_next(input);
}

/// Skips tokens that are not an option.
fn skip_to_next(input: ParseStream<'_>) {
    while !input.is_empty() && !starts_setting(input) {
        let token = input.parse::<TokenTree>();
        let ends = |token: TokenTree| matches!(token, TokenTree::Punct(sign) if ",;".contains(sign.as_char()));
        if token.is_ok_and(ends) {
            return;
        }
    }
}
