//! The state that the connections of one server share.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio_util::task::TaskTracker;
use tracing::Span;

use crate::address::AddressOwner;
use crate::id::{ConnectionId, ConnectionKind};
use crate::limits::ServerLimits;
use crate::page::Pages;
use crate::presence::topics::Presence;
use crate::protocol::Deflate;
use crate::session::Sessions;
use crate::socket::{ConnectionShared, RouteContext, ShutdownTimes, Socket, going_away};
use crate::stats::{HubCounters, RefusalReason, RouteCounters};
use crate::topic::{AsTopic, Exclude, ReceiptKind as _, TopicValue, Topics};

#[cfg(feature = "cluster")]
mod cluster;
mod disconnect;
mod handshakes;
mod pages;
mod permits;
mod post;
mod presence;
mod shutdown;
mod stats;

#[cfg(feature = "cluster")]
pub use cluster::{ClusterNode, ClusterOptions, ClusterView};
#[cfg(feature = "cluster")]
pub(crate) use cluster::{ForwardedPost, HostedPosts, PostStream, StreamOwner};
pub use pages::PagesOf;
pub use permits::{NoPermit, Permit};
pub use post::PostError;

use crate::log::Secrets;

/// The state that the connections of one server share: topics, sessions, and the list of
/// connections.
///
/// A hub belongs to one server and nothing is global, so two servers in one process are
/// independent. Cloning is cheap. A hook takes `&Hub`; outside the connections, use `ws.hub()`.
///
/// ```
/// use ws_server::prelude::*;
///
/// fn lines() -> Topic<String> {
///     Topic::local("lines")
/// }
///
/// struct Chat;
///
/// #[ws_handler]
/// impl Chat {
///     fn init(socket: &Socket<Self>) -> Self {
///         socket.subscribe(lines());
///         Chat
///     }
///
///     fn message(&mut self, line: String, hub: &Hub) {
///         hub.publish(lines(), &line);
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// # let kit = ws_server::testkit::TestKit::new();
/// # let mut reader = kit.handler::<Chat>().connect().await.unwrap();
/// # let mut writer = kit.handler::<Chat>().connect().await.unwrap();
/// # writer.send("hello").await;
/// # assert_eq!(reader.text().await, "hello");
/// # });
/// ```
#[derive(Clone)]
pub struct Hub {
    inner: Arc<HubShared>,
}

type Connections = HashMap<ConnectionId, Weak<ConnectionShared>>;

struct HubShared {
    topics: Arc<Topics>,
    presence: Arc<Presence>,
    limits: ServerLimits,
    last_id: AtomicU64,
    sockets: Mutex<Connections>,
    /// Handlers that live as long as their pages.
    page_handlers: Mutex<Connections>,
    tracker: TaskTracker,
    /// The times of the last connections in a shutdown.
    shutdown: Mutex<Option<ShutdownTimes>>,
    permits: Arc<permits::Permits>,
    sessions: Sessions,
    pages: Arc<Pages>,
    /// Handles the messages of pages that have no handler of their own.
    page_hook: pages::PageHook,
    counters: HubCounters,
    /// POSTs that reach another server than their stream.
    #[cfg(feature = "cluster")]
    posts: Arc<cluster::Posts>,
    /// `None` admits any number.
    handshakes: Option<handshakes::HandshakeRate>,
    #[cfg(feature = "cluster")]
    disconnects: cluster::Disconnects,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("connections", &self.connection_count())
            .finish_non_exhaustive()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(ServerLimits::DEFAULT)
    }
}

impl Hub {
    /// Creates a hub without connections and with sessions in memory.
    ///
    /// ```
    /// use ws_server::Hub;
    /// use ws_server::limits::ServerLimits;
    ///
    /// let hub = Hub::new(ServerLimits::DEFAULT.max_connections(Some(10_000)));
    /// assert_eq!(hub.connection_count(), 0);
    /// ```
    pub fn new(limits: ServerLimits) -> Self {
        Self::with_sessions(limits, Sessions::default())
    }

    /// Creates a hub without connections, with these sessions.
    ///
    /// ```
    /// use ws_server::Hub;
    /// use ws_server::limits::ServerLimits;
    /// use ws_server::session::{SessionOptions, Sessions};
    ///
    /// let sessions = Sessions::new(SessionOptions::default().session_cookie("sid"));
    /// let hub = Hub::with_sessions(ServerLimits::DEFAULT, sessions);
    /// assert_eq!(hub.sessions().session_cookie(false), "sid");
    /// ```
    pub fn with_sessions(limits: ServerLimits, sessions: Sessions) -> Self {
        Self::with_secrets(limits, sessions, Secrets::random())
    }

    /// Same as [`with_sessions`](Self::with_sessions), with these secrets instead of a random one.
    pub fn with_secrets(limits: ServerLimits, sessions: Sessions, secrets: Secrets) -> Self {
        let topics = Topics::with_secrets(limits.publish_inline, limits.history, secrets);
        Self::with_topics(&limits, sessions, topics)
    }

    fn with_topics(limits: &ServerLimits, sessions: Sessions, topics: Topics) -> Self {
        let parameter = sessions.page_parameter().to_owned();
        let topics = Arc::new(topics);
        let inline = limits.publish_inline;
        let counters = HubCounters::default();
        let refusals = counters.refusals().clone();
        let pages = Pages::new(limits.pages, inline, parameter, topics.clone(), refusals);
        let weak: Weak<Pages> = Arc::downgrade(&pages);
        sessions.add_pages(weak);
        let inner = HubShared {
            presence: Presence::new(limits.presence, topics.clone()),
            topics,
            limits: *limits,
            last_id: AtomicU64::new(0),
            sockets: Mutex::default(),
            page_handlers: Mutex::default(),
            tracker: TaskTracker::new(),
            shutdown: Mutex::default(),
            permits: Arc::default(),
            sessions,
            pages,
            page_hook: pages::PageHook::default(),
            counters,
            #[cfg(feature = "cluster")]
            posts: Arc::default(),
            handshakes: limits.handshakes.map(handshakes::HandshakeRate::new),
            #[cfg(feature = "cluster")]
            disconnects: cluster::Disconnects::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Publishes a value to all subscribers of the topic: clients, handlers and pages.
    ///
    /// The value is encoded once. All subscribers get the values of one topic in the same order.
    /// The [`Receipt`](crate::topic::Receipt) counts the subscribers that accepted it, and may be ignored. If a value
    /// cannot be encoded, it reaches no subscriber and the error is logged at `error`.
    ///
    /// In a hook or in a task of the server's runtime, the values are written when it returns or
    /// awaits, so that each subscriber gets all of them in one write. Code that blocks its thread
    /// delays them, but not the values and messages of others.
    ///
    /// ```
    /// use ws_server::Hub;
    /// use ws_server::topic::Topic;
    ///
    /// let hub = Hub::default();
    /// let news: Topic<String> = Topic::local("news");
    /// let receipt = hub.publish(&news, &"no subscribers yet".to_owned());
    /// assert_eq!(receipt.reached(), 0);
    /// ```
    pub fn publish<A: AsTopic<Value: TopicValue>>(&self, topic: A, value: &A::Value) -> A::Receipt {
        self.publish_as(topic, value, Exclude::default())
    }

    /// Same as [`publish`](Self::publish), but skips this connection, usually the sender.
    ///
    /// ```
    /// use ws_server::prelude::*;
    ///
    /// fn message<H>(line: String, hub: &Hub, socket: &Socket<H>) {
    ///     let lines: Topic<String> = Topic::local("lines");
    ///     hub.publish_except(lines, &format!("{}: {line}", socket.id()), socket);
    /// }
    /// ```
    pub fn publish_except<A: AsTopic<Value: TopicValue>, H>(
        &self,
        topic: A,
        value: &A::Value,
        exclude: &Socket<H>,
    ) -> A::Receipt {
        let exclude = Exclude {
            connection: Some(exclude.id()),
            ..Exclude::default()
        };
        self.publish_as(topic, value, exclude)
    }

    /// Same as [`publish`](Self::publish), but skips clients with a backlog: for values that the
    /// next one replaces, such as positions.
    ///
    /// ```
    /// use serde::Serialize;
    /// use ws_server::prelude::*;
    ///
    /// #[derive(Serialize)]
    /// struct Position { x: f32, y: f32 }
    ///
    /// fn moved(hub: &Hub, position: &Position) {
    ///     let positions: Topic<Position> = Topic::local("positions");
    ///     hub.publish_volatile(positions, position);
    /// }
    /// # moved(&Hub::default(), &Position { x: 0.0, y: 0.0 });
    /// ```
    pub fn publish_volatile<A: AsTopic<Value: TopicValue>>(
        &self,
        topic: A,
        value: &A::Value,
    ) -> A::Receipt {
        let exclude = Exclude {
            volatile: true,
            ..Exclude::default()
        };
        self.publish_as(topic, value, exclude)
    }

    fn publish_as<A: AsTopic<Value: TopicValue>>(
        &self,
        topic: A,
        value: &A::Value,
        exclude: Exclude,
    ) -> A::Receipt {
        let topic = topic.as_topic_ref();
        let outcome = self.inner.topics.publish(topic, value, exclude);
        A::Receipt::of(outcome)
    }

    /// The number of values that could not be published to logged topics, and whose
    /// [receipts](crate::topic::LoggedReceipt) were not awaited.
    pub fn refused_publishes(&self) -> u64 {
        self.inner.topics.refused_publishes()
    }

    /// Whether the hub has read the log that it shares with other servers. A hub that shares none is
    /// always ready. Until then, handshakes are refused with 503.
    ///
    /// ```
    /// assert!(ws_server::Hub::default().is_ready());
    /// ```
    pub fn is_ready(&self) -> bool {
        self.inner.topics.is_ready()
    }

    /// The sessions of this server.
    pub fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// The number of clients, handlers and pages that are subscribed to the topic; a page counts with
    /// and without a socket.
    ///
    /// ```
    /// use ws_server::prelude::*;
    ///
    /// /// Makes an expensive report only if a client waits for it.
    /// fn publish(hub: &Hub, report: impl FnOnce() -> String) {
    ///     let reports: Topic<String> = Topic::local("reports");
    ///     if hub.subscriber_count(&reports) > 0 {
    ///         hub.publish(&reports, &report());
    ///     }
    /// }
    /// # publish(&Hub::default(), || unreachable!());
    /// ```
    pub fn subscriber_count<T: TopicValue>(&self, topic: impl AsTopic<Value = T>) -> usize {
        self.inner.topics.count(&topic.as_topic_ref().key)
    }

    /// The number of connections, including those whose `init` still runs.
    pub fn connection_count(&self) -> usize {
        self.connections(ConnectionKind::Socket).len()
    }

    /// Takes a permit for one more connection of this address. If there is none left, logs a
    /// remedy, which depends on the owner of the address.
    pub(crate) fn take_permit(
        &self,
        address: Option<IpAddr>,
        owner: AddressOwner,
    ) -> Result<Permit, NoPermit> {
        let permits = &self.inner.permits;
        let permit = permits::Permits::take(permits, address, owner, &self.inner.limits);
        permit.inspect_err(|none| {
            self.count_refusal(match none {
                NoPermit::Server => RefusalReason::MaxConnections,
                NoPermit::Address => RefusalReason::PerAddress,
            });
        })
    }

    fn lock_shutdown(&self) -> MutexGuard<'_, Option<ShutdownTimes>> {
        let shutdown = self.inner.shutdown.lock();
        shutdown.unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self, kind: ConnectionKind) -> MutexGuard<'_, Connections> {
        let connections = match kind {
            ConnectionKind::Socket => &self.inner.sockets,
            ConnectionKind::PageHandler => &self.inner.page_handlers,
        };
        connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connections of this kind. Their list is unlocked, because closing them wakes tasks.
    fn open_connections(&self, kind: ConnectionKind) -> Vec<Arc<ConnectionShared>> {
        let connections = self.connections(kind);
        connections.values().filter_map(Weak::upgrade).collect()
    }

    /// The topics of this hub.
    pub(crate) fn topics(&self) -> &Arc<Topics> {
        &self.inner.topics
    }

    /// The members of the topics of this hub.
    pub(crate) fn presence(&self) -> &Arc<Presence> {
        &self.inner.presence
    }

    /// The tracker of the connections' tasks.
    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.inner.tracker
    }

    /// Registers a connection with a new id.
    pub(crate) fn register(
        &self,
        peer: Option<SocketAddr>,
        route_context: Arc<RouteContext>,
        deflate: Option<Deflate>,
        span: impl FnOnce(ConnectionId) -> Span,
    ) -> Arc<ConnectionShared> {
        let id = ConnectionId::new(self.inner.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let kind = route_context.kind;
        let shared = Arc::new(ConnectionShared::new(
            id,
            peer,
            route_context,
            deflate,
            span(id),
        ));
        let weak = Arc::downgrade(&shared);
        self.connections(kind).insert(id, weak);
        shared.counters().count_connection();
        // The shutdown may have missed a connection that arrived while it began.
        let times = *self.lock_shutdown();
        if let Some(times) = times {
            shared.shut_down(times, going_away());
        }
        shared
    }

    /// Removes a connection.
    pub(crate) fn unregister(
        &self,
        id: ConnectionId,
        kind: ConnectionKind,
        counters: &RouteCounters,
    ) {
        if self.connections(kind).remove(&id).is_some() {
            counters.release_connection();
        }
    }
}
