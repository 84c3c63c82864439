//! The typed syntax of a block. Each item is parsed separately, so that a syntax error in one hides
//! no other, and the valid parts of an item with an error are kept.

use proc_macro2::{Group, TokenStream};
use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitStr, Path, Result, Token, Type, Visibility, token};

use super::grammar::GRAMMAR;
use crate::block::item::{BlockItem, parse_items};
use crate::block::line::{self, LinePattern, TargetType};
use crate::block::settings::{Settings, report_brackets, settings};
use crate::block::syntax::{
    closing_token, expect_colon, expect_end, last_part, library, punctuation, remaining,
    without_semicolon,
};
use crate::block::unfinished::with_missing_name;
use crate::condition::flattened;
use crate::errors::Errors;

mod target;

/// The whole block.
#[derive(Default)]
pub(crate) struct TableBlock {
    pub items: Vec<BlockItem>,
    pub states: Vec<Type>,
    pub crates: Vec<Path>,
    pub defaults: Vec<Defaults>,
    pub lines: Vec<Line>,
    /// Names of items that may have been meant as lines, and the error reported there.
    pub unparsed_lines: Vec<(Ident, syn::Error)>,
    /// Errors in items of the whole table that could not be parsed.
    pub invalid_items: InvalidItems,
}

/// Items that are in the block, but could not be parsed.
#[derive(Default)]
pub(crate) struct InvalidItems {
    pub item: bool,
    /// The error reported at the state.
    pub state: Option<syn::Error>,
    /// The state, if it is a path that ends in `::`, with a name appended.
    pub unfinished_state: Option<Path>,
    pub defaults: bool,
}

/// `defaults { … }`
pub(crate) struct Defaults {
    pub keyword: Ident,
    pub options: Settings,
}

/// A route or a nested table.
pub(crate) struct Line {
    /// The attributes as written, but [`flattened`].
    pub attrs: Vec<Attribute>,
    pub name: Ident,
    pub path: LinePattern,
    pub target: Target,
}

/// The target of the line.
pub(crate) enum Target {
    /// `chat::Room { max_message: 16 KiB }`
    Handler {
        handler: TargetType,
        options: Settings,
    },
    /// `use crate::admin::Routes`
    Table {
        table: TargetType,
        options: Option<Group>,
    },
}

impl TableBlock {
    /// Parses a block; reports syntax errors.
    pub(crate) fn parse(tokens: TokenStream, errors: &Errors) -> Self {
        let mut block = Self::default();
        let parse_other =
            |attrs, input: ParseStream<'_>| block.line_or_setting(attrs, input, errors);
        let types = parse_items(tokens, &GRAMMAR, errors, parse_other);
        block.invalid_items.item = types.has_invalid;
        block.items = types.list;
        block
    }

    fn line_or_setting(
        &mut self,
        attrs: Vec<Attribute>,
        input: ParseStream<'_>,
        errors: &Errors,
    ) -> Result<()> {
        check_has_no_visibility(input, errors)?;
        let Some(name) = line::name(input, &GRAMMAR, errors)? else {
            return Err(input.error(GRAMMAR.expected_item));
        };
        if !input.peek2(LitStr) && self.setting_of_the_block(&name, input, errors) {
            for attr in attrs {
                errors.push(attr, format!("`{name}` takes no attributes"));
            }
            return Ok(());
        }
        match self::line(flattened(attrs), &name, input, errors) {
            Ok(line) => self.lines.push(line),
            Err(error) => {
                errors.push_syn(error.clone());
                self.unparsed_lines.push((name, error));
            }
        }
        Ok(())
    }

    /// Parses `state: App;`, `crate: ::path;` or `defaults { … }`, if the name is one of these.
    fn setting_of_the_block(
        &mut self,
        name: &Ident,
        input: ParseStream<'_>,
        errors: &Errors,
    ) -> bool {
        match &*name.to_string() {
            "state" => {
                expect_colon(name, "App", input, errors);
                self.invalid_items.unfinished_state =
                    with_missing_name(&without_semicolon(remaining(&input.fork())));
                match last_part(name, "the type of the state", input, errors) {
                    Ok(state) => self.states.push(state),
                    Err(error) => self.invalid_items.state = Some(error),
                }
            }
            "crate" if !input.peek(Token![::]) => self.crates.extend(library(name, input, errors)),
            "defaults" => {
                let defaults = defaults(name, input, errors);
                self.invalid_items.defaults |= defaults.is_none();
                self.defaults.extend(defaults);
            }
            _ => return false,
        }
        true
    }
}

/// Parses the rest of `defaults { … }` after the name.
fn defaults(name: &Ident, input: ParseStream<'_>, errors: &Errors) -> Option<Defaults> {
    let sign = punctuation(input);
    let is_group = input.peek(token::Brace) || input.peek(token::Paren);
    if !is_group {
        errors.push(
            name,
            "expected the options of `defaults`\nhelp: write `defaults { … }`",
        );
        return None;
    }
    let has_braces = input.peek(token::Brace);
    let group: Group = input.parse().ok()?;
    if !sign.is_empty() {
        let message = "unexpected token after `defaults`\nhelp: write `defaults { … }`";
        errors.push(sign, message);
    } else if !has_braces {
        report_brackets(&group, errors);
    }
    let options = settings(&group, &GRAMMAR, errors);
    if !input.is_empty() {
        expect_end(&closing_token(&group), input, errors);
    }
    Some(Defaults {
        keyword: name.clone(),
        options,
    })
}

/// The functions of a table have the visibility of the table.
fn check_has_no_visibility(input: ParseStream<'_>, errors: &Errors) -> Result<()> {
    let vis: Visibility = input.parse()?;
    if !matches!(vis, Visibility::Inherited) {
        let message = "a route takes no visibility: its function has the visibility of the \
            table\nhelp: remove this";
        errors.push(vis, message);
    }
    Ok(())
}

/// Parses a line after its name.
///
/// # Errors
///
/// Returns an error if the item is not a line, and its kind is unknown.
fn line(
    attrs: Vec<Attribute>,
    name: &Ident,
    input: ParseStream<'_>,
    errors: &Errors,
) -> Result<Line> {
    let path = line::pattern(name, input, &GRAMMAR, errors)?;
    Ok(Line {
        attrs,
        name: name.clone(),
        target: target::parse(name, &path, input, errors),
        path,
    })
}
