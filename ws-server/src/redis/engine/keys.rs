//! The names of keys. The hash tag keeps the keys of a lane on one server.

use ::redis::Cmd;
use ws_core::log::shared::Incarnation;
use ws_core::log::{Generation, Lane, TopicName};

/// The hash tag of the layout.
pub(super) const LAYOUT_TAG: &str = "lanes";

/// The hash tag of members. That of a lane is its number.
pub(super) const MEMBERS_TAG: &str = "members";

/// The keys below one prefix.
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    fn of_lane(&self, lane: Lane, name: &str) -> String {
        format!("{}{{{}}}:{name}", self.prefix, lane.0)
    }

    /// The log of one generation: an entry of another generation cannot be added to it.
    pub(super) fn log(&self, lane: Lane, of: Generation) -> String {
        self.of_lane(lane, &format!("log:{}", generation(of)))
    }

    pub(super) fn generation(&self, lane: Lane) -> String {
        self.of_lane(lane, "generation")
    }

    pub(super) fn relayed(&self, lane: Lane) -> String {
        self.of_lane(lane, "relayed")
    }

    pub(super) fn history(&self, lane: Lane, topic: &TopicName) -> String {
        self.of_lane(lane, &format!("history:{}", topic.as_str()))
    }

    pub(super) fn number(&self, lane: Lane, author: Incarnation) -> String {
        self.of_lane(lane, &format!("number:{}", node(author)))
    }

    pub(super) fn lanes(&self) -> String {
        format!("{}{{{LAYOUT_TAG}}}", self.prefix)
    }

    /// Adds the keys for opening a lane, with that of its relayed entries.
    pub(super) fn add_opened(&self, command: &mut Cmd, lane: Lane, relayed: &str) {
        command.arg(3).arg(self.generation(lane));
        command.arg(self.of_lane(lane, "log:"));
        command.arg(relayed);
    }

    /// Adds the keys of members.
    pub(super) fn add_members(&self, command: &mut Cmd) {
        command
            .arg(2)
            .arg(format!("{}{{{MEMBERS_TAG}}}:nodes", self.prefix));
        command.arg(format!("{}{{{MEMBERS_TAG}}}:node:", self.prefix));
    }
}

/// The text of a generation.
pub(super) fn generation(generation: Generation) -> String {
    format!("{:016x}", generation.0)
}

/// The text of a node.
pub(super) fn node(node: Incarnation) -> String {
    format!("{:016x}", node.0)
}

/// Reads the text of a node.
pub(super) fn parse_node(text: &str) -> Option<Incarnation> {
    u64::from_str_radix(text, 16).ok().map(Incarnation)
}
