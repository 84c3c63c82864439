//! The subscriptions of a page.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Stream;
use crate::page::queue::{Loss, MESSAGE_OVERHEAD_BYTES};
use crate::session::Session;
use crate::topic::{QueueSize, ReplayCapacity, SubscriberKind, Subscription, TopicKey};

/// Bytes of an event besides its name and its data, at most.
const EVENT_BYTES: usize = 64;

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

    /// Calls `subscribe` with the subscription that this caller has to the topic, if there is one,
    /// and adds the subscription that it makes. Locked throughout: two subscriptions to one topic
    /// would double every event. No code of the application runs under the lock.
    pub(in crate::page) fn add<R, E>(
        &self,
        (by, loss): (SubscribedBy, Loss),
        topic: &TopicKey,
        max: usize,
        subscribe: impl FnOnce(Option<&Subscription>) -> Result<(Option<Subscription>, R), E>,
    ) -> Result<R, NotAdded<E>> {
        let mut state = self.lock();
        if state.ended {
            return Err(NotAdded::Ended);
        }
        let existing = state.find(by, topic);
        if existing.is_none() && state.list.iter().filter(|it| it.by == by).count() >= max {
            return Err(NotAdded::TooMany(max));
        }
        let existing = existing.map(|at| &state.list[at].subscription);
        let (subscription, result) = subscribe(existing).map_err(NotAdded::Failed)?;
        let added = subscription.map(|subscription| PageSubscription {
            by,
            loss,
            subscription,
        });
        state.list.extend(added);
        Ok(result)
    }

    /// Ends the subscription to a topic with `unsubscribe`, if there is one. Locked throughout:
    /// otherwise a new subscription would double events.
    pub(in crate::page) fn remove<R>(
        &self,
        by: SubscribedBy,
        topic: &TopicKey,
        unsubscribe: impl FnOnce(Subscription) -> R,
    ) -> Option<R> {
        let mut state = self.lock();
        let at = state.find(by, topic)?;
        Some(unsubscribe(state.list.swap_remove(at).subscription))
    }

    /// Whether this caller has subscribed the page to the topic.
    #[cfg(feature = "cluster")]
    pub(in crate::page) fn has(&self, by: SubscribedBy, topic: &TopicKey) -> bool {
        self.lock().find(by, topic).is_some()
    }

    /// Whether the page will be wrong if it is away.
    pub(super) fn is_lossy(&self) -> bool {
        let state = self.lock();
        state.list.iter().any(|it| it.loss == Loss::Matters)
    }

    /// Removes all subscriptions; others may follow.
    #[cfg(feature = "cluster")]
    pub(in crate::page) fn take_all(&self) -> Vec<Subscription> {
        let list = std::mem::take(&mut self.lock().list);
        list.into_iter().map(|it| it.subscription).collect()
    }

    /// Removes all subscriptions; no more are added.
    pub(in crate::page) fn end(&self) -> Vec<Subscription> {
        let mut state = self.lock();
        state.ended = true;
        let list = std::mem::take(&mut state.list);
        list.into_iter().map(|it| it.subscription).collect()
    }
}

impl Stream {
    /// Whether the page belongs to a newer session than this one: a logon has replaced it.
    pub(in crate::page) fn is_renewed(&self, session: &Session) -> bool {
        self.lock().session.renewals() > session.renewals()
    }

    /// How many messages of a history the page can receive at once, as events of this name.
    pub(in crate::page) fn replay_capacity(&self, event: &str) -> ReplayCapacity {
        let limit = QueueSize {
            messages: self.limits.messages,
            bytes: self.limits.bytes,
        };
        let overhead = MESSAGE_OVERHEAD_BYTES + EVENT_BYTES + event.len();
        ReplayCapacity::new(limit, self.lock().queue.size(), overhead)
    }
}
