//! The members of the topics of one hub. In one process every record is applied at once; on a log
//! that several nodes share, it is appended, and applied when it is read.

use std::collections::HashMap;
#[cfg(feature = "cluster")]
use std::collections::HashSet;
#[cfg(feature = "cluster")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::agenda::{Agenda, AgendaStep};
#[cfg(feature = "cluster")]
use super::lives::NodeLives;
use super::local::LocalMembers;
use super::record::{Key, Record, RecordPosition, Value};
use super::roster::{NodeLife, Roster};
use super::watch::Watch;
use crate::id::ConnectionId;
use crate::limits::{PresenceLimits, deadline_after};
use crate::log::TopicName;
#[cfg(feature = "cluster")]
use crate::log::{Lane, shared::Node};
use crate::topic::{AfterUnlock, NewSubscription, Subscriber, TopicKey, Topics};

mod enter;
mod freshness;

pub(crate) use enter::Full;

/// The only node of one process.
const NODE: NodeLife = NodeLife(1);

/// Topics that the task serves before it yields.
const TOPICS_PER_TURN: usize = 64;

/// The members of the topics of one hub.
pub(crate) struct Presence {
    limits: PresenceLimits,
    pub(super) topics: Arc<Topics>,
    /// The topics that have members, or something to do.
    occupied: Mutex<HashMap<TopicName, Arc<OccupiedTopic>>>,
    /// The bytes of all members: see [`PresenceLimits::bytes`].
    bytes: AtomicUsize,
    last_number: AtomicU64,
    agenda: Agenda<OccupiedTopic>,
    this: Weak<Self>,
    #[cfg(feature = "cluster")]
    pub(super) lives: Mutex<NodeLives>,
    /// The lanes of the log that cannot be read.
    #[cfg(feature = "cluster")]
    stale_lanes: Mutex<HashSet<Lane>>,
    /// Whether there are any.
    #[cfg(feature = "cluster")]
    is_stale: AtomicBool,
}

/// The members of one topic.
pub(crate) struct OccupiedTopic {
    name: TopicName,
    /// Identifies the topic in the agenda.
    number: u64,
    state: Mutex<TopicState>,
}

pub(super) struct TopicState {
    local: LocalMembers,
    roster: Roster<RecordPosition>,
    pub(super) watch: Watch,
    /// The number of records of this process that were applied.
    applied: u64,
    #[cfg(feature = "cluster")]
    shared: Option<SharedTopic>,
    /// The bytes of the members that are counted in [`Presence::bytes`].
    counted: usize,
    /// The time of the topic in the agenda.
    scheduled: Option<Instant>,
    removed_from_map: bool,
}

/// A topic on a log that several nodes share.
#[cfg(feature = "cluster")]
struct SharedTopic {
    node: Arc<Node>,
    name: TopicName,
}

#[cfg(feature = "cluster")]
impl SharedTopic {
    fn append(&self, record: &Record) {
        let mut content = Vec::new();
        record.put(self.name.as_str(), &mut content);
        let record = crate::log::shared::Record::Member {
            kind: record.kind(),
            content: content.into(),
        };
        self.node.push_member(self.node.lane_of(&self.name), record);
    }
}

impl OccupiedTopic {
    /// No code of the application runs under the lock, only the writes of streams that are not TCP.
    fn lock(&self) -> MutexGuard<'_, TopicState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn name(&self) -> &TopicName {
        &self.name
    }

    /// Ends the membership of a connection. The caller must then call [`Presence::settle`], without
    /// its own locks.
    pub(crate) fn leave(&self, key: &Key, connection: ConnectionId) {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(record) = state.local.leave(key, connection, now) {
            state.apply(record, now);
        }
    }

    /// Removes what a node has entered before this position, or all if it is dead.
    #[cfg(feature = "cluster")]
    pub(super) fn remove_node(&self, node: NodeLife, before: Option<RecordPosition>) {
        let now = Instant::now();
        let mut state = self.lock();
        let TopicState { roster, watch, .. } = &mut *state;
        match before {
            Some(before) => roster.clear(node, before, now, watch.changes()),
            None => roster.died(node, now, watch.changes()),
        }
    }

    /// Appends the records that enter all members of this node again.
    #[cfg(feature = "cluster")]
    pub(super) fn enter_again(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        for record in state.local.enter_again(now) {
            state.apply(record, now);
        }
    }
}

impl TopicState {
    /// Applies a record of this process, or appends it to the shared log.
    fn apply(&mut self, record: Record, now: Instant) {
        #[cfg(feature = "cluster")]
        if let Some(shared) = &self.shared {
            shared.append(&record);
            return;
        }
        self.applied += 1;
        let position = RecordPosition {
            epoch: self.applied,
            ..RecordPosition::default()
        };
        let changes = self.watch.changes();
        self.roster.apply(record, NODE, position, now, changes);
    }

    /// Does everything that is due, except for the event.
    fn run_due(&mut self, now: Instant) {
        for record in self.local.flush(now) {
            self.apply(record, now);
        }
        self.roster.expire(now, self.watch.changes());
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        let times = [self.local.due(), self.roster.due(), self.watch.due(now)];
        times.into_iter().flatten().min()
    }

    fn is_empty(&self) -> bool {
        self.local.is_empty() && self.roster.is_empty()
    }
}

impl Presence {
    pub(crate) fn new(limits: PresenceLimits, topics: Arc<Topics>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            limits,
            topics,
            occupied: Mutex::default(),
            bytes: AtomicUsize::new(0),
            last_number: AtomicU64::new(0),
            agenda: Agenda::default(),
            this: this.clone(),
            #[cfg(feature = "cluster")]
            lives: Mutex::default(),
            #[cfg(feature = "cluster")]
            stale_lanes: Mutex::default(),
            #[cfg(feature = "cluster")]
            is_stale: AtomicBool::new(false),
        })
    }

    pub(crate) const fn limits(&self) -> &PresenceLimits {
        &self.limits
    }

    /// Until when a member may be shown that leaves now. Its leaving may wait for the end of a tick.
    pub(crate) fn shown_until(&self, now: Instant) -> Instant {
        deadline_after(deadline_after(now, self.limits.linger), self.limits.tick)
    }

    pub(super) fn occupied(&self) -> MutexGuard<'_, HashMap<TopicName, Arc<OccupiedTopic>>> {
        self.occupied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: &TopicName) -> Option<Arc<OccupiedTopic>> {
        self.occupied().get(name).cloned()
    }

    fn find_or_create(&self, name: &TopicName) -> Arc<OccupiedTopic> {
        let mut occupied = self.occupied();
        if let Some(topic) = occupied.get(name) {
            return topic.clone();
        }
        let state = TopicState {
            local: LocalMembers::new(self.limits.tick),
            roster: Roster::new(self.limits.linger),
            watch: Watch::new(&self.limits, self.freshness_of(name)),
            applied: 0,
            #[cfg(feature = "cluster")]
            shared: self.topics.shared().map(|shared| SharedTopic {
                node: shared.node().clone(),
                name: name.clone(),
            }),
            counted: 0,
            scheduled: None,
            removed_from_map: false,
        };
        let topic = Arc::new(OccupiedTopic {
            name: name.clone(),
            number: self.last_number.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(state),
        });
        occupied.insert(name.clone(), topic.clone());
        topic
    }

    /// Runs `change` on a topic; creates it if necessary. The caller must then call
    /// [`settle`](Self::settle), without its own locks.
    pub(super) fn with_topic<R>(
        &self,
        name: &TopicName,
        change: impl FnOnce(&mut TopicState) -> R,
    ) -> (Arc<OccupiedTopic>, R) {
        loop {
            let topic = self.find_or_create(name);
            let mut state = topic.lock();
            if state.removed_from_map {
                // Another thread is removing it; the next lookup creates a new one.
                drop(state);
                std::thread::yield_now();
                continue;
            }
            let output = change(&mut state);
            self.count_bytes(&mut state);
            drop(state);
            return (topic, output);
        }
    }

    /// Applies a record that was read from the shared log. The caller must then call
    /// [`settle`](Self::settle), without its own locks.
    #[cfg(feature = "cluster")]
    pub(super) fn apply_record(
        &self,
        name: &TopicName,
        record: Record,
        node: NodeLife,
        at: RecordPosition,
    ) -> Arc<OccupiedTopic> {
        let now = Instant::now();
        let (topic, ()) = self.with_topic(name, |state| {
            let changes = state.watch.changes();
            state.roster.apply(record, node, at, now, changes);
        });
        topic
    }

    /// Adds a watcher, which gets the members that all watchers know, and then every event. The
    /// caller must then call [`settle`](Self::settle), without its own locks.
    pub(crate) fn watch(
        &self,
        name: &TopicName,
        watcher: Subscriber,
    ) -> (Arc<OccupiedTopic>, NewSubscription) {
        let key = TopicKey::Members(name.clone());
        self.with_topic(name, |state| {
            let snapshot = state.watch.snapshot(name.as_str(), &state.roster);
            self.topics.subscribe_with_message(&key, watcher, snapshot)
        })
    }

    /// Does what is due in a topic, and schedules the rest.
    pub(crate) fn settle(&self, topic: &Arc<OccupiedTopic>) {
        let now = Instant::now();
        let mut state = topic.lock();
        if state.removed_from_map {
            return;
        }
        state.run_due(now);
        #[cfg(feature = "cluster")]
        {
            let freshness = self.freshness_of(&topic.name);
            if state.watch.freshness() != freshness {
                state.watch.set_freshness(freshness);
            }
        }
        self.count_bytes(&mut state);
        let after_unlock = self.send_event(topic, &mut state, now);
        let due = state.due(now);
        if state.scheduled != due {
            let from = std::mem::replace(&mut state.scheduled, due);
            self.agenda.reschedule(topic, topic.number, from, due);
        }
        let is_removed = due.is_none() && state.is_empty();
        state.removed_from_map = is_removed;
        drop(state);
        if is_removed {
            self.occupied().remove(&topic.name);
        }
        if let Some(after_unlock) = after_unlock {
            after_unlock.finish(topic.name.as_str());
        }
        self.start_task();
    }

    /// Sends the next event to the watchers if it is due. It is queued under the lock of the topic,
    /// so no watcher can be added between the event and its delivery.
    fn send_event(
        &self,
        topic: &OccupiedTopic,
        state: &mut TopicState,
        now: Instant,
    ) -> Option<AfterUnlock> {
        let due = state.watch.due(now)?;
        let key = TopicKey::Members(topic.name.clone());
        if !self.topics.has_subscribers(&key) {
            state.watch.skip_event(&state.roster);
            return None;
        }
        if due > now {
            return None;
        }
        let name = topic.name.as_str();
        let event = state.watch.next_event(name, &state.roster, now)?;
        self.topics.deliver_message(&key, event)
    }

    /// Starts the task if a topic waits and none is running. Outside of a runtime, the next call
    /// within one starts it.
    fn start_task(&self) {
        if let Ok(runtime) = Handle::try_current()
            && self.agenda.begin()
        {
            runtime.spawn(run(AgendaTask(self.this.clone())));
        }
    }

    /// The number of members that are shown.
    pub(crate) fn count(&self, name: &TopicName) -> usize {
        self.find(name).map_or(0, |topic| topic.lock().roster.len())
    }

    /// The member of this key, if it is shown.
    pub(crate) fn member(&self, name: &TopicName, key: &str) -> Option<Value> {
        self.find(name)?.lock().roster.get(key).cloned()
    }

    /// At most `limit` members that are shown, in the order of their keys, beginning behind
    /// `after`.
    pub(crate) fn members(
        &self,
        name: &TopicName,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(Key, Value)> {
        let Some(topic) = self.find(name) else {
            return Vec::new();
        };
        let state = topic.lock();
        let clone = |(key, value): (&Key, &Value)| (key.clone(), value.clone());
        match after {
            Some(after) => state.roster.after(after).take(limit).map(clone).collect(),
            None => state.roster.iter().take(limit).map(clone).collect(),
        }
    }
}

/// The task that serves the agenda. If it is dropped early, for example with its runtime, the next
/// change starts another one.
struct AgendaTask(Weak<Presence>);

impl Drop for AgendaTask {
    fn drop(&mut self) {
        if let Some(presence) = self.0.upgrade() {
            presence.agenda.stop();
        }
    }
}

/// Serves topics when they are due, until none waits.
async fn run(mut running: AgendaTask) {
    let mut served = 0;
    while let Some(presence) = running.0.upgrade() {
        match presence.agenda.next(Instant::now()) {
            AgendaStep::Due(topic) => {
                presence.settle(&topic);
                served += 1;
                if served % TOPICS_PER_TURN == 0 {
                    drop(presence);
                    yield_now().await;
                }
            }
            AgendaStep::At(time, earlier) => {
                drop(presence);
                // A notification or the deadline: both end the wait.
                let _ = timeout_at(time, earlier.notified()).await;
            }
            AgendaStep::Never => {
                running.0 = Weak::new();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
