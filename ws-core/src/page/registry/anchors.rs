//! Pages that cannot move to another server unnoticed: they have subscriptions that only their own
//! server knows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::log::Offset;

/// Pages that are remembered. Past this limit, pages whose cursors are older than the forgotten
/// notice get a reset when they move.
const MAX_ANCHORED: usize = 65_536;

/// How long a page is remembered: the client of a page that is still there has learnt of it.
const AGE: Duration = Duration::from_secs(180);

/// The anchored pages of all servers.
#[derive(Default)]
pub(super) struct Anchors(Mutex<State>);

#[derive(Default)]
struct State {
    /// The place of the last notice of each page.
    pages: HashMap<Arc<str>, Offset>,
    by_age: VecDeque<(Arc<str>, Offset, Instant)>,
    /// The last notice that is forgotten.
    forgotten: Option<Offset>,
}

impl Anchors {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page is anchored. `at` is the place of the notice in the first lane.
    pub(super) fn add(&self, page: Arc<str>, at: Offset, now: Instant) {
        let mut state = self.lock();
        state.pages.insert(page.clone(), at);
        state.by_age.push_back((page, at, now));
        while let Some((_, _, since)) = state.by_age.front()
            && (state.by_age.len() > MAX_ANCHORED || now.duration_since(*since) >= AGE)
        {
            state.forget_oldest();
        }
    }

    /// Whether a page with this place in the first lane may be anchored. If it has received what
    /// follows the notice, its client knows that it has no cursor.
    pub(super) fn may_hold(&self, page: &str, place: Offset) -> bool {
        let state = self.lock();
        let is_later = |at: Option<&Offset>| at.is_some_and(|at| *at > place);
        is_later(state.pages.get(page)) || is_later(state.forgotten.as_ref())
    }
}

impl State {
    fn forget_oldest(&mut self) {
        let Some((page, at, _)) = self.by_age.pop_front() else {
            return;
        };
        self.forgotten = self.forgotten.max(Some(at));
        if self.pages.get(&page) == Some(&at) {
            self.pages.remove(&page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EntryId;

    fn at(time: u64) -> Offset {
        Offset::before(EntryId::new(time, 0))
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_held_unless_it_has_received_more_and_what_is_forgotten_holds_all() {
        let anchors = Anchors::default();
        let now = Instant::now();
        anchors.add("a".into(), at(5), now);
        assert!(anchors.may_hold("a", at(4)));
        assert!(!anchors.may_hold("a", at(5)));
        assert!(!anchors.may_hold("b", at(4)));
        anchors.add("a".into(), at(8), now + AGE / 2);
        anchors.add("c".into(), at(9), now + AGE);
        assert!(
            anchors.may_hold("b", at(4)),
            "the first notice is forgotten"
        );
        assert!(!anchors.may_hold("b", at(5)));
        assert!(anchors.may_hold("a", at(7)));
        for number in 0..MAX_ANCHORED as u64 {
            let page = number.to_string().as_str().into();
            anchors.add(page, at(10 + number), now + AGE);
        }
        assert!(anchors.may_hold("b", at(8)) && !anchors.may_hold("b", at(9)));
        assert_eq!(anchors.lock().pages.len(), MAX_ANCHORED);
    }
}
