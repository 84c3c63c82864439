//! `State<T>`: state that the application shares with its handlers.

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::AnyRoute;

/// A part of the application's state, cloned for the hook.
///
/// `T` is the state that the table names with `state: App;`, or any type that [`FromRef`] can make
/// from it. `State<T>` dereferences to `T`.
///
/// ```
/// use ws_server::extract::State;
///
/// #[derive(Clone)]
/// struct Db;
/// impl Db {
///     fn name(&self) -> &'static str { "db" }
/// }
///
/// fn init(db: State<Db>) -> &'static str {
///     db.name()
/// }
/// # assert_eq!(init(State(Db)), "db");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct State<T>(pub T);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for State<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Makes a part of the state from the whole; `#[derive(FromRef)]` implements it for each field.
///
/// ```
/// use ws_server::extract::FromRef;
///
/// struct App { name: String }
///
/// /// The application's name in capitals.
/// struct Title(String);
///
/// impl FromRef<App> for Title {
///     fn from_ref(app: &App) -> Self {
///         Self(app.name.to_uppercase())
///     }
/// }
/// assert_eq!(Title::from_ref(&App { name: "chat".to_owned() }).0, "CHAT");
/// ```
#[diagnostic::on_unimplemented(
    message = "the state `{S}` cannot provide a `{Self}`",
    label = "not a part of the table's state",
    note = "derive `FromRef` for `{S}`, or implement `FromRef<{S}>` for `{Self}`"
)]
pub trait FromRef<S> {
    /// Returns the part, usually a cheap clone.
    fn from_ref(whole: &S) -> Self;
}

impl<T: Clone> FromRef<T> for T {
    fn from_ref(whole: &T) -> Self {
        whole.clone()
    }
}

/// The state of a table without the option `state`.
///
/// ```
/// use ws_server::extract::NoState;
/// use ws_server::prelude::*;
/// use ws_server::route::Table;
/// # struct Echo;
/// # #[ws_handler]
/// # impl Echo { fn init() -> Self { Echo } }
///
/// dispatch! {
///     struct Routes;
///
///     echo: "/echo" => Echo;
/// }
///
/// fn routes() -> Table<NoState> {
///     Routes::table()
/// }
/// ```
#[derive(PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it will never have fields")]
pub struct NoState;

impl<S> FromRef<S> for NoState {
    fn from_ref(_: &S) -> Self {
        Self
    }
}

/// Implemented by the marker of a route that can provide a `State<T>`.
///
/// `dispatch!` implements it for every `T: FromRef<App>` if the table has `state: App`.
///
/// ```
/// use ws_server::extract::{Context, FromConnection, Provides, State};
///
/// #[derive(Clone)]
/// struct Db;
///
/// /// The accounts in the database, on routes whose table has one.
/// struct Accounts(Db);
///
/// impl<'a, H, R: Provides<Db>> FromConnection<'a, H, R> for Accounts {
///     fn from_connection(context: &'a Context<H>) -> Self {
///         let State(db) = <State<Db> as FromConnection<'a, H, R>>::from_connection(context);
///         Self(db)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the table of this route cannot provide `State<{T}>`",
    label = "the handler of this route takes `State<{T}>`",
    note = "add `state: App;` to the table, with a state `App` that derives `FromRef` and has a \
            field of type `{T}`"
)]
pub trait Provides<T> {
    /// The part of the table's state.
    #[doc(hidden)]
    fn provide(state: &AnyState) -> T;
}

/// Never called, because no connection belongs to [`AnyRoute`].
#[diagnostic::do_not_recommend]
impl<T> Provides<T> for AnyRoute {
    fn provide(_: &AnyState) -> T {
        unreachable!("no connection belongs to `AnyRoute`")
    }
}

/// The state of a table with its type erased. The table that reads it knows the type.
#[derive(Clone)]
pub struct AnyState(Arc<dyn Any + Send + Sync>);

impl AnyState {
    /// Erases the type of a state.
    pub fn new<S: Send + Sync + 'static>(state: S) -> Self {
        Self(Arc::new(state))
    }

    /// The state.
    ///
    /// # Panics
    ///
    /// Panics if the state is not an `S`. The code of `dispatch!` always requests the type of its
    /// own table, so this does not happen.
    pub fn get<S: 'static>(&self) -> &S {
        self.0
            .downcast_ref()
            .expect("the state has the type that its table declares")
    }
}

impl fmt::Debug for AnyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyState")
    }
}
