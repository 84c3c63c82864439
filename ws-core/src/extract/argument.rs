//! Checks that an argument of a hook is possible on at least one route. `#[ws_handler]` checks each
//! argument against these traits, so a type that no route provides is reported at the handler, in
//! terms of the hook.

use std::marker::PhantomData;

use super::{AnyRoute, Ended, FromConnection, FromHandshake, State};
use crate::close::CloseReason;
use crate::socket::Socket;

/// An argument of `init`: a type that implements [`FromHandshake`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of `init`",
    label = "not an argument that `init` can take",
    note = "`init` may take `&Socket<Self>`, `&Hub`, `State<T>`, `Session`, `Page`, `Resumed`, \
            `Path<T>`, `Query<T>`, `Bearer`, `Option<Bearer>`, `&Handshake`, and your own types that \
            implement `FromHandshake`",
    note = "for a parameter of the path write `Path(id): Path<{Self}>`, for a part of the \
            application's state `State(part): State<{Self}>`"
)]
pub trait InitArgument<'a, H> {
    /// Called by `#[ws_handler]` to check the type.
    fn check() {}
}

#[diagnostic::do_not_recommend]
impl<'a, H, T: FromHandshake<'a, H, AnyRoute>> InitArgument<'a, H> for T {}

/// An argument of `message` or `info` after the first: a type that implements [`FromConnection`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of this hook",
    label = "not an argument that this hook can take",
    note = "every hook may take `&Socket<Self>`, `&Hub`, `State<T>`, `Session`, `Page`, \
            `Option<Session>` and `Option<Page>`",
    note = "`Path<T>`, `Query<T>`, `Bearer`, `Resumed`, `&Handshake` and your own `FromHandshake` \
            types are available \
            only in `init`, because a connection does not keep its request: store the values that you need in a field"
)]
pub trait HookArgument<'a, H> {
    /// Called by `#[ws_handler]` to check the type.
    fn check() {}
}

#[diagnostic::do_not_recommend]
impl<'a, H, T: FromConnection<'a, H, AnyRoute>> HookArgument<'a, H> for T {}

/// An argument of `terminate`: a type that implements [`FromConnection`], or
/// [`CloseReason`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of `terminate`",
    label = "not an argument that `terminate` can take",
    note = "`terminate` may take `CloseReason`, `&Socket<Self>`, `&Hub`, `State<T>`, `Session`, `Page`, \
            `Option<Session>` and `Option<Page>`",
    note = "`Path<T>`, `Query<T>`, `Bearer`, `Resumed`, `&Handshake` and your own `FromHandshake` \
            types are available \
            only in `init`, because a connection does not keep its request: store the values that you need in a field"
)]
pub trait TerminateArgument<'a, H> {
    /// Called by `#[ws_handler]` to check the type.
    fn check() {}
}

#[diagnostic::do_not_recommend]
impl<'a, H, T: FromConnection<'a, H, Ended<AnyRoute>>> TerminateArgument<'a, H> for T {}

/// Checks the first argument of `info` if its name is that of an argument of the library. A type of
/// the application may have the same name, so the compiler decides which of the two it is.
#[derive(Debug)]
pub struct FirstInfoArgument<T, H>(PhantomData<(T, H)>);

/// Implemented by types of the application, and by no argument of the library.
#[diagnostic::on_unimplemented(
    message = "the first argument of `info` after `self` must be the notification\n\
               help: before this one, add an argument of your own type, such as `event: Event`",
    label = "not a notification"
)]
pub trait Notification<H> {}

impl<T, H> FirstInfoArgument<State<T>, H> {
    /// Called by `#[ws_handler]`; an inherent function takes precedence over that of a trait.
    pub fn check()
    where
        State<T>: Notification<H>,
    {
    }
}

impl<S, H> FirstInfoArgument<Socket<S>, H> {
    /// As for `State<T>`.
    pub fn check()
    where
        Socket<S>: Notification<H>,
    {
    }
}

impl<H> FirstInfoArgument<CloseReason, H> {
    /// As for `State<T>`.
    pub fn check()
    where
        CloseReason: Notification<H>,
    {
    }
}

/// Provides `check` for all other types.
pub trait NotificationFallback {
    /// There is nothing to check.
    fn check() {}
}

impl<T, H> NotificationFallback for FirstInfoArgument<T, H> {}
