//! A checked table: the meaning of its lines.

use syn::{Attribute, Ident, LitStr, Path, Type};

use super::options::Options;
use crate::block::item::BlockItem;
use crate::block::pattern::Pattern;

/// A table; if mistakes were reported, it contains the valid parts.
pub(crate) struct Table {
    pub item: BlockItem,
    pub state: Option<Type>,
    /// The path of the library, if it is not `::ws_server`.
    pub library: Option<Path>,
    /// The options of `defaults`.
    pub defaults: Options,
    pub routes: Vec<Route>,
    pub nested: Vec<Nested>,
    /// Lines without a target, because of mistakes.
    pub invalid_lines: Vec<InvalidLine>,
    /// Names whose functions are not known, and the error that was reported there.
    pub unknown_functions: Vec<(Ident, syn::Error)>,
    /// Whether the options of `defaults` could not be read.
    pub has_invalid_defaults: bool,
    /// Whether a mistake in the block was reported, so that warnings are postponed.
    pub has_mistakes: bool,
}

/// A line whose path or target could not be read. The program may use its function.
pub(crate) struct InvalidLine {
    pub attrs: Vec<Attribute>,
    pub name: Ident,
    /// Whether the table can have a function of this name.
    pub has_usable_name: bool,
    pub path: LitStr,
    pub pattern: Pattern,
    pub target_kind: TargetKind,
}

/// The intended target of a line.
#[derive(Clone, Copy)]
pub(crate) enum TargetKind {
    Handler,
    Table,
}

/// A route with its options resolved.
pub(crate) struct Route {
    pub attrs: Vec<Attribute>,
    pub name: Ident,
    /// Whether the table can have a function of this name.
    pub has_usable_name: bool,
    pub path: LitStr,
    pub pattern: Pattern,
    pub handler: Type,
    pub options: Options,
}

impl Route {
    /// Whether everything is known that determines which handlers the route accepts.
    pub(crate) fn is_valid(&self) -> bool {
        self.has_usable_name && !self.pattern.is_flawed && self.options.determine_handlers()
    }
}

/// A table below a prefix of this one.
pub(crate) struct Nested {
    pub attrs: Vec<Attribute>,
    pub name: Ident,
    /// Whether the table can have a function of this name.
    pub has_usable_name: bool,
    pub path: LitStr,
    pub pattern: Pattern,
    pub prefix: Vec<String>,
    pub table: Type,
    /// Whether the table is nested in itself.
    pub is_recursive: bool,
}

impl Nested {
    /// Whether no mistake in the line was reported.
    pub(crate) fn is_valid(&self) -> bool {
        let is_literal = self.prefix.len() == self.pattern.segments.len();
        self.has_usable_name && !self.pattern.is_flawed && is_literal && !self.is_recursive
    }
}
