//! Whether the members of topics may be out of date.

#[cfg(feature = "cluster")]
use std::collections::HashSet;
#[cfg(feature = "cluster")]
use std::sync::atomic::Ordering;
#[cfg(feature = "cluster")]
use std::sync::{MutexGuard, PoisonError};

use super::Presence;
#[cfg(feature = "cluster")]
use crate::log::Lane;
use crate::log::TopicName;
use crate::presence::event::Freshness;

impl Presence {
    #[cfg(feature = "cluster")]
    fn stale_lanes(&self) -> MutexGuard<'_, HashSet<Lane>> {
        let lanes = self.stale_lanes.lock();
        lanes.unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane cannot be read, or can be again.
    #[cfg(feature = "cluster")]
    pub(in crate::presence) fn note_freshness(&self, lane: Lane, freshness: Freshness) {
        let mut stale = self.stale_lanes();
        match freshness {
            Freshness::Stale => stale.insert(lane),
            Freshness::Current => stale.remove(&lane),
        };
        self.is_stale.store(!stale.is_empty(), Ordering::Relaxed);
    }

    /// Whether the members of a topic may be out of date; always current in one process.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(
            clippy::unused_self,
            unused_variables,
            reason = "only a shared log can be unreadable"
        )
    )]
    pub(super) fn freshness_of(&self, name: &TopicName) -> Freshness {
        #[cfg(feature = "cluster")]
        if self.is_stale.load(Ordering::Relaxed)
            && let Some(shared) = self.topics.shared()
            && self.stale_lanes().contains(&shared.node().lane_of(name))
        {
            return Freshness::Stale;
        }
        Freshness::Current
    }

    /// Whether the members of some topics may be out of date; always current in one process.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(clippy::unused_self, reason = "only a shared log can be unreadable")
    )]
    pub(crate) fn freshness(&self) -> Freshness {
        #[cfg(feature = "cluster")]
        if self.is_stale.load(Ordering::Relaxed) {
            return Freshness::Stale;
        }
        Freshness::Current
    }
}
