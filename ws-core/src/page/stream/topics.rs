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
    /// The page comes from another server, and its stream is being built.
    #[cfg(feature = "cluster")]
    is_beginning: bool,
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

    fn add<R, E>(
        &mut self,
        (by, loss): (SubscribedBy, Loss),
        topic: &TopicKey,
        max: usize,
        subscribe: impl FnOnce(Option<&Subscription>) -> Result<(Option<Subscription>, R), E>,
    ) -> Result<R, NotAdded<E>> {
        if self.ended {
            return Err(NotAdded::Ended);
        }
        let existing = self.find(by, topic);
        if existing.is_none() && self.list.iter().filter(|it| it.by == by).count() >= max {
            return Err(NotAdded::TooMany(max));
        }
        let existing = existing.map(|at| &self.list[at].subscription);
        let (subscription, result) = subscribe(existing).map_err(NotAdded::Failed)?;
        let added = subscription.map(|subscription| PageSubscription {
            by,
            loss,
            subscription,
        });
        self.list.extend(added);
        Ok(result)
    }
}

/// Why a page has no new subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum NotAdded<E> {
    Ended,
    /// The page comes from another server: it is subscribed behind its cursor when it continues.
    #[cfg(feature = "cluster")]
    Beginning,
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
        state.add((by, loss), topic, max, subscribe)
    }

    /// Same as [`add`](Self::add), for a subscription that was read from the log.
    #[cfg(feature = "cluster")]
    pub(in crate::page) fn add_read<R, E>(
        &self,
        (by, loss): (SubscribedBy, Loss),
        topic: &TopicKey,
        max: usize,
        subscribe: impl FnOnce(Option<&Subscription>) -> Result<(Option<Subscription>, R), E>,
    ) -> Result<R, NotAdded<E>> {
        let mut state = self.lock();
        if state.is_beginning {
            return Err(NotAdded::Beginning);
        }
        state.add((by, loss), topic, max, subscribe)
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

    /// Whether the page comes from another server, and does not continue yet.
    #[cfg(feature = "cluster")]
    pub(in crate::page) fn is_beginning(&self) -> bool {
        self.lock().is_beginning
    }

    /// The page is subscribed to everything that it was subscribed to elsewhere, or is about to be.
    #[cfg(feature = "cluster")]
    pub(in crate::page) fn end_beginning(&self) {
        self.lock().is_beginning = false;
    }

    /// Whether the page will be wrong if it is away.
    pub(super) fn is_lossy(&self) -> bool {
        let state = self.lock();
        state.list.iter().any(|it| it.loss == Loss::Matters)
    }

    /// Removes all subscriptions. What is read from the log adds none until
    /// [`end_beginning`](Self::end_beginning): it would miss what is behind the cursor of the page.
    #[cfg(feature = "cluster")]
    pub(in crate::page) fn begin(&self) -> Vec<Subscription> {
        let mut state = self.lock();
        state.is_beginning = true;
        let list = std::mem::take(&mut state.list);
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
