//! The rules of a block, one small function each, and the resolution of its meaning.

mod overlaps;

use syn::ext::IdentExt;
use syn::{Ident, LitStr, Type};

use super::ast::{Line, TableBlock, Target};
use super::grammar::GRAMMAR;
use super::options::Options;
use super::table::{InvalidLine, Nested, Route, Table, TargetKind};
use crate::block::item::BlockItem;
use crate::block::line::LinePattern;
use crate::block::names::{LineNames, is_usable};
use crate::block::pattern::{Pattern, Segment, Syntax};
use crate::block::settings::Setting;
use crate::block::syntax::check_one_library;
use crate::block::types::{TypeWords, checked, error_type};
use crate::condition::is_named;
use crate::errors::Errors;

const STATE: TypeWords = TypeWords {
    value: "the state",
    example: "state: App;",
};

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
        (_, Some(state)) => Some(checked(state, &STATE, errors)),
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
    names: LineNames,
    routes: Vec<Route>,
    nested: Vec<Nested>,
    invalid: Vec<InvalidLine>,
    unknown_functions: Vec<(Ident, syn::Error)>,
}

impl Lines {
    fn add(&mut self, line: Line, defaults: &Options, item: Option<&BlockItem>, errors: &Errors) {
        check_attributes(&line, errors);
        let unknown = &mut self.unknown_functions;
        let has_usable_name = has_usable_name(&line, &mut self.names, unknown, errors);
        let Line {
            attrs,
            name,
            path,
            target,
        } = line;
        let (pattern, path) = match path {
            LinePattern::Text(path) => (Pattern::parse(&path, Syntax::Path, errors), path),
            LinePattern::Invalid(error) => {
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
    check_one_library(&block.crates, errors);
    for defaults in block.defaults.iter().skip(1) {
        errors.push(
            &defaults.keyword,
            "`defaults` appears twice\nhelp: merge the two blocks",
        );
    }
}

/// Checks that no options contradict each other.
fn check_options(options: &Options, errors: &Errors) {
    options.check_ping_below_idle(errors);
    options.check_page_has_session(errors);
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

/// Checks the name of a line, which becomes a function of the table, so it must be a valid and unique
/// name. Returns whether it is.
fn has_usable_name(
    line: &Line,
    names: &mut LineNames,
    unknown_functions: &mut Vec<(Ident, syn::Error)>,
    errors: &Errors,
) -> bool {
    let name = &line.name;
    if !is_usable(name, errors) {
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
    match names.register(name, &line.attrs, &GRAMMAR, errors) {
        Ok(()) => true,
        Err(error) => {
            unknown_functions.push((name.clone(), error));
            false
        }
    }
}

/// Reports a table that is nested in itself, which would never end. Returns whether it is.
fn check_not_itself(table: &Type, item: Option<&BlockItem>, errors: &Errors) -> bool {
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
