//! Cycles of a graph.

use std::collections::{BTreeMap, BTreeSet};

/// A graph of named nodes: each with those that it uses.
#[derive(Default)]
pub(crate) struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    pub(crate) fn new(edges: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut graph = Self::default();
        for (from, to) in edges {
            if from != to {
                graph.edges.entry(from).or_default().insert(to);
            }
        }
        graph
    }

    /// All that can be reached from this node.
    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            for next in self.edges.get(node).into_iter().flatten() {
                if found.insert(&**next) {
                    open.push(next);
                }
            }
        }
        found
    }

    /// The largest sets of nodes of which each reaches all others.
    pub(crate) fn cycles(&self) -> Vec<Vec<&str>> {
        let reachable: BTreeMap<&str, _> = self
            .edges
            .keys()
            .map(|node| (&**node, self.reachable(node)))
            .collect();
        let reaches = |from, to| reachable.get(from).is_some_and(|all| all.contains(to));
        let mut cycles = BTreeSet::new();
        for node in reachable.keys().filter(|node| reaches(**node, **node)) {
            let round = reachable[node]
                .iter()
                .filter(|other| reaches(**other, *node));
            cycles.insert(round.copied().collect::<Vec<_>>());
        }
        cycles.into_iter().collect()
    }
}
