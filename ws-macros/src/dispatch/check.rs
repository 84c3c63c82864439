//! The rules of a block, one small function each, and what is meant by it.

use syn::{Attribute, Ident, LitStr, Path, Type};

use super::ast::{Block, Line, TableItem, Target};
use super::options::Options;
use super::overlap::ambiguous_path;
use super::pattern::{Pattern, Segment};
use super::warn::{Warning, warnings};
use crate::errors::Errors;

/// A table; where mistakes were reported it holds what could be read in spite of them.
pub struct Table {
    pub item: TableItem,
    pub state: Option<Type>,
    /// The path of the library, where it is not `::ws_server`.
    pub library: Option<Path>,
    pub routes: Vec<Route>,
    pub nested: Vec<Nested>,
    pub warnings: Vec<Warning>,
    /// Names of which it is not known what functions they mean, and what was reported there.
    pub unclear: Vec<(Ident, syn::Error)>,
}

/// A route with its options resolved.
pub struct Route {
    pub attrs: Vec<Attribute>,
    pub name: Ident,
    /// Whether the table can have a function of this name.
    pub has_usable_name: bool,
    pub path: LitStr,
    pub pattern: Pattern,
    pub handler: Type,
    pub options: Options,
}

/// A table below a prefix of this one.
pub struct Nested {
    pub attrs: Vec<Attribute>,
    pub name: Ident,
    /// Whether the table can have a function of this name.
    pub has_usable_name: bool,
    pub path: LitStr,
    pub prefix: Vec<String>,
    pub table: Type,
}

/// Checks a block. There is no table where it has no `struct` to stand for it.
pub fn table(block: Block, errors: &Errors) -> Option<Table> {
    check_said_once(&block, errors);
    let defaults = defaults(&block, errors);
    let item = block.items.into_iter().next();
    if item.is_none() {
        let message = "the table needs a type\nhelp: begin the block with `pub struct Routes;`";
        errors.push_at(proc_macro2::Span::call_site(), message);
    }
    let mut routes = Vec::new();
    let mut nested = Vec::new();
    let mut names = Names::default();
    let mut unclear = block.unread;
    for line in block.lines {
        check_attributes(&line, errors);
        let has_usable_name = names.take(&line, &mut unclear, errors);
        let Line {
            attrs,
            name,
            path,
            target,
        } = line;
        let pattern = Pattern::parse(&path, errors);
        match target {
            Target::Handler { handler, options } => {
                let options = Options::resolve(&options, errors).or(&defaults);
                check_options(&options, errors);
                options.check_cross_site_has_reason(&path, errors);
                routes.push(Route {
                    attrs,
                    name,
                    has_usable_name,
                    path,
                    pattern,
                    handler,
                    options,
                });
            }
            Target::Table { table, options } => {
                if let Some(options) = options {
                    let message = "a nested table takes no options\n\
                        help: set them in its own block";
                    errors.push(options, message);
                }
                check_not_itself(&table, item.as_ref(), errors);
                let prefix = literals(&pattern, &path, errors);
                nested.push(Nested {
                    attrs,
                    name,
                    has_usable_name,
                    path,
                    prefix,
                    table,
                });
            }
        }
    }
    check_overlaps(&routes, errors);
    let library = block.crates.into_iter().next();
    let state = block.states.into_iter().next();
    let warnings = warnings(&routes, &defaults);
    Some(Table {
        item: item?,
        state,
        library,
        routes,
        nested,
        warnings,
        unclear,
    })
}

/// The options of `defaults`.
fn defaults(block: &Block, errors: &Errors) -> Options {
    let Some(defaults) = block.defaults.first() else {
        return Options::default();
    };
    let options = Options::resolve(&defaults.options, errors);
    check_options(&options, errors);
    options
}

/// The type, the state, the library and the defaults are said once.
fn check_said_once(block: &Block, errors: &Errors) {
    for item in block.items.iter().skip(1) {
        errors.push(
            &item.name,
            "a block is one table, and it has its `struct` already\n\
             help: remove one, or write a second block",
        );
    }
    for state in block.states.iter().skip(1) {
        errors.push(
            state,
            "`state` is there twice\nhelp: remove one: a table has one state",
        );
    }
    for library in block.crates.iter().skip(1) {
        errors.push(library, "`crate` is there twice\nhelp: remove one");
    }
    for defaults in block.defaults.iter().skip(1) {
        errors.push(
            &defaults.keyword,
            "`defaults` is there twice\nhelp: join the two blocks",
        );
    }
}

/// Options that contradict each other.
fn check_options(options: &Options, errors: &Errors) {
    options.check_ping_below_idle(errors);
    options.check_page_has_session(errors);
    options.check_attached_has_session(errors);
    options.check_attached_has_page(errors);
    options.check_attached_has_no_protocols(errors);
    options.check_attached_has_no_start(errors);
}

/// What stands at a route is for the function of its URL: documentation, conditions and
/// lints; anything else would be lost.
fn check_attributes(line: &Line, errors: &Errors) {
    const KEPT: [&str; 6] = ["doc", "cfg", "allow", "warn", "deny", "deprecated"];
    for attr in &line.attrs {
        if !KEPT.iter().any(|kept| attr.path().is_ident(kept)) {
            errors.push(
                attr,
                "a route takes documentation, `#[cfg]`, `#[deprecated]`, `#[allow]`, `#[warn]` and `#[deny]` only",
            );
        }
    }
}

/// The names of the routes so far, with their conditions.
#[derive(Default)]
struct Names(Vec<(Ident, Vec<String>)>);

impl Names {
    /// Each line becomes a function of the table, so that its name must be one, and its
    /// own. Gives whether it is.
    fn take(
        &mut self,
        line: &Line,
        unclear: &mut Vec<(Ident, syn::Error)>,
        errors: &Errors,
    ) -> bool {
        let name = &line.name;
        let text = name.to_string();
        // `gen` is one since the edition of 2024, which `syn` does not look at.
        if text == "gen" || syn::parse_str::<Ident>(&text).is_err() {
            let hint = match &*text {
                "_" | "self" | "Self" | "super" | "crate" => "choose another name".to_owned(),
                _ => format!("write `r#{text}`, or choose another name"),
            };
            errors.push(name, format!("`{text}` is a keyword\nhelp: {hint}"));
            return false;
        }
        if text == "table" {
            errors.push(
                name,
                "`table` is the function that gives the table\nhelp: choose another name",
            );
            return false;
        }
        let conditions = conditions(&line.attrs);
        let taken = self.0.iter().any(|(known, known_conditions)| {
            known == name && !both_conditional(known_conditions, &conditions)
        });
        if taken {
            let message =
                format!("the name `{name}` is there twice\nhelp: give each route its own");
            let error = syn::Error::new_spanned(name, message);
            errors.push_syn(error.clone());
            unclear.push((name.clone(), error));
            return false;
        }
        self.0.push((name.clone(), conditions));
        true
    }
}

/// The `#[cfg]` attributes, as text.
fn conditions(attrs: &[Attribute]) -> Vec<String> {
    let cfg = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    cfg.map(|attr| quote::ToTokens::to_token_stream(attr).to_string())
        .collect()
}

/// Two routes under different conditions are taken for alternatives: whether both can hold
/// is not known here. A router that has both nevertheless refuses them.
fn both_conditional(one: &[String], other: &[String]) -> bool {
    !one.is_empty() && !other.is_empty() && one != other
}

/// A table inside itself would have no end.
fn check_not_itself(table: &Type, item: Option<&TableItem>, errors: &Errors) {
    let Some(item) = item else { return };
    let Type::Path(path) = table else { return };
    if path.path.get_ident() == Some(&item.name) {
        errors.push(
            table,
            format!("the table `{}` cannot be nested in itself", item.name),
        );
    }
}

/// The prefix of a nested table is literal: its parameters would reach no handler.
fn literals(pattern: &Pattern, path: &LitStr, errors: &Errors) -> Vec<String> {
    let mut literals = Vec::new();
    for segment in &pattern.segments {
        match segment {
            Segment::Literal(text) => literals.push(text.clone()),
            Segment::Typed { name, .. } | Segment::Text { name } | Segment::Rest { name } => {
                errors.push(
                    path,
                    format!(
                        "the prefix of a nested table has no parameters\n\
                         help: move `{{{name}}}` into the routes of the nested table"
                    ),
                );
            }
        }
    }
    literals
}

/// No path may lead to two routes unless one of them is the more specific one.
fn check_overlaps(routes: &[Route], errors: &Errors) {
    let conditions: Vec<_> = routes
        .iter()
        .map(|route| conditions(&route.attrs))
        .collect();
    for (at, later) in routes.iter().enumerate() {
        let overlap = routes[..at]
            .iter()
            .zip(&conditions)
            .find_map(|(earlier, condition)| {
                let flawed = earlier.pattern.is_flawed || later.pattern.is_flawed;
                if flawed || both_conditional(condition, &conditions[at]) {
                    return None;
                }
                Some((earlier, ambiguous_path(&earlier.pattern, &later.pattern)?))
            });
        if let Some((earlier, path)) = overlap {
            errors.push(
                &later.path,
                format!(
                    "`{}` and `{}`{} overlap: both match \"{path}\", and neither is more \
                     specific\n\
                     help: tell them apart by a literal, or remove one",
                    later.name,
                    earlier.name,
                    line_of(&earlier.path),
                ),
            );
        }
    }
}

/// ` (line 7)`, where that is known.
fn line_of(path: &LitStr) -> String {
    match path.span().start().line {
        0 => String::new(),
        line => format!(" (line {line})"),
    }
}
