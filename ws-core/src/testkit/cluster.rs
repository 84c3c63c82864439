//! Several servers in memory over one log that fails on request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::TestKit;
use crate::hub::{ClusterOptions, Hub};
use crate::limits::{ServerLimits, SessionLimits};
use crate::log::shared::{FaultyEngine, FaultyServer, Restart};
use crate::log::{EntryId, Lanes, Secrets};
use crate::session::{MemoryStore, SessionOptions, Sessions};

/// Creates the kit of a node from one without a table.
type SetUp = dyn Fn(TestKit) -> TestKit + Send;

/// How often [`Cluster::settle`] looks at the nodes.
const STEP: Duration = Duration::from_millis(100);

/// How many times in a row the nodes must be quiet: three seconds.
const QUIET: u32 = 30;

/// The time after which nodes should have settled: five minutes.
const MAX_STEPS: u32 = 3_000;

/// Incarnations of one node: more than it can have.
const INCARNATIONS: u64 = 1 << 32;

/// The secret of all nodes.
const SECRET: [u8; 32] = [7; 32];

/// Several servers in memory over one log, to test that handlers work on any number of machines.
///
/// Use it with paused time: then nothing takes long, and each run is the same.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::testkit::Cluster;
///
/// topics! {
///     /// All messages, for every client.
///     pub Lines: "lines" => String { history: 100, keep: 10m, presence: String };
/// }
///
/// struct Chat;
///
/// #[ws_handler]
/// impl Chat {
///     fn init(socket: &Socket<Self>) -> Self {
///         socket.subscribe(Lines.replay(10));
///         Chat
///     }
///
///     async fn message(&mut self, line: String, hub: &Hub) -> Result<(), Close> {
///         hub.publish(Lines, &line).await?;
///         Ok(())
///     }
/// }
///
/// // This handler works on three nodes.
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// let mut cluster = Cluster::new(3).await;
/// let mut ada = cluster.node(0).handler::<Chat>().connect().await.unwrap();
/// let mut bob = cluster.node(1).handler::<Chat>().connect().await.unwrap();
/// ada.send("hello").await;
/// assert_eq!(bob.text().await, "hello");
/// assert_eq!(ada.text().await, "hello");
///
/// // A node that starts later has the history too.
/// cluster.restart(2).await;
/// let mut eve = cluster.node(2).handler::<Chat>().connect().await.unwrap();
/// assert_eq!(eve.text().await, "hello");
///
/// // What is published while a node is cut off reaches its clients later.
/// cluster.cut(1);
/// ada.send("are you there?").await;
/// assert_eq!(eve.text().await, "are you there?");
/// cluster.heal(1);
/// assert_eq!(bob.text().await, "are you there?");
///
/// // If the log was lost, clients connect again: they may have missed messages.
/// cluster.new_generation();
/// assert_eq!(bob.closed().await.0, CloseCode::SERVICE_RESTART);
/// # });
/// ```
pub struct Cluster {
    server: FaultyServer,
    store: Arc<MemoryStore>,
    options: ClusterOptions,
    set_up: Box<SetUp>,
    nodes: Vec<ClusterNode>,
    /// The number of nodes ever started.
    started: u64,
}

/// A server, and its connection to the log.
struct ClusterNode {
    kit: TestKit,
    engine: FaultyEngine,
    state: NodeState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NodeState {
    Running,
    Killed,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts this many servers without tables, and waits until they are ready. They share the store
    /// of their sessions.
    pub async fn new(nodes: usize) -> Self {
        Self::with(nodes, |kit| kit).await
    }

    /// Same as [`new`](Self::new), but `set_up` completes the kit of each server, for example
    /// with a table; it is called again after a restart.
    ///
    /// ```
    /// use ws_server::extract::NoState;
    /// use ws_server::prelude::*;
    /// use ws_server::testkit::Cluster;
    ///
    /// # struct Room;
    /// # #[ws_handler]
    /// # impl Room {
    /// #     fn init() -> Self { Room }
    /// #     fn message(&mut self, text: String) -> String { text }
    /// # }
    /// dispatch! {
    ///     struct Routes;
    ///
    ///     room: "/room" => Room { require_session: false };
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let cluster = Cluster::with(2, |kit| kit.with_table(Routes::table(), NoState).unwrap()).await;
    /// let mut client = cluster.node(1).open("/room").connect().await.unwrap();
    /// client.send("hello").await;
    /// assert_eq!(client.text().await, "hello");
    /// # });
    /// ```
    pub async fn with(nodes: usize, set_up: impl Fn(TestKit) -> TestKit + Send + 'static) -> Self {
        Self::begin(nodes, 1, ClusterOptions::DEFAULT, set_up).await
    }

    /// Same as [`with`](Self::with), with these options instead of the defaults; the number of lanes
    /// is always 8.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::cluster::ClusterOptions;
    /// use ws_server::testkit::Cluster;
    ///
    /// async fn failing_closed() -> Cluster {
    ///     let minute = Some(Duration::from_secs(60));
    ///     let options = ClusterOptions::DEFAULT.fail_closed_after(minute);
    ///     Cluster::with_options(2, options, |kit| kit).await
    /// }
    /// ```
    pub async fn with_options(
        nodes: usize,
        options: ClusterOptions,
        set_up: impl Fn(TestKit) -> TestKit + Send + 'static,
    ) -> Self {
        Self::begin(nodes, 1, options, set_up).await
    }

    /// Same as [`new`](Self::new), but with other delays and failures of the log for each seed, for
    /// random tests.
    pub async fn seeded(nodes: usize, seed: u64) -> Self {
        Self::begin(nodes, seed, ClusterOptions::DEFAULT, |kit| kit).await
    }

    async fn begin(
        nodes: usize,
        seed: u64,
        options: ClusterOptions,
        set_up: impl Fn(TestKit) -> TestKit + Send + 'static,
    ) -> Self {
        let options = options.lanes(Lanes::DEFAULT);
        let mut cluster = Self {
            server: FaultyServer::new(options.lanes, seed),
            options,
            store: Arc::new(MemoryStore::new(SessionLimits::DEFAULT.sessions)),
            set_up: Box::new(set_up),
            nodes: Vec::new(),
            started: 0,
        };
        for _ in 0..nodes {
            let node = cluster.start(options);
            cluster.nodes.push(node);
        }
        for node in &cluster.nodes {
            node.kit.hub().ready().await;
        }
        cluster
    }

    fn start(&mut self, mut options: ClusterOptions) -> ClusterNode {
        let engine = self.server.connect();
        self.started += 1;
        options.first_incarnation = Some(self.started * INCARNATIONS);
        let (limits, store) = (ServerLimits::DEFAULT, self.store.clone());
        let sessions = Sessions::new(SessionOptions::default().store(store));
        let secrets = Secrets::new([SECRET]).expect("32 bytes are enough");
        let hub = Hub::with_engine(limits, sessions, secrets, engine.clone(), &options);
        let kit = TestKit {
            hub,
            ..TestKit::default()
        };
        ClusterNode {
            kit: (self.set_up)(kit),
            engine,
            state: NodeState::Running,
        }
    }

    /// The number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The kit of a node, counted from 0.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    pub fn node(&self, index: usize) -> &TestKit {
        &self.nodes[index].kit
    }

    /// The server of the log, for faults of which the cluster has no method.
    pub fn server(&self) -> &FaultyServer {
        &self.server
    }

    /// Separates a node from the log. Its clients stay connected. What is under way between the two
    /// may have been executed, but gets no answer.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    pub fn cut(&self, index: usize) {
        self.nodes[index].engine.cut();
    }

    /// Separates a node from the log as soon as its next message was appended: the node gets no answer,
    /// so it cannot know that the log has the message.
    ///
    /// ```
    /// use ws_server::prelude::*;
    /// use ws_server::testkit::Cluster;
    /// use ws_server::topic::PublishError;
    ///
    /// topics! {
    ///     /// All messages, for every client.
    ///     pub Lines: "lines" => String;
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let cluster = Cluster::new(2).await;
    /// cluster.cut_in_next_append(0);
    /// let outcome = cluster.node(0).hub().publish(Lines, &"hello".to_owned()).await;
    /// assert_eq!(outcome, Err(PublishError::Unconfirmed));
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    pub fn cut_in_next_append(&self, index: usize) {
        self.nodes[index].engine.cut_in_next_append();
    }

    /// Connects a node to the log again.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    pub fn heal(&self, index: usize) {
        self.nodes[index].engine.heal();
    }

    /// Ends a node as SIGKILL does: what it has not sent to the log is lost, and the others learn of
    /// its death only because its heartbeats are missing. Its clients get a Close with 1001, unlike
    /// those of a real process.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    pub async fn kill(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.state == NodeState::Killed {
            return;
        }
        node.state = NodeState::Killed;
        let hub = node.kit.hub();
        if let Some(shared) = hub.topics().shared() {
            shared.node().kill();
        }
        hub.shutdown(Duration::ZERO).await;
    }

    /// Ends a node as a signal does: its connections are closed, and what it has published reaches the
    /// others. The deadline is 10 seconds.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    pub async fn shut_down(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.state = NodeState::Killed;
        node.kit
            .hub()
            .shutdown(ServerLimits::DEFAULT.shutdown)
            .await;
    }

    /// Starts a node again, with an empty memory, and waits until it is ready; kills it first if it
    /// runs.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    pub async fn restart(&mut self, index: usize) {
        self.restart_with(index, self.options).await;
    }

    /// Same as [`restart`](Self::restart), but the node reads and writes the versions of the log up to
    /// this one, as a later release may: to test clusters of several releases.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    pub async fn restart_as_version(&mut self, index: usize, version: u8) {
        let mut options = self.options;
        options.pretended_version = Some(version);
        self.restart_with(index, options).await;
    }

    async fn restart_with(&mut self, index: usize, options: ClusterOptions) {
        self.kill(index).await;
        let node = self.start(options);
        node.kit.hub().ready().await;
        self.nodes[index] = node;
    }

    /// Stops the log. What nodes append meanwhile arrives when it continues.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Continues the log after [`pause`](Self::pause).
    pub async fn resume(&self) {
        self.server.resume().await;
    }

    /// Replaces the log by one with the same content, as after a failover: nodes cannot know that
    /// nothing was lost.
    pub fn new_generation(&self) {
        self.server.restart(Restart::Current);
    }

    /// Waits until the log was quiet for three seconds, and all nodes that can reach it have read
    /// all of it. The death of a node needs up to 15 seconds more.
    ///
    /// # Panics
    ///
    /// Panics if that takes more than five minutes, for example because the log is
    /// [paused](Self::pause).
    pub async fn settle(&self) {
        let mut quiet = 0;
        for _ in 0..MAX_STEPS {
            let ends = self.server.ends();
            sleep(STEP).await;
            quiet = if self.is_quiet(&ends) { quiet + 1 } else { 0 };
            if quiet == QUIET {
                return;
            }
        }
        panic!("the nodes do not settle: is the log paused?");
    }

    /// Whether nothing but heartbeats is under way, and all has been read up to these entries.
    fn is_quiet(&self, ends: &[EntryId]) -> bool {
        let running = self.nodes.iter();
        let mut running =
            running.filter(|node| node.state == NodeState::Running && !node.engine.is_cut());
        !self.server.is_paused()
            && running.all(|node| {
                let Some(shared) = node.kit.hub().topics().shared() else {
                    return true;
                };
                let heads = shared.node().heads();
                let is_behind = |(head, end): (&_, &_)| head < end;
                shared.is_idle()
                    && heads.len() == ends.len()
                    && !heads.iter().zip(ends).any(is_behind)
            })
    }
}
