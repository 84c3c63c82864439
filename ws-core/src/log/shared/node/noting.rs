//! What a node notes for nodes that start later.

use bytes::Bytes;

use super::Node;
use crate::log::name::Lane;
use crate::log::shared::entry::Incarnation;

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
