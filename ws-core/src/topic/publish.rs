//! From one publish to all subscribers.

use std::sync::Arc;

use super::{Channel, Except, Recipient, Subscriber, Topic, TopicValue, Topics, flush};
use crate::mailbox::Untaken;
use crate::message::Message;
use crate::outbox::{Broadcast, Delivery, Dropped, Frame, Policy};

/// Subscribers whose memory is asked for together.
const AHEAD: usize = 16;

/// Asks for the memory of these outboxes.
///
/// A publish finds hardly any of it in the processor's cache where there are thousands of them, and
/// a write to a socket ends all that the processor does ahead of time: without this, memory would
/// be waited for once for each subscriber.
pub(super) fn prefetch<'r>(recipients: impl Iterator<Item = &'r Arc<dyn Recipient>>) {
    for recipient in recipients {
        recipient.outbox().prefetch();
    }
}

impl Subscriber {
    fn recipient(&self) -> Option<&Arc<dyn Recipient>> {
        match self {
            Self::Client { recipient, .. } => Some(recipient),
            Self::Listener { .. } => None,
        }
    }
}

impl Topics {
    /// Encodes a value once and hands it to every subscriber, in one order for all of
    /// them. Returns how many took it.
    pub(crate) fn publish<T: TopicValue>(
        &self,
        topic: &Topic<T>,
        value: &T,
        except: Except,
    ) -> Result<usize, String> {
        let Some(mut channel) = self.find(topic) else {
            return Ok(0);
        };
        let frame = Broadcast::new(Frame::owned(value.to_message()?));
        let after = After::default();
        let mut subscribers = channel.lock();
        // To encode the value is work of the application, which may have changed the subscribers.
        while subscribers.dead {
            drop(subscribers);
            channel = match self.find(topic) {
                Some(other) if !Arc::ptr_eq(&other, &channel) => other,
                // The last subscriber is leaving, or has left.
                _ => return Ok(0),
            };
            subscribers = channel.lock();
        }
        let mut sending = Sending {
            channel: &channel,
            frame: &frame,
            except,
            inline: self.inline,
            heard: None,
            reached: 0,
            after,
        };
        for (slot, subscriber) in subscribers.slots.iter().enumerate() {
            if slot % AHEAD == 0 {
                let next = subscribers.slots[slot..].iter().take(AHEAD);
                prefetch(next.flatten().filter_map(Subscriber::recipient));
            }
            if let Some(subscriber) = subscriber {
                sending.hand(subscriber);
            }
        }
        drop(subscribers);
        let Sending { reached, after, .. } = sending;
        after.finish(topic.name());
        Ok(reached)
    }
}

/// One publish, while the topic is locked.
struct Sending<'p> {
    channel: &'p Channel,
    frame: &'p Broadcast,
    except: Except,
    /// To so many clients it is written at once.
    inline: usize,
    /// The message for handlers that listen, made when the first of them is met.
    heard: Option<Message>,
    reached: usize,
    after: After,
}

impl Sending<'_> {
    #[inline]
    fn hand(&mut self, subscriber: &Subscriber) {
        let reached = match subscriber {
            Subscriber::Client { recipient, policy } => self.push(recipient, *policy),
            Subscriber::Listener { id, .. } if self.except.connection == Some(*id) => false,
            Subscriber::Listener { deliver, .. } => {
                let message = self.heard.get_or_insert_with(|| self.frame.message());
                match deliver(message) {
                    Some((handler, taken)) => self.after.heard(handler, taken),
                    None => false,
                }
            }
        };
        self.reached += usize::from(reached);
    }

    #[inline]
    fn push(&mut self, recipient: &Arc<dyn Recipient>, policy: Policy) -> bool {
        let Except {
            connection,
            volatile,
        } = self.except;
        if connection.is_some_and(|id| id == recipient.id()) {
            return false;
        }
        let write = self.reached < self.inline;
        let outbox = recipient.outbox();
        let frame = self.frame.to(outbox.deflate());
        let (id, dropped) = (self.channel.id, &mut self.after.dropped);
        match outbox.push_topic(frame, id, policy, write, volatile, dropped) {
            Delivery::Taken => true,
            Delivery::Deferred => {
                self.after.later.push(recipient.clone());
                true
            }
            Delivery::Skipped | Delivery::Closed => false,
            Delivery::Overflow => {
                self.after.overflow(recipient.clone());
                false
            }
        }
    }
}

/// What a publish leaves to be done when the topic is not locked any more, as it runs code of
/// others: wakers, the `Drop` of payloads, and the log, which may itself be published.
#[derive(Default)]
struct After {
    later: flush::Later,
    /// Handlers that have something in their mailbox.
    heard: Vec<Arc<dyn Recipient>>,
    /// Connections that this publish has closed.
    slow: Vec<Arc<dyn Recipient>>,
    /// Those that were closed before.
    dropped: Dropped,
}

impl After {
    /// Returns whether the handler took the message.
    fn heard(&mut self, handler: Arc<dyn Recipient>, taken: Result<(), Untaken>) -> bool {
        match taken {
            Err(Untaken::Full) => self.overflow(handler),
            Ok(()) | Err(Untaken::Closed) => self.heard.push(handler),
        }
        taken.is_ok()
    }

    fn overflow(&mut self, recipient: Arc<dyn Recipient>) {
        if recipient.overflow(&mut self.dropped) {
            self.slow.push(recipient);
        } else {
            self.heard.push(recipient);
        }
    }

    fn finish(self, topic: &str) {
        self.later.flush();
        for handler in self.heard {
            handler.outbox().wake();
        }
        for recipient in self.slow {
            recipient.outbox().tell();
            let id = recipient.id();
            tracing::debug!(%id, topic, "closed: the client does not follow");
        }
    }
}
