//! Tables nested below a prefix of another table.

use super::Table;
use super::conflict::{Dispatch, NestedOutline};

/// A table that can be nested in a table with the state `S`, because its own state is a part of it.
///
/// The outer state is a parameter, and the inner state is not named, since it may be a private
/// type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a routing table",
    label = "not a table of `dispatch!`",
    note = "`use` takes the type that a `dispatch!` block begins with, such as \
            `use crate::admin::Routes`; for a handler, remove `use`"
)]
pub trait Nested<S>: Dispatch {
    /// Adds this table to another, below a prefix.
    fn nest_in(outer: Table<S>, prefix: &'static [&'static str]) -> Table<S>;
}

/// A line of a table with the state `S` that nests another table.
///
/// All requirements on the nested table are bounds here, so that each error is reported once.
pub trait Mounted<S> {
    /// The name of the line.
    const NAME: &'static str;
    /// The segments of its path.
    const PREFIX: &'static [&'static str];
    /// The nested table.
    type Table: Nested<S>;
}

impl NestedOutline {
    /// The outline of the table nested at this line.
    pub const fn of<S, M: Mounted<S>>() -> Self {
        Self {
            name: M::NAME,
            prefix: M::PREFIX,
            outline: <M::Table as Dispatch>::OUTLINE,
        }
    }
}

impl<S> Table<S> {
    /// Nests the table of a line in this one.
    #[doc(hidden)]
    pub fn mount<M: Mounted<S>>(self) -> Self {
        M::Table::nest_in(self, M::PREFIX)
    }
}
