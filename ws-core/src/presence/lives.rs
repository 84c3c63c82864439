//! What the rosters of all topics of a shared log have in common.

use std::collections::{HashMap, HashSet, VecDeque};

use super::record::RecordPosition;
use super::roster::NodeLife;
use crate::log::{Lane, Position};

/// Nodes whose death is remembered: what still comes of them enters no member.
const MAX_DEAD: usize = 4_096;

/// What the rosters of all topics share.
#[derive(Default)]
pub(super) struct NodeLives {
    /// The number of resets of each lane: later records replace those from before a reset.
    epochs: HashMap<Lane, u64>,
    dead: HashSet<NodeLife>,
    /// At most [`MAX_DEAD`].
    dead_by_age: VecDeque<NodeLife>,
}

impl NodeLives {
    /// The position of a record, for rosters.
    pub(super) fn position(&self, at: Position) -> RecordPosition {
        let epoch = self.epochs.get(&at.lane).copied().unwrap_or_default() + 1;
        RecordPosition {
            epoch,
            entry: at.offset.entry,
            index: at.offset.index,
        }
    }

    /// The node is dead.
    pub(super) fn bury(&mut self, node: NodeLife) {
        if self.dead.insert(node) {
            self.dead_by_age.push_back(node);
        }
        if self.dead_by_age.len() > MAX_DEAD
            && let Some(oldest) = self.dead_by_age.pop_front()
        {
            self.dead.remove(&oldest);
        }
    }

    /// Whether a node is dead.
    pub(super) fn is_dead(&self, node: NodeLife) -> bool {
        self.dead.contains(&node)
    }

    /// Records of a lane may be missing.
    pub(super) fn reset(&mut self, lane: Lane) {
        *self.epochs.entry(lane).or_default() += 1;
    }
}
