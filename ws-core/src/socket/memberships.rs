//! The memberships of one connection.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use crate::log::TopicName;
use crate::presence::record::Key;
use crate::presence::topics::OccupiedTopic;

/// A membership of a connection.
pub(super) struct Membership {
    pub(super) topic: Arc<OccupiedTopic>,
    pub(super) key: Key,
}

impl Membership {
    /// Whether this is the membership in the topic under this key.
    pub(super) fn is_of(&self, topic: &TopicName, key: &str) -> bool {
        &*self.key == key && self.topic.name() == topic
    }
}

/// A member that has left, and may still be shown.
struct Left {
    topic: TopicName,
    key: Key,
    until: Instant,
}

/// The memberships of one connection, and those that have ended but may still be shown: a client
/// that enters and leaves under new keys fills its topic until they are not.
#[derive(Default)]
pub(super) struct Memberships {
    entered: Vec<Membership>,
    /// The earliest first, each once.
    left: VecDeque<Left>,
}

impl Memberships {
    pub(super) fn len(&self) -> usize {
        self.entered.len()
    }

    pub(super) fn has(&self, topic: &TopicName, key: &str) -> bool {
        self.entered.iter().any(|it| it.is_of(topic, key))
    }

    /// The number of other members that are shown because of this connection, at most.
    pub(super) fn others(&mut self, topic: &TopicName, key: &str, now: Instant) -> usize {
        while self.left.front().is_some_and(|left| left.until <= now) {
            self.left.pop_front();
        }
        // The same member counts once.
        self.left
            .retain(|left| &*left.key != key || left.topic != *topic);
        self.entered.len() + self.left.len()
    }

    pub(super) fn add(&mut self, membership: Membership) {
        self.entered.push(membership);
    }

    /// Removes memberships, of which the members may be shown until this time.
    pub(super) fn leave(
        &mut self,
        is_left: impl Fn(&Membership) -> bool,
        until: Instant,
    ) -> Vec<Membership> {
        let left: Vec<_> = self.entered.extract_if(.., |it| is_left(it)).collect();
        self.left.extend(left.iter().map(|it| Left {
            topic: it.topic.name().clone(),
            key: it.key.clone(),
            until,
        }));
        left
    }

    pub(super) fn into_entered(self) -> Vec<Membership> {
        self.entered
    }
}
