//! The rules of a block, one small function each, and the resolution of its meaning.

mod overlaps;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Ident, LitStr, Type};

use super::ast::{Line, LinePath, Setting, TableBlock, TableItem, Target};
use super::options::Options;
use super::pattern::{Pattern, Segment};
use super::table::{InvalidLine, Nested, Route, Table, TargetKind};
use crate::condition::{are_alternatives, condition_texts, is_named};
use crate::errors::Errors;
use crate::source::written;

/// Checks a block. Returns no table if the block has no `struct` for it.
pub(crate) fn table(block: TableBlock, errors: &Errors) -> Option<Table> {
    check_unique_items(&block, errors);
    let defaults = defaults(&block, errors);
    let item = block.items.into_iter().next();
    if item.is_none() && !block.invalid_items.item {
        let message = "the table needs a type\nhelp: begin the block with `pub struct Routes;`";
        errors.push_at(proc_macro2::Span::call_site(), message);
    }
    let state = match (block.invalid_items.state, block.states.into_iter().next()) {
        (Some(error), None) => Some(error_type(&error)),
        (_, Some(state)) => Some(checked_state(state, errors)),
        (None, None) => None,
    };
    let mut lines = Lines {
        unknown_functions: block.unparsed_lines,
        ..Lines::default()
    };
    for line in block.lines {
        lines.add(line, &defaults, item.as_ref(), errors);
    }
    overlaps::check(&lines.routes, errors);
    Some(Table {
        item: item?,
        state,
        library: block.crates.into_iter().next(),
        defaults,
        routes: lines.routes,
        nested: lines.nested,
        invalid_lines: lines.invalid,
        unknown_functions: lines.unknown_functions,
        has_invalid_defaults: block.invalid_items.defaults,
        has_mistakes: false,
    })
}

/// The lines of a block, sorted by their targets.
#[derive(Default)]
struct Lines {
    names: RouteNames,
    routes: Vec<Route>,
    nested: Vec<Nested>,
    invalid: Vec<InvalidLine>,
    unknown_functions: Vec<(Ident, syn::Error)>,
}

impl Lines {
    fn add(&mut self, line: Line, defaults: &Options, item: Option<&TableItem>, errors: &Errors) {
        check_attributes(&line, errors);
        let unknown = &mut self.unknown_functions;
        let has_usable_name = self.names.register(&line, unknown, errors);
        let Line {
            attrs,
            name,
            path,
            target,
        } = line;
        let (pattern, path) = match path {
            LinePath::Text(path) => (Pattern::parse(&path, errors), path),
            LinePath::Invalid(error) => {
                self.unknown_functions.push((name.clone(), error));
                (Pattern::invalid(), LitStr::new("/", name.span()))
            }
        };
        let target_kind = match &target {
            Target::Handler { .. } => TargetKind::Handler,
            Target::Table { .. } => TargetKind::Table,
        };
        match target {
            Target::Handler { handler, options } => {
                let options = route_options(&options.list, defaults, &path, errors);
                if let Some(handler) = handler.ty() {
                    self.routes.push(Route {
                        attrs,
                        name,
                        has_usable_name,
                        path,
                        pattern,
                        handler,
                        options,
                    });
                    return;
                }
            }
            Target::Table { table, options } => {
                if let Some(options) = options {
                    let message = "a nested table takes no options\n\
                        help: set them in its own block";
                    errors.push(options, message);
                }
                let prefix = literal_prefix(&pattern, &path, errors);
                if let Some(table) = table.ty() {
                    let is_recursive = check_not_itself(&table, item, errors);
                    self.nested.push(Nested {
                        attrs,
                        name,
                        has_usable_name,
                        path,
                        pattern,
                        prefix,
                        table,
                        is_recursive,
                    });
                    return;
                }
            }
        }
        self.invalid.push(InvalidLine {
            attrs,
            name,
            has_usable_name,
            path,
            pattern,
            target_kind,
        });
    }
}

/// Resolves the options of a route, with those of `defaults`.
fn route_options(
    settings: &[Setting],
    defaults: &Options,
    path: &LitStr,
    errors: &Errors,
) -> Options {
    let mut options = Options::resolve(settings, errors).or(defaults);
    let before = errors.count();
    check_options(&options, errors);
    options.are_contradictory |= errors.count() > before;
    options.check_cross_site_has_reason(path, errors);
    options
}

/// Resolves the options of `defaults`.
fn defaults(block: &TableBlock, errors: &Errors) -> Options {
    let Some(defaults) = block.defaults.first() else {
        return Options::default();
    };
    let mut options = Options::resolve(&defaults.options.list, errors);
    let before = errors.count();
    check_options(&options, errors);
    options.are_contradictory = errors.count() > before;
    options
}

/// Checks that the type, the state, the library and the defaults appear only once.
fn check_unique_items(block: &TableBlock, errors: &Errors) {
    for item in block.items.iter().skip(1) {
        errors.push(
            &item.name,
            "a block declares one table, and this one already has a `struct`\n\
             help: remove one, or write a second block",
        );
    }
    for state in block.states.iter().skip(1) {
        errors.push(
            state,
            "`state` is set twice\nhelp: remove one: a table has one state",
        );
    }
    for library in block.crates.iter().skip(1) {
        errors.push(library, "`crate` is set twice\nhelp: remove one");
    }
    for defaults in block.defaults.iter().skip(1) {
        errors.push(
            &defaults.keyword,
            "`defaults` appears twice\nhelp: merge the two blocks",
        );
    }
}

/// Checks that the state is a type of known size that borrows nothing.
fn checked_state(state: Type, errors: &Errors) -> Type {
    let message = match &state {
        Type::TraitObject(_) | Type::Slice(_) => {
            let written = written(&state);
            format!(
                "`{written}` has no known size, so it cannot be the state\nhelp: write \
                 `Arc<{written}>`"
            )
        }
        Type::Reference(borrowed) if borrowed.lifetime.is_none() => {
            let written = written(&borrowed.elem);
            format!(
                "the state must own its data\nhelp: write `Arc<{written}>` or `&'static {written}`"
            )
        }
        Type::ImplTrait(_) | Type::Infer(_) | Type::Never(_) => {
            "the state must be a named type\nhelp: write `state: App;`".to_owned()
        }
        _ if borrows(state.to_token_stream()) => {
            "the state must own its data\nhelp: use no lifetime except `'static`".to_owned()
        }
        _ => return state,
    };
    let error = syn::Error::new_spanned(state, message);
    errors.push_syn(error.clone());
    error_type(&error)
}

/// Whether a type contains a lifetime other than `'static`. A lifetime that it declares itself, as
/// in `for<'a>`, does not count.
fn borrows(ty: TokenStream) -> bool {
    let mut tokens = ty.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match token {
            TokenTree::Ident(name) if name == "for" => return false,
            TokenTree::Group(group) => borrows(group.stream()),
            TokenTree::Punct(sign) if sign.as_char() == '\'' => {
                let name = tokens.peek().map(ToString::to_string);
                name.is_some_and(|name| name != "static")
            }
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// Returns a type that contains a reported error: its uses are not reported.
fn error_type(error: &syn::Error) -> Type {
    let error = error.to_compile_error();
    syn::parse_quote!([(); #error])
}

/// Checks that no options contradict each other.
fn check_options(options: &Options, errors: &Errors) {
    options.check_ping_below_idle(errors);
    options.check_page_has_session(errors);
    options.check_attached_has_session(errors);
    options.check_attached_has_page(errors);
    options.check_attached_has_no_protocols(errors);
    options.check_attached_has_no_start(errors);
}

/// The attributes of a route apply to its URL function: documentation, conditions and lints; any
/// other would be lost.
fn check_attributes(line: &Line, errors: &Errors) {
    const ALLOWED: [&str; 6] = ["doc", "cfg", "allow", "warn", "deny", "deprecated"];
    for attr in &line.attrs {
        if !ALLOWED.iter().any(|name| is_named(attr, name)) {
            errors.push(
                attr,
                "a route takes documentation, `#[cfg]`, `#[deprecated]`, `#[allow]`, `#[warn]` and `#[deny]` only",
            );
        }
    }
}

/// The names of the routes so far, with their conditions.
#[derive(Default)]
struct RouteNames(Vec<(Ident, Vec<String>)>);

impl RouteNames {
    /// Checks the name of a line, which becomes a function of the table, so it must be a valid and
    /// unique name. Returns whether it is.
    fn register(
        &mut self,
        line: &Line,
        unknown_functions: &mut Vec<(Ident, syn::Error)>,
        errors: &Errors,
    ) -> bool {
        let name = &line.name;
        let text = name.to_string();
        // `gen` is a keyword since edition 2024, which `syn` does not check.
        if text == "gen" || syn::parse_str::<Ident>(&text).is_err() {
            let hint = match &*text {
                "_" | "self" | "Self" | "super" | "crate" => "choose another name".to_owned(),
                _ => format!("write `r#{text}`, or choose another name"),
            };
            errors.push(name, format!("`{text}` is a keyword\nhelp: {hint}"));
            return false;
        }
        if name.unraw() == "table" {
            errors.push(
                name,
                "the name `table` is reserved for the function that returns the table\nhelp: choose \
                 another name",
            );
            return false;
        }
        let conditions = condition_texts(&line.attrs);
        let taken = self.0.iter().any(|(known, known_conditions)| {
            known.unraw() == name.unraw() && !are_alternatives(known_conditions, &conditions)
        });
        if taken {
            let message =
                format!("the name `{name}` is used twice\nhelp: give each route its own name");
            let error = syn::Error::new_spanned(name, message);
            errors.push_syn(error.clone());
            unknown_functions.push((name.clone(), error));
            return false;
        }
        self.0.push((name.clone(), conditions));
        true
    }
}

/// Reports a table that is nested in itself, which would never end. Returns whether it is.
fn check_not_itself(table: &Type, item: Option<&TableItem>, errors: &Errors) -> bool {
    let (Some(item), Type::Path(path)) = (item, table) else {
        return false;
    };
    let is_itself = path.path.get_ident() == Some(&item.name);
    if is_itself {
        errors.push(
            table,
            format!("the table `{}` cannot be nested in itself", item.name),
        );
    }
    is_itself
}

/// Checks that the prefix of a nested table is literal: parameters in it would reach no handler.
fn literal_prefix(pattern: &Pattern, path: &LitStr, errors: &Errors) -> Vec<String> {
    let mut literals = Vec::new();
    for segment in &pattern.segments {
        match segment {
            Segment::Literal(text) => literals.push(text.clone()),
            Segment::Typed { name, .. } | Segment::Text { name } | Segment::Rest { name } => {
                errors.push(
                    path,
                    format!(
                        "the prefix of a nested table must not contain parameters\n\
                         help: move `{{{name}}}` into the routes of the nested table"
                    ),
                );
            }
        }
    }
    literals
}
