//! Which nodes are dead: the same for all readers, at the same entry.
//!
//! A node is dead when another one has logged [`MISSED`] heartbeats since its last. No clock is
//! read, and an outage of the log kills no node.
//!
//! Readers that have missed entries may count fewer heartbeats than others. So a node that reads a
//! heartbeat of a dead one logs its death, which then is the same for all.

use std::collections::{HashMap, HashSet, VecDeque};

use super::entry::Incarnation;
use super::seen::MAX_INCARNATIONS;

/// Heartbeats of one node without one of another.
const MISSED: usize = 4;

/// The living nodes and the last ones that died, at most [`MAX_INCARNATIONS`] of each. It takes the
/// same memory for each node, however many others there are.
#[derive(Default, Debug)]
pub(super) struct Liveness {
    living: HashMap<Incarnation, Beats>,
    /// The number of heartbeats of all nodes.
    count: u64,
    dead: HashSet<Incarnation>,
    dead_by_age: VecDeque<Incarnation>,
}

/// What a heartbeat means.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// These nodes are dead from here on.
    Living { dead: Vec<Incarnation> },
    /// The author is dead, but does not know it.
    Dead,
    /// There is no memory for one more node.
    Refused,
}

/// Heartbeats by their place among those of all nodes, from 1.
#[derive(Default, Debug)]
struct Beats {
    /// The last ones of this node, the oldest first; at most [`MISSED`].
    own: VecDeque<u64>,
    /// This node is not dead because of another's heartbeats up to this one.
    excused: u64,
}

impl Liveness {
    /// Notes that a node has members or has logged something: it dies unless it has heartbeats.
    /// Returns whether there is memory for it.
    pub(super) fn note(&mut self, node: Incarnation) -> bool {
        if self.living.contains_key(&node) || self.dead.contains(&node) {
            return true;
        }
        let has_memory = self.living.len() < MAX_INCARNATIONS;
        if has_memory {
            let excused = self.count;
            let own = VecDeque::new();
            self.living.insert(node, Beats { own, excused });
        }
        has_memory
    }

    /// Counts a heartbeat.
    pub(super) fn heartbeat(&mut self, author: Incarnation) -> Heard {
        if self.dead.contains(&author) {
            return Heard::Dead;
        }
        self.note(author);
        let Some(beats) = self.living.get_mut(&author) else {
            return Heard::Refused;
        };
        self.count += 1;
        beats.excused = self.count;
        beats.own.push_back(self.count);
        if beats.own.len() > MISSED {
            beats.own.pop_front();
        }
        let first = beats.own.front().filter(|_| beats.own.len() == MISSED);
        let Some(first) = first.copied() else {
            return Heard::Living { dead: Vec::new() };
        };
        // All of the last ones of the author are later.
        let is_dead = |node: &Incarnation, beats: &Beats| *node != author && beats.excused < first;
        let dead = self
            .living
            .iter()
            .filter(|(node, beats)| is_dead(node, beats));
        let dead: Vec<_> = dead.map(|(node, _)| *node).collect();
        for node in &dead {
            self.bury(*node);
        }
        Heard::Living { dead }
    }

    /// A node is dead. Returns whether that is new.
    pub(super) fn bury(&mut self, node: Incarnation) -> bool {
        self.living.remove(&node);
        if !self.dead.insert(node) {
            return false;
        }
        self.dead_by_age.push_back(node);
        if self.dead_by_age.len() > MAX_INCARNATIONS
            && let Some(oldest) = self.dead_by_age.pop_front()
        {
            self.dead.remove(&oldest);
        }
        true
    }

    /// The log has lost entries: nobody is dead because of what came before.
    pub(super) fn reset(&mut self) {
        for beats in self.living.values_mut() {
            beats.excused = self.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Incarnation = Incarnation(1);
    const B: Incarnation = Incarnation(2);
    const C: Incarnation = Incarnation(3);

    /// The nodes that are dead after a heartbeat.
    fn beat(liveness: &mut Liveness, author: Incarnation) -> Vec<Incarnation> {
        match liveness.heartbeat(author) {
            Heard::Living { mut dead } => {
                dead.sort_unstable();
                dead
            }
            other => panic!("{author:?} is {other:?}"),
        }
    }

    #[test]
    fn a_node_is_dead_after_four_heartbeats_of_another() {
        let mut liveness = Liveness::default();
        let dead = [A, B, A, A, A].map(|author| beat(&mut liveness, author));
        assert!(dead.iter().all(Vec::is_empty), "{dead:?}");
        assert_eq!(beat(&mut liveness, A), [B]);
        assert_eq!(beat(&mut liveness, A), []);
        // If it comes back, it must learn that it is dead.
        assert_eq!(liveness.heartbeat(B), Heard::Dead);
        liveness.note(B);
        assert_eq!(liveness.heartbeat(B), Heard::Dead);
    }

    #[test]
    fn the_death_that_another_node_has_logged_counts_once() {
        let mut liveness = Liveness::default();
        assert_eq!(beat(&mut liveness, A), []);
        assert_eq!(beat(&mut liveness, B), []);
        assert!(liveness.bury(B));
        assert!(!liveness.bury(B));
        assert_eq!(liveness.heartbeat(B), Heard::Dead);
        for _ in 0..5 {
            assert_eq!(beat(&mut liveness, A), []);
        }
    }

    #[test]
    fn the_number_of_the_dead_is_limited() {
        let mut liveness = Liveness::default();
        for node in 0..=MAX_INCARNATIONS as u64 {
            assert!(liveness.bury(Incarnation(10 + node)));
        }
        assert_eq!(liveness.dead.len(), MAX_INCARNATIONS);
        assert_eq!(beat(&mut liveness, Incarnation(10)), []);
        assert_eq!(liveness.heartbeat(Incarnation(11)), Heard::Dead);
    }

    #[test]
    fn three_heartbeats_each_of_many_nodes_kill_no_node() {
        let mut liveness = Liveness::default();
        assert_eq!(beat(&mut liveness, C), []);
        for _ in 0..3 {
            assert_eq!(beat(&mut liveness, A), []);
            assert_eq!(beat(&mut liveness, B), []);
        }
        assert_eq!(beat(&mut liveness, C), []);
        for _ in 0..3 {
            assert_eq!(beat(&mut liveness, A), []);
        }
        assert_eq!(beat(&mut liveness, A), [B, C]);
    }

    #[test]
    fn a_node_without_any_heartbeat_dies_too() {
        let mut liveness = Liveness::default();
        assert_eq!(beat(&mut liveness, A), []);
        liveness.note(B);
        for _ in 0..3 {
            assert_eq!(beat(&mut liveness, A), []);
        }
        liveness.reset();
        for _ in 0..3 {
            assert_eq!(beat(&mut liveness, A), []);
        }
        assert_eq!(beat(&mut liveness, A), [B]);
    }

    #[test]
    fn a_flood_of_forged_heartbeats_takes_bounded_memory_and_is_refused() {
        let mut liveness = Liveness::default();
        assert_eq!(beat(&mut liveness, A), []);
        let forged = |number| Incarnation(10 + number as u64);
        for number in 0..2 * MAX_INCARNATIONS {
            let is_within = number < MAX_INCARNATIONS - 1;
            let dead = Vec::new();
            let expected = if is_within {
                Heard::Living { dead }
            } else {
                Heard::Refused
            };
            assert_eq!(liveness.heartbeat(forged(number)), expected, "{number}");
        }
        assert_eq!(liveness.living.len(), MAX_INCARNATIONS);
        assert!(liveness.living.values().all(|it| it.own.len() <= MISSED));
        // The forged nodes die as others do: then there is memory again.
        for _ in 0..2 {
            assert_eq!(beat(&mut liveness, A), []);
        }
        assert_eq!(beat(&mut liveness, A).len(), 0);
        assert_eq!(beat(&mut liveness, A).len(), MAX_INCARNATIONS - 1);
        assert_eq!(beat(&mut liveness, B), []);
    }
}
