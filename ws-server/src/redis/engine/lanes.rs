//! What the engine knows of each lane.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::ConnectionInfo;
use tokio::time::Instant;
use ws_core::log::shared::{Incarnation, MAX_ENTRY, ReadFrom};
use ws_core::log::{EntryId, Generation, Lane, Lanes};

use super::super::info::ServerId;
use super::WINDOW_BYTES;

/// The time between two trimmings of a lane with few entries.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);

/// A lane is trimmed after this part of its share was read.
const TRIM_PARTS: usize = 8;

/// The time between two trimmings when the server's memory is full.
const FULL_TRIM_INTERVAL: Duration = Duration::from_secs(1);

/// A lane of which everything was read at most so long ago, and of which no more than
/// [`UNCOUNTED_BYTES`] was added since, cannot have been trimmed: trimming leaves entries of 3
/// minutes, or of most of the lane's share.
const UNCOUNTED: Duration = Duration::from_secs(1);

/// See [`UNCOUNTED`]: less than trimming leaves of a lane's share.
const UNCOUNTED_BYTES: usize = 256 * 1024;

/// The largest entries for which each lane has room: others may not have read them yet.
const LEAST_ENTRIES: usize = 4;

/// Bytes of the entries of one lane, as Redis counts its memory.
pub(super) fn share(lanes: Lanes) -> usize {
    (WINDOW_BYTES / lanes.count()).max(LEAST_ENTRIES * MAX_ENTRY)
}

/// A lane that was opened, and the server that holds it.
#[derive(Clone)]
pub(super) struct OpenLane {
    pub(super) generation: Generation,
    pub(super) server: ServerId,
    /// How to connect to it.
    pub(super) node: ConnectionInfo,
    /// The key of the log.
    pub(super) log: Arc<str>,
}

/// The lanes of an engine, and the nodes whose members it has recorded.
pub(super) struct LaneStates {
    lanes: Mutex<Vec<LaneState>>,
    nodes: Mutex<HashSet<Incarnation>>,
    share: usize,
}

struct LaneState {
    open: Option<OpenLane>,
    /// The last entry that this engine has seen, in any generation.
    highest: EntryId,
    trimmed: Instant,
    /// Bytes that were read since.
    bytes: usize,
    /// When everything was read and counted.
    counted: Option<Instant>,
    /// The memory of the server was full since the lane was trimmed.
    is_full: bool,
    /// How far the last read was behind the end.
    lag: Duration,
}

impl LaneStates {
    pub(super) fn new(lanes: Lanes) -> Self {
        let state = |_| LaneState {
            open: None,
            highest: EntryId::ZERO,
            trimmed: Instant::now(),
            bytes: 0,
            counted: None,
            is_full: false,
            lag: Duration::ZERO,
        };
        Self {
            lanes: Mutex::new(lanes.iter().map(state).collect()),
            nodes: Mutex::default(),
            share: share(lanes),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LaneState>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_nodes(&self) -> MutexGuard<'_, HashSet<Incarnation>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self, lane: Lane, open: OpenLane, end: EntryId) {
        let mut lanes = self.lock();
        let state = &mut lanes[lane.index()];
        state.open = Some(open);
        state.highest = state.highest.max(end);
        state.counted = None;
    }

    /// The key of a lane's log, if the lane was opened in this generation and on this server.
    pub(super) fn log(
        &self,
        lane: Lane,
        generation: Generation,
        server: &ServerId,
    ) -> Option<Arc<str>> {
        let lanes = self.lock();
        let open = lanes[lane.index()].open.as_ref();
        let open = open.filter(|open| open.generation == generation && open.server == *server);
        open.map(|open| open.log.clone())
    }

    /// How the lane was opened last.
    pub(super) fn open_lane(&self, lane: Lane) -> Option<OpenLane> {
        self.lock()[lane.index()].open.clone()
    }

    pub(super) fn generation(&self, lane: Lane) -> Option<Generation> {
        let lanes = self.lock();
        lanes[lane.index()]
            .open
            .as_ref()
            .map(|open| open.generation)
    }

    pub(super) fn highest(&self, lane: Lane) -> EntryId {
        self.lock()[lane.index()].highest
    }

    /// The lane has an entry with this id.
    pub(super) fn reached(&self, lane: Lane, id: EntryId) {
        let mut lanes = self.lock();
        let highest = &mut lanes[lane.index()].highest;
        *highest = id.max(*highest);
    }

    /// Notes what was read of a lane. Returns whether its entries must be counted, because some may
    /// have been removed unread.
    pub(super) fn read(&self, from: &ReadFrom, end: EntryId, bytes: usize, is_end: bool) -> bool {
        let mut lanes = self.lock();
        let state = &mut lanes[from.lane.index()];
        state.bytes += bytes;
        state.highest = state.highest.max(end);
        let is_recent = state.counted.is_some_and(|at| at.elapsed() < UNCOUNTED);
        !is_end || !is_recent || bytes > UNCOUNTED_BYTES
    }

    /// The entries of a lane were counted, and it was read to its end or not; in the latter case
    /// the last entry is so many milliseconds later.
    pub(super) fn counted(&self, lane: Lane, is_end: bool, behind: u64) {
        let mut lanes = self.lock();
        let state = &mut lanes[lane.index()];
        state.counted = is_end.then(Instant::now);
        state.lag = Duration::from_millis(if is_end { 0 } else { behind });
    }

    /// How far the reader of a lane is behind its end.
    pub(super) fn lag(&self, lane: Lane) -> Duration {
        self.lock()[lane.index()].lag
    }

    /// The lanes that are to be trimmed now.
    pub(super) fn due_for_trimming(&self) -> Vec<Lane> {
        let mut due = Vec::new();
        let now = Instant::now();
        for (state, lane) in self.lock().iter_mut().zip(0..) {
            let interval = if state.is_full {
                FULL_TRIM_INTERVAL
            } else {
                TRIM_INTERVAL
            };
            let is_due = now - state.trimmed >= interval;
            if is_due || state.bytes > self.share / TRIM_PARTS {
                state.trimmed = now;
                state.bytes = 0;
                due.push(Lane(lane));
            }
        }
        due
    }

    /// Notes that the memory of the server is full. All lanes are trimmed after a next read.
    pub(super) fn set_full(&self) {
        for state in self.lock().iter_mut() {
            state.is_full = true;
        }
    }

    /// Returns whether the memory of the server was full since the last call.
    pub(super) fn take_full(&self, lane: Lane) -> bool {
        std::mem::take(&mut self.lock()[lane.index()].is_full)
    }

    pub(super) fn add_node(&self, node: Incarnation) {
        self.lock_nodes().insert(node);
    }

    pub(super) fn remove_node(&self, node: Incarnation) {
        self.lock_nodes().remove(&node);
    }

    pub(super) fn nodes(&self) -> Vec<Incarnation> {
        self.lock_nodes().iter().copied().collect()
    }
}
