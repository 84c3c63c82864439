//! Arguments of hooks, selected by their type.
//!
//! `dispatch!` makes a marker type `R` for every kind of route in a table: routes with the same
//! parameters and the same requirements share it. The marker implements traits for what these
//! routes provide: [`Provides<T>`] for the state, [`HasSession`], [`HasPage`] and
//! [`AttachesPage`] for sessions and pages, and [`FromParams<R>`] for the parameters of the path. So
//! if a route cannot provide an argument, the program does not compile.

mod argument;
mod bearer;
mod borrowing;
mod connection;
mod handshake;
mod offers;
mod params;
mod response_headers;
mod resumed;
mod state;
mod trace_context;
mod unread;

use std::marker::PhantomData;

pub use argument::{
    FirstInfoArgument, HookArgument, InitArgument, Notification, NotificationFallback,
    TerminateArgument,
};
pub use bearer::Bearer;
pub use borrowing::{
    Borrowed, Borrowing, Decoded, NotBorrowed, OtherType, OwnedArgument, PartOfRequest, TextOfReply,
};
pub(crate) use connection::HandlerOf;
pub use connection::{Context, Endpoint, FromConnection, Visitor};
pub use handshake::{Admitted, FromHandshake, Handshake, Opening, Query};
pub(crate) use offers::{Offer, offers};
pub use params::{FromParams, HasParam, NameChar, NameEnd, NamesParams, Params, Path};
pub use response_headers::ResponseHeaderError;
pub(crate) use response_headers::ResponseHeaders;
pub use state::{AnyState, FromRef, NoState, Provides, State};
pub use trace_context::TraceContext;
pub use unread::{IgnoresPathParams, PathParamUse, ReadsPathParams};

/// Implemented by the marker of a route if its connections have a session.
///
/// `dispatch!` implements it for every route but those with `require_session: false`.
///
/// ```
/// use ws_server::extract::{Context, FromConnection, HasSession};
///
/// /// The name of the user, on routes that require a session.
/// struct User(String);
///
/// impl<'a, H, R: HasSession> FromConnection<'a, H, R> for User {
///     fn from_connection(context: &'a Context<H>) -> Self {
///         let user = context.session().and_then(|session| session.user());
///         Self(user.unwrap_or("guest").to_owned())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "this route has no session, because of `require_session: false`",
    label = "the handler of this route takes `Session` or `Page`",
    note = "take `Option<Session>` in the handler, or remove `require_session: false` from the route"
)]
pub trait HasSession {}

/// Implemented by the marker of a route if its connections have a page: one that the server
/// rendered or, with `attach: page` and `require_session: false`, one without a session.
///
/// `dispatch!` implements it for routes that require a session and do not have
/// `require_page: false`, and for all routes with `attach: page`.
///
/// ```
/// use ws_server::extract::{Context, FromConnection, HasPage};
///
/// /// The id of the page, on routes that require one.
/// struct PageId(Option<String>);
///
/// impl<'a, H, R: HasPage> FromConnection<'a, H, R> for PageId {
///     fn from_connection(context: &'a Context<H>) -> Self {
///         Self(context.page().map(|page| page.id().to_owned()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "this route has no page, because of `require_session: false` or `require_page: \
               false`",
    label = "the handler of this route takes `Page`",
    note = "take `Option<Page>` in the handler, or remove the option from the route",
    note = "a route with `require_session: false` has pages if it has `attach: page`"
)]
pub trait HasPage {}

/// Implemented by the marker of a route with `attach: page`, on which a handler lives as long as its
/// page.
///
/// ```
/// use ws_server::Refusal;
/// use ws_server::extract::{AttachesPage, FromHandshake, Opening};
///
/// /// Proof that the handler survives its connection, so that it may keep a draft.
/// struct Survives;
///
/// impl<'a, H, R: AttachesPage> FromHandshake<'a, H, R> for Survives {
///     async fn from_handshake(_: &'a Opening<H>) -> Result<Self, Refusal> {
///         Ok(Self)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler of this route does not live as long as a page, because the route has no \
               `attach: page`",
    label = "the handler of this route takes `Resumed`",
    note = "add `attach: page` to the route, or remove `Resumed` from the handler"
)]
pub trait AttachesPage: HasPage {}

/// A marker that belongs to no route, and provides everything.
///
/// `#[ws_handler]` checks each argument against it: a type that no route can provide is reported at
/// the handler, before any table uses it.
///
/// ```
/// use ws_server::extract::AnyRoute;
/// use ws_server::handler::Handler;
/// use ws_server::testkit::{TestClient, TestKit};
///
/// /// Connects a test to any handler, without a table.
/// async fn connect<H: Handler<AnyRoute>>(kit: &TestKit) -> TestClient {
///     kit.handler::<H>().connect().await.unwrap()
/// }
/// ```
#[derive(Debug)]
pub enum AnyRoute {}

#[diagnostic::do_not_recommend]
impl HasSession for AnyRoute {}

#[diagnostic::do_not_recommend]
impl HasPage for AnyRoute {}

#[diagnostic::do_not_recommend]
impl AttachesPage for AnyRoute {}

/// The marker of the routes of `R` while `terminate` runs: it provides the same as `R`, and the
/// [`CloseReason`](crate::close::CloseReason).
#[derive(Debug)]
pub struct Ended<R>(PhantomData<R>);

#[diagnostic::do_not_recommend]
impl<R: HasSession> HasSession for Ended<R> {}

#[diagnostic::do_not_recommend]
impl<R: HasPage> HasPage for Ended<R> {}

#[diagnostic::do_not_recommend]
impl<R: AttachesPage> AttachesPage for Ended<R> {}

#[diagnostic::do_not_recommend]
impl<T, R: Provides<T>> Provides<T> for Ended<R> {
    fn provide(state: &AnyState) -> T {
        R::provide(state)
    }
}
