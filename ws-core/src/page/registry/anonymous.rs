//! The pages without a session, by their age.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::too_many::TooMany;
use crate::page::stream::Stream;

/// The number of pages that a search for one that is not in use looks at: it runs under a lock.
const MAX_SEARCH: usize = 64;

/// The pages without a session, the oldest first.
#[derive(Default)]
pub(super) struct AnonymousPages {
    streams: BTreeMap<u64, Arc<Stream>>,
    /// The last page that a search has looked at.
    searched: u64,
}

impl AnonymousPages {
    pub(super) fn insert(&mut self, stream: &Arc<Stream>) {
        self.streams.insert(stream.number(), stream.clone());
    }

    pub(super) fn remove(&mut self, stream: &Stream) {
        if stream.is_anonymous() {
            self.streams.remove(&stream.number());
        }
    }

    /// Returns the page that must end to make room for one more, if any: one of the oldest that is
    /// not in use. A search continues where the last one has ended, so that it need not look at all
    /// pages each time.
    pub(super) fn oldest(&mut self, max: usize) -> Result<Option<Arc<Stream>>, TooMany> {
        if self.streams.len() < max {
            return Ok(None);
        }
        let after = (Bound::Excluded(self.searched), Bound::Unbounded);
        let later = self.streams.range(after);
        let earlier = self.streams.range(..=self.searched);
        for (number, stream) in later.chain(earlier).take(MAX_SEARCH) {
            self.searched = *number;
            if !stream.is_in_use() {
                return Ok(Some(stream.clone()));
            }
        }
        Err(TooMany::Anonymous)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}
