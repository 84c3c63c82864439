//! Futures and functions that may never return.

use super::{IntoReply, Nothing, Reply};

/// The output of a future or a function of the application: a reply, or `!`, which is the type of
/// an endless loop or a panic since edition 2024.
///
/// It is a separate trait, because an implementation of [`IntoReply`] for `!` would forbid the
/// implementations of other crates.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::SpawnError;
/// use ws_server::reply::ReplyOrNever;
/// use ws_server::socket::Sends;
///
/// /// Spawns a task that is counted in the log.
/// fn start<H, F>(socket: &Socket<H>, task: F) -> Result<(), SpawnError>
/// where
///     F: Future + Send + 'static,
///     F::Output: ReplyOrNever,
///     H: Sends<<F::Output as ReplyOrNever>::Value>,
/// {
///     tracing::debug!(id = %socket.id(), "one more task");
///     socket.spawn(task)
/// }
/// ```
pub trait ReplyOrNever {
    /// The type of the reply's content.
    type Value: ?Sized;

    /// Converts the output to a reply.
    #[doc(hidden)]
    fn reply(self) -> Reply;
}

impl<R: IntoReply> ReplyOrNever for R {
    type Value = R::Value;

    fn reply(self) -> Reply {
        self.into_reply()
    }
}

/// The return type of a function: the only way to name `!` outside of a signature.
pub trait Returns {
    /// The return type.
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
