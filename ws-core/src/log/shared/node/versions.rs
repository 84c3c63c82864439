//! The version of the records that a node writes: the highest that every living node reads. So the
//! servers of a cluster can be replaced by those of a later version one by one, and back.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::{Node, NodeShared};
use crate::log::shared::entry::{FIRST_VERSION, Versions};

/// Own heartbeats that a node must have read before it writes more than the first version: by then it
/// has read one of every living node.
const HEARTBEATS: u64 = 4;

/// The version that a node writes.
#[derive(Debug)]
pub(super) struct WrittenVersion {
    own: Versions,
    current: AtomicU8,
    /// The number of own heartbeats that were read.
    heartbeats: AtomicU64,
}

impl WrittenVersion {
    pub(super) const fn new(own: Versions) -> Self {
        Self {
            own,
            current: AtomicU8::new(FIRST_VERSION),
            heartbeats: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self) -> u8 {
        self.current.load(Ordering::Relaxed)
    }

    /// A heartbeat was read; `others` are the versions that the living nodes read. Returns the
    /// version if it changes.
    fn heartbeat(&self, is_own: bool, others: impl Iterator<Item = Versions>) -> Option<u8> {
        let heartbeats = self
            .heartbeats
            .fetch_add(u64::from(is_own), Ordering::Relaxed);
        let highest = if heartbeats < HEARTBEATS {
            FIRST_VERSION
        } else {
            others.map(|it| it.to).fold(self.own.to, u8::min)
        };
        let version = highest.max(FIRST_VERSION);
        (self.current.swap(version, Ordering::Relaxed) != version).then_some(version)
    }
}

impl Node {
    /// The version of the records that this node writes.
    pub(crate) fn version(&self) -> u8 {
        self.shared.version.get()
    }
}

impl NodeShared {
    /// Chooses the version to write after a heartbeat was read.
    pub(super) fn choose_version(&self, is_own: bool) {
        let changed = self
            .version
            .heartbeat(is_own, self.reports.versions().into_iter());
        let Some(version) = changed else {
            return;
        };
        tracing::info!(
            version,
            "the version of the log that all servers read has changed"
        );
        for lane in &self.lanes {
            lane.appender().set_version(version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(to: u8) -> Versions {
        Versions { from: 1, to }
    }

    #[test]
    fn the_highest_version_that_all_read_is_written_once_all_are_known() {
        let written = WrittenVersion::new(reads(3));
        let beat =
            |is_own, others: &[u8]| written.heartbeat(is_own, others.iter().map(|to| reads(*to)));
        for _ in 0..HEARTBEATS {
            assert_eq!(beat(false, &[3, 3]), None);
            assert_eq!(beat(true, &[3]), None);
        }
        assert_eq!(beat(true, &[3, 2, 4]), Some(2));
        assert_eq!(beat(false, &[3, 2]), None);
        assert_eq!(beat(false, &[3, 4]), Some(3));
        // An earlier one joins.
        assert_eq!(beat(false, &[3, 1]), Some(1));
        assert_eq!(
            beat(false, &[3, 0]),
            None,
            "every node reads the first version"
        );
        assert_eq!(written.get(), 1);
    }
}
