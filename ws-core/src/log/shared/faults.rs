//! A log in memory whose connections and server fail on request, the same way for each seed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::engine::{Append, Engine as _, EngineError};
use super::entry::{Body, Entry, Incarnation, Record};
use super::memory::{MemoryEngine, MemoryServer};
use crate::log::name::{Lane, Lanes};
use crate::log::position::{EntryId, Generation};
use crate::message::Message;

mod engine;

pub use engine::FaultyEngine;

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
            link: Arc::default(),
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
    /// no other copy of it can arrive. Returns the messages that are lost, of which an entry may have
    /// none; `None` if no entry is lost.
    ///
    /// ```
    /// use ws_server::cluster::{Lane, Lanes};
    /// use ws_server::testkit::FaultyServer;
    ///
    /// let server = FaultyServer::new(Lanes::DEFAULT, 1);
    /// assert_eq!(server.lose_last(Lane(0)), None, "there is no entry");
    /// ```
    pub fn lose_last(&self, lane: Lane) -> Option<Vec<Message>> {
        let mut state = self.state();
        let FaultState {
            executed,
            sent,
            generations,
            ..
        } = &mut *state;
        let last = executed.iter_mut().rfind(|executed| executed.lane == lane);
        let generation = Generation(*generations);
        let last = last.filter(|last| last.generation == generation && last.lost.is_none())?;
        let key = (lane, last.entry.incarnation, last.entry.number);
        if sent.get(&key) != Some(&(1, true)) {
            return None;
        }
        last.lost = Some(Instant::now());
        self.memory.lose_last(lane);
        let Body::Records(records) = &last.entry.body else {
            return Some(Vec::new());
        };
        let message = |record: &Record| match record {
            Record::Message(message) => Some(message.message.clone()),
            _ => None,
        };
        Some(records.iter().filter_map(message).collect())
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
        let Ok(entry) = Entry::decode_up_to(append.entry.clone(), u8::MAX) else {
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
