//! Parameters that a route has and its handler does not read: the compiler warns of them.

use std::marker::PhantomData;

/// A handler whose `init` reads no parameter of the path. `#[ws_handler]` says so where it
/// knows all that `init` takes.
pub trait LeavesParams {}

/// The parameters of a route to this handler.
#[derive(Debug)]
pub struct RouteOf<H>(PhantomData<H>);

impl<H: LeavesParams> RouteOf<H> {
    /// What `dispatch!` names for a route with parameters if the handler leaves them.
    #[deprecated(
        note = "the handler of this route reads none of its parameters: take `Path` in `init`, or \
                begin their names with `_`"
    )]
    pub const UNREAD_PARAMETERS: () = ();
}

/// What `dispatch!` names if the handler may read them: an inherent constant goes before that of a
/// trait.
#[doc(hidden)]
pub trait AreRead {
    /// Nothing is to be said.
    const UNREAD_PARAMETERS: () = ();
}

impl<H> AreRead for RouteOf<H> {}
