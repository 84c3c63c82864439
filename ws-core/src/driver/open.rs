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
use tracing::Instrument;

use super::connection::{Opened, undo};
use crate::error::Refusal;
use crate::extract::{Admitted, Context, Endpoint, Handshake, Opening, Visitor};
use crate::handler::{Fault, Handler};
use crate::hook::{self, Hook};
use crate::hub::Permit;
use crate::limits::later;
use crate::protocol::Deflate;
use crate::socket::{Shared, Socket};
use crate::timeout;

/// A boxed future of a connection, or of the refusal that the client gets instead.
type Opens<T = Opened> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;

/// Starts `init` of one route's handler.
pub type Connect = fn(Arc<Endpoint>, Admitted) -> Connecting;

/// A connection before its `init` has run. If it is dropped, or `init` refuses, everything that
/// belongs to the connection is cleaned up.
pub struct Connecting(Stage);

enum Stage {
    /// `init` of a handler that lives as long as its socket.
    Init(Init<Opened>),
    /// The socket of a page, whose handler may exist already.
    OfPage(Opens),
}

impl Connecting {
    /// A connection from this future, which guards `init` itself.
    pub(crate) fn of_page(opens: Opens) -> Self {
        Self(Stage::OfPage(opens))
    }

    /// Runs `init`.
    ///
    /// # Errors
    ///
    /// The refusal of `init`; 503 if it reaches its time limit, 500 if it panics.
    pub async fn run(self) -> Result<Opened, Refusal> {
        match self.0 {
            Stage::Init(init) => {
                let limit = init.unopened.endpoint.limits().init_timeout;
                init.run(later(Instant::now(), limit)).await
            }
            Stage::OfPage(opens) => opens.await,
        }
    }
}

/// Starts `init` of `H` on the route with the marker `R`.
pub fn connect<H: Handler<R>, R: 'static>(
    endpoint: Arc<Endpoint>,
    admitted: Admitted,
) -> Connecting {
    let (unopened, pending) = Pending::<H>::register(endpoint, admitted);
    let opens = Box::pin(async move {
        let handler = H::init(&pending.opening).await?;
        // In parts: the handshake is large, and is not moved before it is dropped.
        let (context, permit) = (pending.opening.context, pending.permit);
        Ok(Opened::new::<H, R>(handler, context, permit))
    });
    Connecting(Stage::Init(Init { opens, unopened }))
}

/// As [`connect`], but the caller gets the handshake back.
pub(crate) fn begin<H: Handler<R>, R: 'static>(
    endpoint: Arc<Endpoint>,
    handshake: Handshake,
) -> Init<(Opened, Handshake)> {
    let (unopened, pending) = Pending::<H>::register(endpoint, handshake.into());
    let opens = Box::pin(async move {
        let handler = H::init(&pending.opening).await?;
        let (context, permit) = (pending.opening.context, pending.permit);
        let opened = Opened::new::<H, R>(handler, context, permit);
        Ok((opened, pending.opening.handshake))
    });
    Init { opens, unopened }
}

/// A started `init`. The future comes first, so that it is dropped first.
pub(crate) struct Init<T> {
    opens: Opens<T>,
    unopened: Unopened,
}

impl<T> Init<T> {
    /// Runs it, at most until this time.
    pub(crate) async fn run(self, by: Instant) -> Result<T, Refusal> {
        let unopened = self.unopened;
        let made = guarded(self.opens, &unopened, by).await?;
        unopened.open(made)
    }
}

/// Runs a future as `init` of a connection, at most until this time. A panic becomes 500, a
/// time-out 503.
async fn guarded<T>(
    mut init: Opens<T>,
    unopened: &Unopened,
    mut by: Instant,
) -> Result<T, Refusal> {
    let Unopened {
        shared, endpoint, ..
    } = unopened;
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
    let init = pin!(init.instrument(shared.span().clone()));
    let out_of_time = pin!(async {
        let is_over = pin!(timeout::expired(&mut by, endpoint.limits().init_timeout));
        select(is_over, pin!(shared.cut_by_shutdown())).await;
    });
    match select(init, out_of_time).await {
        Either::Left((Ok(made), _)) => made,
        Either::Left((Err(Fault::Panic | Fault::TimedOut), _)) => {
            Err(Refusal::INTERNAL_SERVER_ERROR)
        }
        Either::Right(_) => {
            tracing::error!(parent: shared.span(), hook = "init", "a hook timed out");
            Err(Refusal::SERVICE_UNAVAILABLE)
        }
    }
}

/// A connection whose `init` has not succeeded yet; dropping it cleans up.
pub(crate) struct Unopened {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    visitor: Option<Arc<Visitor>>,
    /// Whether `init` has succeeded, so that dropping does not clean up.
    opened: bool,
    /// Makes a shutdown wait for the connection.
    _tracked: TaskTrackerToken,
}

impl Unopened {
    pub(crate) fn register(
        endpoint: Arc<Endpoint>,
        handshake: &Handshake,
        deflate: Option<Deflate>,
    ) -> Self {
        let visitor = handshake.visitor().clone();
        let peer = handshake.peer_addr();
        // Before the connection is registered, so that a shutdown that misses it still waits for
        // it.
        let tracked = endpoint.hub().tracker().token();
        let common = endpoint.common();
        // A page's handler sends to the page's queue, not to the client.
        let deflate = deflate.filter(|_| !common.of_page);
        let span = |id| {
            tracing::info_span!(
                "websocket",
                %id,
                route = endpoint.pattern(),
                peer = peer.map(tracing::field::display),
            )
        };
        let hub = endpoint.hub();
        let shared = hub.register(peer, common.clone(), deflate, span);
        if let Some(session) = &visitor.session {
            shared.belongs_to(session);
        }
        let known = visitor.session.is_some() || visitor.page.is_some();
        let visitor = known.then(|| Arc::new(visitor));
        Self {
            shared,
            endpoint,
            visitor,
            opened: false,
            _tracked: tracked,
        }
    }

    /// What the connection provides to the hooks of its handler.
    pub(crate) fn context<H>(&self) -> Context<H> {
        Context {
            socket: Socket::new(self.shared.clone()),
            endpoint: self.endpoint.clone(),
            visitor: self.visitor.clone(),
        }
    }

    /// Records that `init` has succeeded with this result. Dropping the connection calls
    /// `terminate`.
    pub(crate) fn open<T>(mut self, made: T) -> Result<T, Refusal> {
        self.opened = true;
        if self.endpoint.hub().is_shutting_down() {
            return Err(Refusal::SERVICE_UNAVAILABLE);
        }
        Ok(made)
    }
}

impl Drop for Unopened {
    fn drop(&mut self) {
        if !self.opened {
            undo(&self.shared, &self.endpoint);
        }
    }
}

/// The arguments of `init`, and the resources that its connection needs afterwards.
struct Pending<H> {
    opening: Opening<H>,
    permit: Option<Permit>,
}

impl<H: Send + 'static> Pending<H> {
    fn register(endpoint: Arc<Endpoint>, admitted: Admitted) -> (Unopened, Self) {
        let Admitted {
            handshake,
            permit,
            deflate,
        } = admitted;
        let unopened = Unopened::register(endpoint, &handshake, deflate);
        let context = unopened.context();
        let opening = Opening { handshake, context };
        (unopened, Self { opening, permit })
    }
}
