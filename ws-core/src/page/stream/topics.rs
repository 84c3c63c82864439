//! The subscriptions of a page.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::page::queue::Loss;
use crate::topic::{SubscriberKind, Subscription, TopicKey};

/// Which call has subscribed a page: each can subscribe it to a topic by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum SubscribedBy {
    /// `Page::subscribe`, or `Resumed::subscribe`.
    Page,
    /// `Session::subscribe`.
    Session,
}

/// The subscriptions of a page, until it ends.
#[derive(Default)]
pub(in crate::page) struct TopicSubscriptions(Mutex<State>);

#[derive(Default)]
struct State {
    list: Vec<PageSubscription>,
    ended: bool,
}

struct PageSubscription {
    by: SubscribedBy,
    /// What it means if the page misses messages while it is away.
    loss: Loss,
    subscription: Subscription,
}

impl State {
    fn find(&self, by: SubscribedBy, topic: &TopicKey) -> Option<usize> {
        let is_it = |it: &PageSubscription| {
            it.by == by && it.subscription.is_to(topic, SubscriberKind::Page)
        };
        self.list.iter().position(is_it)
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
        (by, loss): (SubscribedBy, Loss),
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
        if state.list.iter().filter(|it| it.by == by).count() >= max {
            return Err(NotAdded::TooMany(max));
        }
        let (subscription, result) = subscribe().map_err(NotAdded::Failed)?;
        state.list.push(PageSubscription {
            by,
            loss,
            subscription,
        });
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
        Some(state.list.swap_remove(at).subscription)
    }

    /// Whether the page will be wrong if it is away.
    pub(super) fn is_lossy(&self) -> bool {
        let state = self.lock();
        state.list.iter().any(|it| it.loss == Loss::Matters)
    }

    /// Removes all subscriptions; no more are added.
    pub(in crate::page) fn end(&self) -> Vec<Subscription> {
        let mut state = self.lock();
        state.ended = true;
        let list = std::mem::take(&mut state.list);
        list.into_iter().map(|it| it.subscription).collect()
    }
}
