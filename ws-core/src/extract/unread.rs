//! A compiler warning for parameters of a route that its handler does not read.

use std::marker::PhantomData;

use super::{AnyRoute, Bearer, Query, State};
use crate::hub::Hub;
use crate::page::Page;
use crate::session::Session;
use crate::socket::Socket;

/// An argument of `init` that reads no parameter of the path, or a handler with only such
/// arguments.
///
/// `#[ws_handler]` implements it for a handler if all arguments of its `init` implement it, so the
/// compiler decides by types and not by their names. `R` is the marker of a route, as in
/// [`FromHandshake`](super::FromHandshake).
pub trait IgnoresPathParams<R> {}

impl<H, R> IgnoresPathParams<R> for &Socket<H> {}
impl<H, R> IgnoresPathParams<R> for Socket<H> {}
impl<R> IgnoresPathParams<R> for &Hub {}
impl<R> IgnoresPathParams<R> for Hub {}
impl<R> IgnoresPathParams<R> for Session {}
impl<R> IgnoresPathParams<R> for Page {}
impl<R> IgnoresPathParams<R> for Bearer {}
impl<R> IgnoresPathParams<R> for Option<Session> {}
impl<R> IgnoresPathParams<R> for Option<Page> {}
impl<R> IgnoresPathParams<R> for Option<Bearer> {}
impl<T, R> IgnoresPathParams<R> for State<T> {}
impl<T, R> IgnoresPathParams<R> for Query<T> {}

/// The routes to this handler, for a check of their parameters.
#[derive(Debug)]
pub struct PathParamUse<H>(PhantomData<H>);

impl<H: IgnoresPathParams<AnyRoute>> PathParamUse<H> {
    /// Used by `dispatch!` for a route with parameters if the handler reads none of them.
    #[deprecated(
        note = "the handler of this route reads none of its parameters: take `Path` in `init`, or \
                prefix their names with `_`"
    )]
    pub const UNREAD_PARAMETERS: () = ();
}

/// Used by `dispatch!` if the handler may read its parameters: an inherent constant takes
/// precedence over that of a trait.
#[doc(hidden)]
pub trait ReadsPathParams {
    /// There is nothing to warn about.
    const UNREAD_PARAMETERS: () = ();
}

impl<H> ReadsPathParams for PathParamUse<H> {}
