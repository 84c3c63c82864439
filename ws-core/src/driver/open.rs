//! From an accepted handshake to a running connection.
//!
//! Only the future of `init` is compiled for each handler; the code around it is compiled once.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use futures::future::{Either, select};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, Span};

use super::connection::{ReadyConnection, clean_up};
use crate::error::Refusal;
use crate::extract::{Admitted, Context, Endpoint, Handshake, Opening, Visitor};
use crate::handler::{Fault, Handler};
use crate::hook::{self, Hook};
use crate::hub::Permit;
use crate::id::ConnectionKind;
use crate::limits::deadline_after;
use crate::protocol::Deflate;
use crate::socket::{ConnectionShared, Socket};
use crate::stats::HookOutcome;
use crate::timeout;

#[cfg(test)]
mod tests;

/// A boxed future of a connection, or of the refusal that the client gets instead.
type OpenFuture<T = ReadyConnection> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;

/// Starts `init` of one route's handler.
pub type Connect = fn(Arc<Endpoint>, Admitted) -> Connecting;

/// A connection before its `init` has run. If it is dropped, or `init` refuses, everything that
/// belongs to the connection is cleaned up.
pub struct Connecting(Stage);

enum Stage {
    /// `init` of a handler that lives as long as its socket.
    Init(Init<ReadyConnection>),
    /// The socket of a page, whose handler may exist already.
    ForPage(OpenFuture),
}

impl Connecting {
    /// A connection from this future, which guards `init` itself.
    pub(crate) fn for_page(future: OpenFuture) -> Self {
        Self(Stage::ForPage(future))
    }

    /// Runs `init`.
    ///
    /// # Errors
    ///
    /// The refusal of `init`; 503 if it reaches its time limit, 500 if it panics.
    pub async fn run(self) -> Result<ReadyConnection, Refusal> {
        match self.0 {
            Stage::Init(init) => {
                let limit = init.pending.endpoint.limits().init_timeout;
                init.run(deadline_after(Instant::now(), limit)).await
            }
            Stage::ForPage(future) => future.await,
        }
    }
}

/// Starts `init` of `H` on the route with the marker `R`.
pub fn connect<H: Handler<R>, R: 'static>(
    endpoint: Arc<Endpoint>,
    admitted: Admitted,
) -> Connecting {
    let (pending, args) = InitArgs::<H>::register(endpoint, admitted);
    let future = Box::pin(async move {
        let handler = H::init(&args.opening).await?;
        // Moved out part by part, so that the large handshake is dropped in place.
        let (context, permit) = (args.opening.context, args.permit);
        Ok(ReadyConnection::new::<H, R>(handler, context, permit))
    });
    Connecting(Stage::Init(Init { future, pending }))
}

/// Same as [`connect`], but also returns the handshake.
pub(crate) fn connect_keeping_handshake<H: Handler<R>, R: 'static>(
    endpoint: Arc<Endpoint>,
    handshake: Handshake,
) -> Init<(ReadyConnection, Handshake)> {
    let (pending, args) = InitArgs::<H>::register(endpoint, handshake.into());
    let future = Box::pin(async move {
        let handler = H::init(&args.opening).await?;
        let (context, permit) = (args.opening.context, args.permit);
        let ready = ReadyConnection::new::<H, R>(handler, context, permit);
        Ok((ready, args.opening.handshake))
    });
    Init { future, pending }
}

/// A started `init`. The future comes first, so that it is dropped first.
pub(crate) struct Init<T> {
    future: OpenFuture<T>,
    pending: PendingConnection,
}

impl<T> Init<T> {
    /// Runs it, at most until this time.
    pub(crate) async fn run(self, deadline: Instant) -> Result<T, Refusal> {
        let pending = self.pending;
        let value = run_guarded(self.future, &pending, deadline).await?;
        pending.open(value)
    }
}

/// Runs a future as `init` of a connection, at most until this time. A panic becomes 500, a
/// time-out 503.
async fn run_guarded<T>(
    mut init: OpenFuture<T>,
    pending: &PendingConnection,
    mut deadline: Instant,
) -> Result<T, Refusal> {
    let PendingConnection {
        shared, endpoint, ..
    } = pending;
    let place = Hook::Init.on(endpoint.route());
    let init = poll_fn(move |cx| {
        hook::register_thread();
        hook::run(place, || {
            let polled = catch_unwind(AssertUnwindSafe(|| init.as_mut().poll(cx)));
            match polled {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(Fault::of_panic(&*panic))),
            }
        })
    });
    let span = Hook::Init.span(shared.span(), None);
    let span = if span.is_disabled() {
        shared.span().clone()
    } else {
        span
    };
    let init = pin!(init.instrument(span));
    let time_limit = pin!(async {
        let is_over = pin!(timeout::expired(
            &mut deadline,
            endpoint.limits().init_timeout
        ));
        select(is_over, pin!(shared.shutdown_cutoff())).await;
    });
    let began = Instant::now();
    let count = |outcome| shared.count_hook(Hook::Init, outcome, began, 1);
    match select(init, time_limit).await {
        Either::Left((Ok(value), _)) => {
            count(match &value {
                Ok(_) => HookOutcome::Ok,
                Err(_) => HookOutcome::Error,
            });
            value
        }
        Either::Left((Err(Fault::Panic | Fault::TimedOut), _)) => {
            count(HookOutcome::Panic);
            Err(Refusal::INTERNAL_SERVER_ERROR)
        }
        Either::Right(_) => {
            count(HookOutcome::Timeout);
            tracing::error!(parent: shared.span(), hook = "init", "a hook timed out");
            Err(Refusal::SERVICE_UNAVAILABLE)
        }
    }
}

/// A connection whose `init` has not succeeded yet; dropping it cleans up.
pub(crate) struct PendingConnection {
    shared: Arc<ConnectionShared>,
    endpoint: Arc<Endpoint>,
    visitor: Option<Arc<Visitor>>,
    /// Whether `init` has succeeded, so that dropping does not clean up.
    opened: bool,
    /// Makes a shutdown wait for the connection.
    _tracker_token: TaskTrackerToken,
}

impl PendingConnection {
    pub(crate) fn register(
        endpoint: Arc<Endpoint>,
        handshake: &Handshake,
        deflate: Option<Deflate>,
    ) -> Self {
        let visitor = handshake.visitor().clone();
        let peer = handshake.peer_addr();
        // Before the connection is registered, so that a shutdown that misses it still waits for
        // it.
        let tracker_token = endpoint.hub().tracker().token();
        let route_context = endpoint.route_context();
        // A page's handler sends to the page's queue, not to the client.
        let deflate = deflate.filter(|_| route_context.kind == ConnectionKind::Socket);
        let span = |id| {
            // No child of the request's span, which would then end with the connection.
            let span = tracing::info_span!(
                parent: None,
                "websocket",
                %id,
                route = endpoint.pattern(),
                peer = peer.map(tracing::field::display),
            );
            if !span.is_disabled() {
                span.follows_from(Span::current());
            }
            span
        };
        let hub = endpoint.hub();
        let shared = hub.register(peer, route_context.clone(), deflate, span);
        if let Some(session) = &visitor.session {
            shared.attach_to(session);
        }
        let known = visitor.session.is_some() || visitor.page.is_some();
        let visitor = known.then(|| Arc::new(visitor));
        Self {
            shared,
            endpoint,
            visitor,
            opened: false,
            _tracker_token: tracker_token,
        }
    }

    /// The context that the connection provides to the hooks of its handler.
    pub(crate) fn context<H>(&self) -> Context<H> {
        Context {
            socket: Socket::new(self.shared.clone()),
            endpoint: self.endpoint.clone(),
            visitor: self.visitor.clone(),
        }
    }

    /// Records that `init` has succeeded with this result. Dropping the connection calls
    /// `terminate`.
    pub(crate) fn open<T>(mut self, value: T) -> Result<T, Refusal> {
        self.opened = true;
        if self.endpoint.hub().is_shutting_down() {
            return Err(Refusal::SERVICE_UNAVAILABLE);
        }
        Ok(value)
    }
}

impl Drop for PendingConnection {
    fn drop(&mut self) {
        if !self.opened {
            clean_up(&self.shared, &self.endpoint);
        }
    }
}

/// The arguments of `init`, and the resources that its connection needs afterwards.
struct InitArgs<H> {
    opening: Opening<H>,
    permit: Option<Permit>,
}

impl<H: Send + 'static> InitArgs<H> {
    fn register(endpoint: Arc<Endpoint>, admitted: Admitted) -> (PendingConnection, Self) {
        let Admitted {
            handshake,
            permit,
            deflate,
        } = admitted;
        let pending = PendingConnection::register(endpoint, &handshake, deflate);
        let context = pending.context();
        let opening = Opening { handshake, context };
        (pending, Self { opening, permit })
    }
}
