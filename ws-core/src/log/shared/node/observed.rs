//! What a node shows of itself.

use std::sync::atomic::Ordering;

#[cfg(feature = "test-kit")]
use super::Incarnation;
use super::Node;
#[cfg(feature = "test-kit")]
use super::lane::NodeLane;
use crate::log::shared::engine::EngineError;
use crate::log::shared::health::EngineHealth;

impl Node {
    /// Waits until the node has read the members and the whole log once.
    pub(crate) async fn ready(&self) {
        let mut ready = self.shared.is_ready.subscribe();
        // The sender lives as long as the node.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Whether the node has read the members and the whole log once.
    pub(crate) fn is_ready(&self) -> bool {
        *self.shared.is_ready.borrow()
    }

    /// Waits until the engine reports, before the node is ready, that only an operator can correct
    /// why it cannot be used.
    pub(crate) async fn unusable(&self) -> EngineError {
        let mut unusable = self.shared.unusable.subscribe();
        // The sender lives as long as the node.
        let found = unusable.wait_for(Option::is_some).await;
        let found = found.ok().and_then(|error| error.clone());
        match found {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// The health of the servers that hold the log.
    pub(crate) fn engine_health(&self) -> Vec<EngineHealth> {
        self.shared.engine.health()
    }

    /// Messages that were dropped instead of relayed: queues were full, or the engine has refused
    /// them.
    pub(crate) fn relay_losses(&self) -> u64 {
        let lanes = self.shared.lanes.iter();
        let dropped: u64 = lanes.map(|lane| lane.relay().dropped()).sum();
        dropped + self.shared.relay_failures.load(Ordering::Relaxed)
    }

    /// Whether nothing waits to be appended, relayed, or recorded.
    #[cfg(feature = "test-kit")]
    pub(crate) fn is_idle(&self) -> bool {
        let is_idle = |lane: &NodeLane| {
            lane.appender().is_idle()
                && lane.relay().is_empty()
                && !lane.must_announce.load(Ordering::Relaxed)
                && !lane.must_announce_later.load(Ordering::Relaxed)
        };
        self.shared.lanes.iter().all(is_idle)
            && self.shared.recorder().is_empty()
            && self.shared.recorder_of(Incarnation::NONE).is_empty()
    }
}
