//! The cursor at the ends of all lanes.

use super::Node;
use super::lane::NodeLane;
use crate::log::cursor::Cursor;
#[cfg(feature = "test-kit")]
use crate::log::position::EntryId;

impl Node {
    /// The ends of all lanes, as far as they were read. The lanes are not locked together.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor::of_heads(self.shared.lanes.iter().map(NodeLane::head))
    }

    /// The number of lanes.
    pub(crate) fn lane_count(&self) -> usize {
        self.shared.lanes.len()
    }

    /// The last entries that were read, of all lanes that were opened.
    #[cfg(feature = "test-kit")]
    pub(crate) fn heads(&self) -> Vec<EntryId> {
        let head = |lane: &NodeLane| lane.opened().as_ref().map(|lane| lane.head().offset.entry);
        self.shared.lanes.iter().filter_map(head).collect()
    }
}
