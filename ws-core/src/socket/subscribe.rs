//! Topics of one connection.

use std::any::type_name;
use std::error::Error;
use std::sync::Arc;

use super::{Sends, Shared, Socket};
use crate::close::{Close, CloseCause, CloseCode, CloseReason};
use crate::id::ConnectionId;
use crate::mailbox::{Accepts, Read, Untaken};
use crate::message::Message;
use crate::outbox::{Dropped, Outbox, Policy};
use crate::topic::{AsTopic, FromTopic, Key, Recipient, Subscriber, Subscription, TopicValue};

impl<H> Socket<H> {
    /// Sends everything that is published to the topic to the client, until
    /// [`unsubscribe`](Self::unsubscribe) or the end of the connection. A client that does
    /// not read fast enough is closed with 1013; see
    /// [`subscribe_with`](Self::subscribe_with) for other policies.
    ///
    /// Subscribing a second time changes the policy and nothing else. After the end of the
    /// connection it has no effect.
    pub fn subscribe<T: TopicValue>(&self, topic: impl AsTopic<Value = T>)
    where
        H: Sends<T>,
    {
        self.subscribe_with(topic, Policy::Close);
    }

    /// As [`subscribe`](Self::subscribe), with a policy for the time when the outbox is
    /// full. A drop touches only frames of this topic, and is counted in
    /// [`dropped`](Self::dropped).
    pub fn subscribe_with<T: TopicValue>(&self, topic: impl AsTopic<Value = T>, policy: Policy)
    where
        H: Sends<T>,
    {
        let recipient: Arc<dyn Recipient> = self.shared.clone();
        self.shared.join(
            &topic.as_topic().key(),
            false,
            Subscriber::Client { recipient, policy },
        );
    }

    /// Sends nothing more of the topic to the client. What was published before may still
    /// wait in the outbox. Returns whether there was a subscription.
    pub fn unsubscribe<T: TopicValue>(&self, topic: impl AsTopic<Value = T>) -> bool {
        self.shared.leave(&topic.as_topic().key(), false)
    }

    /// Delivers everything that is published to the topic to the handler: as the mailbox
    /// type, which is `From<T>`, in `info`. A handler that does not follow, so that its
    /// mailbox is full, is closed with 1013.
    ///
    /// The handler's own task reads the value from what was published, as a client would: what
    /// serde skips is not there. A value that cannot be read, or a panic in `From`, ends this
    /// connection with 1011.
    pub fn listen<T, M>(&self, topic: impl AsTopic<Value = T>)
    where
        T: FromTopic,
        M: From<T> + Send + 'static,
        H: Accepts<M>,
    {
        let handler = Arc::downgrade(&self.shared);
        let deliver = move |message: &Message| {
            let handler: Arc<Shared> = handler.upgrade()?;
            let taken = handler.hear(message, read::<T, M>);
            Some((handler as Arc<dyn Recipient>, taken))
        };
        let listener = Subscriber::Listener {
            id: self.id(),
            deliver: Box::new(deliver),
        };
        self.shared.join(&topic.as_topic().key(), true, listener);
    }

    /// Delivers nothing more of the topic to the handler. Returns whether it listened.
    pub fn unlisten<T: TopicValue>(&self, topic: impl AsTopic<Value = T>) -> bool {
        self.shared.leave(&topic.as_topic().key(), true)
    }
}

/// Reads what a topic has published as a notification.
fn read<T: FromTopic, M: From<T>>(message: Message) -> Option<M> {
    let value = T::from_topic(message).inspect_err(|error| {
        let value = type_name::<T>();
        tracing::error!(value, "closed: what a topic has published cannot be read");
        // The cause may quote the value.
        let cause = error.source().map(tracing::field::display);
        tracing::debug!(value, %error, cause, "what a topic has published cannot be read");
    });
    value.ok().map(M::from)
}

impl Shared {
    /// Leaves a message of a topic for the handler; its task is not woken.
    fn hear<M: Send + 'static>(&self, message: &Message, read: Read<M>) -> Result<(), Untaken> {
        if !self.outbox.is_open() {
            return Err(Untaken::Closed);
        }
        self.mail.hear(message.clone(), read, self.limits().mailbox)
    }

    fn join(&self, topic: &Key, listens: bool, subscriber: Subscriber) {
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

    fn leave(&self, topic: &Key, listens: bool) -> bool {
        match self.take_subscription(topic, listens) {
            Some(subscription) => {
                self.common.topics.unsubscribe(subscription);
                true
            }
            None => false,
        }
    }

    fn take_subscription(&self, topic: &Key, listens: bool) -> Option<Subscription> {
        let mut control = self.lock();
        let subscriptions = &mut control.more.as_mut()?.subscriptions;
        let mut known = subscriptions.iter();
        let place = known.position(|known| known.is_to(topic, listens))?;
        Some(subscriptions.swap_remove(place))
    }
}

impl Recipient for Shared {
    fn id(&self) -> ConnectionId {
        self.id
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn overflow(&self, dropped: &mut Dropped) -> bool {
        let close = Close::new(CloseCode::TRY_AGAIN_LATER, "too slow");
        let reason = CloseReason::of(CloseCause::Overflow, &close);
        self.outbox.end_silently(&close, reason, Some(dropped))
    }
}
