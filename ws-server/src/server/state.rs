//! Whether the state that a table requires is set.

use ws_core::extract::NoState;

/// No state has been set.
///
/// ```
/// use ws_server::extract::NoState;
/// use ws_server::{Server, Stateless};
///
/// /// Settings that every server of this company has.
/// fn with_our_settings(server: Server<NoState, Stateless>) -> Server<NoState, Stateless> {
///     server.origins(["https://example.com"]).max_connections(10_000)
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stateless;

/// The state that has been set.
///
/// ```
/// use ws_server::route::Table;
/// use ws_server::{Server, WithState};
///
/// struct App;
///
/// fn server(table: Table<App>) -> Server<App, WithState<App>> {
///     Server::new(table).state(App)
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WithState<S>(pub(super) S);

/// The state of a server, if it is the state `S` that the table requires.
///
/// A table without `state: …;` requires none.
///
/// ```
/// use ws_server::{Error, Server, StateFor, Ws};
///
/// /// Builds any server whose state is set.
/// fn build<S, G>(server: Server<S, G>) -> Result<Ws, Error>
/// where
///     G: StateFor<S>,
///     S: Send + Sync + 'static,
/// {
///     server.public_url("https://example.com").build()
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the table has a state of type `{S}`, but the server has none",
    label = "call `.state(…)` before this",
    note = "write `Server::new(Routes::table()).state(app).build()?`"
)]
pub trait StateFor<S> {
    /// The state.
    #[doc(hidden)]
    fn into_state(self) -> S;
}

impl StateFor<NoState> for Stateless {
    fn into_state(self) -> NoState {
        NoState
    }
}

impl<S> StateFor<S> for WithState<S> {
    fn into_state(self) -> S {
        self.0
    }
}
