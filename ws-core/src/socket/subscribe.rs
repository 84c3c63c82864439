//! Topics of one connection.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Shared, Socket};
use crate::close::{Close, CloseCause};
use crate::error::{NotifyError, log_panic};
use crate::mailbox::Accepts;
use crate::outbox::Policy;
use crate::topic::{Recipient, Subscriber, Subscription, Topic, TopicValue};

impl<H> Socket<H> {
    /// Sends everything that is published to the topic to the client, until
    /// [`unsubscribe`](Self::unsubscribe) or the end of the connection. A client that does
    /// not read fast enough is closed with 1013; see
    /// [`subscribe_with`](Self::subscribe_with) for other policies.
    ///
    /// Subscribing a second time changes the policy and nothing else. After the end of the
    /// connection it has no effect.
    pub fn subscribe<T: TopicValue>(&self, topic: &Topic<T>) {
        self.subscribe_with(topic, Policy::Close);
    }

    /// As [`subscribe`](Self::subscribe), with a policy for the time when the outbox is
    /// full. A drop touches only frames of this topic, and is counted in
    /// [`dropped`](Self::dropped).
    pub fn subscribe_with<T: TopicValue>(&self, topic: &Topic<T>, policy: Policy) {
        let recipient: Arc<dyn Recipient> = self.shared.clone();
        self.shared
            .join(topic, false, Subscriber::Client { recipient, policy });
    }

    /// Sends nothing more of the topic to the client. What was published before may still
    /// wait in the outbox. Returns whether there was a subscription.
    pub fn unsubscribe<T: TopicValue>(&self, topic: &Topic<T>) -> bool {
        self.shared.leave(topic, false)
    }

    /// Delivers everything that is published to the topic to the handler: as the mailbox
    /// type, which is `From<T>`, in `info`. A handler that does not follow, so that its
    /// mailbox is full, is closed with 1013.
    ///
    /// The value's `Clone` and `From` run while the topic is locked: they must not publish or
    /// subscribe to it. A panic in them ends this connection with 1011.
    pub fn listen<T, M>(&self, topic: &Topic<T>)
    where
        T: TopicValue + Clone + DeserializeOwned,
        M: From<T> + Send + 'static,
        H: Accepts<M>,
    {
        let handler = Arc::downgrade(&self.shared);
        let deliver = move |value: &dyn Any| {
            let (Some(handler), Some(value)) = (handler.upgrade(), value.downcast_ref::<T>())
            else {
                return false;
            };
            // A panic in here would end the publisher's hook, not the listener's connection.
            match catch_unwind(AssertUnwindSafe(|| M::from(value.clone()))) {
                Ok(value) => {
                    let taken = handler.notify(value);
                    if let Err(NotifyError::Full(_)) = taken {
                        handler.overflow();
                    }
                    taken.is_ok()
                }
                Err(panic) => {
                    log_panic(&*panic);
                    handler.close(&Close::internal(), CloseCause::HookPanic);
                    false
                }
            }
        };
        let listener = Subscriber::Listener {
            id: self.id(),
            deliver: Box::new(deliver),
        };
        self.shared.join(topic, true, listener);
    }

    /// Delivers nothing more of the topic to the handler. Returns whether it listened.
    pub fn unlisten<T: TopicValue>(&self, topic: &Topic<T>) -> bool {
        self.shared.leave(topic, true)
    }
}

impl Shared {
    fn join<T: TopicValue>(&self, topic: &Topic<T>, listens: bool, subscriber: Subscriber) {
        let topics = &self.common.topics;
        // Held throughout: two subscriptions to one topic would double every frame.
        let mut control = self.lock();
        if control.gone {
            return;
        }
        let subscriptions = &mut control.more().subscriptions;
        let mut known = subscriptions.iter();
        if let Some(known) = known.find(|known| known.is_to(topic, listens)) {
            known.replace(subscriber);
        } else if subscriptions.len() < self.limits().subscriptions {
            subscriptions.push(topics.subscribe(topic, subscriber));
        } else {
            drop(control);
            tracing::error!(id = %self.id, "closed: more subscriptions than one connection may have");
            self.close(&Close::internal(), CloseCause::HookError);
        }
    }

    fn leave<T: TopicValue>(&self, topic: &Topic<T>, listens: bool) -> bool {
        match self.take_subscription(topic, listens) {
            Some(subscription) => {
                self.common.topics.unsubscribe(subscription);
                true
            }
            None => false,
        }
    }

    fn take_subscription<T: 'static>(
        &self,
        topic: &Topic<T>,
        listens: bool,
    ) -> Option<Subscription> {
        let mut control = self.lock();
        let subscriptions = &mut control.more.as_mut()?.subscriptions;
        let mut known = subscriptions.iter();
        let place = known.position(|known| known.is_to(topic, listens))?;
        Some(subscriptions.swap_remove(place))
    }
}
