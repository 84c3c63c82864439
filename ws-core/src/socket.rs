//! Handles to one connection, usable from any task.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Span;

use crate::close::{Close, CloseCause, CloseReason};
use crate::limits::Limits;
use crate::mailbox::MailboxSlot;
use crate::outbox::Outbox;
use crate::presence::topics::Presence;
use crate::protocol::Deflate;
use crate::session::Attachment;
use crate::stats::{HookCounters, RouteCounters};
use crate::topic::{Subscription, Topics};

mod memberships;
mod notify;
mod outgoing;
mod page;
mod presence;
mod sends;
mod session;
mod shutdown;
mod spans;
mod stats;
mod subscribe;
mod tasks;

pub use crate::{id::ConnectionId, mailbox::Accepts};
use memberships::Memberships;
pub use notify::Timer;
pub use outgoing::{IntoMessage, Sender};
pub use sends::Sends;
pub(crate) use shutdown::{ShutdownTimes, going_away};
use tasks::Tasks;

/// A handle to one connection whose handler is an `H`.
///
/// Clones are cheap. A handle does not keep the connection open; after its end, `send` fails.
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
///     fn message(&mut self, text: String, socket: &Socket<Self>) {
///         // A client that does not read gets no further answers.
///         if socket.buffered() < 100_000 {
///             let _ = socket.send(text);
///         }
///     }
/// }
/// ```
pub struct Socket<H> {
    shared: Arc<ConnectionShared>,
    handler: PhantomData<fn() -> H>,
}

/// The state that all handles of one connection share.
///
/// The order of the fields matters: those that every message accesses are adjacent, and the outbox
/// starts with such fields too. With many connections each cache line counts.
#[repr(C)]
pub(crate) struct ConnectionShared {
    id: ConnectionId,
    /// `None` if no subscriber of the log is interested in it.
    span: Option<Box<Span>>,
    route_context: Arc<RouteContext>,
    mailbox: MailboxSlot,
    /// Whether the running hook must be cancelled at its next poll.
    hook_cancelled: AtomicBool,
    /// Whether `state` has changes that the connection's task has not seen.
    changed: AtomicBool,
    /// When the connection began, in ticks of the counters' age.
    began: u32,
    outbox: Outbox,
    state: Mutex<LifecycleState>,
    peer: Option<SocketAddr>,
}

static NO_SPAN: Span = Span::none();

/// The state that all connections of one route share.
pub(crate) struct RouteContext {
    pub(crate) limits: Limits,
    pub(crate) route: crate::hook::RouteNumber,
    pub(crate) topics: Arc<Topics>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) kind: crate::id::ConnectionKind,
    pub(crate) counters: Arc<RouteCounters>,
    /// `None` if the library's own handler serves the connections.
    pub(crate) hooks: Option<Arc<HookCounters>>,
}

#[derive(Default)]
struct LifecycleState {
    /// Fields that many connections never need.
    optional: Option<Box<OptionalState>>,
    client_gone: bool,
    ended: bool,
    /// Whether `terminate` has ended too.
    finished: bool,
}

#[derive(Default)]
struct OptionalState {
    subscriptions: Vec<Subscription>,
    /// Most connections have none.
    memberships: Option<Box<Memberships>>,
    tasks: Option<Tasks>,
    expiry: Option<Instant>,
    /// The registration with its session, and the time when that expires.
    session: Option<(Attachment, Instant)>,
    shutdown: Option<(ShutdownTimes, Close)>,
    /// The span of the running hook, between the polls of the connection.
    hook_span: Option<Span>,
}

impl LifecycleState {
    fn optional(&mut self) -> &mut OptionalState {
        self.optional.get_or_insert_default()
    }

    fn shutdown(&self) -> Option<ShutdownTimes> {
        let optional = self.optional.as_ref()?;
        optional.shutdown.as_ref().map(|(times, _)| *times)
    }
}

/// Deadlines that other tasks have set for the connection's task.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExternalDeadlines {
    pub(crate) expiry: Option<Instant>,
    pub(crate) shutdown: Option<ShutdownTimes>,
}

impl fmt::Debug for RouteContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteContext")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<H> Clone for Socket<H> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            handler: PhantomData,
        }
    }
}

impl<H> fmt::Debug for Socket<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl<H> Socket<H> {
    pub(crate) fn new(shared: Arc<ConnectionShared>) -> Self {
        Self {
            shared,
            handler: PhantomData,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<ConnectionShared> {
        &self.shared
    }

    /// The id of this connection in its hub.
    pub fn id(&self) -> ConnectionId {
        self.shared.id
    }

    /// The address of the client, if the connection has one. Behind a trusted proxy it is the
    /// address that the proxy reports, with port 0 if the proxy does not report a port.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.shared.peer
    }

    /// Whether `send` still accepts messages: neither side is known to have closed.
    pub fn is_open(&self) -> bool {
        self.shared.outbox.is_open()
    }

    /// The bytes of frames that wait to be written to the client.
    pub fn buffered(&self) -> usize {
        self.shared.outbox.buffered()
    }

    /// The number of frames of topics that were dropped under the policies of the subscriptions,
    /// because this client does not keep up.
    pub fn dropped(&self) -> u64 {
        self.shared.outbox.dropped()
    }

    /// Closes the connection (RFC 6455, section 7.1.2): writes the queued messages, then the Close
    /// frame, and waits up to `close_timeout` for the client's answer. Nothing can be sent
    /// afterwards. If the connection is closing already, this has no effect.
    ///
    /// ```
    /// use ws_server::{Close, Socket};
    ///
    /// fn log_off<H>(sockets: &[Socket<H>]) {
    ///     sockets.iter().for_each(|socket| socket.close(Close::normal("see you")));
    /// }
    /// ```
    pub fn close(&self, close: impl Into<Close>) {
        let close = close.into();
        self.shared.close(&close, CloseCause::ServerClosed);
    }

    /// Resolves when the client's Close has arrived, or the connection has ended without one.
    ///
    /// A hook that waits for something slow can stop when the client is gone:
    ///
    /// ```
    /// # use ws_server::socket::Socket;
    /// # async fn slow() -> u32 { 7 }
    /// async fn search<H>(socket: &Socket<H>) -> Option<u32> {
    ///     tokio::select! {
    ///         found = slow() => Some(found),
    ///         () = socket.closed() => None,
    ///     }
    /// }
    /// ```
    pub async fn closed(&self) {
        self.shared.closed().await;
    }

    /// Closes the connection with 4401 at this time, even if it is busy. A later call replaces an
    /// earlier one.
    ///
    /// ```
    /// use tokio::time::{Duration, Instant};
    /// use ws_server::Socket;
    ///
    /// fn limit<H>(socket: &Socket<H>, ticket: Duration) {
    ///     socket.expire_at(Instant::now() + ticket);
    /// }
    /// ```
    pub fn expire_at(&self, at: Instant) {
        self.shared
            .change_deadlines(|state| state.expiry = Some(at));
    }

    /// Returns a handle for sending only, without the type of the handler.
    pub fn sender(&self) -> Sender {
        Sender::new(self.shared.clone())
    }

    /// Whether the running hook must be cancelled.
    pub(crate) fn is_hook_cancelled(&self) -> bool {
        self.shared.hook_cancelled.load(Ordering::Acquire)
    }
}

impl ConnectionShared {
    pub(crate) fn new(
        id: ConnectionId,
        peer: Option<SocketAddr>,
        route_context: Arc<RouteContext>,
        deflate: Option<Deflate>,
        span: Span,
    ) -> Self {
        let limits = &route_context.limits;
        let began = stats::ticks(route_context.counters.age(Instant::now()));
        let outbox = Outbox::new(limits.outbox, limits.outbox_frames).with_deflate(deflate);
        Self {
            id,
            peer,
            outbox,
            mailbox: MailboxSlot::default(),
            route_context,
            hook_cancelled: AtomicBool::new(false),
            changed: AtomicBool::new(false),
            began,
            state: Mutex::default(),
            span: (!span.is_none()).then(|| Box::new(span)),
        }
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn mailbox(&self) -> &MailboxSlot {
        &self.mailbox
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.route_context.limits
    }

    pub(crate) fn span(&self) -> &Span {
        self.span.as_deref().unwrap_or(&NO_SPAN)
    }

    /// Notified when there is room in the outbox or in the mailbox, when the client has closed,
    /// when the server shuts down, and at the end. A waiter must check its condition each time.
    pub(crate) fn changed(&self) -> &Notify {
        self.outbox.changed()
    }

    fn lock(&self) -> MutexGuard<'_, LifecycleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the deadlines for the connection's task, and wakes it.
    fn change_deadlines(&self, change: impl FnOnce(&mut OptionalState)) {
        change(self.lock().optional());
        self.changed.store(true, Ordering::Release);
        self.outbox.wake();
    }

    /// Returns the deadlines if they have changed since the last call.
    #[inline]
    pub(crate) fn take_external_deadlines(&self) -> Option<ExternalDeadlines> {
        // Read before it is written: nearly always there is no change.
        if self.changed.load(Ordering::Acquire) {
            self.read_external_deadlines()
        } else {
            None
        }
    }

    #[cold]
    fn read_external_deadlines(&self) -> Option<ExternalDeadlines> {
        self.changed.swap(false, Ordering::AcqRel).then(|| {
            let mut lifecycle = self.lock();
            let optional = lifecycle.optional();
            let session = optional.session.as_ref().map(|session| session.1);
            ExternalDeadlines {
                expiry: optional.expiry.into_iter().chain(session).min(),
                shutdown: optional.shutdown.as_ref().map(|(times, _)| *times),
            }
        })
    }

    /// Sets whether the running hook is cancelled at its next poll.
    pub(crate) fn set_hook_cancelled(&self, cancel: bool) {
        self.hook_cancelled.store(cancel, Ordering::Release);
    }

    /// Closes gracefully: the queued messages are written first.
    pub(crate) fn close(&self, close: &Close, cause: CloseCause) -> bool {
        self.outbox.close(close, CloseReason::of(cause, close))
    }

    /// Closes at once: discards the queued messages, except for the rest of a partly written frame.
    pub(crate) fn fail(&self, close: &Close, cause: CloseCause) -> bool {
        self.outbox
            .discard_and_close(close, CloseReason::of(cause, close))
    }

    /// Records that the client's Close has arrived, or that its stream has ended without one.
    pub(crate) fn client_gone(&self) {
        self.lock().client_gone = true;
        self.changed().notify_waiters();
    }

    /// Records that `terminate` and the connection's task have ended.
    pub(crate) fn finish(&self) {
        self.outbox.release_waker();
        self.lock().finished = true;
        self.changed().notify_waiters();
    }

    async fn closed(&self) {
        self.wait_until(|state| state.client_gone || state.ended)
            .await;
    }

    /// Resolves after `terminate`; returns why the connection ended.
    #[cfg(feature = "test-kit")]
    async fn finished(&self) -> CloseReason {
        self.wait_until(|state| state.finished).await;
        self.ending()
            .expect("a connection that has ended has a reason")
    }

    /// Why the connection is ending or has ended, as soon as that is known.
    pub(crate) fn ending(&self) -> Option<CloseReason> {
        self.outbox.close_reason()
    }

    async fn wait_until(&self, reached: impl Fn(&LifecycleState) -> bool) {
        loop {
            let notified = self.changed().notified();
            tokio::pin!(notified);
            // Registered before the check, so that no notification is missed in between.
            notified.as_mut().enable();
            if reached(&self.lock()) {
                return;
            }
            notified.await;
        }
    }

    /// Ends everything that belongs to the connection. Returns why it ended: the first recorded
    /// reason, or else `reason`.
    pub(crate) fn end(&self, reason: CloseReason) -> CloseReason {
        let reason = self.outbox.shut(reason);
        self.collect_outbox();
        self.mailbox.close();
        let mut lifecycle = self.lock();
        lifecycle.ended = true;
        let ended = lifecycle.optional.as_mut().map(|state| {
            let tasks = state.tasks.take();
            let subscriptions = std::mem::take(&mut state.subscriptions);
            let memberships = state.memberships.take();
            (subscriptions, memberships, tasks, state.session.take())
        });
        drop(lifecycle);
        if let Some((subscriptions, memberships, tasks, session)) = ended {
            drop((tasks, session));
            for subscription in subscriptions {
                drop(self.route_context.topics.unsubscribe(subscription));
            }
            let memberships = memberships.map_or_else(Vec::new, |it| it.into_entered());
            self.settle_all(&self.leave_all(memberships));
        }
        self.changed().notify_waiters();
        reason
    }
}
