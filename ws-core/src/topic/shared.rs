//! The log that a hub shares with other nodes, and the subscribers that wait for a part of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use super::capacity::ReplayCapacity;
use super::{Channel, EventsWait, Slot, Topics};
use crate::close::Close;
use crate::id::ConnectionId;
use crate::log::shared::Node;
use crate::log::{HistoryLimits, Position, TopicName};

/// Closes a connection of the hub.
pub(crate) type CloseConnection = dyn Fn(ConnectionId, &Close) + Send + Sync;

/// The log that a hub shares with other nodes, and its subscribers that wait.
pub(crate) struct SharedLog {
    pub(super) node: Arc<Node>,
    /// The subscribers that wait for a part of the log or of a history, by their topics.
    waiting: Mutex<HashMap<TopicName, Vec<Waiting>>>,
    last_token: AtomicU64,
    pub(super) topics: Weak<Topics>,
    pub(super) close: Arc<CloseConnection>,
}

impl SharedLog {
    pub(crate) fn new(node: Node, topics: Weak<Topics>, close: Arc<CloseConnection>) -> Self {
        Self {
            node: Arc::new(node),
            waiting: Mutex::default(),
            last_token: AtomicU64::new(0),
            topics,
            close,
        }
    }

    pub(crate) const fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Whether no subscriber waits.
    #[cfg(feature = "test-kit")]
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting().is_empty() && self.node.is_idle()
    }

    /// Whether a subscriber waits for its first messages.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting().is_empty()
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, HashMap<TopicName, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Identifies a subscriber that waits.
    pub(super) fn next_token(&self) -> u64 {
        self.last_token.fetch_add(1, Ordering::Relaxed)
    }
}

/// A subscriber that waits in the slot of its topic.
pub(super) struct Waiting {
    pub(super) channel: Arc<Channel>,
    pub(super) slot: Slot,
    pub(super) token: u64,
    pub(super) first: First,
    pub(super) limits: Option<HistoryLimits>,
    /// What it can receive at once. Called without any lock.
    pub(super) capacity: Box<dyn Fn() -> ReplayCapacity + Send + Sync>,
    pub(super) deadline: Instant,
    /// Until its first messages are delivered, a page has not received everything before its events.
    pub(super) _events: Option<EventsWait>,
}

/// The first message of a subscriber.
#[derive(Clone, Copy, Debug)]
pub(super) enum First {
    /// This many before the head of the log at the time of the subscription, if the lane was open.
    Last(usize, Option<Position>),
    /// The one behind this position.
    Behind(Position),
}
