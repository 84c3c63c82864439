//! What a node could not read, for operators: counted, and logged now and then.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Node;
use crate::throttle::LogThrottle;

/// Contents of records that could not be read.
#[derive(Default)]
pub(super) struct Unreadable {
    contents: AtomicU64,
    throttle: LogThrottle,
}

impl Unreadable {
    /// Counts a content.
    pub(super) fn add(&self) {
        self.contents.fetch_add(1, Ordering::Relaxed);
        self.report(1);
    }

    pub(super) fn count(&self) -> u64 {
        self.contents.load(Ordering::Relaxed)
    }

    /// Logs entries or records that were skipped.
    pub(super) fn report(&self, skipped: u64) {
        if let Some(count) = self.throttle.add(skipped) {
            tracing::warn!(
                count,
                "entries or records of the log are skipped: a later version, or another program, \
                 has written them"
            );
        }
    }
}

impl Node {
    /// The number of entries and records that could not be read, or were refused.
    pub(crate) fn skipped(&self) -> u64 {
        let skipped = self.shared.skipped.lock();
        let skipped = skipped.unwrap_or_else(PoisonError::into_inner).unread();
        skipped + self.shared.unreadable.count()
    }

    /// A record has a content that this program cannot read: probably a later version has written
    /// it.
    pub(crate) fn skip_record(&self) {
        self.shared.unreadable.add();
    }
}
