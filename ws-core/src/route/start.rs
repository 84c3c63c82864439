//! `start`: a function of the application that decides on a handshake before `init`.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::driver::{Connect, connect};
use crate::error::{Refusal, log_panic};
use crate::extract::{Endpoint, Handshake};
use crate::handler::Handler;
use crate::hook::{self, Hook};

/// The decision of a `start` function on a connection for the route with the marker `R`.
///
/// The function runs after all other checks, when the subprotocol is chosen and before `init`. A
/// function that only accepts or refuses returns a `Result`. A function that chooses a handler is
/// generic over the route and lists the possible handlers as bounds, so that the compiler checks at
/// the table that the route provides the arguments of those handlers:
///
/// ```
/// # use ws_server::extract::Opening;
/// # use ws_server::handler::Handler;
/// use ws_server::error::Refusal;
/// use ws_server::extract::Handshake;
/// use ws_server::route::Start;
///
/// # struct V1;
/// # impl<R> Handler<R> for V1 {
/// #     async fn init(_: &Opening<Self>) -> Result<Self, Refusal> { Ok(V1) }
/// # }
/// fn by_version<R>(handshake: &Handshake) -> Start<R>
/// where
///     V1: Handler<R>,
/// {
///     match handshake.protocol() {
///         Some("v1.devices") => Start::with::<V1>(),
///         Some(_) => Start::keep(),
///         None => Start::refuse(Refusal::BAD_REQUEST.body("offer v2.devices or v1.devices")),
///     }
/// }
///
/// fn only_known_versions(handshake: &Handshake) -> Result<(), Refusal> {
///     handshake.protocol().map(|_| ()).ok_or(Refusal::BAD_REQUEST)
/// }
/// ```
///
/// In the table: `devices: "/devices/{id}" => V2 { start: by_version };`.
///
/// Work that has to wait, such as a database query, belongs in `init`. A panic is refused with
/// 500.
#[must_use = "a decision does nothing before it is returned"]
pub struct Start<R: 'static> {
    decision: Decision,
    route: PhantomData<fn() -> R>,
}

/// A decision without the type of its route.
#[derive(Debug)]
pub struct Decision(Verdict);

#[derive(Debug)]
enum Verdict {
    Keep,
    Refuse(Refusal),
    With(Connect),
}

/// A `start` function as stored in a table: `dispatch!` generates one that calls [`decide`].
pub type Decide = fn(&Handshake) -> Decision;

impl<R: 'static> Start<R> {
    /// Continues with the handler of the route.
    pub const fn keep() -> Self {
        Self::new(Verdict::Keep)
    }

    /// Refuses the connection with this response.
    pub fn refuse(refusal: impl Into<Refusal>) -> Self {
        Self::new(Verdict::Refuse(refusal.into()))
    }

    /// Hands the connection to another handler. The hooks of the route's own handler are not
    /// called.
    pub const fn with<Other: Serves<R>>() -> Self {
        Self::new(Verdict::With(connect::<Other, R>))
    }

    const fn new(verdict: Verdict) -> Self {
        Self {
            decision: Decision(verdict),
            route: PhantomData,
        }
    }
}

impl<R: 'static> fmt::Debug for Start<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple(match self.decision.0 {
            Verdict::Keep => "Keep",
            Verdict::Refuse(_) => "Refuse",
            Verdict::With(_) => "With",
        });
        if let Verdict::Refuse(refusal) = &self.decision.0 {
            debug.field(refusal);
        }
        debug.finish()
    }
}

/// A handler that a `start` function may choose: every [`Handler`] of the route.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::route::Serves;
///
/// /// Takes the new handler for `?beta`, and the old one for all others.
/// fn by_query<Old, New, R>(handshake: &Handshake) -> Start<R>
/// where
///     Old: Serves<R>,
///     New: Serves<R>,
/// {
///     if handshake.query() == Some("beta") { Start::with::<New>() } else { Start::with::<Old>() }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to be a handler of this route",
    label = "cannot take the connection",
    note = "list the handlers in the bounds of the function: `fn choose<R>(…) -> Start<R> where \
            {Self}: Handler<R>`",
    note = "a handler is a type whose impl block is annotated with `#[ws_handler]`"
)]
pub trait Serves<R>: Handler<R> {}

#[diagnostic::do_not_recommend]
impl<H: Handler<R>, R> Serves<R> for H {}

/// The possible return types of a `start` function.
///
/// | return type | decisions |
/// |---|---|
/// | `Result<(), E>` with `E: Into<Refusal>` | keep or refuse |
/// | `Start<R>` | keep, refuse, or another handler |
/// | `Result<Start<R>, E>` with `E: Into<Refusal>` | the same, with `?` |
///
/// The trait has no parameter for the route, so that a wrong function in `defaults` is one error
/// instead of one for each route.
///
/// ```
/// use http::StatusCode;
/// use ws_server::prelude::*;
///
/// fn only_beta(handshake: &Handshake) -> Result<(), StatusCode> {
///     if handshake.query() == Some("beta") { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
/// }
/// # struct Echo;
/// # #[ws_handler]
/// # impl Echo { fn init() -> Self { Echo } }
///
/// dispatch! {
///     struct Routes;
///
///     echo: "/echo" => Echo { start: only_beta };
/// }
/// # assert_eq!(only_beta(&Handshake::default()), Err(StatusCode::FORBIDDEN));
/// ```
#[diagnostic::on_unimplemented(
    message = "a `start` function cannot return `{Self}`",
    label = "not a decision about a handshake",
    note = "return `Result<(), E>` with `E: Into<Refusal>` to keep or refuse, or `Start<R>` (or \
            `Result<Start<R>, E>`) to choose another handler",
    note = "it is a plain `fn`: to wait for something, use `init`"
)]
pub trait IntoStart {
    /// The route of the decision if the table requires `R`. If the decision is valid for any route,
    /// this is `R` itself.
    type Route<R: 'static>: 'static;

    /// Converts the value to a decision.
    fn into_start<R: 'static>(self) -> Start<Self::Route<R>>;
}

impl<Q: 'static> IntoStart for Start<Q> {
    type Route<R: 'static> = Q;

    fn into_start<R: 'static>(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<Refusal>> IntoStart for Result<(), E> {
    type Route<R: 'static> = R;

    fn into_start<R: 'static>(self) -> Start<R> {
        self.map_or_else(Start::refuse, |()| Start::keep())
    }
}

#[diagnostic::do_not_recommend]
impl<Q: 'static, E: Into<Refusal>> IntoStart for Result<Start<Q>, E> {
    type Route<R: 'static> = Q;

    fn into_start<R: 'static>(self) -> Start<Q> {
        self.unwrap_or_else(Start::refuse)
    }
}

/// A function of the handshake that returns a `T`.
#[diagnostic::on_unimplemented(
    message = "`start` takes a function with the argument `&Handshake`, and `{Self}` is not one",
    label = "not a `fn(&Handshake)`",
    note = "write `fn check(handshake: &Handshake) -> Result<(), Refusal>`, or, to choose another \
            handler, `fn choose<R>(handshake: &Handshake) -> Start<R> where Other: Handler<R>`"
)]
pub trait StartFn<T> {
    /// Calls the function.
    fn call(self, handshake: &Handshake) -> T;
}

#[diagnostic::do_not_recommend]
impl<F: FnOnce(&Handshake) -> T, T> StartFn<T> for F {
    fn call(self, handshake: &Handshake) -> T {
        self(handshake)
    }
}

/// Calls a `start` function for the route with the marker `R`.
pub fn decide<R: 'static, F: StartFn<T>, T: IntoStart<Route<R> = R>>(
    start: F,
    handshake: &Handshake,
) -> Decision {
    start.call(handshake).into_start::<R>().decision
}

/// Checks that a function can be a `start` function for the route with the marker `R`. `dispatch!`
/// generates a call for editors, which infer the parameters of a generic function from it.
pub const fn is_start<R: 'static, F: StartFn<T>, T: IntoStart<Route<R> = R>>(_: &F) {}

/// Runs the `start` function of a route. Returns the chosen handler if it differs from the route's.
///
/// # Errors
///
/// The function's refusal; 500 if it panics.
pub(super) fn run(
    decide: Decide,
    endpoint: &Endpoint,
    handshake: &Handshake,
) -> Result<Option<Connect>, Refusal> {
    // The connection does not exist yet, so it has no id to log.
    let span = tracing::info_span!(
        "websocket",
        route = endpoint.pattern(),
        peer = handshake.peer_addr().map(tracing::field::display),
    );
    hook::register_thread();
    let decided = span.in_scope(|| {
        let _entered = Hook::Start.span(&span, None).entered();
        hook::run(Hook::Start.on(endpoint.route()), || {
            catch_unwind(AssertUnwindSafe(|| decide(handshake)))
                .inspect_err(|panic| log_panic(&**panic))
        })
    });
    match decided.map(|Decision(verdict)| verdict) {
        Ok(Verdict::Keep) => Ok(None),
        Ok(Verdict::With(connect)) => Ok(Some(connect)),
        Ok(Verdict::Refuse(refusal)) => Err(refusal),
        Err(_) => Err(Refusal::INTERNAL_SERVER_ERROR),
    }
}
