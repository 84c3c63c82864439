//! Several nodes that share a log, in random order: members enter, change and leave, nodes die, are
//! cut off and return. Afterwards all nodes and watchers must agree with a simple reference.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::event::{Freshness, MembersEvent};
use super::local::LocalMembers;
use super::record::{Change, Key, Record, Value};
use super::roster::{NodeLife, Roster};
use super::watch::Watch;
use crate::id::ConnectionId;
use crate::limits::PresenceLimits;
use crate::message::Message;

const LIMITS: PresenceLimits = PresenceLimits {
    list: 5,
    ..PresenceLimits::DEFAULT
};

const NODES: usize = 3;
const KEYS: u64 = 8;
/// Heartbeats of another node without one of its own after which a node is dead.
const DEAD_AFTER: u32 = 4;

/// Random numbers (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % end
    }

    fn node(&mut self) -> usize {
        usize::try_from(self.below(NODES as u64)).unwrap()
    }
}

#[derive(Clone)]
enum Entry {
    Record(Record),
    Heartbeat,
}

/// Finds the deaths in a log, as the reader of a node does.
#[derive(Default)]
struct Pulse {
    /// For each node that lives, the heartbeats of others since its last entry.
    missed: BTreeMap<NodeLife, BTreeMap<NodeLife, u32>>,
    dead: BTreeSet<NodeLife>,
}

impl Pulse {
    /// Returns the nodes that die at this entry.
    fn apply(&mut self, author: NodeLife, entry: &Entry) -> Vec<NodeLife> {
        if self.dead.contains(&author) {
            return Vec::new();
        }
        self.missed.entry(author).or_default();
        if matches!(entry, Entry::Record(_)) {
            return Vec::new();
        }
        self.missed.insert(author, BTreeMap::new());
        let mut dead = Vec::new();
        for (node, missed) in &mut self.missed {
            let missed = missed.entry(author).or_default();
            *missed += u32::from(*node != author);
            if *missed == DEAD_AFTER {
                dead.push(*node);
            }
        }
        for node in &dead {
            self.missed.remove(node);
            self.dead.insert(*node);
        }
        dead
    }
}

/// The reference for rosters: what the log says, read from its start.
fn members_of(log: &[(NodeLife, Entry)]) -> BTreeMap<String, String> {
    let mut pulse = Pulse::default();
    let mut values: BTreeMap<(NodeLife, Key), (usize, Value)> = BTreeMap::new();
    for (at, (author, entry)) in log.iter().enumerate() {
        for dead in pulse.apply(*author, entry) {
            values.retain(|(node, _), _| *node != dead);
        }
        if let (Entry::Record(record), false) = (entry, pulse.dead.contains(author)) {
            let of = (*author, record.key.clone());
            match &record.change {
                Change::Entered(value) | Change::Changed(value) => {
                    values.insert(of, (at, value.clone()));
                }
                Change::Left => {
                    values.remove(&of);
                }
            }
        }
    }
    let mut newest: BTreeMap<String, (usize, Value)> = BTreeMap::new();
    for ((_, key), value) in values {
        let shown = newest
            .entry(key.to_string())
            .or_insert_with(|| value.clone());
        if shown.0 < value.0 {
            *shown = value;
        }
    }
    let members = newest.into_iter();
    members
        .map(|(key, (_, value))| (key, value.to_string()))
        .collect()
}

/// What a client knows from its events.
#[derive(PartialEq, Debug)]
enum Known {
    Members(BTreeMap<String, u64>),
    Count(usize),
}

impl Known {
    /// Applies an event, which must fit what the client knows.
    fn apply(&mut self, message: &Message, seed: u64) {
        let event = serde_json::from_str(message.as_text().unwrap()).unwrap();
        match (&mut *self, event) {
            (_, MembersEvent::Snapshot { members, .. }) => {
                *self = Self::Members(members.into_iter().collect());
            }
            (_, MembersEvent::Count { count, .. }) => *self = Self::Count(count),
            (
                Self::Members(members),
                MembersEvent::Changes {
                    entered,
                    changed,
                    left,
                    ..
                },
            ) => {
                for (key, value) in entered {
                    assert_eq!(members.insert(key, value), None, "seed {seed}");
                }
                for (key, value) in changed {
                    let earlier = members.insert(key, value);
                    assert!(earlier.is_some_and(|it| it != value), "seed {seed}");
                }
                for key in left {
                    assert!(members.remove(&key).is_some(), "seed {seed}");
                }
            }
            (Self::Count(_), event) => panic!("seed {seed}: {event:?} after a count"),
        }
    }
}

/// A process of the cluster.
struct Node {
    life: NodeLife,
    local: LocalMembers,
    roster: Roster<usize>,
    watch: Watch,
    watchers: Vec<Known>,
    pulse: Pulse,
    /// The number of entries that were read.
    read: usize,
    /// Entries that wait until the node reaches the log again.
    queue: VecDeque<(NodeLife, Entry)>,
    is_split: bool,
    /// The reference for local members: the connections, in the order of their last `enter`.
    connections: Vec<(Key, ConnectionId, Value)>,
}

struct Cluster {
    seed: u64,
    random: Random,
    log: Vec<(NodeLife, Entry)>,
    nodes: Vec<Node>,
    lives: u64,
    now: Instant,
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let mut cluster = Self {
            seed,
            random: Random(seed),
            log: Vec::new(),
            nodes: Vec::new(),
            lives: 0,
            now: Instant::now(),
        };
        for _ in 0..NODES {
            let node = cluster.start();
            cluster.nodes.push(node);
        }
        cluster
    }

    fn next_life(&mut self) -> NodeLife {
        self.lives += 1;
        NodeLife(self.lives)
    }

    /// A process that has just started.
    fn start(&mut self) -> Node {
        Node {
            life: self.next_life(),
            local: LocalMembers::new(LIMITS.tick),
            roster: Roster::new(LIMITS.linger),
            watch: Watch::new(&LIMITS, Freshness::Current),
            watchers: Vec::new(),
            pulse: Pulse::default(),
            read: 0,
            queue: VecDeque::new(),
            is_split: false,
            connections: Vec::new(),
        }
    }

    fn append(&mut self, node: usize, entries: impl IntoIterator<Item = Entry>) {
        let node = &mut self.nodes[node];
        let entries = entries.into_iter().map(|entry| (node.life, entry));
        node.queue.extend(entries);
        if !node.is_split {
            self.log.extend(node.queue.drain(..));
        }
    }

    fn enter(&mut self, node: usize) {
        let key: Key = format!("k{}", self.random.below(KEYS)).into();
        let connection = ConnectionId::new(self.random.below(3));
        let value: Value = self.random.below(4).to_string().into();
        let at = &mut self.nodes[node];
        at.connections
            .retain(|(other, id, _)| (other, *id) != (&key, connection));
        at.connections
            .push((key.clone(), connection, value.clone()));
        let record = at.local.enter(&key, connection, value, self.now);
        self.append(node, record.map(Entry::Record));
    }

    fn leave(&mut self, node: usize) {
        let at = &mut self.nodes[node];
        if at.connections.is_empty() {
            return;
        }
        let index = self.random.below(at.connections.len() as u64);
        let index = usize::try_from(index).unwrap();
        let (key, connection, _) = at.connections.remove(index);
        let record = at.local.leave(&key, connection, self.now);
        self.append(node, record.map(Entry::Record));
    }

    /// The process ends without leaving, and another one starts in its place.
    fn kill(&mut self, node: usize) {
        self.nodes[node] = self.start();
    }

    fn heartbeat(&mut self, node: usize) {
        let queued = &self.nodes[node].queue;
        // At most one heartbeat waits.
        if !queued.iter().any(|(_, it)| matches!(it, Entry::Heartbeat)) {
            self.append(node, [Entry::Heartbeat]);
        }
    }

    /// Reads up to this many entries.
    fn read(&mut self, node: usize, most: usize) {
        let at = &mut self.nodes[node];
        if at.is_split {
            return;
        }
        let mut is_dead = false;
        for (author, entry) in self.log.iter().skip(at.read).take(most) {
            for dead in at.pulse.apply(*author, entry) {
                at.roster.died(dead, self.now, at.watch.changes());
                is_dead |= dead == at.life;
            }
            if let (Entry::Record(record), false) = (entry, at.pulse.dead.contains(author)) {
                let (record, changes) = (record.clone(), at.watch.changes());
                at.roster.apply(record, *author, at.read, self.now, changes);
            }
            at.read += 1;
        }
        if is_dead {
            let life = self.next_life();
            let at = &mut self.nodes[node];
            at.life = life;
            at.queue.clear();
            let records = at.local.enter_again(self.now);
            self.append(node, records.into_iter().map(Entry::Record));
        }
    }

    /// Does what is due.
    fn run_due(&mut self, node: usize) {
        let at = &mut self.nodes[node];
        at.roster.expire(self.now, at.watch.changes());
        if at.watchers.is_empty() {
            at.watch.skip_event(&at.roster);
        } else if at.watch.due(self.now).is_some_and(|due| due <= self.now)
            && let Some(event) = at.watch.next_event("t", &at.roster, self.now)
        {
            for watcher in &mut at.watchers {
                watcher.apply(&event, self.seed);
            }
        }
        let records = at.local.flush(self.now);
        self.append(node, records.into_iter().map(Entry::Record));
    }

    fn watch(&mut self, node: usize) {
        let at = &mut self.nodes[node];
        let mut known = Known::Count(0);
        known.apply(&at.watch.snapshot("t", &at.roster), self.seed);
        at.watchers.push(known);
    }

    fn step(&mut self) {
        let node = self.random.node();
        match self.random.below(40) {
            0..12 => self.enter(node),
            12..20 => self.leave(node),
            20 => self.kill(node),
            21 => self.nodes[node].is_split = true,
            22..24 => {
                self.nodes[node].is_split = false;
                self.append(node, []);
            }
            24..26 => self.watch(node),
            26 => self.nodes[node].watchers.clear(),
            27..30 => self.heartbeat(node),
            30..36 => {
                let most = usize::try_from(self.random.below(10)).unwrap();
                self.read(node, most);
            }
            _ => {
                self.now += Duration::from_millis(self.random.below(600));
                (0..NODES).for_each(|node| self.run_due(node));
            }
        }
    }

    /// Heals all nodes, and waits until nothing is due.
    fn settle(&mut self) {
        for node in 0..NODES {
            self.nodes[node].is_split = false;
            self.append(node, []);
        }
        for _ in 0..14 {
            self.now += LIMITS.tick;
            for node in 0..NODES {
                self.heartbeat(node);
            }
            // Read first: a node must find its own death before the others count on it.
            for node in 0..NODES {
                self.read(node, usize::MAX);
                self.run_due(node);
            }
        }
        for node in 0..NODES {
            self.read(node, usize::MAX);
            self.run_due(node);
        }
    }

    fn check(&self) {
        let seed = self.seed;
        let expected = members_of(&self.log);
        let mut keys = BTreeSet::new();
        for node in &self.nodes {
            let members = node.roster.iter();
            let members = members.map(|(key, value)| (key.to_string(), value.to_string()));
            assert_eq!(members.collect::<BTreeMap<_, _>>(), expected, "seed {seed}");
            assert_eq!(node.roster.due(), None, "seed {seed}");
            assert_eq!(node.watch.due(self.now), None, "seed {seed}");
            let mut values = BTreeMap::new();
            for (key, _, value) in &node.connections {
                values.insert(key.to_string(), value.clone());
            }
            for (key, value) in &values {
                let of_others = || self.nodes.iter().filter(|other| other.life != node.life);
                let is_alone = !of_others().any(|other| {
                    let mut connections = other.connections.iter();
                    connections.any(|(other, ..)| **other == **key)
                });
                assert!(!is_alone || expected[key] == **value, "seed {seed}: {key}");
            }
            keys.extend(values.into_keys());
            let numbers = || {
                expected
                    .iter()
                    .map(|(k, v)| (k.clone(), v.parse().unwrap()))
            };
            for watcher in &node.watchers {
                match watcher {
                    Known::Members(members) => {
                        assert_eq!(*members, numbers().collect(), "seed {seed}");
                        assert!(members.len() <= LIMITS.list, "seed {seed}");
                    }
                    Known::Count(count) => assert_eq!(*count, expected.len(), "seed {seed}"),
                }
            }
        }
        assert!(keys.iter().eq(expected.keys()), "seed {seed}");
    }
}

/// A failing seed is printed: `run(SEED)` repeats it.
fn run(seed: u64) {
    let mut cluster = Cluster::new(seed);
    for _ in 0..3 {
        for _ in 0..cluster.random.below(150) {
            cluster.step();
        }
        cluster.settle();
        cluster.check();
    }
}

#[test]
fn all_nodes_and_watchers_agree_after_quiet() {
    (0..400).for_each(run);
}
