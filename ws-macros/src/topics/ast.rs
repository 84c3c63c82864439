//! The typed syntax of a block. Each line is parsed separately, so that a syntax error in one hides
//! no other, and the valid parts of a line with an error are kept.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::parse::discouraged::Speculative;
use syn::{Attribute, LitStr, Path, Result, Token, Type, Visibility, token};

use super::grammar::GRAMMAR;
use crate::block::item::{BlockItem, parse_items};
use crate::block::line::{
    self, LinePattern, TargetType, arrow, before_parentheses, missing_target, tokens_until_braces,
};
use crate::block::settings::{Settings, contain_options};
use crate::block::syntax::{NAME_IS_MISSING, expect_end, is_at_end, library};
use crate::block::unfinished::with_missing_name;
use crate::condition::flattened;
use crate::errors::Errors;

/// The whole block.
#[derive(Default)]
pub(crate) struct TopicsBlock {
    pub items: Vec<BlockItem>,
    pub crates: Vec<Path>,
    pub lines: Vec<Line>,
    /// Items that may have been meant as lines.
    pub unparsed_lines: Vec<UnparsedLine>,
}

/// An item that may have been meant as a line.
pub(crate) struct UnparsedLine {
    pub vis: Visibility,
    pub name: Ident,
    /// The error reported there.
    pub error: syn::Error,
}

/// A topic: `pub Room: "room/{id: u64}" => Event { history: 100, keep: 10m };`
pub(crate) struct Line {
    /// The attributes as written, but [`flattened`].
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    pub name: Ident,
    pub pattern: LinePattern,
    pub value: TargetType,
    /// The error reported at the value.
    pub value_error: Option<syn::Error>,
    pub options: Settings,
}

impl TopicsBlock {
    /// Parses a block; reports syntax errors.
    pub(crate) fn parse(tokens: TokenStream, errors: &Errors) -> Self {
        let mut block = Self::default();
        let parse_other =
            |attrs, input: ParseStream<'_>| block.line_or_library(attrs, input, errors);
        block.items = parse_items(tokens, &GRAMMAR, errors, parse_other).list;
        block
    }

    fn line_or_library(
        &mut self,
        attrs: Vec<Attribute>,
        input: ParseStream<'_>,
        errors: &Errors,
    ) -> Result<()> {
        let vis: Visibility = input.parse()?;
        let Some(name) = line::name(input, &GRAMMAR, errors)? else {
            return Err(input.error(GRAMMAR.expected_item));
        };
        if name == "crate" && !input.peek2(LitStr) && !input.peek(Token![::]) {
            self.crates.extend(library(&name, input, errors));
            for attr in attrs {
                errors.push(attr, "`crate` takes no attributes");
            }
            return Ok(());
        }
        match line::pattern(&name, input, &GRAMMAR, errors) {
            Ok(pattern) => {
                let (value, value_error, options) = target(&name, &pattern, input, errors);
                self.lines.push(Line {
                    attrs: flattened(attrs),
                    vis,
                    name,
                    pattern,
                    value,
                    value_error,
                    options,
                });
            }
            Err(error) => {
                errors.push_syn(error.clone());
                self.unparsed_lines.push(UnparsedLine { vis, name, error });
            }
        }
        Ok(())
    }
}

/// Parses the `=>` of a line, the type of the values and the options; reports mistakes.
fn target(
    name: &Ident,
    pattern: &LinePattern,
    input: ParseStream<'_>,
    errors: &Errors,
) -> (TargetType, Option<syn::Error>, Settings) {
    let arrow = match arrow(name, pattern, input, &GRAMMAR, errors) {
        Ok(arrow) => arrow,
        Err(error) => {
            return (TargetType::Invalid(None), Some(error), Settings::default());
        }
    };
    let value = if is_at_end(input) || input.peek(token::Brace) {
        Err((missing_target(name, pattern, arrow, &GRAMMAR), None))
    } else {
        value(input)
    };
    let (options, last) = line::options(input, &GRAMMAR, errors);
    match value {
        Ok(ty) => {
            let last = last.unwrap_or_else(|| ty.to_token_stream());
            expect_end(&last, input, errors);
            (TargetType::Type(Box::new(ty)), None, options)
        }
        Err((error, unfinished)) => {
            errors.push_syn(error.clone());
            (TargetType::Invalid(unfinished), Some(error), options)
        }
    }
}

/// Parses the type of the values. An error contains a path that ends in `::`, with a name appended.
fn value(input: ParseStream<'_>) -> std::result::Result<Type, (syn::Error, Option<Path>)> {
    match before_parentheses(input) {
        Some((ty, group)) if contain_options(&group) => {
            while !input.peek(token::Paren) && input.parse::<TokenTree>().is_ok() {}
            return Ok(ty);
        }
        // A call such as `Event::new()`.
        Some(_) => {}
        None => {
            let fork = input.fork();
            if let Ok(ty) = fork.parse::<Type>() {
                input.advance_to(&fork);
                return Ok(ty);
            }
        }
    }
    let tokens = tokens_until_braces(input);
    let unfinished = with_missing_name(&tokens);
    let message = match &unfinished {
        Some(_) => NAME_IS_MISSING,
        None => "expected the type of the values, such as `Event`",
    };
    Err((syn::Error::new_spanned(tokens, message), unfinished))
}
