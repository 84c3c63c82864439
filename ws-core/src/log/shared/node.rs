//! A node of a log that several nodes share: the tasks between an [`Engine`] and the pure parts.
//!
//! One task reads all lanes; for each lane, one appends to it, one relays to it, and one notices if it
//! is not read; one sends heartbeats, and one records members. They end when the node is dropped.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::append::{AppendError, AppendLimits, Bounded};
use super::engine::{Engine, EngineError, RecordedMember};
use super::entry::{Incarnation, LoggedMessage, Record, Versions};
use super::erased::Commands;
use super::follow::{Event, SkippedCounts};
use super::liveness::Liveness;
use super::recorder::Recorder;
use super::window::WindowLimits;
use crate::log::history::HistoryLimits;
use crate::log::name::{Lane, Lanes, TopicName};
use crate::log::position::Position;

mod census;
mod cursor;
mod lane;
mod leave;
mod notices;
mod noting;
mod observed;
mod outage;
mod reading;
mod reopening;
mod tasks;
mod unreadable;
mod versions;
mod writes;

pub(crate) use lane::{OpenedLane, ReplayError, Ticket};

use census::NodeReports;
use lane::NodeLane;
use notices::Notices;
pub(crate) use notices::Repeat;
pub(crate) use outage::Lag;
use outage::Outage;
use unreadable::Unreadable;
use versions::WrittenVersion;

/// Incarnations that a node remembers as its own.
const MAX_OWN: usize = 256;

/// Work that remains after the lane is unlocked.
pub(crate) type AfterLane = Option<Box<dyn FnOnce()>>;

/// Whether this node has logged an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Author {
    This,
    Another,
}

/// Applies what the node has read to its state. One task calls it.
pub(crate) trait Apply: Send + Sync + 'static {
    /// Applies an event, under the lock of its lane. It must not run code of the application, nor
    /// lock a lane of the node.
    fn apply(&self, event: &Event<'_>, author: Author) -> AfterLane;

    /// Runs `apply`, which applies everything that was read of a lane at once.
    fn burst(&self, apply: &mut dyn FnMut()) {
        apply();
    }

    /// Adds the members that nodes have recorded before this one has started, and what no node owns
    /// ([`Incarnation::NONE`]).
    fn load_members(&self, _members: Vec<RecordedMember>) {}

    /// A heartbeat of this node was read: time has passed in the log.
    fn beat(&self) {}

    /// A node is dead: its members have left.
    fn died(&self, _node: Incarnation) {}

    /// Enters all members of this node in the topics of a lane again.
    fn announce(&self, _lane: Lane) {}

    /// The number of connections of this node.
    fn connections(&self) -> u64 {
        0
    }

    /// The log is unavailable for [`NodeOptions::fail_closed_after`].
    fn fail_closed(&self) {}

    /// The node has not read a lane to its end for a while, or has read it again.
    fn set_lag(&self, _lane: Lane, _lag: Lag) {}
}

/// How a node chooses its next incarnation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Incarnations {
    Random,
    /// The same in each run of a test.
    #[cfg(feature = "test-kit")]
    Successive,
}

impl Incarnations {
    #[cfg_attr(
        not(feature = "test-kit"),
        expect(unused_variables, reason = "only tests count incarnations")
    )]
    fn next(self, dead: Incarnation) -> Incarnation {
        match self {
            Self::Random => Incarnation::random(),
            #[cfg(feature = "test-kit")]
            Self::Successive => Incarnation(dead.0 + 1),
        }
    }
}

/// The options of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeOptions {
    /// The versions of entries that the node reads and writes.
    pub(crate) versions: Versions,
    pub(crate) incarnation: Incarnation,
    pub(crate) incarnations: Incarnations,
    pub(crate) lanes: Lanes,
    pub(crate) append: AppendLimits,
    pub(crate) window: WindowLimits,
    /// Bytes of the histories of all topics.
    pub(crate) history_bytes: usize,
    /// How long the log may be unavailable.
    pub(crate) fail_closed_after: Option<Duration>,
}

/// A node. Dropping it ends its tasks; records that are not accepted yet are lost.
pub(crate) struct Node {
    shared: Arc<NodeShared>,
    tasks: Mutex<JoinSet<()>>,
    runtime: Handle,
}

struct NodeShared {
    engine: Box<dyn Commands>,
    apply: Box<dyn Apply>,
    options: NodeOptions,
    lanes: Box<[NodeLane]>,
    identity: Mutex<Identity>,
    liveness: Mutex<Liveness>,
    /// Nodes that have members, and whose heartbeats may not have been read yet; at most
    /// [`MAX_INCARNATIONS`](super::seen::MAX_INCARNATIONS).
    noted_nodes: Mutex<HashSet<Incarnation>>,
    recorder: Mutex<Recorder>,
    /// Records what no node owns, under [`Incarnation::NONE`].
    common: Mutex<Recorder>,
    /// The recorder has something to send.
    noted: Notify,
    skipped: Mutex<SkippedCounts>,
    unreadable: Unreadable,
    version: WrittenVersion,
    /// Incarnations that died since the last read.
    deaths: Mutex<Vec<Incarnation>>,
    is_ready: watch::Sender<bool>,
    /// Why the log can never be read, if that was found out before the node was ready.
    unusable: watch::Sender<Option<EngineError>>,
    /// Relayed entries that the engine has refused.
    relay_failures: AtomicU64,
    notices: Notices,
    outage: Outage,
    reports: NodeReports,
    /// No heartbeats are sent any more.
    is_leaving: AtomicBool,
    /// The node has left, or has given up.
    has_left: watch::Sender<bool>,
}

/// The incarnations of this node.
struct Identity {
    /// The author of relayed entries.
    first: Incarnation,
    current: Incarnation,
    /// At most [`MAX_OWN`], with the current one.
    all: Vec<Incarnation>,
}

impl NodeShared {
    fn identity(&self) -> MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn liveness(&self) -> MutexGuard<'_, Liveness> {
        self.liveness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deaths(&self) -> MutexGuard<'_, Vec<Incarnation>> {
        self.deaths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn author(&self, incarnation: Incarnation) -> Author {
        if self.identity().all.contains(&incarnation) {
            Author::This
        } else {
            Author::Another
        }
    }

    fn lane(&self, lane: Lane) -> &NodeLane {
        &self.lanes[lane.index()]
    }
}

impl Node {
    /// Creates a node for the current runtime.
    pub(crate) fn new(engine: impl Engine, apply: impl Apply, options: NodeOptions) -> Self {
        let incarnation = options.incarnation;
        let lane = |lane| NodeLane::new(lane, incarnation, &options);
        let shared = Arc::new(NodeShared {
            engine: Box::new(engine),
            apply: Box::new(apply),
            options,
            lanes: options.lanes.iter().map(lane).collect(),
            identity: Mutex::new(Identity {
                first: incarnation,
                current: incarnation,
                all: vec![incarnation],
            }),
            liveness: Mutex::default(),
            noted_nodes: Mutex::default(),
            recorder: Mutex::default(),
            common: Mutex::default(),
            noted: Notify::new(),
            skipped: Mutex::default(),
            unreadable: Unreadable::default(),
            version: WrittenVersion::new(options.versions),
            deaths: Mutex::default(),
            is_ready: watch::Sender::new(false),
            unusable: watch::Sender::new(None),
            relay_failures: AtomicU64::new(0),
            notices: Notices::default(),
            outage: Outage::default(),
            reports: NodeReports::default(),
            is_leaving: AtomicBool::new(false),
            has_left: watch::Sender::new(false),
        });
        Self {
            shared,
            tasks: Mutex::default(),
            runtime: Handle::current(),
        }
    }

    /// Starts the tasks. The state that they apply entries to must be complete.
    pub(crate) fn start(&self) {
        let shared = || self.shared.clone();
        self.spawn(shared().read_lanes());
        self.spawn(shared().send_heartbeats());
        self.spawn(shared().record_members());
        for lane in self.shared.options.lanes.iter() {
            self.spawn(shared().append_lane(lane));
            self.spawn(shared().relay_lane(lane));
            self.spawn(shared().observe_lag(lane));
        }
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task that ends with the node.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        // Forgets the finished ones.
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &self.runtime);
    }

    /// Ends all tasks at once, as if the process had been killed.
    #[cfg(feature = "test-kit")]
    pub(crate) fn kill(&self) {
        self.tasks().abort_all();
    }

    /// The lane of a topic. All pushes to pages are in the first one.
    pub(crate) fn lane_of(&self, topic: &TopicName) -> Lane {
        if topic.is_address() {
            return Lane::CONTROL;
        }
        self.shared.options.lanes.of(topic)
    }

    /// The lane of what has this hash.
    pub(crate) fn lane_of_hash(&self, hash: u64) -> Lane {
        self.shared.options.lanes.of_hash(hash)
    }

    /// Queues a message. The ticket gets the outcome when the message is in the log and this node
    /// has delivered it, or when that has failed.
    ///
    /// # Errors
    ///
    /// [`AppendError::Full`] or [`AppendError::TooLarge`], with the ticket.
    pub(crate) fn publish(
        &self,
        message: LoggedMessage,
        ticket: Ticket,
    ) -> Result<(), (Ticket, AppendError)> {
        let lane = self.shared.lane(self.lane_of(&message.topic));
        let record = Record::Message(message);
        let pushed = lane
            .appender()
            .push(record, ticket, Bounded::ByQueue, Instant::now());
        pushed?;
        lane.queued.notify_one();
        Ok(())
    }

    /// Queues a record about members. If it cannot be appended, [`Apply::announce`] is called when
    /// the log is available again.
    pub(crate) fn push_member(&self, lane: Lane, record: Record) {
        self.shared.push_member(lane, record);
    }

    /// Relays a message to the other nodes, at best effort.
    pub(crate) fn relay(&self, message: LoggedMessage) {
        let lane = self.shared.lane(self.lane_of(&message.topic));
        lane.relay().push(message);
        lane.relayed.notify_one();
    }

    /// Runs `read` with what the node has read of a lane, under its lock: later messages are
    /// delivered to subscribers that it adds. `None` until the node is [ready](Self::ready): before,
    /// it would not notice that entries are lost.
    pub(crate) fn with_lane<R>(
        &self,
        lane: Lane,
        read: impl FnOnce(Option<&OpenedLane>) -> R,
    ) -> R {
        let opened = self.shared.lane(lane).opened();
        read(opened.as_ref().filter(|_| self.is_ready()))
    }

    /// Waits until the node has read up to a position, or has learnt that it is of another
    /// generation.
    pub(crate) async fn reached(&self, position: Position) {
        let lane = self.shared.lane(position.lane);
        let is_reached = |opened: &OpenedLane| {
            opened.generation() != position.generation || opened.head() >= position
        };
        loop {
            let mut moved = std::pin::pin!(lane.moved.notified());
            moved.as_mut().enable();
            if lane.opened().as_ref().is_some_and(is_reached) {
                return;
            }
            moved.await;
        }
    }

    /// Loads the part of a topic's history that this node has not read, or no longer keeps.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the engine does not answer.
    pub(crate) async fn load_history(
        &self,
        topic: &TopicName,
        limits: HistoryLimits,
    ) -> Result<(), EngineError> {
        let lane = self.lane_of(topic);
        let max = usize::try_from(limits.messages.get()).unwrap_or(usize::MAX);
        let state = self.shared.lane(lane);
        let place = |opened: &OpenedLane| opened.place_to_load(topic, limits, Instant::now());
        let place = state.opened().as_ref().map(place);
        let loaded = self.shared.engine.history(lane, topic, max).await?;
        if let (Some(place), Some(opened)) = (place, &mut *state.opened()) {
            opened.load((topic, place), loaded, Instant::now());
        }
        Ok(())
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
