//! Subscribes pages to topics.

use std::sync::Arc;

use super::Pages;
use crate::id::ConnectionId;
use crate::page::queue::{Loss, QueuedPush};
use crate::page::stream::{NotAdded, Stream, SubscribedBy};
use crate::topic::{
    AfterUnlock, Continuity, EventPlan, PushRecipient, SharedEvent, SinceError, Subscriber,
};

impl Pages {
    /// Subscribes a page, unless this caller has subscribed it to the topic already.
    pub(in crate::page) fn subscribe_stream(
        &self,
        stream: &Arc<Stream>,
        plan: &EventPlan,
        by: SubscribedBy,
        loss: Loss,
    ) -> Result<AfterUnlock, NotAdded<SinceError>> {
        let pages = self.weak_self.upgrade().ok_or(NotAdded::Ended)?;
        let max = match by {
            SubscribedBy::Page => self.limits.subscriptions,
            // Limited for the session.
            SubscribedBy::Session => usize::MAX,
        };
        let recipient = Arc::new(PageRecipient {
            pages,
            stream: stream.clone(),
            loss,
        });
        let subscriber = Subscriber::Events(plan.subscriber(recipient));
        let subscribe = || {
            let added = self
                .topics
                .subscribe(&plan.topic, subscriber, &plan.start)?;
            Ok((added.subscription, added.after_unlock))
        };
        let added = stream
            .topics()
            .add((by, loss), &plan.topic.key, max, subscribe)?;
        Ok(added.unwrap_or_default())
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

/// A page as a subscriber.
struct PageRecipient {
    pages: Arc<Pages>,
    stream: Arc<Stream>,
    loss: Loss,
}

impl PushRecipient for PageRecipient {
    fn enqueue(&self, event: &mut SharedEvent) -> bool {
        let SharedEvent { push, shared } = event;
        let shared =
            shared.get_or_insert_with(|| Box::new(QueuedPush::for_many(push, &self.pages.queued)));
        let queued = shared.downcast_ref::<QueuedPush>();
        queued.is_some_and(|queued| self.stream.enqueue(queued.with_loss(self.loss)))
    }

    fn flush(&self) {
        self.stream.pump();
        self.pages.relieve();
    }

    fn connections(&self) -> Vec<ConnectionId> {
        self.stream.socket().into_iter().collect()
    }

    #[cfg(feature = "cluster")]
    fn lose(&self) {
        self.stream.lose();
    }
}
