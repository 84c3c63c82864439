//! Enters members, within the limits of their topic and of the server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{OccupiedTopic, Presence, TopicState};
use crate::id::ConnectionId;
use crate::log::TopicName;
use crate::presence::record::{Key, Value};

/// Why a member did not enter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Full {
    /// The topic has as many members as it may have.
    Topic,
    /// The members of all topics have as many bytes as they may have.
    Server,
}

/// Bytes that each member takes besides its key and its value.
const MEMBER_BYTES: usize = 128;

impl TopicState {
    /// The bytes of the members and of their connections.
    fn bytes(&self) -> usize {
        self.roster.list_bytes() + self.roster.len() * MEMBER_BYTES + self.local.bytes()
    }
}

impl Presence {
    /// Enters a member for a connection, or changes its value. The caller must then call
    /// [`settle`](Self::settle), without its own locks.
    ///
    /// # Errors
    ///
    /// [`Full`] if the member is new and the topic is full, or if it takes more bytes than are left.
    pub(crate) fn enter(
        &self,
        name: &TopicName,
        key: &Key,
        connection: ConnectionId,
        value: Value,
    ) -> Result<Arc<OccupiedTopic>, Full> {
        let now = Instant::now();
        let (topic, entered) = self.with_topic(name, |state| {
            let members = state.roster.len() + state.local.waiting();
            let is_known = state.local.has(key) || state.roster.get(key).is_some();
            if !is_known && members >= self.limits.members {
                return Err(Full::Topic);
            }
            if self.exceeds_bytes(state, key, connection, &value) {
                return Err(Full::Server);
            }
            if let Some(record) = state.local.enter(key, connection, value, now) {
                state.apply(record, now);
            }
            Ok(())
        });
        match entered {
            Ok(()) => Ok(topic),
            Err(full) => {
                self.remove_unused(&topic);
                Err(full)
            }
        }
    }

    /// Removes a topic that was created for a member that did not enter.
    fn remove_unused(&self, topic: &Arc<OccupiedTopic>) {
        let mut state = topic.lock();
        let is_used = state.due(Instant::now()).is_some() || state.scheduled.is_some();
        if is_used || !state.is_empty() || state.removed_from_map {
            return;
        }
        state.removed_from_map = true;
        drop(state);
        self.occupied().remove(&topic.name);
    }

    /// Counts the bytes of a topic that has changed.
    pub(super) fn count_bytes(&self, state: &mut TopicState) {
        let now = state.bytes();
        let before = std::mem::replace(&mut state.counted, now);
        if now > before {
            self.bytes.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// Whether the members of all topics would exceed their limit with this one.
    fn exceeds_bytes(
        &self,
        state: &TopicState,
        key: &Key,
        connection: ConnectionId,
        value: &Value,
    ) -> bool {
        let known = state.local.value_of(key, connection);
        let more = match known {
            Some(known) => value.len().saturating_sub(known.len()),
            None => key.len() + 2 * value.len() + 2 * MEMBER_BYTES,
        };
        more > 0 && self.bytes.load(Ordering::Relaxed).saturating_add(more) > self.limits.bytes
    }
}
