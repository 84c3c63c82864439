//! Futures and functions that may never return.

use super::{IntoReply, Nothing, Reply};

/// The output of a future or a function of the application: a reply, or `!`, which an endless
/// loop or a panic has for its type from the edition 2024 on.
///
/// It is a trait of its own, as an implementation of [`IntoReply`] for `!` would forbid all those
/// of other crates.
pub trait ReplyOrNever {
    /// What the reply carries.
    type Value: ?Sized;

    /// The reply.
    #[doc(hidden)]
    fn reply(self) -> Reply;
}

impl<R: IntoReply> ReplyOrNever for R {
    type Value = R::Value;

    fn reply(self) -> Reply {
        self.into_reply()
    }
}

/// What a function returns: the one way to name `!` outside of a signature.
pub trait Returns {
    /// The type.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

#[diagnostic::do_not_recommend]
impl ReplyOrNever for <fn() -> ! as Returns>::Output {
    type Value = Nothing;

    fn reply(self) -> Reply {
        self
    }
}
