//! What a node notes for nodes that start later.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Node, NodeShared};
use crate::log::name::Lane;
use crate::log::shared::entry::Incarnation;
use crate::log::shared::recorder::Recorder;
use crate::log::shared::seen::MAX_INCARNATIONS;

impl Node {
    /// Notes a member of this node that was read from the log, for nodes that start later; `None`
    /// if it has left.
    pub(crate) fn note_member(&self, lane: Lane, key: Bytes, value: Option<Bytes>) {
        self.shared.recorder().note(lane, key, value);
        self.shared.noted.notify_one();
    }

    /// Notes a state that no node owns, for nodes that start later; `None` if it has ended.
    pub(crate) fn note_common(&self, key: Bytes, value: Option<Bytes>) {
        self.shared
            .recorder_of(Incarnation::NONE)
            .replace(key, value);
        self.shared.noted.notify_one();
    }

    /// Notes that another node has members: it is dead unless it has heartbeats.
    pub(crate) fn note_node(&self, node: Incarnation) {
        self.shared.note_node(node);
    }
}

impl NodeShared {
    pub(super) fn noted_nodes(&self) -> MutexGuard<'_, HashSet<Incarnation>> {
        let noted = self.noted_nodes.lock();
        noted.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_node(&self, node: Incarnation) {
        let mut noted = self.noted_nodes();
        if noted.len() < MAX_INCARNATIONS {
            noted.insert(node);
        } else if !noted.contains(&node) {
            self.unreadable.add();
        }
    }

    pub(super) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recorder of this node, or of what no node owns.
    pub(super) fn recorder_of(&self, node: Incarnation) -> MutexGuard<'_, Recorder> {
        let recorder = if node == Incarnation::NONE {
            &self.common
        } else {
            &self.recorder
        };
        recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
