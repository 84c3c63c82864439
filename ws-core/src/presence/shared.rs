//! Members on a log that several nodes share: every node applies the records of all in the order of
//! the log, so all rosters are equal.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;

use super::event::Freshness;
use super::lives::NodeLives;
use super::record::{Change, Record, RecordPosition};
use super::roster::NodeLife;
use super::topics::{OccupiedTopic, Presence};
use crate::log::shared::{AfterLane, Author, Incarnation, Node, RecordedMember};
use crate::log::{Lane, Position, TopicName};

/// The form of recorded members: the kind of their record.
const ENTERED: u8 = Record::FIRST_KIND;

/// The name of a topic and a key, as the key of a recorded member.
fn recorded_key(topic: &TopicName, key: &str) -> Bytes {
    // Names of topics are percent-encoded: they contain no line feed.
    format!("{}\n{key}", topic.as_str()).into()
}

impl Presence {
    fn lives(&self) -> MutexGuard<'_, NodeLives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a record that was read. The work that remains shows the change to watchers.
    pub(crate) fn apply_read(
        self: &Arc<Self>,
        node: &Node,
        (kind, content): (u8, &[u8]),
        at: Position,
        (incarnation, author): (Incarnation, Author),
    ) -> AfterLane {
        let (topic, record) = match Record::get(kind, content) {
            Ok((topic, record)) => (TopicName::new(topic.to_owned()), record),
            Err(error) => {
                tracing::debug!(%error, "a record of the log is skipped");
                node.skip_record();
                return None;
            }
        };
        let life = NodeLife(incarnation.0);
        let lives = self.lives();
        if lives.is_dead(life) {
            return None;
        }
        let position = lives.position(at);
        drop(lives);
        match author {
            Author::This => {
                let key = recorded_key(&topic, &record.key);
                let value = match &record.change {
                    Change::Entered(_) | Change::Changed(_) => {
                        Some(Bytes::copy_from_slice(content))
                    }
                    Change::Left => None,
                };
                node.note_member(at.lane, key, value);
            }
            Author::Another => node.note_node(incarnation),
        }
        let occupied = self.apply_record(&topic, record, life, position);
        let presence = self.clone();
        Some(Box::new(move || presence.settle(&occupied)))
    }

    /// A node has cleared its members in a lane: what it has entered before has left.
    pub(crate) fn clear_read(
        self: &Arc<Self>,
        node: &Node,
        incarnation: Incarnation,
        at: Position,
    ) -> Box<dyn FnOnce()> {
        let before = self.lives().position(at);
        let topics = self.topics_of(node, Some(at.lane));
        for topic in &topics {
            topic.remove_node(NodeLife(incarnation.0), Some(before));
        }
        let presence = self.clone();
        Box::new(move || {
            for topic in &topics {
                presence.settle(topic);
            }
        })
    }

    /// A node is dead: its members have left.
    pub(crate) fn died(&self, node: &Node, dead: Incarnation) {
        let life = NodeLife(dead.0);
        self.lives().bury(life);
        for topic in self.topics_of(node, None) {
            topic.remove_node(life, None);
            self.settle(&topic);
        }
    }

    /// Records of a lane may be missing: every node enters its members again.
    pub(crate) fn reset_lane(&self, lane: Lane) {
        self.lives().reset(lane);
    }

    /// Enters all members of this node in the topics of a lane again.
    pub(crate) fn announce(&self, node: &Node, lane: Lane) {
        for topic in self.topics_of(node, Some(lane)) {
            topic.enter_again();
            self.settle(&topic);
        }
    }

    /// This node can read a lane again, or no longer: every watcher there gets an event.
    pub(crate) fn set_freshness(&self, node: &Node, lane: Lane, freshness: Freshness) {
        self.note_freshness(lane, freshness);
        // A topic without members may have watchers.
        let mut names: HashSet<TopicName> = self.topics.watched().into_iter().collect();
        names.extend(self.occupied().keys().cloned());
        for name in names.into_iter().filter(|name| node.lane_of(name) == lane) {
            let (topic, ()) = self.with_topic(&name, |state| state.watch.set_freshness(freshness));
            self.settle(&topic);
        }
    }

    /// Adds the members that nodes have recorded before this one has started.
    pub(crate) fn load_members(&self, members: &[RecordedMember]) {
        for member in members {
            let Ok((topic, record)) = Record::get(ENTERED, &member.value) else {
                tracing::debug!("a recorded member is skipped");
                continue;
            };
            // Everything that is read is newer.
            let topic = TopicName::new(topic.to_owned());
            let life = NodeLife(member.node.0);
            let occupied = self.apply_record(&topic, record, life, RecordPosition::default());
            self.settle(&occupied);
        }
    }

    fn topics_of(&self, node: &Node, lane: Option<Lane>) -> Vec<Arc<OccupiedTopic>> {
        let occupied = self.occupied();
        let is_wanted = |name: &TopicName| lane.is_none_or(|lane| node.lane_of(name) == lane);
        let wanted = occupied.iter().filter(|(name, _)| is_wanted(name));
        wanted.map(|(_, topic)| topic.clone()).collect()
    }
}
