//! Remembers the streams that have ended without a loss: their pages may continue.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The last stream of each page, if that has ended without a loss.
pub(super) struct EndedStreams {
    state: Mutex<State>,
    /// The number of pages that are remembered.
    max: usize,
}

#[derive(Default)]
struct State {
    /// The number of the stream, and when it was added.
    numbers: HashMap<Arc<str>, (u64, u64)>,
    /// The pages in the order in which they were added.
    by_age: BTreeMap<u64, Arc<str>>,
    last: u64,
}

impl State {
    fn remove(&mut self, page: &str) -> Option<u64> {
        let (number, added) = self.numbers.remove(page)?;
        self.by_age.remove(&added);
        Some(number)
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

    /// The stream of a page has ended; with a number, without a loss. Past the limit, the page that
    /// was added first is forgotten.
    pub(super) fn set(&self, page: &Arc<str>, number: Option<u64>) {
        let mut state = self.lock();
        state.remove(page);
        let Some(number) = number else {
            return;
        };
        state.last += 1;
        let added = state.last;
        state.numbers.insert(page.clone(), (number, added));
        state.by_age.insert(added, page.clone());
        if state.numbers.len() > self.max
            && let Some((_, oldest)) = state.by_age.pop_first()
        {
            state.numbers.remove(&oldest);
        }
    }

    /// Takes the number of the last stream of a page, which begins another one.
    pub(super) fn take(&self, page: &str) -> Option<u64> {
        self.lock().remove(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_that_were_added_first_are_forgotten() {
        let ended = EndedStreams::new(2);
        let [a, b, c]: [Arc<str>; 3] = ["a", "b", "c"].map(Into::into);
        ended.set(&a, Some(1));
        ended.set(&b, Some(2));
        ended.set(&a, Some(3));
        ended.set(&c, Some(4));
        assert_eq!(
            ["a", "b", "c"].map(|page| ended.take(page)),
            [Some(3), None, Some(4)]
        );
        assert_eq!(ended.take("a"), None, "once");
        ended.set(&a, Some(5));
        ended.set(&a, None);
        assert_eq!(ended.take("a"), None, "with a loss");
        let state = ended.lock();
        assert!(state.numbers.is_empty() && state.by_age.is_empty());
    }
}
