//! When pages end that nobody comes back to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::registry::Pages;
use super::stream::Stream;
use crate::late;

/// Which pages are to be looked at, and when.
#[derive(Default)]
pub(super) struct Reaper {
    pub(super) due: BinaryHeap<Reverse<(Instant, u64)>>,
    pub(super) streams: HashMap<u64, Weak<Stream>>,
    pub(super) last: u64,
    pub(super) runs: bool,
}

impl Reaper {
    /// Forgets pages that wait no longer. Where there are still too many, gives those that have
    /// waited longest: some at once, so that this is not done for every page.
    pub(super) fn make_room(&mut self, most: usize) -> Vec<Arc<Stream>> {
        let streams = &mut self.streams;
        self.due.retain(|Reverse((_, number))| {
            let stream = streams.get(number).and_then(Weak::upgrade);
            let waits = stream.is_some_and(|stream| stream.is_waiting());
            if !waits {
                streams.remove(number);
            }
            waits
        });
        if self.due.len() <= most {
            return Vec::new();
        }
        let longest = (0..(most / 8).max(1)).filter_map(|_| self.take_first());
        longest.filter_map(|stream| stream.upgrade()).collect()
    }

    /// The page that is due first.
    pub(super) fn take_first(&mut self) -> Option<Weak<Stream>> {
        let Reverse((_, number)) = self.due.pop()?;
        self.streams.remove(&number)
    }
}

/// The task that ends pages, until there are none to watch; where it is dropped before, with
/// its runtime for one, the next page starts another.
struct Running(Weak<Pages>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pages) = self.0.upgrade() {
            pages.reaper().runs = false;
        }
    }
}

/// Ends pages whose time is over, until there are none to watch.
pub(super) async fn reap(pages: Weak<Pages>) {
    let mut running = Running(pages);
    while let Some(pages) = running.0.upgrade() {
        let Some(next) = pages.look(Instant::now()) else {
            running.0 = Weak::new();
            return;
        };
        let grace = pages.grace();
        drop(pages);
        late::reach(next, grace).await;
    }
}
