//! The subscriptions of a page.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::topic::{SubscriberKind, Subscription, TopicKey};

/// Which call has subscribed a page: each can subscribe it to a topic by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum SubscribedBy {
    /// `Page::subscribe`.
    Page,
    /// `Session::subscribe`.
    Session,
}

/// The subscriptions of a page, until it ends.
#[derive(Default)]
pub(in crate::page) struct TopicSubscriptions(Mutex<State>);

#[derive(Default)]
struct State {
    list: Vec<(SubscribedBy, Subscription)>,
    ended: bool,
}

impl State {
    fn find(&self, by: SubscribedBy, topic: &TopicKey) -> Option<usize> {
        self.list
            .iter()
            .position(|(own, it)| *own == by && it.is_to(topic, SubscriberKind::Page))
    }

    fn count(&self, by: SubscribedBy) -> usize {
        self.list.iter().filter(|(own, _)| *own == by).count()
    }
}

/// Why a page has no new subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum NotAdded<E> {
    Ended,
    /// The limit is reached.
    TooMany(usize),
    Failed(E),
}

impl TopicSubscriptions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the subscription that `subscribe` makes, unless this caller has one to this topic. Locked
    /// throughout: two subscriptions to one topic would double every event.
    pub(in crate::page) fn add<R, E>(
        &self,
        by: SubscribedBy,
        topic: &TopicKey,
        max: usize,
        subscribe: impl FnOnce() -> Result<(Subscription, R), E>,
    ) -> Result<Option<R>, NotAdded<E>> {
        let mut state = self.lock();
        if state.ended {
            return Err(NotAdded::Ended);
        }
        if state.find(by, topic).is_some() {
            return Ok(None);
        }
        if state.count(by) >= max {
            return Err(NotAdded::TooMany(max));
        }
        let (subscription, result) = subscribe().map_err(NotAdded::Failed)?;
        state.list.push((by, subscription));
        Ok(Some(result))
    }

    /// Removes the subscription to a topic, if there is one.
    pub(in crate::page) fn remove(
        &self,
        by: SubscribedBy,
        topic: &TopicKey,
    ) -> Option<Subscription> {
        let mut state = self.lock();
        let at = state.find(by, topic)?;
        Some(state.list.swap_remove(at).1)
    }

    /// Removes all subscriptions; no more are added.
    pub(in crate::page) fn end(&self) -> Vec<Subscription> {
        let mut state = self.lock();
        state.ended = true;
        let list = std::mem::take(&mut state.list);
        list.into_iter().map(|(_, it)| it).collect()
    }
}
