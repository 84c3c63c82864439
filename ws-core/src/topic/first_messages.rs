//! Messages that only some subscribers get, or that are not published: the first ones of a
//! subscription, and events about the members of a topic.

use super::declared::{self, DeclaredTopic};
use super::key::TopicKey;
use super::logged::NewSubscription;
use super::publish::{AfterUnlock, PublishedMessage};
use super::{Exclude, Subscriber, Topics};
use crate::log::{self, TopicName};
use crate::message::Message;
use crate::outbox::{Delivery, Frame, TopicFrame};
use crate::wire::LanePlace;

impl Topics {
    /// The name of a declared topic.
    pub(crate) fn name_of<D: DeclaredTopic>(&self, topic: &D) -> TopicName {
        self.declarations.add(declared::declared::<D>());
        declared::topic_name(topic)
    }

    /// Whether there is a subscriber.
    pub(crate) fn has_subscribers(&self, key: &TopicKey) -> bool {
        self.find(key).is_some()
    }

    /// The topics whose members are watched.
    #[cfg(feature = "cluster")]
    pub(crate) fn watched(&self) -> Vec<TopicName> {
        let channels = self.channels.read();
        let channels = channels.unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = |key: &TopicKey| match key {
            TopicKey::Members(name) => Some(name.clone()),
            _ => None,
        };
        channels.keys().filter_map(name).collect()
    }

    /// Adds a subscriber, which gets this message first.
    pub(crate) fn subscribe_with_message(
        &self,
        key: &TopicKey,
        subscriber: Subscriber,
        message: Message,
    ) -> NewSubscription {
        let mut after_unlock = AfterUnlock::new(self);
        let subscription = self.subscribe_after(key, subscriber, |subscriber, topic| {
            after_unlock.deliver_first(subscriber, topic, message, (None, None));
        });
        NewSubscription {
            subscription,
            after_unlock,
        }
    }

    /// Delivers a message to every subscriber, if there is one.
    pub(crate) fn deliver_message(&self, key: &TopicKey, message: Message) -> Option<AfterUnlock> {
        let channel = self.find(key)?;
        let published = PublishedMessage { message, at: None };
        let (_, after_unlock) = self.deliver_to_all(key, channel, published, Exclude::default());
        Some(after_unlock)
    }
}

impl AfterUnlock {
    /// Delivers a message to a new subscriber, with its position for a handler, or its place for a
    /// page. It is sent uncompressed: compressing it for each new
    /// subscriber would take time under the locks.
    pub(super) fn deliver_first(
        &mut self,
        subscriber: &Subscriber,
        topic: u64,
        message: Message,
        (at, place): (Option<log::Position>, Option<LanePlace>),
    ) {
        match subscriber {
            Subscriber::Client { recipient, policy } => {
                let frame = Frame::owned(message);
                let topic_frame = TopicFrame {
                    frame: &frame,
                    topic,
                    policy: *policy,
                    volatile: false,
                };
                let outbox = recipient.outbox();
                let mode = self.publisher.queue();
                let delivery = outbox.push_topic(topic_frame, mode, &mut self.after_push);
                if delivery != Delivery::Accepted {
                    self.handle_delivery(delivery, recipient);
                }
            }
            Subscriber::Events(subscriber) => {
                self.deliver_first_event(&message, place, subscriber);
            }
            Subscriber::Listener { deliver, .. } => {
                self.handle_handler(deliver(&message, at));
            }
            #[cfg(feature = "cluster")]
            Subscriber::Suspended { .. } => {}
        }
    }
}
