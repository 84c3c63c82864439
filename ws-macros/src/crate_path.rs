//! The path of the library in an expansion: `::ws_server`, or the value of `crate = …`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::token::Paren;
use syn::{Ident, LitInt, LitStr, Path, Token, Type, parenthesized};

use crate::errors::Errors;
use crate::manifest;
use crate::source::written;

/// The doc-hidden module of the library that contains all items an expansion uses: `__macro_0_1_0`.
/// Its name contains the version, so that no program can use items that the next version changes.
pub(crate) const HIDDEN: &str = concat!(
    "__macro_",
    env!("CARGO_PKG_VERSION_MAJOR"),
    "_",
    env!("CARGO_PKG_VERSION_MINOR"),
    "_",
    env!("CARGO_PKG_VERSION_PATCH"),
);

/// [`HIDDEN`] as a part of a path.
pub(crate) fn hidden_module() -> Ident {
    Ident::new(HIDDEN, Span::call_site())
}

/// The path of the library in the expansions.
#[derive(Default)]
pub(crate) struct CratePath(Option<Path>);

/// One `name = value` in the parentheses of an attribute.
pub(crate) enum AttributeArgument {
    /// `crate = ::path`
    Crate(Path),
    /// `workers = 4`
    Workers(LitInt),
    /// `sends(Event, Notice)`
    Sends(Vec<Type>),
}

impl CratePath {
    /// The path in an attribute.
    pub(crate) fn new(path: Path) -> Self {
        Self(Some(path))
    }

    /// Parses the arguments of an attribute that takes only `crate = ::path`.
    pub(crate) fn parse_arguments(
        arguments: TokenStream,
        attribute: &str,
        errors: &Errors,
    ) -> Self {
        let mut path = Self::default();
        for argument in parse_arguments(arguments, attribute, &["crate"], errors) {
            if let AttributeArgument::Crate(given) = argument {
                path = Self::new(given);
            }
        }
        path.or_dependency(attribute, errors)
    }

    /// Returns the path, or `::ws_server` if there is none. If the crate has the library under
    /// another name, this is reported, and the path of that dependency is returned.
    pub(crate) fn or_dependency(self, attribute: &str, errors: &Errors) -> Self {
        if self.0.is_some() {
            return self;
        }
        let dependency = other_dependency(Span::call_site(), errors, |path| {
            // `#[live::main]`
            let attribute = attribute.replace("ws_server", path.trim_start_matches("::"));
            format!("write `#[{attribute}(crate = {path})]`")
        });
        Self(dependency)
    }

    /// Returns the path of the doc-hidden module that contains all items an expansion uses.
    pub(crate) fn hidden(&self) -> TokenStream {
        let hidden = hidden_module();
        quote!(#self::#hidden)
    }
}

impl ToTokens for CratePath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.0 {
            Some(path) => path.to_tokens(tokens),
            None => tokens.extend(quote!(::ws_server)),
        }
    }
}

/// Returns the path of the library if the crate has it under another name. This is reported, with
/// advice for that path.
pub(crate) fn other_dependency(
    place: Span,
    errors: &Errors,
    advice: impl FnOnce(&str) -> String,
) -> Option<Path> {
    let (fault, path) = manifest::library().fault()?;
    let advice = advice(&written(&path));
    errors.push_at(place, format_args!("{fault}\nhelp: {advice}"));
    Some(path)
}

/// Parses `name = value, …` and `sends(…)`, of which only those in `known` are allowed; reports all
/// others.
pub(crate) fn parse_arguments(
    arguments: TokenStream,
    attribute: &str,
    known: &[&str],
    errors: &Errors,
) -> Vec<AttributeArgument> {
    let parser = |input: ParseStream<'_>| {
        let mut found = Vec::new();
        let mut seen = Vec::new();
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            if seen.contains(&name) {
                errors.push(&name, format_args!("`{name}` is given twice"));
            }
            found.push(parse_argument(input, &name, attribute, known)?);
            seen.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(found)
    };
    errors
        .ok_or_report(parser.parse2(arguments))
        .unwrap_or_default()
}

/// Parses the tokens after the name of an argument.
fn parse_argument(
    input: ParseStream<'_>,
    name: &Ident,
    attribute: &str,
    known: &[&str],
) -> syn::Result<AttributeArgument> {
    let text = name.to_string();
    let usage = |name: &str| match name {
        "workers" => "`workers = 4`",
        "sends" => "`sends(Event, …)`",
        _ => "`crate = ::path::to::ws_server`",
    };
    if !known.contains(&&*text) {
        let takes: Vec<_> = known.iter().map(|name| usage(name)).collect();
        let takes = takes.join(" and ");
        let message = format!("`#[{attribute}]` has no argument `{text}`\nhelp: it takes {takes}");
        return Err(syn::Error::new(name.span(), message));
    }
    let wrong = |span: Span| syn::Error::new(span, format!("write {}", usage(&text)));
    if text == "sends" {
        if !input.peek(Paren) {
            return Err(wrong(name.span()));
        }
        let content;
        parenthesized!(content in input);
        let types = Punctuated::<Type, Token![,]>::parse_terminated(&content)?;
        return Ok(AttributeArgument::Sends(types.into_iter().collect()));
    }
    if !input.peek(Token![=]) {
        return Err(wrong(name.span()));
    }
    input.parse::<Token![=]>()?;
    if input.peek(LitStr) {
        return Err(wrong(input.span()));
    }
    if text == "workers" {
        let workers: LitInt = input.parse().map_err(|error| wrong(error.span()))?;
        return match workers.base10_parse::<usize>() {
            Ok(0) | Err(_) => Err(syn::Error::new(
                workers.span(),
                "`workers` must be a number of threads, at least 1",
            )),
            Ok(_) => Ok(AttributeArgument::Workers(workers)),
        };
    }
    let path = input
        .call(Path::parse_mod_style)
        .map_err(|error| wrong(error.span()))?;
    Ok(AttributeArgument::Crate(path))
}
