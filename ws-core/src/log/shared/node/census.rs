//! What the nodes of a cluster report.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Author, Node, NodeShared};
use crate::log::shared::entry::{Heartbeat, Incarnation, Versions};
use crate::log::shared::seen::MAX_INCARNATIONS;

/// The last heartbeats of the living nodes, at most [`MAX_INCARNATIONS`].
#[derive(Default)]
pub(super) struct NodeReports(Mutex<Reports>);

#[derive(Default)]
struct Reports {
    nodes: HashMap<Incarnation, NodeReport>,
    /// When the heartbeat that this node has not read yet was queued.
    queued: Option<Instant>,
    /// How long the one before took.
    lag: Duration,
}

/// What a node has reported in its last heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NodeReport {
    pub(crate) node: Incarnation,
    pub(crate) versions: Versions,
    pub(crate) connections: u64,
    pub(crate) lag: Duration,
    /// When this node has read it.
    pub(crate) read: Instant,
}

impl NodeReports {
    fn lock(&self) -> MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This node queues a heartbeat. Returns its lag: that of the last one that it has read, or the
    /// time for which it waits for one.
    pub(super) fn queue(&self, now: Instant) -> Duration {
        let mut reports = self.lock();
        let waits = reports
            .queued
            .map(|queued| now.saturating_duration_since(queued));
        reports.queued.get_or_insert(now);
        reports.lag.max(waits.unwrap_or_default())
    }

    /// A heartbeat was read; `is_own` if it is of this node.
    pub(super) fn read(
        &self,
        node: Incarnation,
        heartbeat: &Heartbeat,
        is_own: bool,
        now: Instant,
    ) {
        let mut reports = self.lock();
        if is_own && let Some(queued) = reports.queued.take() {
            reports.lag = now.saturating_duration_since(queued);
        }
        let is_full = reports.nodes.len() >= MAX_INCARNATIONS;
        if is_full && !reports.nodes.contains_key(&node) {
            return;
        }
        let report = NodeReport {
            node,
            versions: heartbeat.versions,
            connections: heartbeat.connections,
            lag: heartbeat.lag,
            read: now,
        };
        reports.nodes.insert(node, report);
    }

    /// The versions that the living nodes read.
    pub(super) fn versions(&self) -> Vec<Versions> {
        let reports = self.lock();
        reports
            .nodes
            .values()
            .map(|report| report.versions)
            .collect()
    }

    pub(super) fn remove(&self, dead: Incarnation) {
        self.lock().nodes.remove(&dead);
    }
}

impl Node {
    /// The id of this node until others take it for dead.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.shared.identity().current
    }

    /// Whether it is the id of this node, or was.
    pub(crate) fn is_this(&self, node: Incarnation) -> bool {
        self.shared.author(node) == Author::This
    }

    /// Whether this node has read a heartbeat of a node, and not its end.
    pub(crate) fn is_alive(&self, node: Incarnation) -> bool {
        self.shared.reports.lock().nodes.contains_key(&node)
    }

    /// The last heartbeats of the living nodes, and whether each is this one.
    pub(crate) fn reports(&self) -> Vec<(NodeReport, bool)> {
        let reports = self.shared.reports.lock();
        let current = self.shared.identity().current;
        let mut all: Vec<_> = reports.nodes.values().copied().collect();
        drop(reports);
        all.sort_unstable_by_key(|report| report.node);
        let all = all.into_iter();
        all.map(|report| (report, report.node == current)).collect()
    }

    /// Whether another node may live.
    pub(crate) fn has_others(&self) -> bool {
        let current = self.shared.identity().current;
        let reports = self.shared.reports.lock();
        reports.nodes.keys().any(|node| *node != current)
    }
}

impl NodeShared {
    /// Notes a heartbeat that was read.
    pub(super) fn note_heartbeat(&self, author: Incarnation, heartbeat: &Heartbeat) {
        let is_own = self.identity().current == author;
        self.reports.read(author, heartbeat, is_own, Instant::now());
        self.choose_version(is_own);
        if is_own {
            self.apply.beat();
        }
    }
}
