//! Parameters that a route has and its handler does not read: the compiler warns of them.

use std::marker::PhantomData;

/// A handler whose `init` reads no parameter of the path. `#[ws_handler]` says so where it
/// knows all that `init` takes.
pub trait LeavesParams {}

/// The parameters of a route to this handler.
#[derive(Debug)]
pub struct ParamsOf<H>(PhantomData<H>);

impl<H: LeavesParams> ParamsOf<H> {
    /// What `dispatch!` calls for a route with parameters, where the handler leaves them.
    #[deprecated(
        note = "the handler of this route reads none of its parameters: take `Path` in `init`, or \
                begin their names with `_`"
    )]
    pub const fn are_read() {}
}

/// What `dispatch!` calls where the handler may read them: an inherent function goes before
/// that of a trait.
pub trait AreRead {
    /// Nothing is to be said.
    fn are_read() {}
}

impl<H> AreRead for ParamsOf<H> {}
