//! The future of a connection's task, and the connection before it has a task.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::callee::{AnyHandler, Callee};
use super::closing::connection_lost;
use super::finish::Finishing;
use super::live::Driver;
use crate::close::{CloseCause, CloseCode, CloseReason};
use crate::error::log_panic;
use crate::extract::{Context, Endpoint};
use crate::handler::Handler;
use crate::hub::Permit;
use crate::outbox::Io;
use crate::page::PageSocket as _;
use crate::socket::{ConnectionShared, Sender};

/// A connection whose `init` has succeeded, and which waits for its transport.
///
/// If it is dropped without a transport, the upgrade has failed, and `terminate` is called.
pub struct ReadyConnection(Option<Box<dyn AnyConnection>>);

impl ReadyConnection {
    pub(crate) fn new<H: Handler<R>, R: 'static>(
        handler: H,
        context: Context<H>,
        permit: Option<Permit>,
    ) -> Self {
        Self(Some(Box::new(Connection {
            lifecycle: Lifecycle {
                driver: Driver::new(context.socket.shared().clone()),
                transport: None,
                finishing: None,
                permit,
            },
            _tracker_token: context.endpoint.hub().tracker().token(),
            callee: Callee::<H, R>::new(handler, context),
        })))
    }

    /// Gives the connection its transport and starts its task. `early` contains the bytes that the
    /// client sent after its request.
    pub fn start(mut self, mut transport: Io, early: &[u8]) {
        if let Some(mut connection) = self.0.take() {
            let lifecycle = connection.lifecycle();
            lifecycle.driver.handle_start(transport.get_mut(), early);
            lifecycle.transport = Some(transport);
            connection.spawn();
        }
    }

    /// A handle to the connection.
    ///
    /// # Panics
    ///
    /// Never panics: the connection is present until it starts.
    pub fn sender(&self) -> Sender {
        self.0
            .as_ref()
            .map(|connection| connection.sender())
            .expect("the connection is present until it starts")
    }
}

impl Drop for ReadyConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.spawn();
        }
    }
}

/// A connection before it has a task, with the type of its handler erased.
trait AnyConnection: Send {
    fn lifecycle(&mut self) -> &mut Lifecycle;

    fn sender(&self) -> Sender;

    /// Starts the task. The task contains the connection by value: a pointer to it would need
    /// another allocation.
    fn spawn(self: Box<Self>);
}

/// A connection, and its handler.
struct Connection<H: Handler<R>, R: 'static> {
    lifecycle: Lifecycle,
    callee: Callee<H, R>,
    /// Makes a shutdown wait for the connection. It is dropped last: when the shutdown returns, no
    /// value of the application is left here.
    _tracker_token: TaskTrackerToken,
}

/// A connection without its handler: it is driven, and then runs `terminate`.
struct Lifecycle {
    driver: Driver,
    transport: Option<Io>,
    finishing: Option<Box<Finishing>>,
    /// The permit for one of the server's connections.
    permit: Option<Permit>,
}

/// No field of a connection is pinned in place: futures are boxed.
impl<H: Handler<R>, R> Unpin for Connection<H, R> {}

impl<H: Handler<R>, R> Future for Connection<H, R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let Self {
            lifecycle, callee, ..
        } = self.get_mut();
        lifecycle.poll(callee, cx)
    }
}

impl<H: Handler<R>, R> AnyConnection for Connection<H, R> {
    fn lifecycle(&mut self) -> &mut Lifecycle {
        &mut self.lifecycle
    }

    fn sender(&self) -> Sender {
        self.callee.context().socket.sender()
    }

    fn spawn(self: Box<Self>) {
        tokio::spawn(*self);
    }
}

impl<H: Handler<R>, R> Drop for Connection<H, R> {
    fn drop(&mut self) {
        self.lifecycle.handle_drop(&self.callee.context().endpoint);
    }
}

impl Lifecycle {
    fn poll(&mut self, handler: &mut dyn AnyHandler, cx: &mut TaskContext<'_>) -> Poll<()> {
        if self.finishing.is_none() {
            let over = if let Some(transport) = &mut self.transport {
                self.driver.poll(handler, transport.get_mut(), cx)
            } else {
                // A shutdown is the better reason.
                self.driver.take_external_deadlines();
                Poll::Ready(upgrade_failed())
            };
            match over {
                Poll::Ready(reason) => self.begin_finish(handler, reason),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.poll_finish(cx)
    }

    /// Ends everything but the handler, and calls `terminate`. `reason` applies if no other reason
    /// was recorded before.
    fn begin_finish(&mut self, handler: &mut dyn AnyHandler, reason: CloseReason) {
        // The stream is closed before `terminate` runs.
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            self.transport = None;
            self.driver.handle_end();
        }));
        if let Err(panic) = dropped {
            // The stream, or the owner of bytes in a queued reply, panicked; `terminate` still
            // runs.
            log_panic(&*panic);
        }
        self.permit = None;
        let shared = self.driver.shared();
        let reason = shared.end(reason);
        shared.count_end(&reason);
        // The text is not logged, because it may come from the client.
        let (cause, code) = (reason.cause, reason.code.get());
        tracing::debug!(parent: shared.span(), %cause, code, "closed");
        let end_of_shutdown = self.driver.end_of_shutdown();
        self.finishing = Finishing::begin(handler, shared, end_of_shutdown);
    }

    /// Waits for `terminate`.
    fn poll_finish(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        // A shutdown that begins while `terminate` runs may shorten its time limit.
        self.driver.shared().outbox().set_waker(cx.waker());
        let end_of_shutdown = self.driver.take_external_deadlines();
        match &mut self.finishing {
            Some(finishing) => finishing.poll(self.driver.shared(), end_of_shutdown, cx),
            None => Poll::Ready(()),
        }
    }

    /// Cleans up, even if the task is dropped early.
    fn handle_drop(&self, endpoint: &Endpoint) {
        let shared = self.driver.shared();
        clean_up(shared, endpoint);
        shared.finish();
    }
}

fn upgrade_failed() -> CloseReason {
    let text = "the response to the handshake was sent, but the upgrade failed";
    CloseReason::new(CloseCause::UpgradeFailed, CloseCode::ABNORMAL, text)
}

/// Ends everything that belongs to a connection, and removes it from the hub.
pub(super) fn clean_up(shared: &ConnectionShared, endpoint: &Endpoint) {
    shared.end(connection_lost());
    let kind = endpoint.route_context().kind;
    let counters = shared.counters();
    endpoint.hub().unregister(shared.id(), kind, counters);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;
    use crate::extract::{AnyRoute, Opening};

    struct Unit;

    impl Handler<AnyRoute> for Unit {
        async fn init(_: &Opening<Self>) -> Result<Self, Refusal> {
            Ok(Self)
        }
    }

    /// Tasks are allocated in steps of 128 bytes, and tokio adds 104 to a connection.
    #[test]
    fn a_connection_of_a_unit_handler_is_small() {
        let size = size_of::<Connection<Unit, AnyRoute>>();
        assert!(size <= 280, "{size}");
        assert!(
            // Allocated in steps of 16 bytes, with 16 of `Arc` and 8 of the allocator.
            size_of::<ConnectionShared>() <= 336,
            "{}",
            size_of::<ConnectionShared>()
        );
    }
}
