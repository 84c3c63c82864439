//! The requirements on the state of a table, with their own compiler errors.

use super::Table;
use crate::extract::FromRef;

/// A type that can be the state of a table: connections on all threads share it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the state of a table: connections on all threads share it",
    label = "not `Send + Sync + 'static`",
    note = "use types that threads can share: `Arc<T>` instead of `Rc<T>`, `Mutex<T>` instead of \
            `RefCell<T>`"
)]
pub trait TableState {}

#[diagnostic::do_not_recommend]
impl<S: Send + Sync + 'static> TableState for S {}

/// Checks that a type can be the state of a table. `dispatch!` generates one call, at the type.
pub const fn is_state<S: TableState>() {}

/// A state from which a nested table can take its own state `T`.
#[diagnostic::on_unimplemented(
    message = "the nested table needs the state `{T}`, which this table cannot provide",
    label = "this table has no such state",
    note = "give this table `state: {T};`, or a state that has a `{T}` as a part and derives `FromRef`"
)]
pub trait GivesState<T>: Sized {
    /// Nests a table with the partial state in one with the whole state.
    fn nest(outer: Table<Self>, prefix: &'static [&'static str], inner: Table<T>) -> Table<Self>;
}

#[diagnostic::do_not_recommend]
impl<S, T: FromRef<S> + Send + Sync + 'static> GivesState<T> for S {
    fn nest(outer: Table<S>, prefix: &'static [&'static str], inner: Table<T>) -> Table<S> {
        outer.nest(prefix, inner)
    }
}
