//! A log in memory whose connections and server fail on request, the same way for each seed.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::engine::{
    Append, Engine, EngineError, HistoryMessage, LaneRead, MemberChange, Opened, ReadFrom,
    RecordedMember,
};
use super::entry::{Body, Entry, Incarnation, Record};
use super::memory::{MemoryEngine, MemoryServer};
use crate::log::name::{Lane, Lanes, TopicName};
use crate::log::position::{EntryId, Generation};
use crate::message::Message;

/// A small random number generator (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// An index of a list of this length.
    #[cfg(test)]
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    /// Whether an event of this probability happens.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// An entry that the server has executed, in this order.
#[derive(Clone, Debug)]
pub(crate) struct Executed {
    pub(crate) lane: Lane,
    pub(crate) generation: Generation,
    #[cfg(test)]
    pub(crate) id: EntryId,
    pub(crate) entry: Entry,
    /// When it was removed without a trace.
    pub(crate) lost: Option<Instant>,
}

/// The server of a log that all nodes of a test share, and its faults. Clones share it.
///
/// Every command is delayed by up to 20 ms. What fails is decided by the seed, so a run can be
/// repeated.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// use ws_server::cluster::{Engine, EngineError, Lane, Lanes};
/// use ws_server::testkit::FaultyServer;
///
/// let server = FaultyServer::new(Lanes::DEFAULT, 1);
/// let engine = server.connect();
/// engine.cut();
/// assert!(matches!(engine.open(Lane(0)).await, Err(EngineError::NotSent(_))));
/// engine.heal();
/// assert!(engine.open(Lane(0)).await.is_ok());
/// # });
/// ```
#[derive(Clone)]
pub struct FaultyServer {
    memory: MemoryEngine,
    state: Arc<Mutex<FaultState>>,
}

impl fmt::Debug for FaultyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyServer").finish_non_exhaustive()
    }
}

struct FaultState {
    random: Random,
    executed: Vec<Executed>,
    /// How many copies of an entry were sent, and whether one was answered.
    sent: HashMap<(Lane, Incarnation, u64), (u32, bool)>,
    snapshot: Option<MemoryServer>,
    generations: u64,
    /// Percent of the commands that fail.
    failing: u64,
    is_paused: bool,
    /// Commands that arrive when the server continues.
    stuck: Vec<Append>,
}

/// How a command ends.
enum Fate {
    Success,
    /// It is certain that it was not executed.
    NotSent,
    /// The connection was cut before or after the execution.
    CutBefore,
    CutAfter,
    /// The connection was cut; the command is executed later.
    Late(Duration),
    /// The server is paused.
    Stuck,
}

impl FaultyServer {
    /// Creates an empty log without faults.
    pub fn new(lanes: Lanes, seed: u64) -> Self {
        let state = FaultState {
            random: Random(seed),
            executed: Vec::new(),
            sent: HashMap::new(),
            snapshot: None,
            generations: 1,
            failing: 0,
            is_paused: false,
            stuck: Vec::new(),
        };
        Self {
            memory: MemoryEngine::new(lanes, Generation(1)),
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, FaultState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine of one node.
    pub fn connect(&self) -> FaultyEngine {
        FaultyEngine {
            server: self.clone(),
            is_cut: Arc::default(),
        }
    }

    /// Everything that was executed.
    #[cfg(test)]
    pub(crate) fn executed(&self) -> Vec<Executed> {
        self.state().executed.clone()
    }

    /// The current generation.
    #[cfg(test)]
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.state().generations)
    }

    /// Sets the percentage of commands that fail, before or after they were executed.
    pub fn fail(&self, percent: u64) {
        self.state().failing = percent;
    }

    /// Stops the server. Appends that are sent meanwhile arrive when it continues.
    pub fn pause(&self) {
        self.state().is_paused = true;
    }

    /// Continues the server after [`pause`](Self::pause).
    pub async fn resume(&self) {
        let stuck = {
            let mut state = self.state();
            state.is_paused = false;
            std::mem::take(&mut state.stuck)
        };
        for append in stuck {
            let _ = self.execute(&append).await;
        }
    }

    /// The server writes its state to disk.
    pub fn save(&self) {
        self.state().snapshot = Some(self.memory.snapshot());
    }

    /// The server restarts with its current state, or with what it has [saved](Self::save): a new
    /// generation.
    pub fn restart(&self, state: Restart) {
        let mut all = self.state();
        all.generations += 1;
        let saved = all.snapshot.clone().filter(|_| state == Restart::Saved);
        let snapshot = saved.unwrap_or_else(|| self.memory.snapshot());
        self.memory.restart(snapshot, Generation(all.generations));
    }

    /// Removes the oldest entries of a lane, all but `keep` of them.
    pub fn trim(&self, lane: Lane, keep: usize) {
        self.memory.trim(lane, keep);
    }

    /// Loses the last entry of a lane without a trace, if its author knows that it was accepted, and
    /// no other copy of it can arrive. Returns the messages that are lost; an entry may have none.
    ///
    /// ```
    /// use ws_server::cluster::{Lane, Lanes};
    /// use ws_server::testkit::FaultyServer;
    ///
    /// let server = FaultyServer::new(Lanes::DEFAULT, 1);
    /// assert_eq!(server.lose_last(Lane(0)), [], "there is no entry");
    /// ```
    pub fn lose_last(&self, lane: Lane) -> Vec<Message> {
        let mut state = self.state();
        let FaultState {
            executed,
            sent,
            generations,
            ..
        } = &mut *state;
        let last = executed.iter_mut().rfind(|executed| executed.lane == lane);
        let generation = Generation(*generations);
        let Some(last) = last.filter(|last| last.generation == generation && last.lost.is_none())
        else {
            return Vec::new();
        };
        let key = (lane, last.entry.incarnation, last.entry.number);
        if sent.get(&key) != Some(&(1, true)) {
            return Vec::new();
        }
        last.lost = Some(Instant::now());
        self.memory.lose_last(lane);
        let Body::Records(records) = &last.entry.body else {
            return Vec::new();
        };
        let message = |record: &Record| match record {
            Record::Message(message) => Some(message.message.clone()),
            _ => None,
        };
        records.iter().filter_map(message).collect()
    }

    /// Whether the server is stopped.
    pub(crate) fn is_paused(&self) -> bool {
        self.state().is_paused
    }

    /// The ends of all lanes.
    pub(crate) fn ends(&self) -> Vec<EntryId> {
        self.memory.ends()
    }

    async fn execute(&self, append: &Append) -> Result<EntryId, EngineError> {
        let id = self.memory.append(append).await?;
        let Ok(entry) = Entry::decode(append.entry.clone()) else {
            return Ok(id);
        };
        self.state().executed.push(Executed {
            lane: append.lane,
            generation: append.generation,
            #[cfg(test)]
            id,
            entry,
            lost: None,
        });
        Ok(id)
    }
}

/// The data with which a [`FaultyServer`] restarts.
///
/// ```
/// use ws_server::cluster::Lanes;
/// use ws_server::testkit::{FaultyServer, Restart};
///
/// let server = FaultyServer::new(Lanes::DEFAULT, 1);
/// server.save();
/// server.restart(Restart::Saved);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Restart {
    /// The current state: nothing is lost.
    Current,
    /// What was saved last; without a saved state, the current one.
    Saved,
}

/// The connection of one node to a [`FaultyServer`]. Clones share it.
///
/// ```
/// use ws_server::cluster::Lanes;
/// use ws_server::testkit::{FaultyEngine, FaultyServer};
///
/// fn connect() -> FaultyEngine {
///     FaultyServer::new(Lanes::DEFAULT, 1).connect()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FaultyEngine {
    server: FaultyServer,
    is_cut: Arc<AtomicBool>,
}

impl FaultyEngine {
    /// Separates the node from the server.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    /// Whether the node is separated from the server.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Connects the node again.
    pub fn heal(&self) {
        self.is_cut.store(false, Ordering::Relaxed);
    }

    /// Delays a command, and decides its fate.
    async fn fate(&self) -> Fate {
        let delay = self.server.state().random.below(20);
        sleep(Duration::from_millis(delay)).await;
        if self.is_cut() {
            return Fate::NotSent;
        }
        let mut state = self.server.state();
        if state.is_paused {
            return Fate::Stuck;
        }
        let failing = state.failing;
        if !state.random.percent(failing) {
            return Fate::Success;
        }
        match state.random.below(4) {
            0 => Fate::NotSent,
            1 => Fate::CutBefore,
            2 => Fate::CutAfter,
            _ => Fate::Late(Duration::from_millis(state.random.below(8_000))),
        }
    }

    async fn run<T>(
        &self,
        command: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        match self.fate().await {
            Fate::Success => command.await,
            Fate::Stuck => pending().await,
            Fate::NotSent => Err(EngineError::NotSent("no connection".into())),
            _ => Err(EngineError::Unknown("the connection was cut".into())),
        }
    }
}

impl Engine for FaultyEngine {
    async fn open(&self, lane: Lane) -> Result<Opened, EngineError> {
        self.run(self.server.memory.open(lane)).await
    }

    async fn append(&self, append: &Append) -> Result<EntryId, EngineError> {
        let server = &self.server;
        let cut = Err(EngineError::Unknown("the connection was cut".into()));
        let fate = self.fate().await;
        let key = (append.lane, append.incarnation, append.number);
        if !matches!(fate, Fate::NotSent) {
            server.state().sent.entry(key).or_default().0 += 1;
        }
        match fate {
            Fate::Success => {
                let id = server.execute(append).await?;
                server.state().sent.entry(key).or_default().1 = true;
                Ok(id)
            }
            Fate::NotSent => Err(EngineError::NotSent("no connection".into())),
            Fate::CutBefore => cut,
            Fate::CutAfter => {
                let _ = server.execute(append).await;
                cut
            }
            Fate::Late(delay) => {
                let (server, append) = (server.clone(), append.clone());
                tokio::spawn(async move {
                    sleep(delay).await;
                    let _ = server.execute(&append).await;
                });
                cut
            }
            Fate::Stuck => {
                server.state().stuck.push(append.clone());
                pending().await
            }
        }
    }

    async fn relay(&self, lane: Lane, entry: Bytes) -> Result<(), EngineError> {
        self.run(self.server.memory.relay(lane, entry)).await
    }

    async fn read(&self, from: &[ReadFrom], most: usize) -> Result<Vec<LaneRead>, EngineError> {
        self.run(self.server.memory.read(from, most)).await
    }

    async fn history(
        &self,
        lane: Lane,
        topic: &TopicName,
        last: usize,
    ) -> Result<Vec<HistoryMessage>, EngineError> {
        self.run(self.server.memory.history(lane, topic, last))
            .await
    }

    async fn record_members(
        &self,
        node: Incarnation,
        changes: &[MemberChange],
    ) -> Result<(), EngineError> {
        self.run(self.server.memory.record_members(node, changes))
            .await
    }

    async fn remove_members(&self, node: Incarnation) -> Result<(), EngineError> {
        self.run(self.server.memory.remove_members(node)).await
    }

    async fn all_members(&self) -> Result<Vec<RecordedMember>, EngineError> {
        self.run(self.server.memory.all_members()).await
    }
}
