//! The subscriptions of a page.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::topic::{SubscriberKind, Subscription, TopicKey};

/// The subscriptions of a page, until it ends.
#[derive(Default)]
pub(in crate::page) struct TopicSubscriptions(Mutex<State>);

#[derive(Default)]
struct State {
    list: Vec<Subscription>,
    ended: bool,
}

/// Why a page has no new subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum NotAdded<E> {
    Ended,
    TooMany,
    Failed(E),
}

impl TopicSubscriptions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the subscription that `subscribe` makes, unless the page has one to this topic. Locked
    /// throughout: two subscriptions to one topic would double every event.
    pub(in crate::page) fn add<R, E>(
        &self,
        topic: &TopicKey,
        max: usize,
        subscribe: impl FnOnce() -> Result<(Subscription, R), E>,
    ) -> Result<Option<R>, NotAdded<E>> {
        let mut state = self.lock();
        if state.ended {
            return Err(NotAdded::Ended);
        }
        if state
            .list
            .iter()
            .any(|it| it.is_to(topic, SubscriberKind::Page))
        {
            return Ok(None);
        }
        if state.list.len() >= max {
            return Err(NotAdded::TooMany);
        }
        let (subscription, result) = subscribe().map_err(NotAdded::Failed)?;
        state.list.push(subscription);
        Ok(Some(result))
    }

    /// Removes the subscription to a topic, if there is one.
    pub(in crate::page) fn remove(&self, topic: &TopicKey) -> Option<Subscription> {
        let mut state = self.lock();
        let at = state
            .list
            .iter()
            .position(|it| it.is_to(topic, SubscriberKind::Page))?;
        Some(state.list.swap_remove(at))
    }

    /// Removes all subscriptions; no more are added.
    pub(in crate::page) fn end(&self) -> Vec<Subscription> {
        let mut state = self.lock();
        state.ended = true;
        std::mem::take(&mut state.list)
    }
}
