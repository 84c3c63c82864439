//! The pages without a session, by the networks of their clients.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::too_many::TooMany;
use crate::address::ClientNetwork;
use crate::page::stream::Stream;

/// The number of pages that a search for one that is not in use looks at: it runs under a lock.
const MAX_SEARCH: usize = 64;

/// The number of other networks whose pages a search looks at.
const MAX_NETWORKS: usize = 8;

/// The pages without a session. `None` is the network of all clients whose address is not known.
#[derive(Default)]
pub(super) struct AnonymousPages {
    networks: HashMap<Option<ClientNetwork>, NetworkPages>,
    /// The number of pages of each network, for finding the largest.
    counts: BTreeSet<(usize, Option<ClientNetwork>)>,
    len: usize,
}

/// The pages of one network, the oldest first; at least one.
#[derive(Default)]
struct NetworkPages {
    streams: BTreeMap<u64, Arc<Stream>>,
    /// The last page that a search has looked at.
    searched: u64,
}

impl AnonymousPages {
    /// Adds a page under its network.
    pub(super) fn insert(&mut self, stream: &Arc<Stream>) {
        self.change(stream.network(), |pages| {
            pages.streams.insert(stream.number(), stream.clone());
        });
    }

    /// Removes a page. Its network is the one under which it was added.
    pub(super) fn remove(&mut self, stream: &Stream) {
        if stream.is_anonymous() {
            self.change(stream.network(), |pages| {
                pages.streams.remove(&stream.number());
            });
        }
    }

    fn change(&mut self, network: Option<ClientNetwork>, change: impl FnOnce(&mut NetworkPages)) {
        let pages = self.networks.entry(network).or_default();
        let before = pages.streams.len();
        change(pages);
        let after = pages.streams.len();
        self.len = self.len + after - before;
        self.counts.remove(&(before, network));
        if after == 0 {
            self.networks.remove(&network);
        } else {
            self.counts.insert((after, network));
        }
    }

    /// Returns the page that must end to make room for one more of this network, if any: one of the
    /// oldest that is not in use.
    ///
    /// A network never displaces pages of one that has fewer. So the page belongs to a network that
    /// has more, or to the same one. Pages of clients whose address is not known may belong to many
    /// networks: only a network without any page displaces them, and only if nothing else is left.
    pub(super) fn victim(
        &mut self,
        network: Option<ClientNetwork>,
        max: usize,
    ) -> Result<Option<Arc<Stream>>, TooMany> {
        if self.len < max {
            return Ok(None);
        }
        let pages = self.networks.get(&network);
        let own = pages.map_or(0, |pages| pages.streams.len());
        let larger = self.counts.iter().rev();
        let larger = larger.take_while(|(count, _)| *count > own);
        let larger = larger.filter_map(|(_, network)| *network).map(Some);
        let last = if own > 0 { network } else { None };
        let candidates: Vec<_> = larger.take(MAX_NETWORKS).chain([last]).collect();
        let mut checks_left = MAX_SEARCH;
        let found = candidates.iter().find_map(|network| {
            let pages = self.networks.get_mut(network)?;
            pages.oldest_unused(&mut checks_left)
        });
        found.map(Some).ok_or(TooMany::Anonymous)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        assert_eq!(self.networks.len(), self.counts.len());
        self.networks.is_empty() && self.len == 0
    }
}

impl NetworkPages {
    /// One of the oldest pages that is not in use. A search continues where the last one has ended,
    /// so that it need not look at all pages each time.
    fn oldest_unused(&mut self, checks_left: &mut usize) -> Option<Arc<Stream>> {
        let after = (Bound::Excluded(self.searched), Bound::Unbounded);
        let later = self.streams.range(after);
        let earlier = self.streams.range(..=self.searched);
        for (number, stream) in later.chain(earlier) {
            *checks_left = checks_left.checked_sub(1)?;
            self.searched = *number;
            if !stream.is_in_use() {
                return Some(stream.clone());
            }
        }
        None
    }
}
