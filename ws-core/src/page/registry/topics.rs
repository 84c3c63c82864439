//! Subscribes pages to topics.

use std::sync::{Arc, Weak};

use super::Pages;
use crate::id::ConnectionId;
use crate::page::queue::{Loss, QueuedPush};
use crate::page::stream::{NotAdded, Stream, SubscribedBy};
#[cfg(feature = "cluster")]
use crate::topic::EventsWait;
use crate::topic::{
    AfterUnlock, Continuity, EventPlan, PushRecipient, ReplayCapacity, SharedEvent, SinceError,
    Subscriber, Subscription, TopicKey,
};

/// Which nodes know a subscription of a page, if several share the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum Sharing {
    /// The page keeps it on any node.
    Everywhere,
    /// Something else makes it again on another node, or the others know it already.
    Here,
    /// It was read from the log.
    #[cfg(feature = "cluster")]
    Read,
}

impl Pages {
    /// Subscribes a page. If this caller has subscribed it to the topic already, that has no effect,
    /// but a plan with a position replaces the subscription.
    pub(in crate::page) fn subscribe_stream(
        &self,
        stream: &Arc<Stream>,
        plan: &EventPlan,
        (by, sharing): (SubscribedBy, Sharing),
        loss: Loss,
    ) -> Result<AfterUnlock, NotAdded<SinceError>> {
        #[cfg(feature = "cluster")]
        if sharing == Sharing::Everywhere && self.is_subscribed_elsewhere(stream, by, plan) {
            return Ok(AfterUnlock::default());
        }
        let max = match by {
            SubscribedBy::Page => self.limits.subscriptions,
            // Limited for the session.
            SubscribedBy::Session => usize::MAX,
        };
        let recipient = Arc::new(PageRecipient {
            pages: self.weak_self.clone(),
            stream: Arc::downgrade(stream),
            loss: self.loss_in_queue(stream, plan, loss),
        });
        let subscriber = Subscriber::Events(plan.subscriber(recipient));
        let EventPlan { topic, start, .. } = plan;
        let subscribe = |existing: Option<&Subscription>| {
            let (weak, event) = (Arc::downgrade(stream), plan.event().clone());
            let capacity = move || {
                let stream = weak.upgrade();
                stream.map_or(ReplayCapacity::UNLIMITED, |it| it.replay_capacity(&event))
            };
            let Some(existing) = existing else {
                let added = self.topics.subscribe(topic, subscriber, start, capacity)?;
                return Ok((Some(added.subscription), added.after_unlock));
            };
            if !start.is_since() {
                return Ok((None, AfterUnlock::default()));
            }
            let replaced =
                self.topics
                    .resubscribe(existing, topic, subscriber, start, capacity())?;
            Ok((None, replaced.after_unlock))
        };
        let subscribe = |existing: Option<&Subscription>| {
            let added = subscribe(existing)?;
            #[cfg(feature = "cluster")]
            if sharing == Sharing::Everywhere {
                self.share_page_topic(stream.id(), &stream.session(), plan);
            }
            #[cfg(not(feature = "cluster"))]
            let _ = sharing;
            Ok(added)
        };
        let (topics, key) = (stream.topics(), &topic.key);
        #[cfg(feature = "cluster")]
        if sharing == Sharing::Read {
            return topics.add_read((by, loss), key, max, subscribe);
        }
        topics.add((by, loss), key, max, subscribe)
    }

    /// What it means if the queue of a page loses messages of a subscription. If several servers share
    /// the log, a page that moves gets those of a declared topic from there; with any other topic, it
    /// cannot move.
    #[cfg(feature = "cluster")]
    fn loss_in_queue(&self, stream: &Stream, plan: &EventPlan, loss: Loss) -> Loss {
        if !self.is_shared() {
            return loss;
        }
        if plan.is_declared() {
            return Loss::IsHarmless;
        }
        self.anchor(stream);
        loss
    }

    #[cfg(not(feature = "cluster"))]
    #[expect(clippy::unused_self, reason = "only a shared log has other nodes")]
    const fn loss_in_queue(&self, _: &Stream, _: &EventPlan, loss: Loss) -> Loss {
        loss
    }

    /// Ends the subscription of a page to a topic. Returns whether there was one.
    pub(in crate::page) fn unsubscribe_stream(
        &self,
        stream: &Stream,
        topic: &TopicKey,
        (by, sharing): (SubscribedBy, Sharing),
    ) -> bool {
        let unsubscribe = |subscription| {
            #[cfg(feature = "cluster")]
            if sharing == Sharing::Everywhere {
                self.share_page_removal(stream.id(), topic);
            }
            #[cfg(not(feature = "cluster"))]
            let _ = sharing;
            self.topics.unsubscribe(subscription)
        };
        stream.topics().remove(by, topic, unsubscribe).is_some()
    }
}

#[cfg(not(feature = "cluster"))]
#[expect(clippy::unused_self, reason = "only a shared log has other nodes")]
impl Pages {
    pub(super) const fn join_page_topics(&self, _: &Arc<Stream>) {}

    /// What a page was subscribed to on another node.
    pub(super) const fn page_plans(&self, _: &Arc<Stream>) -> Vec<EventPlan> {
        Vec::new()
    }
}

impl Loss {
    /// What it means if a page misses messages of a subscription that ends with the page.
    pub(in crate::page) fn of_ending(plan: &EventPlan) -> Self {
        match plan.continuity() {
            Continuity::BestEffort => Self::IsHarmless,
            Continuity::History | Continuity::None => Self::Matters,
        }
    }

    /// What it means if a page misses messages of a subscription that continues when it returns.
    pub(in crate::page) fn of_continuing(plan: &EventPlan) -> Self {
        match plan.continuity() {
            Continuity::BestEffort | Continuity::History => Self::IsHarmless,
            Continuity::None => Self::Matters,
        }
    }
}

/// The work that remains of new subscriptions after all locks are released.
#[derive(Default)]
pub(in crate::page) struct Deferred(Vec<(TopicKey, AfterUnlock)>);

impl Deferred {
    pub(in crate::page) fn push(&mut self, topic: TopicKey, after_unlock: AfterUnlock) {
        self.0.push((topic, after_unlock));
    }

    pub(in crate::page) fn finish(self) {
        for (topic, after_unlock) in self.0 {
            after_unlock.finish(topic.name());
        }
    }
}

/// A page as a subscriber. It keeps neither the page nor the hub alive: both own the topics that own
/// it.
struct PageRecipient {
    pages: Weak<Pages>,
    stream: Weak<Stream>,
    loss: Loss,
}

impl PushRecipient for PageRecipient {
    fn enqueue(&self, event: &mut SharedEvent) -> bool {
        let (Some(pages), Some(stream)) = (self.pages.upgrade(), self.stream.upgrade()) else {
            return false;
        };
        let SharedEvent {
            push,
            place,
            shared,
        } = event;
        let shared =
            shared.get_or_insert_with(|| Box::new(QueuedPush::for_many(push, &pages.queued)));
        let queued = shared.downcast_ref::<QueuedPush>();
        queued.is_some_and(|queued| stream.enqueue(queued.with_loss(self.loss), *place))
    }

    fn flush(&self) {
        let needing = self.stream.upgrade().filter(|stream| stream.pump());
        if let Some(pages) = self.pages.upgrade() {
            if let Some(stream) = needing {
                pages.settle_places(&stream);
            }
            pages.relieve();
        }
    }

    fn connections(&self) -> Vec<ConnectionId> {
        let stream = self.stream.upgrade();
        let socket = stream.and_then(|stream| stream.socket());
        socket.into_iter().collect()
    }

    #[cfg(feature = "cluster")]
    fn lose(&self) {
        if let Some(stream) = self.stream.upgrade() {
            stream.lose();
        }
    }

    #[cfg(feature = "cluster")]
    fn wait(&self) -> Option<EventsWait> {
        let stream = self.stream.upgrade()?;
        Some(Box::new(stream.begin_incomplete()))
    }
}
