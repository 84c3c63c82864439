//! A hub on a log that several nodes share.

use std::sync::Arc;
use std::time::Duration;

use super::Hub;
use crate::close::Close;

use crate::limits::ServerLimits;
use crate::log::shared::{
    AppendLimits, Engine, EngineError, EngineHealth, Incarnation, Incarnations, Node, NodeOptions,
    VERSIONS, Versions, WindowLimits,
};
use crate::log::{Lanes, Secrets};
use crate::session::Sessions;
use crate::topic::{SharedLog, Topics};

mod applied;
mod disconnect;
mod posts;
mod view;

use applied::HubState;
pub(super) use disconnect::Disconnects;
pub(in crate::hub) use posts::Posts;
pub(crate) use posts::{ForwardedPost, HostedPosts, PostStream, StreamOwner};
pub use view::{ClusterNode, ClusterView};

/// The options of a server that shares its log with others.
///
/// ```
/// use std::time::Duration;
/// use ws_server::cluster::{ClusterOptions, Lanes};
///
/// let options = ClusterOptions::DEFAULT
///     .lanes(Lanes::new(1).unwrap())
///     .publish_timeout(Duration::from_secs(2));
/// assert_eq!(options.lanes.count(), 1);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClusterOptions {
    /// The number of ordered streams of a log in Redis; 8 by default. The name of a topic decides its
    /// lane, and all messages of a lane have one order. Another engine has its own number of lanes
    /// ([`Engine::lanes`]), whatever is set here.
    pub lanes: Lanes,
    /// How long a publish waits for the log: 5 seconds by default, at most a minute.
    pub publish_timeout: Duration,
    /// Messages of one lane that wait for the log; 8,192 by default.
    pub queue: usize,
    /// Bytes of these messages; 8 MiB by default.
    pub queue_bytes: usize,
    /// How long each message is kept in memory, for subscribers and pages that continue: 3 minutes by
    /// default, at least 2 minutes.
    pub window: Duration,
    /// Bytes of these messages in all lanes together, an equal share for each lane; 64 MiB by default.
    pub window_bytes: usize,
    /// How long the log may be unavailable before this server closes all connections that have a
    /// session, with 1013, and refuses new ones with 503: it could not learn that a session has
    /// ended. `None`, the default, keeps them open.
    pub fail_closed_after: Option<Duration>,
    /// Makes runs of tests repeatable.
    #[cfg(feature = "test-kit")]
    pub(crate) first_incarnation: Option<u64>,
    /// The highest version of entries that a node pretends to read and write.
    #[cfg(feature = "test-kit")]
    pub(crate) pretended_version: Option<u8>,
}

/// Handshakes per second of a server that shares its log, unless another limit is set.
const SHARED_HANDSHAKES: usize = 2_000;

/// The longest `publish_timeout`: the window must remember what it was sent for.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

impl ClusterOptions {
    /// The default options.
    pub const DEFAULT: Self = {
        let (append, window) = (AppendLimits::DEFAULT, WindowLimits::DEFAULT);
        Self {
            lanes: Lanes::DEFAULT,
            publish_timeout: append.publish_timeout,
            queue: append.records,
            queue_bytes: append.bytes,
            window: window.age,
            window_bytes: 64 * 1024 * 1024,
            fail_closed_after: None,
            #[cfg(feature = "test-kit")]
            first_incarnation: None,
            #[cfg(feature = "test-kit")]
            pretended_version: None,
        }
    };

    /// Sets the number of lanes of a log in Redis.
    pub const fn lanes(mut self, lanes: Lanes) -> Self {
        self.lanes = lanes;
        self
    }

    /// Sets how long a publish waits for the log.
    pub const fn publish_timeout(mut self, timeout: Duration) -> Self {
        self.publish_timeout = timeout;
        self
    }

    /// Sets how many messages of one lane may wait for the log, and their bytes.
    pub const fn queue(mut self, messages: usize, bytes: usize) -> Self {
        self.queue = messages;
        self.queue_bytes = bytes;
        self
    }

    /// Sets how long messages are kept in memory, and the bytes of all of them.
    pub const fn window(mut self, age: Duration, bytes: usize) -> Self {
        self.window = age;
        self.window_bytes = bytes;
        self
    }

    /// Sets how long the log may be unavailable before connections with a session are closed.
    pub const fn fail_closed_after(mut self, outage: Option<Duration>) -> Self {
        self.fail_closed_after = outage;
        self
    }

    /// The first incarnation, and how to choose the next ones.
    #[cfg_attr(
        not(feature = "test-kit"),
        expect(clippy::unused_self, reason = "only tests choose the first one")
    )]
    fn incarnation(&self) -> (Incarnation, Incarnations) {
        #[cfg(feature = "test-kit")]
        if let Some(first) = self.first_incarnation {
            return (Incarnation(first), Incarnations::Successive);
        }
        (Incarnation::random(), Incarnations::Random)
    }

    #[cfg_attr(
        not(feature = "test-kit"),
        expect(clippy::unused_self, reason = "only tests pretend other versions")
    )]
    fn versions(&self) -> Versions {
        #[cfg(feature = "test-kit")]
        if let Some(to) = self.pretended_version {
            return Versions { to, ..VERSIONS };
        }
        VERSIONS
    }

    fn node(&self, lanes: Lanes, history_bytes: usize) -> NodeOptions {
        let (incarnation, incarnations) = self.incarnation();
        NodeOptions {
            versions: self.versions(),
            incarnation,
            incarnations,
            lanes,
            append: AppendLimits {
                records: self.queue,
                bytes: self.queue_bytes,
                publish_timeout: self.publish_timeout.min(MAX_TIMEOUT),
            },
            window: WindowLimits {
                age: self.window.max(2 * MAX_TIMEOUT),
                bytes: self.window_bytes / lanes.count(),
            },
            history_bytes,
            fail_closed_after: self.fail_closed_after,
        }
    }
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Hub {
    /// Creates a hub that shares its log with the hubs of other servers, through an engine: their
    /// subscribers get the same messages of declared topics in the same order, and members are
    /// those of all. All of them need the same secrets. Await [`ready`](Self::ready) before it gets
    /// connections.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// use ws_server::cluster::{ClusterOptions, Generation, Lanes};
    /// use ws_server::limits::ServerLimits;
    /// use ws_server::prelude::*;
    /// use ws_server::session::{Secrets, Sessions};
    /// use ws_server::testkit::MemoryEngine;
    ///
    /// topics! { pub News: "news" => String; }
    ///
    /// let engine = MemoryEngine::new(Lanes::DEFAULT, Generation(1));
    /// let secrets = Secrets::new([[7; 32]]).unwrap();
    /// let (limits, options) = (ServerLimits::DEFAULT, ClusterOptions::DEFAULT);
    /// let hub = Hub::with_engine(limits, Sessions::default(), secrets, engine, &options);
    /// hub.ready().await;
    /// hub.publish(News, &"hello".to_owned()).await.unwrap();
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime: the hub starts the tasks that read and append.
    pub fn with_engine(
        limits: ServerLimits,
        sessions: Sessions,
        secrets: Secrets,
        engine: impl Engine,
        options: &ClusterOptions,
    ) -> Self {
        let handshakes = limits.handshakes.or(Some(SHARED_HANDSHAKES));
        let (limits, history) = (limits.handshakes(handshakes), limits.history);
        let topics = Topics::with_secrets(limits.publish_inline, history, secrets);
        let hub = Self::with_topics(&limits, sessions, topics);
        let apply = HubState(Arc::downgrade(&hub.inner));
        let options = options.node(engine.lanes(), history);
        let node = Node::new(engine, apply, options);
        let inner = Arc::downgrade(&hub.inner);
        let close = move |id, close: &Close| {
            if let Some(inner) = inner.upgrade() {
                Self { inner }.close_each([id], close);
            }
        };
        let topics = Arc::downgrade(&hub.inner.topics);
        let shared = SharedLog::new(node, topics, Arc::new(close));
        hub.inner.topics.share(shared);
        if let Some(shared) = hub.inner.topics.shared() {
            shared.node().start();
        }
        hub
    }

    /// Waits until the hub has read the members and the log that it shares with others; ready at
    /// once if it shares none.
    pub async fn ready(&self) {
        if let Some(shared) = self.inner.topics.shared() {
            shared.node().ready().await;
        }
    }

    /// Waits until it is clear that the hub cannot become [ready](Self::ready) before an operator
    /// corrects the log that it shares with others; for example, the log was created with another
    /// number of lanes. Never resolves if the hub shares no log, if the log is only unavailable, or
    /// after the hub was ready.
    ///
    /// ```no_run
    /// # async fn start(hub: ws_server::Hub) -> Result<(), ws_server::cluster::EngineError> {
    /// tokio::select! {
    ///     () = hub.ready() => Ok(()),
    ///     error = hub.unusable_log() => Err(error),
    /// }
    /// # }
    /// ```
    pub async fn unusable_log(&self) -> EngineError {
        match self.inner.topics.shared() {
            Some(shared) => shared.node().unusable().await,
            None => std::future::pending().await,
        }
    }

    /// Whether connections with a session are refused, because the log is unavailable for too long.
    pub(crate) fn has_failed_closed(&self) -> bool {
        let shared = self.inner.topics.shared();
        shared.is_some_and(|shared| shared.node().has_failed_closed())
    }

    /// The number of messages of topics with `relay: live` that did not reach the log for the other
    /// servers: it was too slow or unavailable.
    pub fn relay_losses(&self) -> u64 {
        let shared = self.inner.topics.shared();
        shared.map_or(0, |shared| shared.node().relay_losses())
    }

    /// The health of the servers that hold the log that this hub shares with others, as this process
    /// sees it; none if it shares no log.
    pub fn log_health(&self) -> Vec<EngineHealth> {
        let shared = self.inner.topics.shared();
        shared.map_or_else(Vec::new, |shared| shared.node().engine_health())
    }

    /// The number of entries of a shared log that this hub has skipped: written by a later version,
    /// malformed, or written by another program. Repeated entries do not count.
    pub fn skipped_entries(&self) -> u64 {
        let shared = self.inner.topics.shared();
        shared.map_or(0, |shared| shared.node().skipped())
    }
}
