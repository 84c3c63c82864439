//! Which nodes are dead: the same for all readers, at the same entry.
//!
//! A node is dead when another one has logged [`MISSED`] heartbeats since its last. No clock is
//! read, and an outage of the log kills no node.

use std::collections::HashMap;

use super::entry::Incarnation;
use super::seen::MAX_INCARNATIONS;

/// Heartbeats of one node without one of another.
const MISSED: u64 = 4;

/// The living nodes, at most [`MAX_INCARNATIONS`].
#[derive(Default, Debug)]
pub(super) struct Liveness {
    living: HashMap<Incarnation, Beats>,
}

#[derive(Default, Debug)]
struct Beats {
    /// The number of heartbeats of this node.
    count: u64,
    /// The counts of the other nodes at its last one.
    others: HashMap<Incarnation, u64>,
}

impl Liveness {
    /// Notes that a node has members or has logged something: it dies unless it has heartbeats.
    pub(super) fn note(&mut self, node: Incarnation) {
        if self.living.contains_key(&node) || self.living.len() >= MAX_INCARNATIONS {
            return;
        }
        let others = self.counts();
        self.living.insert(node, Beats { count: 0, others });
    }

    fn counts(&self) -> HashMap<Incarnation, u64> {
        let counts = self.living.iter();
        counts.map(|(node, beats)| (*node, beats.count)).collect()
    }

    /// Counts a heartbeat. Returns the nodes that are dead from here on.
    pub(super) fn heartbeat(&mut self, author: Incarnation) -> Vec<Incarnation> {
        self.note(author);
        let others = self.counts();
        let Some(beats) = self.living.get_mut(&author) else {
            return Vec::new();
        };
        beats.count += 1;
        let count = beats.count;
        beats.others = others;
        let is_dead = |node: &Incarnation, beats: &Beats| {
            let since = beats.others.get(&author).copied().unwrap_or_default();
            *node != author && count - since >= MISSED
        };
        let dead = self.living.extract_if(|node, beats| is_dead(node, beats));
        let dead: Vec<_> = dead.map(|(node, _)| node).collect();
        for beats in self.living.values_mut() {
            beats.others.retain(|node, _| !dead.contains(node));
        }
        dead
    }

    /// The log has lost entries: nobody is dead because of what came before.
    pub(super) fn reset(&mut self) {
        let counts = self.counts();
        for beats in self.living.values_mut() {
            beats.others.clone_from(&counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Incarnation = Incarnation(1);
    const B: Incarnation = Incarnation(2);
    const C: Incarnation = Incarnation(3);

    #[test]
    fn a_node_is_dead_after_four_heartbeats_of_another() {
        let mut liveness = Liveness::default();
        let dead = [A, B, A, A, A].map(|author| liveness.heartbeat(author));
        assert!(dead.iter().all(Vec::is_empty), "{dead:?}");
        assert_eq!(liveness.heartbeat(A), [B]);
        assert_eq!(liveness.heartbeat(A), []);
        // It is a new node for everyone if it comes back.
        let dead = [B, A, A, A].map(|author| liveness.heartbeat(author));
        assert!(dead.iter().all(Vec::is_empty), "{dead:?}");
    }

    #[test]
    fn three_heartbeats_each_of_many_nodes_kill_no_node() {
        let mut liveness = Liveness::default();
        liveness.heartbeat(C);
        for _ in 0..3 {
            assert_eq!(liveness.heartbeat(A), []);
            assert_eq!(liveness.heartbeat(B), []);
        }
        assert_eq!(liveness.heartbeat(C), []);
        for _ in 0..3 {
            assert_eq!(liveness.heartbeat(A), []);
        }
        let mut dead = liveness.heartbeat(A);
        dead.sort_unstable();
        assert_eq!(dead, [B, C]);
    }

    #[test]
    fn a_node_without_any_heartbeat_dies_too() {
        let mut liveness = Liveness::default();
        liveness.heartbeat(A);
        liveness.note(B);
        for _ in 0..3 {
            assert_eq!(liveness.heartbeat(A), []);
        }
        liveness.reset();
        for _ in 0..3 {
            assert_eq!(liveness.heartbeat(A), []);
        }
        assert_eq!(liveness.heartbeat(A), [B]);
    }
}
