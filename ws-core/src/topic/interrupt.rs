//! Subscribers that miss messages: their connections are closed, and pages get a reset.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::key::TopicKey;
use super::shared::SharedLog;
use super::{Channel, EventsWait, PushRecipient, Subscriber, Topics};
use crate::close::{Close, CloseCode};
use crate::id::ConnectionId;
use crate::log::Lane;
use crate::log::shared::AfterLane;

/// The token of a subscriber that gets nothing more: its connection is about to be closed.
const INTERRUPTED: u64 = u64::MAX;

/// Subscribers that are interrupted at once; the next ones follow after [`WAVE_PAUSE`], so that
/// their clients do not all come back at the same moment.
const WAVE: usize = 64;

const WAVE_PAUSE: Duration = Duration::from_millis(20);

/// A subscriber that misses messages.
pub(super) enum Interrupted {
    Connection(ConnectionId),
    Page(Arc<dyn PushRecipient>),
}

impl Subscriber {
    /// Whether this subscriber waits with this token.
    pub(super) fn has_token(&self, token: u64) -> bool {
        matches!(self, Self::Suspended { token: of, .. } if *of == token)
    }

    /// Begins to wait, if this is a page.
    pub(super) fn wait(&self) -> Option<EventsWait> {
        match self {
            Self::Events(subscriber) => subscriber.recipient().wait(),
            Self::Client { .. } | Self::Listener { .. } | Self::Suspended { .. } => None,
        }
    }

    /// Leaves a subscriber that accepts nothing in its place.
    pub(super) fn take(&mut self) -> Self {
        let nothing = Self::Listener {
            id: ConnectionId::new(0),
            deliver: Box::new(|_, _| None),
        };
        std::mem::replace(self, nothing)
    }

    /// The subscriber that has waited.
    pub(super) fn resumed(self) -> Self {
        match self {
            Self::Suspended { subscriber, .. } => *subscriber,
            subscriber => subscriber,
        }
    }
}

impl Interrupted {
    /// Interrupts a subscriber. A client or a handler gets nothing more, a page what comes from now
    /// on.
    pub(super) fn of(slot: &mut Subscriber) -> Option<Self> {
        if slot.has_token(INTERRUPTED) {
            return None;
        }
        let subscriber = slot.take().resumed();
        let interrupted = match &subscriber {
            Subscriber::Client { recipient, .. } => Self::Connection(recipient.id()),
            Subscriber::Listener { id, .. } => Self::Connection(*id),
            Subscriber::Events(subscriber) => {
                let recipient = subscriber.recipient().clone();
                *slot = Subscriber::Events(subscriber.clone());
                return Some(Self::Page(recipient));
            }
            Subscriber::Suspended { .. } => return None,
        };
        *slot = Subscriber::Suspended {
            subscriber: Box::new(subscriber),
            token: INTERRUPTED,
        };
        Some(interrupted)
    }
}

impl Channel {
    fn interrupt(&self) -> Vec<Interrupted> {
        let mut subscribers = self.lock();
        if !subscribers.is_logged {
            return Vec::new();
        }
        let subscribers = subscribers.list.all_mut().iter_mut();
        subscribers.filter_map(Interrupted::of).collect()
    }
}

impl Topics {
    /// Messages of a lane may be missing: no subscriber of its topics gets a later one as if nothing
    /// had happened. The caller holds the lock of the lane.
    pub(crate) fn reset_lane(&self, shared: &SharedLog, lane: Lane) -> AfterLane {
        let channels = self.channels.read();
        let channels = channels.unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut interrupted = Vec::new();
        for (key, channel) in &*channels {
            if let TopicKey::Declared(name) = key
                && shared.node.lane_of(name) == lane
            {
                interrupted.extend(channel.interrupt());
            }
        }
        drop(channels);
        if interrupted.is_empty() {
            return None;
        }
        let topics = shared.topics.clone();
        Some(Box::new(move || {
            if let Some(topics) = topics.upgrade()
                && let Some(shared) = topics.shared()
            {
                let reason = "messages of a topic may be missing; subscribe again";
                let close = Close::new(CloseCode::SERVICE_RESTART, reason);
                shared.interrupt(interrupted, &close);
            }
        }))
    }
}

impl SharedLog {
    /// Closes the connections of these subscribers, in waves. Pages get a reset at once: it must
    /// come before later messages. Called without any lock.
    pub(super) fn interrupt(&self, interrupted: Vec<Interrupted>, close: &Close) {
        let mut connections = Vec::new();
        for subscriber in interrupted {
            match subscriber {
                Interrupted::Page(page) => page.lose(),
                Interrupted::Connection(id) => connections.push(id),
            }
        }
        if connections.is_empty() {
            return;
        }
        let count = connections.len();
        tracing::warn!(count, reason = close.text(), "closing connections");
        let (close_connection, close) = (self.close.clone(), close.clone());
        self.node.spawn(async move {
            for wave in connections.chunks(WAVE) {
                for id in wave {
                    close_connection(*id, &close);
                }
                sleep(WAVE_PAUSE).await;
            }
        });
    }
}
