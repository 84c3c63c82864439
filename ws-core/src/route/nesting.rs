//! Tables below a prefix of another table.

use super::Table;
use super::conflict::{Below, Dispatch};

/// A table that may stand in a table over the state `S`, whose part its own state is.
///
/// The state is a parameter, and the other's is not named: it may be a private type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no routing table",
    label = "no table of `dispatch!`",
    note = "behind `use` stands the type that a `dispatch!` block begins with, such as \
            `use crate::admin::Routes`; for a handler leave `use` out"
)]
pub trait Nested<S>: Dispatch {
    /// Adds this table to another, below a prefix.
    fn nest_in(outer: Table<S>, prefix: &'static [&'static str]) -> Table<S>;
}

/// A line of a table over the state `S` with another table behind it.
///
/// All that the other table has to be is asked here, so that it is reported once.
pub trait Mounted<S> {
    /// The name of the line.
    const NAME: &'static str;
    /// The segments of its path.
    const PREFIX: &'static [&'static str];
    /// The other table.
    type Table: Nested<S>;
}

impl Below {
    /// What stands at this line.
    pub const fn of<S, M: Mounted<S>>() -> Self {
        Self {
            name: M::NAME,
            prefix: M::PREFIX,
            outline: <M::Table as Dispatch>::OUTLINE,
        }
    }
}

impl<S> Table<S> {
    /// Adds the table behind a line of this one.
    #[doc(hidden)]
    pub fn mount<M: Mounted<S>>(self) -> Self {
        M::Table::nest_in(self, M::PREFIX)
    }
}
