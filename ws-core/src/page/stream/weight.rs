//! Orders the queues of pages that exceed their limit together.

use std::cmp::Reverse;

use tokio::time::Instant;

use super::Stream;

/// The weight of a queue: the smallest value is dropped first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::page) struct Weight {
    /// The waiting bytes without those in flight; if a page keeps up, it has none.
    waiting: Reverse<usize>,
    all: Reverse<usize>,
    rank: WeightRank,
}

/// Orders queues of equal size: the page that has waited longest for a socket comes first, pages
/// with a socket last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum WeightRank {
    WaitsUntil(Instant),
    InUse,
}

impl Stream {
    /// The weight of the queue; `None` if it is empty.
    pub(in crate::page) fn weight(&self) -> Option<Weight> {
        let state = self.lock();
        let (all, in_flight) = state.queue.weight();
        let on_the_way = if state.socket.is_some() { in_flight } else { 0 };
        (all > 0).then(|| Weight {
            waiting: Reverse(all.saturating_sub(on_the_way)),
            all: Reverse(all),
            rank: state
                .deadline
                .map_or(WeightRank::InUse, WeightRank::WaitsUntil),
        })
    }
}
