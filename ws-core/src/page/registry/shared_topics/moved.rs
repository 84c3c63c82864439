//! The subscriptions of pages that come from another node.

use std::sync::Arc;

use super::record::{Change, Owner, SharedSubscription};
use super::table::Writer;
use super::{Key, Pages};
use crate::page::queue::Loss;
use crate::page::registry::topics::{Deferred, Sharing};
use crate::page::stream::{NotAdded, Stream, SubscribedBy};
use crate::topic::{AfterUnlock, EventPlan, SinceError};

impl Pages {
    /// Subscribes a page that has come from another node to what it was subscribed to there, and
    /// makes this node write its subscriptions.
    pub(in crate::page::registry) fn join_page_topics(&self, stream: &Arc<Stream>) {
        stream.topics().end_beginning();
        let mut deferred = Deferred::default();
        for (key, it) in self.subscriptions_of(stream) {
            let plan = it.plan.plan(&key.topic);
            if stream.topics().has(SubscribedBy::Page, &plan.topic.key) {
                continue;
            }
            // It fails only if the page has ended, or has too many subscriptions of its handler.
            if let Ok(after_unlock) = self.subscribe_moved(stream, &plan, it.with_page) {
                deferred.push(plan.topic.key, after_unlock);
            }
        }
        deferred.finish();
        self.take_over_topics(stream);
    }

    /// Subscribes a page to what it was subscribed to on another node, before it has moved if
    /// `with_page`.
    pub(super) fn subscribe_moved(
        &self,
        stream: &Arc<Stream>,
        plan: &EventPlan,
        with_page: bool,
    ) -> Result<AfterUnlock, NotAdded<SinceError>> {
        let by = (SubscribedBy::Page, Sharing::Read);
        let subscribe =
            |plan: &EventPlan| self.subscribe_stream(stream, plan, by, Loss::of_ending(plan));
        // The page has moved here before the record: it misses what its former server would have sent.
        let overtaken = stream.continued_behind().filter(|_| with_page);
        match overtaken {
            Some((_, is_empty)) if is_empty && plan.is_replay() => subscribe(plan),
            Some((cursor, _)) if plan.is_logged() => {
                let behind = subscribe(&plan.behind(&cursor));
                if let Err(NotAdded::Failed(_)) = behind {
                    stream.lose();
                    subscribe(plan)
                } else {
                    behind
                }
            }
            _ => subscribe(plan),
        }
    }

    /// Whether a page that comes from another node, and does not continue yet, is subscribed already:
    /// it gets what is behind its cursor.
    pub(in crate::page::registry) fn is_subscribed_elsewhere(
        &self,
        stream: &Stream,
        by: SubscribedBy,
        plan: &EventPlan,
    ) -> bool {
        by == SubscribedBy::Page
            && !plan.start.is_since()
            && stream.topics().is_beginning()
            && self
                .page_plans(stream)
                .iter()
                .any(|known| known.topic.key == plan.topic.key)
    }

    /// The subscriptions of a page, for a stream that begins on this node.
    pub(in crate::page::registry) fn page_plans(&self, stream: &Stream) -> Vec<EventPlan> {
        let all = self.subscriptions_of(stream).into_iter();
        all.map(|(key, it)| it.plan.plan(&key.topic)).collect()
    }

    fn subscriptions_of(&self, stream: &Stream) -> Vec<(Key, SharedSubscription)> {
        if !self.is_shared() {
            return Vec::new();
        }
        let owner = Owner::Page((&**stream.id()).into());
        let session = stream.session();
        let all = self.shared_topics.lock().current(&owner).into_iter();
        all.filter(|(_, it, _)| it.is_for(&session))
            .map(|(key, it, _)| (key, it))
            .collect()
    }

    /// Makes this node the one that writes the subscriptions of a page, which has its stream here.
    fn take_over_topics(&self, stream: &Stream) {
        if !self.is_shared() {
            return;
        }
        let owner = Owner::Page((&**stream.id()).into());
        let mut state = self.shared_topics.lock();
        let all = state.current(&owner).into_iter();
        let others: Vec<_> = all.filter(|(.., writer)| *writer != Writer::This).collect();
        if others.is_empty() {
            return;
        }
        let added = others
            .into_iter()
            .map(|(key, it, _)| (key, Change::Added(it)));
        state.pending.extend(added);
        self.start_writing(state);
    }
}
