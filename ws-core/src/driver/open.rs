//! From an accepted handshake to a running connection.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{Either, select};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument;

use super::{Driver, undo};
use crate::error::Refusal;
use crate::extract::{Context, Endpoint, Handshake, Opening};
use crate::handler::{Fault, Handler, Hooks};
use crate::hook::{self, Hook};
use crate::hub::Slot;
use crate::late;
use crate::limits::later;
use crate::outbox::Io;
use crate::socket::{Sender, Socket};

/// A connection whose `init` has succeeded, and which waits for its transport.
///
/// Where it is dropped without one, the upgrade has failed, and `terminate` is called.
pub trait Opened: Send {
    /// Gives the connection its transport and lets it live in a task of its own. `early` is
    /// what the client sent behind its request.
    fn start(self: Box<Self>, transport: Io, early: Bytes);

    /// A handle to the connection.
    fn sender(&self) -> Sender;
}

/// The future of a connection's `init`.
pub type Opens = Pin<Box<dyn Future<Output = Result<Box<dyn Opened>, Refusal>> + Send>>;

/// Runs `init` of the handler of one route.
pub type Connect = fn(Arc<Endpoint>, Handshake) -> Opens;

/// Runs `init` of `H` on the route with the marker `R`.
///
/// Its time-out is answered with 503, a panic with 500. Where the future is dropped, or
/// `init` refuses, everything that hung on the connection is undone.
pub fn connect<H: Handler<R>, R: 'static>(endpoint: Arc<Endpoint>, handshake: Handshake) -> Opens {
    Box::pin(async move {
        let by = later(Instant::now(), endpoint.limits().init_timeout);
        let (ready, _) = open::<H, R>(&endpoint, handshake, by).await?;
        Ok(Box::new(ready) as Box<dyn Opened>)
    })
}

/// As [`connect`], with the time when `init` has to be over, and gives the handshake back.
pub(crate) async fn open<H: Handler<R>, R: 'static>(
    endpoint: &Arc<Endpoint>,
    mut handshake: Handshake,
    by: Instant,
) -> Result<(Ready<H>, Handshake), Refusal> {
    let slot = handshake.take_slot();
    let unopened = Unopened::<H>::register(endpoint, &handshake);
    let opening = Opening {
        handshake,
        context: unopened.context.clone(),
    };
    let handler = init::<H, R>(&opening, by).await?;
    let hooks = const { &Hooks::<H>::of::<R>() };
    Ok((unopened.ready(handler, hooks, slot)?, opening.handshake))
}

async fn init<H: Handler<R>, R>(opening: &Opening<H>, by: Instant) -> Result<H, Refusal> {
    let span = opening.context.span().clone();
    let init = AssertUnwindSafe(H::init(opening)).catch_unwind();
    let init = async { init.await.map_err(|panic| Fault::of_panic(&*panic)) };
    let place = Hook::Init.on(opening.context.endpoint.route());
    let init = hook::run_async(place, init).instrument(span.clone());
    let shared = opening.context.socket.shared();
    let again = opening.context.endpoint.limits().init_timeout;
    let init = pin!(late::by(by, again, init));
    match select(init, pin!(shared.cut_by_shutdown())).await {
        Either::Left((Ok(Ok(made)), _)) => made,
        Either::Left((Ok(Err(Fault::Panic | Fault::TimedOut)), _)) => {
            Err(Refusal::INTERNAL_SERVER_ERROR)
        }
        Either::Left((Err(_), _)) | Either::Right(_) => {
            tracing::error!(parent: &span, hook = "init", "a hook ran out of time");
            Err(Refusal::SERVICE_UNAVAILABLE)
        }
    }
}

/// A connection whose `init` has not succeeded yet; dropping it undoes it.
pub(crate) struct Unopened<H> {
    pub(crate) context: Context<H>,
    /// `init` has succeeded: what hangs on the connection stays.
    opened: bool,
    /// A shutdown waits for it.
    _tracked: TaskTrackerToken,
}

impl<H> Unopened<H> {
    pub(crate) fn register(endpoint: &Arc<Endpoint>, handshake: &Handshake) -> Self {
        let visitor = handshake.visitor().clone();
        let peer = handshake.peer_addr();
        // Before the connection is known, so that a shutdown that overlooks it waits for it.
        let tracked = endpoint.hub().tracker().token();
        let common = endpoint.common();
        // What the handler of a page says goes into the page's queue, and not to the client.
        let deflate = handshake.deflate().filter(|_| !common.of_page);
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
        let socket = Socket::new(shared);
        let known = visitor.session.is_some() || visitor.page.is_some();
        let visitor = known.then(|| Arc::new(visitor));
        Self {
            context: Context {
                socket,
                endpoint: endpoint.clone(),
                visitor,
            },
            opened: false,
            _tracked: tracked,
        }
    }
}

impl<H: Send + 'static> Unopened<H> {
    /// `init` has succeeded, with this handler.
    pub(crate) fn ready(
        mut self,
        handler: H,
        hooks: &'static Hooks<H>,
        slot: Option<Slot>,
    ) -> Result<Ready<H>, Refusal> {
        self.opened = true;
        let context = self.context.clone();
        let hub = context.endpoint.hub().clone();
        let ready = Ready {
            sender: context.socket.sender(),
            parts: Some((handler, context, slot)),
            hooks,
            _tracked: hub.tracker().token(),
        };
        // Dropping the connection calls its `terminate`.
        if hub.is_shutting_down() {
            return Err(Refusal::SERVICE_UNAVAILABLE);
        }
        Ok(ready)
    }
}

impl<H> Drop for Unopened<H> {
    fn drop(&mut self) {
        if !self.opened {
            undo(&self.context);
        }
    }
}

/// A connection between `init` and the upgrade.
pub(crate) struct Ready<H: Send + 'static> {
    parts: Option<(H, Context<H>, Option<Slot>)>,
    hooks: &'static Hooks<H>,
    sender: Sender,
    /// A shutdown waits for it.
    _tracked: TaskTrackerToken,
}

impl<H: Send + 'static> Ready<H> {
    fn run(&mut self, transport: Option<Io>, early: &Bytes) {
        let Some((handler, context, slot)) = self.parts.take() else {
            return;
        };
        let tracker = context.endpoint.hub().tracker().clone();
        let driver = Driver::new(handler, self.hooks, context, transport, early, slot);
        tracker.spawn(driver);
    }
}

impl<H: Send + 'static> Opened for Ready<H> {
    fn start(mut self: Box<Self>, mut transport: Io, early: Bytes) {
        if let Some((_, context, _)) = &self.parts {
            context
                .socket
                .shared()
                .outbox()
                .connect(transport.get_mut().direct());
        }
        self.run(Some(transport), &early);
    }

    fn sender(&self) -> Sender {
        self.sender.clone()
    }
}

impl<H: Send + 'static> Drop for Ready<H> {
    fn drop(&mut self) {
        self.run(None, &Bytes::new());
    }
}
