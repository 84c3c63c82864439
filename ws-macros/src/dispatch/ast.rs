//! The typed syntax of a block. Each item is parsed separately, so that a syntax error in one hides
//! no other, and the valid parts of an item with an error are kept.

use proc_macro2::{Group, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Path, Result, Token, Type, Visibility, token};

use super::value::Value;
use crate::condition::flattened;
use crate::errors::Errors;
use crate::source::written;

mod line;
mod settings;
mod split;
mod table_item;
mod target;
mod unfinished;

use self::settings::settings;
pub(crate) use self::unfinished::with_missing_name;

/// The whole block.
#[derive(Default)]
pub(crate) struct TableBlock {
    pub items: Vec<TableItem>,
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

/// `pub struct Routes;`
pub(crate) struct TableItem {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    pub keyword: Token![struct],
    pub name: Ident,
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
    pub path: LinePath,
    pub target: Target,
}

/// The path of a line.
pub(crate) enum LinePath {
    Text(LitStr),
    /// Not a string; the error reported there.
    Invalid(syn::Error),
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

/// The handler or the table of a line.
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

impl TableBlock {
    /// Parses a block; reports syntax errors.
    pub(crate) fn parse(tokens: TokenStream, errors: &Errors) -> Self {
        let mut block = Self::default();
        for item in errors
            .ok_or_report(split::items(tokens))
            .unwrap_or_default()
        {
            let read = |input: ParseStream<'_>| {
                if let Err(error) = block.item(input, errors) {
                    errors.push_syn(error);
                }
                skip_rest(input);
                Ok(())
            };
            errors.ok_or_report(read.parse2(item));
        }
        block
    }

    fn item(&mut self, input: ParseStream<'_>, errors: &Errors) -> Result<()> {
        let first = input.fork().parse::<TokenTree>()?;
        let attrs = input.call(Attribute::parse_outer).map_err(|error| {
            if first.to_string() == "#" && error.to_string().starts_with("unexpected end") {
                return syn::Error::new_spanned(&first, "the brackets of an attribute are missing");
            }
            error
        })?;
        if table_item::peek(input) {
            let item = table_item::parse(attrs, input, errors);
            self.invalid_items.item |= item.is_none();
            self.items.extend(item);
            return Ok(());
        }
        line::check_has_no_visibility(input, errors)?;
        let Some(name) = line::name(input, errors)? else {
            return Err(input.error(EXPECTED_ITEM));
        };
        if !input.peek2(LitStr) && self.setting_of_the_block(&name, input, errors) {
            for attr in attrs {
                errors.push(attr, format!("`{name}` takes no attributes"));
            }
            return Ok(());
        }
        match line::parse(flattened(attrs), &name, input, errors) {
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
            "crate" if !input.peek(Token![::]) => {
                expect_colon(name, "::my_framework::ws", input, errors);
                let library = last_part(name, "the path of the library", input, errors);
                let library = library.ok();
                self.crates
                    .extend(library.filter(|path| is_of_a_module(path, errors)));
            }
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

const EXPECTED_ITEM: &str = "expected a route such as `room: \"/rooms/{id: u64}\" => Room;`, or \
                             `state: App;`, or `defaults { … }`";

/// The message about a path that ends in `::`.
const NAME_IS_MISSING: &str = "a name is missing after `::`";

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
        settings::report_brackets(&group, errors);
    }
    let options = settings(&group, errors);
    if !input.is_empty() {
        expect_end(&closing_token(&group), input, errors);
    }
    Some(Defaults {
        keyword: name.clone(),
        options,
    })
}

/// Consumes the `:` of `state: App`; reports another token in its place.
fn expect_colon(name: &Ident, example: &str, input: ParseStream<'_>, errors: &Errors) {
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
fn is_at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![;]) || input.peek(Token![,])
}

/// Parses the last part of an item, and its `;`.
///
/// # Errors
///
/// Returns an error if that part is missing or invalid; the error has been reported.
fn last_part<T: syn::parse::Parse + ToTokens>(
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
fn expect_end(last: &impl ToTokens, input: ParseStream<'_>, errors: &Errors) {
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
fn closing_token(group: &Group) -> TokenStream {
    quote_spanned!(group.span_close()=> end)
}

/// Returns all tokens of an item without its `;`.
fn without_semicolon(tokens: TokenStream) -> TokenStream {
    let mut tokens: Vec<_> = tokens.into_iter().collect();
    let ends =
        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    tokens.pop_if(|last| ends(last));
    tokens.into_iter().collect()
}

/// Returns the remaining tokens of an item.
fn remaining(input: ParseStream<'_>) -> TokenStream {
    input.parse().unwrap_or_default()
}

/// Skips the rest of an item in which a mistake was reported.
fn skip_rest(input: ParseStream<'_>) {
    let _ = remaining(input);
}

/// Returns the next sign, such as `:`, `=` or `->`.
fn punctuation(input: ParseStream<'_>) -> TokenStream {
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
