//! Writes the changes of this node into the log.

use std::sync::{MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::record::{Change, Key, write};
use super::{Pages, State};
use crate::log::shared::NoticeKind;

/// Changes that are written at the same time.
const MAX_IN_FLIGHT: usize = 1_024;

/// The pause after the log did not take a change.
const RETRY: Duration = Duration::from_millis(500);

impl Pages {
    /// Starts the task that writes, if it does not run.
    pub(super) fn start_writing(&self, mut state: MutexGuard<'_, State>) {
        if std::mem::replace(&mut state.is_writing, true) {
            return;
        }
        drop(state);
        if let Some(shared) = self.topics.shared() {
            shared.node().spawn(write_all(self.weak_self.clone()));
        }
    }

    /// Takes the next changes to write. If there are none, the task ends.
    fn begin_writing(&self) -> Vec<(Key, Change)> {
        let mut state = self.shared_topics.lock();
        let keys: Vec<_> = state.pending.keys().take(MAX_IN_FLIGHT).cloned().collect();
        let take = |key: Key| {
            let change = state.pending.remove(&key)?;
            state.in_flight.insert(key.clone(), change.clone());
            Some((key, change))
        };
        let taken: Vec<_> = keys.into_iter().filter_map(take).collect();
        state.is_writing = !taken.is_empty();
        taken
    }

    /// The log has taken a change, or not: then it is written again, unless there is a later one.
    fn end_writing(&self, key: Key, is_accepted: bool) {
        let mut state = self.shared_topics.lock();
        let Some(change) = state.in_flight.remove(&key) else {
            return;
        };
        if !is_accepted {
            state.pending.entry(key).or_insert(change);
        }
    }
}

/// Writes until nothing is pending.
async fn write_all(pages: Weak<Pages>) {
    loop {
        let mut outcomes = Vec::new();
        {
            let Some(pages) = pages.upgrade() else {
                return;
            };
            let Some(shared) = pages.topics.shared() else {
                return;
            };
            for (key, change) in pages.begin_writing() {
                let (sender, outcome) = oneshot::channel();
                let content = write(&key, &change);
                let ticket = Box::new(move |outcome| {
                    // Without a receiver the hub is gone.
                    let _ = sender.send(outcome);
                });
                let node = shared.node();
                node.push_notice_once(NoticeKind::Subscription, content, ticket);
                outcomes.push((key, outcome));
            }
        }
        if outcomes.is_empty() {
            return;
        }
        let mut has_failed = false;
        for (key, outcome) in outcomes {
            let is_accepted = matches!(outcome.await, Ok(Ok(_)));
            has_failed |= !is_accepted;
            let Some(pages) = pages.upgrade() else {
                return;
            };
            pages.end_writing(key, is_accepted);
        }
        if has_failed {
            sleep(RETRY).await;
        }
    }
}
