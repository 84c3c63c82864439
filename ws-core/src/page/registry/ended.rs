//! Remembers the streams that have ended without a loss: their pages may continue.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::page::stream::EndedStream;

/// The last stream of each page, if that has ended without a loss.
pub(super) struct EndedStreams {
    state: Mutex<State>,
    /// The number of pages that are remembered.
    max: usize,
}

#[derive(Default)]
struct State {
    /// The stream of each page, and when it was added.
    streams: HashMap<Arc<str>, (EndedStream, u64)>,
    /// The pages in the order in which they were added.
    by_age: BTreeMap<u64, Arc<str>>,
    last: u64,
}

impl State {
    fn remove(&mut self, page: &str) -> Option<EndedStream> {
        let (stream, added) = self.streams.remove(page)?;
        self.by_age.remove(&added);
        Some(stream)
    }
}

impl EndedStreams {
    pub(super) fn new(max: usize) -> Self {
        Self {
            state: Mutex::default(),
            max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream of a page has ended, perhaps without a loss. Past the limit, the page that
    /// was added first is forgotten.
    pub(super) fn set(&self, page: &Arc<str>, ended: Option<EndedStream>) {
        let mut state = self.lock();
        state.remove(page);
        let Some(ended) = ended else {
            return;
        };
        state.last += 1;
        let added = state.last;
        state.streams.insert(page.clone(), (ended, added));
        state.by_age.insert(added, page.clone());
        if state.streams.len() > self.max
            && let Some((_, oldest)) = state.by_age.pop_first()
        {
            state.streams.remove(&oldest);
        }
    }

    /// Takes the last stream of a page, which begins another one.
    pub(super) fn take(&self, page: &str) -> Option<EndedStream> {
        self.lock().remove(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::stream::EndedOn;

    #[test]
    fn the_pages_that_were_added_first_are_forgotten() {
        let ended = EndedStreams::new(2);
        let [a, b, c]: [Arc<str>; 3] = ["a", "b", "c"].map(Into::into);
        let stream = |number| {
            let (epoch, needed, place) = (7, 0, EndedOn::Here);
            Some(EndedStream {
                number,
                epoch,
                needed,
                place,
            })
        };
        ended.set(&a, stream(1));
        ended.set(&b, stream(2));
        ended.set(&a, stream(3));
        ended.set(&c, stream(4));
        let taken = ["a", "b", "c"].map(|page| ended.take(page));
        assert_eq!(taken, [stream(3), None, stream(4)]);
        assert_eq!(ended.take("a"), None, "once");
        ended.set(&a, stream(5));
        ended.set(&a, None);
        assert_eq!(ended.take("a"), None, "with a loss");
        let state = ended.lock();
        assert!(state.streams.is_empty() && state.by_age.is_empty());
    }
}
