//! The syntax of a block, typed. What does not parse is reported and skipped up to the
//! next `;`, so that one slip hides no other.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Path, Result, Token, Type, Visibility, token};

use super::value::Value;
use crate::errors::Errors;

/// The whole block.
#[derive(Default)]
pub struct Block {
    pub items: Vec<TableItem>,
    pub states: Vec<Type>,
    pub crates: Vec<Path>,
    pub defaults: Vec<Defaults>,
    pub lines: Vec<Line>,
    /// Names of what may have been meant as lines, and what was reported there.
    pub unread: Vec<(Ident, syn::Error)>,
}

/// `pub struct Routes;`
pub struct TableItem {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    pub keyword: Token![struct],
    pub name: Ident,
}

/// `defaults { … }`
pub struct Defaults {
    pub keyword: Ident,
    pub options: Vec<Setting>,
}

/// A route or a nested table.
pub struct Line {
    pub attrs: Vec<Attribute>,
    pub name: Ident,
    pub path: LitStr,
    pub target: Target,
}

/// What stands behind `=>`.
pub enum Target {
    /// `chat::Room { max_message: 16 KiB }`
    Handler {
        handler: Type,
        options: Vec<Setting>,
    },
    /// `use crate::admin::Routes`
    Table { table: Type, options: Option<Group> },
}

/// `name: value`
pub struct Setting {
    pub name: Ident,
    pub value: Value,
}

impl Block {
    /// Reads a block; what does not parse is reported.
    pub fn parse(tokens: TokenStream, errors: &Errors) -> Self {
        let block = |input: ParseStream<'_>| {
            let mut block = Self::default();
            while !input.is_empty() {
                if let Err(error) = block.item(input, errors) {
                    errors.push_syn(error);
                    skip_behind(input, ';');
                }
            }
            Ok(block)
        };
        errors.take(block.parse2(tokens)).unwrap_or_default()
    }

    fn item(&mut self, input: ParseStream<'_>, errors: &Errors) -> Result<()> {
        let attrs = input.call(Attribute::parse_outer)?;
        if input.peek(Token![pub]) || input.peek(Token![struct]) {
            self.items.push(table_item(attrs, input, errors)?);
            return Ok(());
        }
        if !input.peek(Ident::peek_any) {
            return Err(input.error(EXPECTED_ITEM));
        }
        let name = input.call(Ident::parse_any)?;
        if input.peek(Token![:]) && !input.peek(Token![::]) && input.peek2(LitStr) {
            input.parse::<Token![:]>()?;
            self.lines.push(line(attrs, name, input, errors)?);
            return Ok(());
        }
        for attr in attrs {
            errors.push(attr, format!("`{name}` takes no attributes"));
        }
        match &*name.to_string() {
            "defaults" if input.peek(token::Brace) => {
                let options = settings(&input.parse::<Group>()?, errors);
                input.parse::<Option<Token![;]>>()?;
                self.defaults.push(Defaults {
                    keyword: name,
                    options,
                });
            }
            "state" if input.peek(Token![:]) => {
                input.parse::<Token![:]>()?;
                let state: Type = input.parse()?;
                end_of_item(&state, input, errors);
                self.states.push(state);
            }
            "crate" if input.peek(Token![:]) => {
                input.parse::<Token![:]>()?;
                let path: Path = input.parse()?;
                end_of_item(&path, input, errors);
                self.crates.push(path);
            }
            _ => {
                let error = unknown_item(&name, input);
                errors.push_syn(error.clone());
                self.unread.push((name, error));
            }
        }
        Ok(())
    }
}

const EXPECTED_ITEM: &str = "expected a route such as `room: \"/rooms/{id: u64}\" => Room;`, or \
                             `state: App;`, or `defaults { … }`";

/// `pub struct Routes;`, without fields and generics.
fn table_item(attrs: Vec<Attribute>, input: ParseStream<'_>, errors: &Errors) -> Result<TableItem> {
    let vis = input.parse()?;
    let keyword = input.parse()?;
    let name: Ident = input.parse()?;
    if input.peek(Token![;]) {
        input.parse::<Token![;]>()?;
    } else {
        errors.push(
            &name,
            format!(
                "the type of a table has no fields and no generics\nhelp: write `struct {name};`"
            ),
        );
        while !input.is_empty() {
            let token: TokenTree = input.parse()?;
            let ends =
                matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
            if ends || is_punct(&token, ';') {
                break;
            }
        }
        input.parse::<Option<Token![;]>>()?;
    }
    Ok(TableItem {
        attrs,
        vis,
        keyword,
        name,
    })
}

/// `"/path" => Handler { options };`, what follows the name and the colon.
fn line(
    attrs: Vec<Attribute>,
    name: Ident,
    input: ParseStream<'_>,
    errors: &Errors,
) -> Result<Line> {
    let path: LitStr = input.parse()?;
    let target = match target(&name, &path, input, errors) {
        Ok(target) => {
            let (Target::Table { table: last, .. } | Target::Handler { handler: last, .. }) =
                &target;
            end_of_item(last, input, errors);
            target
        }
        // The line has its function all the same, which the program may use.
        Err(error) => {
            errors.push_syn(error);
            skip_behind(input, ';');
            Target::Handler {
                handler: syn::parse_quote!(()),
                options: Vec::new(),
            }
        }
    };
    Ok(Line {
        attrs,
        name,
        path,
        target,
    })
}

/// What stands behind the path of a line.
fn target(name: &Ident, path: &LitStr, input: ParseStream<'_>, errors: &Errors) -> Result<Target> {
    if !input.peek(Token![=>]) {
        let message = format!(
            "expected `=>` and a handler\nhelp: write `{name}: {} => Handler;`",
            path.token()
        );
        return Err(input.error(message));
    }
    input.parse::<Token![=>]>()?;
    if input.peek(Token![use]) {
        input.parse::<Token![use]>()?;
        let table = input.parse()?;
        let options = if input.peek(token::Brace) {
            Some(input.parse()?)
        } else {
            None
        };
        return Ok(Target::Table { table, options });
    }
    let handler = input.parse()?;
    let options = if input.peek(token::Brace) {
        settings(&input.parse::<Group>()?, errors)
    } else {
        Vec::new()
    };
    Ok(Target::Handler { handler, options })
}

/// Every item ends with `;`. Where it is missing the next item is read all the same.
fn end_of_item(last: &impl ToTokens, input: ParseStream<'_>, errors: &Errors) {
    if input.peek(Token![;]) {
        let _ = input.parse::<Token![;]>();
    } else if input.is_empty() || input.peek(Ident::peek_any) || input.peek(Token![#]) {
        errors.push(last, "a `;` is missing behind this");
    } else {
        errors.push_syn(input.error("expected `;`"));
        skip_behind(input, ';');
    }
}

/// Skips an item that is none of those of a block, and says so.
fn unknown_item(name: &Ident, input: ParseStream<'_>) -> syn::Error {
    let known = super::options::nearest(&name.to_string(), ["state", "defaults", "crate"]);
    let message = match known {
        Some(known) if name != known => {
            format!("unknown item `{name}`\nhelp: did you mean `{known}`?")
        }
        _ if input.peek(Token![:]) => {
            format!("the path of a route is a string\nhelp: write `{name}: \"/path\" => Handler;`")
        }
        _ => EXPECTED_ITEM.to_owned(),
    };
    let block = input.peek(token::Brace);
    if block {
        let _ = input.parse::<Group>();
        let _ = input.parse::<Option<Token![;]>>();
    } else {
        skip_behind(input, ';');
    }
    syn::Error::new_spanned(name, message)
}

/// `{ name: value, … }`
fn settings(group: &Group, errors: &Errors) -> Vec<Setting> {
    let list = |input: ParseStream<'_>| {
        let mut settings = Vec::new();
        while !input.is_empty() {
            match setting(input) {
                Ok(setting) => settings.push(setting),
                Err(error) => errors.push_syn(error),
            }
            if !input.is_empty() && !input.peek(Token![,]) {
                errors.push_syn(input.error("expected `,` between options"));
            }
            skip_behind(input, ',');
        }
        Ok(settings)
    };
    errors.take(list.parse2(group.stream())).unwrap_or_default()
}

fn setting(input: ParseStream<'_>) -> Result<Setting> {
    let name = input.call(Ident::parse_any)?;
    if !input.peek(Token![:]) {
        let message = format!("an option needs a value\nhelp: write `{name}: …`");
        return Err(syn::Error::new_spanned(name, message));
    }
    input.parse::<Token![:]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        let message = format!("an option needs a value\nhelp: write `{name}: …`");
        return Err(syn::Error::new_spanned(name, message));
    }
    Ok(Setting {
        value: Value::parse(input)?,
        name,
    })
}

/// Skips what is left of an item, its end included.
fn skip_behind(input: ParseStream<'_>, end: char) {
    while let Ok(token) = input.parse::<TokenTree>() {
        if is_punct(&token, end) {
            break;
        }
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}
