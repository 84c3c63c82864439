//! The trait that `#[ws_handler]` implements, and how its hooks are run.
//!
//! A hook that is a plain `fn` runs in place. The future of an `async fn` is boxed for the call and
//! owns the handler until it ends. So an idle connection needs no memory except for its handler.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;

use crate::close::Close;
use crate::decode::{DecodeError, Payload};
use crate::error::{Refusal, log_panic};
use crate::extract::{Context, Opening};
use crate::hook;
use crate::reply::Reply;

/// A handler of WebSocket connections on the route with the marker `R`.
///
/// Write an impl block with `init` and any of `message`, `info` and `terminate`, and annotate it
/// with `#[ws_handler]`. The macro implements this trait for every route that provides the
/// arguments of the hooks. Programs use it in bounds, such as `V1: Handler<R>` of a `start`
/// function; its items are reserved for the macro.
///
/// ```
/// use ws_server::prelude::*;
///
/// struct Echo;
///
/// #[ws_handler]
/// impl Echo {
///     fn init() -> Self { Echo }
///
///     fn message(&mut self, text: String) -> String { text }
/// }
///
/// /// Chooses `Echo` on every route that provides its arguments.
/// fn echo<R>(_: &Handshake) -> Start<R>
/// where
///     Echo: Handler<R>,
/// {
///     Start::with::<Echo>()
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler for this route",
    label = "not a handler",
    note = "annotate an impl block of `{Self}` that has `fn init` with `#[ws_handler]`"
)]
pub trait Handler<R>: Sized + Send + 'static {
    /// Whether a hook takes the session or the page even if the route does not require it.
    #[doc(hidden)]
    const VISITOR: bool = false;

    /// Whether the handler speaks the protocol of page streams, and so supports its subprotocol.
    #[doc(hidden)]
    const SPEAKS_PAGE_PROTOCOL: bool = false;

    /// The parameters of the path that each argument of `init` takes by name; `None` for an
    /// argument that may take any.
    #[doc(hidden)]
    const FIELDS: &'static [Option<&'static [&'static str]>] = &[];

    /// Checks the types of the arguments without a table. It is never called.
    #[doc(hidden)]
    fn check_arguments() {}

    /// Makes the handler of a connection, before the response to the handshake.
    #[doc(hidden)]
    fn init(opening: &Opening<Self>) -> impl Future<Output = Result<Self, Refusal>> + Send;

    /// Handles one whole message from the client. Without the hook, the connection is closed with
    /// 1003 (RFC 6455, section 7.4.1).
    #[doc(hidden)]
    fn message(call: HookCall<'_, Self>, payload: Payload<'_>) -> Step<Self> {
        let _ = (call, payload);
        HookCall::unexpected_message()
    }

    /// Handles the next notification of the mailbox; `None` if the mailbox is empty.
    #[doc(hidden)]
    fn info(call: HookCall<'_, Self>) -> Option<Step<Self>> {
        let _ = call;
        None
    }

    /// Handles the end of the connection.
    #[doc(hidden)]
    fn terminate(call: TerminateCall<Self>) -> TerminateStep {
        call.run(|handler, _| drop(handler))
    }
}

/// A type that `init` may return: `Self`, or `Result<Self, E>` with `E: Into<Refusal>`.
///
/// ```
/// use ws_server::prelude::*;
///
/// struct Full;
///
/// impl From<Full> for Refusal {
///     fn from(_: Full) -> Self {
///         Refusal::unavailable("the room is full")
///     }
/// }
///
/// struct Room;
///
/// #[ws_handler]
/// impl Room {
///     fn init(hub: &Hub) -> Result<Self, Full> {
///         if hub.connection_count() > 100 { Err(Full) } else { Ok(Room) }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`init` must return `Self` or `Result<Self, E>` with `E: Into<Refusal>`, not `{Self}`",
    label = "not a return type of `init`",
    note = "for an error of your own, write `impl From<MyError> for Refusal`, or call `.or_refuse()?` \
            to respond with 500 to any error and log it"
)]
pub trait IntoInit<H> {
    /// Returns the handler, or the refusal.
    ///
    /// # Errors
    ///
    /// The response that the client gets instead of a connection.
    fn into_init(self) -> Result<H, Refusal>;
}

impl<H> IntoInit<H> for H {
    fn into_init(self) -> Result<H, Refusal> {
        Ok(self)
    }
}

impl<H, E: IntoRefusal> IntoInit<H> for Result<H, E> {
    fn into_init(self) -> Result<H, Refusal> {
        self.map_err(IntoRefusal::into_refusal)
    }
}

/// An error that refuses a connection: a type that implements `Into<Refusal>`.
///
/// ```
/// use ws_server::Refusal;
/// use ws_server::handler::IntoRefusal;
///
/// enum RoomError { Full, Private }
///
/// impl From<RoomError> for Refusal {
///     fn from(error: RoomError) -> Self {
///         match error {
///             RoomError::Full => Refusal::unavailable("the room is full"),
///             RoomError::Private => Refusal::FORBIDDEN,
///         }
///     }
/// }
/// assert_eq!(RoomError::Private.into_refusal().status(), 403);
/// # assert_eq!(RoomError::Full.into_refusal().status(), 503);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an error that `init` cannot return",
    label = "not a `Refusal`",
    note = "to respond with 500 and log the error, return `Result<Self, Refusal>` and call `.or_refuse()?` \
            on the result that may fail",
    note = "to choose the response, return an error of your own, and write `impl From<MyError> for Refusal`"
)]
pub trait IntoRefusal {
    /// The refusal.
    fn into_refusal(self) -> Refusal;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Refusal>> IntoRefusal for E {
    fn into_refusal(self) -> Refusal {
        self.into()
    }
}

/// Marks a handler as used, even if no table names it.
#[doc(hidden)]
pub trait IsUsed<H> {}

/// Requires a handler to be [`Send`], as a bound that depends on the route.
///
/// `#[ws_handler]` assumes this bound in the hooks.
#[doc(hidden)]
pub trait SendHandler<R>: Send {}

#[diagnostic::do_not_recommend]
impl<H: Send, R> SendHandler<R> for H {}

/// Passes the handler to `terminate` if the type of its receiver is an alias.
#[doc(hidden)]
pub trait Receiver<'a, H> {
    /// Takes the handler out of the slot, or borrows it.
    fn of(handler: &'a mut Option<H>) -> Self;
}

impl<'a, H> Receiver<'a, H> for H {
    fn of(handler: &'a mut Option<H>) -> Self {
        handler.take().expect("the handler has not been taken")
    }
}

impl<'a, H> Receiver<'a, H> for &'a mut H {
    fn of(handler: &'a mut Option<H>) -> Self {
        handler.as_mut().expect("the handler has not been taken")
    }
}

impl<'a, H> Receiver<'a, H> for &'a H {
    fn of(handler: &'a mut Option<H>) -> Self {
        handler.as_ref().expect("the handler has not been taken")
    }
}

/// How a hook ended: with a reply, or without one.
pub type Outcome = Result<Reply, Fault>;

/// Why a hook returned no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It panicked.
    Panic,
    /// It ran longer than `hook_timeout`, or a shutdown cut it off.
    TimedOut,
}

impl Fault {
    /// Logs the panic of a hook.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        log_panic(panic);
        Self::Panic
    }
}

/// The future of an async hook; it owns the handler and returns it.
pub type HookFuture<H> = Pin<Box<dyn Future<Output = (H, Outcome)> + Send>>;

/// The state of a hook after its call.
pub enum Step<H> {
    /// It has ended.
    Done(Outcome),
    /// It has not ended; the future owns the handler.
    Pending(HookFuture<H>),
}

impl<H> Step<H> {
    /// A hook that has not ended.
    pub fn pending(future: impl Future<Output = (H, Outcome)> + Send + 'static) -> Self {
        Self::Pending(Box::pin(future))
    }
}

/// One call of a hook: the handler and its context.
pub struct HookCall<'a, H> {
    /// The handler, unless an async hook owns it.
    slot: &'a mut Option<H>,
    context: &'a Context<H>,
}

impl<'a, H> HookCall<'a, H> {
    pub(crate) fn new(slot: &'a mut Option<H>, context: &'a Context<H>) -> Self {
        Self { slot, context }
    }

    /// The context that the connection provides to the hook.
    pub fn context(&self) -> &'a Context<H> {
        self.context
    }

    /// The handler, unless an async hook owns it.
    pub(crate) fn handler(&self) -> Option<&H> {
        self.slot.as_ref()
    }

    /// Runs a plain hook in place. The connection catches its panics, like those of all other code
    /// that runs for the call.
    pub fn run(self, hook: impl FnOnce(&mut H, &Context<H>) -> Reply) -> Step<H> {
        let Some(handler) = self.slot.as_mut() else {
            return Step::Done(Ok(Reply::NONE));
        };
        let context = self.context;
        let _entered = context.span().enter();
        Step::Done(Ok(hook(handler, context)))
    }

    /// Takes the handler for the future of an async hook.
    ///
    /// # Panics
    ///
    /// Panics if an async hook owns the handler: the connection calls no hook then.
    pub fn into_owned(self) -> OwnedCall<H> {
        let handler = self
            .slot
            .take()
            .expect("hooks of one connection never overlap");
        OwnedCall {
            handler,
            context: self.context.clone(),
        }
    }

    /// Handles a payload that does not decode: closes the connection with the code of the error.
    pub fn undecodable(self, error: DecodeError) -> Step<H> {
        Step::Done(Ok(undecodable(self.context.span(), error)))
    }

    fn unexpected_message() -> Step<H> {
        let close = Close::new(
            crate::close::CloseCode::UNSUPPORTED_DATA,
            "this endpoint accepts no messages",
        );
        Step::Done(Ok(Reply::undecodable(close)))
    }
}

/// Logs that a payload does not decode; returns the reply that closes the connection.
fn undecodable(span: &tracing::Span, error: DecodeError) -> Reply {
    let _entered = span.enter();
    // The cause is not logged, because it describes the payload.
    let code = error.close_code().get();
    tracing::debug!(
        code,
        "a message could not be decoded as the type that the handler takes"
    );
    Reply::undecodable(error.into())
}

/// The handler, owned by the future of an async hook.
pub struct OwnedCall<H> {
    handler: H,
    context: Context<H>,
}

impl<H> OwnedCall<H> {
    /// The handler, and the context that the connection provides to the hook.
    pub fn parts(&mut self) -> (&mut H, &Context<H>) {
        (&mut self.handler, &self.context)
    }

    /// Returns the handler with the outcome.
    pub fn finish(self, outcome: Outcome) -> (H, Outcome) {
        (self.handler, outcome)
    }
}

/// Runs the future of a hook; after a panic or a time-out the handler is still there.
///
/// # Errors
///
/// [`Fault`] if the hook panicked or was cut off.
pub async fn guard<H, T>(context: &Context<H>, hook: impl Future<Output = T>) -> Result<T, Fault> {
    let mut hook = pin!(Some(hook));
    let mut result = poll_fn(|cx| {
        let _entered = context.span().enter();
        if context.socket.is_hook_cancelled() {
            tracing::error!(hook = hook::current_name(), "a hook timed out");
            return Poll::Ready(Err(Fault::TimedOut));
        }
        let polled = catch_unwind(AssertUnwindSafe(|| {
            hook.as_mut().as_pin_mut().map(|hook| hook.poll(cx))
        }));
        match polled {
            Ok(poll) => poll.unwrap_or(Poll::Pending).map(Ok),
            Err(panic) => Poll::Ready(Err(Fault::of_panic(&*panic))),
        }
    })
    .await;
    // Dropping the future may panic too; the handler survives that.
    let _entered = context.span().enter();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook.set(None))) {
        result = Err(Fault::of_panic(&*panic));
    }
    result
}

/// The last call: the handler by value, and the context that the connection provides to the hook.
pub struct TerminateCall<H> {
    handler: H,
    context: Context<H>,
}

impl<H> TerminateCall<H> {
    pub(crate) fn new(handler: H, context: Context<H>) -> Self {
        Self { handler, context }
    }

    /// Runs a plain `terminate` in place.
    pub fn run(self, hook: impl FnOnce(H, &Context<H>)) -> TerminateStep {
        let Self { handler, context } = self;
        let _entered = context.span().enter();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(handler, &context))) {
            Fault::of_panic(&*panic);
        }
        TerminateStep::Done
    }

    /// The parts, for the future of an async `terminate`.
    pub fn parts(self) -> (H, Context<H>) {
        (self.handler, self.context)
    }
}

/// The state of `terminate` after its call.
pub enum TerminateStep {
    /// It has ended.
    Done,
    /// It has not ended.
    Pending(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl TerminateStep {
    /// A `terminate` that has not ended.
    pub fn pending(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Pending(Box::pin(future))
    }
}
