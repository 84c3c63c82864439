//! Delivers one published message to all subscribers.

use std::sync::Arc;

use super::events::{EncodedEvents, EventSubscriber, PushRecipient};
use super::flush::DeferredFlush;
use super::key::TopicKey;
use super::publisher::Publisher;
use super::{Channel, Deliver, DeliveredToHandler, Exclude, Recipient, Subscriber, Topics};
use crate::log;
use crate::mailbox::MailboxError;
use crate::message::Message;
use crate::outbox::{AfterPush, Broadcast, Delivery, Frame, TopicFrame, TopicWrite};
use crate::wire::LanePlace;

/// The number of subscribers whose memory is prefetched together.
const PREFETCHED: usize = 16;

/// Prefetches the memory of these outboxes; see [`DeferredFlush`].
fn prefetch_clients(subscribers: &[Subscriber]) {
    for subscriber in subscribers {
        if let Subscriber::Client { recipient, .. } = subscriber {
            recipient.outbox().prefetch();
        }
    }
}

impl Topics {
    /// Delivers a message to every subscriber; all of them receive publishes in the same order.
    /// Returns the number of subscribers that accepted it. Compiled once, not for each type of
    /// values.
    #[inline(never)]
    pub(super) fn deliver_to_all(
        &self,
        topic: &TopicKey,
        mut channel: Arc<Channel>,
        published: PublishedMessage,
        exclude: Exclude,
    ) -> (usize, AfterUnlock) {
        let PublishedMessage { message, at } = published;
        let frame = Broadcast::new(Frame::owned(message));
        let mut after_unlock = AfterUnlock::new(self);
        let mut subscribers = channel.lock();
        // Encoding may run code of the application, which may have changed the subscribers.
        while subscribers.removed_from_map {
            drop(subscribers);
            channel = match self.find(topic) {
                Some(other) if !Arc::ptr_eq(&other, &channel) => other,
                // The last subscriber is leaving, or has left.
                _ => {
                    self.counters.count_unheard();
                    return (0, after_unlock);
                }
            };
            subscribers = channel.lock();
        }
        let mut reached = 0;
        for some in subscribers.list.all().chunks(PREFETCHED) {
            prefetch_clients(some);
            for subscriber in some {
                let mode = after_unlock.publisher.mode(reached);
                let accepted = match subscriber {
                    Subscriber::Client { recipient, policy } => {
                        if exclude.connection.is_some_and(|id| id == recipient.id()) {
                            continue;
                        }
                        let outbox = recipient.outbox();
                        let topic_frame = TopicFrame {
                            frame: frame.to(outbox.deflate()),
                            topic: channel.id,
                            policy: *policy,
                            volatile: exclude.volatile,
                        };
                        match outbox.push_topic(topic_frame, mode, &mut after_unlock.after_push) {
                            // The fast path.
                            Delivery::Accepted => true,
                            other => after_unlock.handle_delivery(other, recipient),
                        }
                    }
                    Subscriber::Listener { id, .. } if exclude.connection == Some(*id) => false,
                    Subscriber::Listener { deliver, .. } => {
                        after_unlock.deliver_to_handler(&frame, at, deliver)
                    }
                    Subscriber::Events(subscriber) => {
                        after_unlock.deliver_event(&frame, at, subscriber, mode)
                    }
                    #[cfg(feature = "cluster")]
                    Subscriber::Suspended { .. } => false,
                };
                reached += usize::from(accepted);
            }
        }
        subscribers.counts.add(reached);
        (reached, after_unlock)
    }
}

/// A message for all subscribers of a topic.
pub(super) struct PublishedMessage {
    pub(super) message: Message,
    /// The position of a logged one.
    pub(super) at: Option<log::Position>,
}

/// The work that a publish must do after the topic is unlocked, because it may run code of the
/// application: wakers, the `Drop` of payloads, and the log, which may itself be published.
#[must_use = "call `finish` without any lock"]
pub(crate) struct AfterUnlock {
    pub(super) publisher: Publisher,
    deferred: DeferredFlush,
    /// The message for listening handlers, created for the first of them.
    message: Option<Message>,
    /// The message as events, for subscribed pages.
    events: EncodedEvents,
    /// Pages with a queued event, which the publisher writes.
    pages: Vec<Arc<dyn PushRecipient>>,
    /// Listening handlers that must be woken.
    to_wake: Vec<Arc<dyn Recipient>>,
    /// Connections that this publish has closed.
    closed: Vec<Arc<dyn Recipient>>,
    /// Connections whose outboxes have got capacity.
    to_notify: Vec<Arc<dyn Recipient>>,
    pub(super) after_push: AfterPush,
}

impl Default for AfterUnlock {
    fn default() -> Self {
        Self::of(Publisher::default())
    }
}

impl AfterUnlock {
    pub(super) fn new(topics: &Topics) -> Self {
        Self::of(Publisher::current(topics))
    }

    fn of(publisher: Publisher) -> Self {
        Self {
            publisher,
            deferred: DeferredFlush::default(),
            message: None,
            events: EncodedEvents::default(),
            pages: Vec::new(),
            to_wake: Vec::new(),
            closed: Vec::new(),
            to_notify: Vec::new(),
            after_push: AfterPush::default(),
        }
    }

    /// Handles the outcome for one client. Returns whether the client accepted the frame.
    #[inline(never)]
    pub(super) fn handle_delivery(
        &mut self,
        delivery: Delivery,
        recipient: &Arc<dyn Recipient>,
    ) -> bool {
        if self.after_push.take_freed() {
            self.to_notify.push(recipient.clone());
        }
        match delivery {
            Delivery::Accepted | Delivery::AcceptedAfterWrite => true,
            Delivery::Deferred => {
                self.deferred.push(recipient.clone());
                true
            }
            Delivery::Skipped | Delivery::Closed => false,
            Delivery::Overflow => {
                self.overflow(recipient.clone());
                false
            }
        }
    }

    /// Delivers the message to a listening handler. Returns whether the handler accepted it.
    #[inline(never)]
    fn deliver_to_handler(
        &mut self,
        frame: &Broadcast,
        at: Option<log::Position>,
        deliver: &Deliver,
    ) -> bool {
        let message = self.message.get_or_insert_with(|| frame.message());
        let delivered = deliver(message, at);
        self.handle_handler(delivered)
    }

    /// Handles the outcome for one handler. Returns whether the handler accepted the message.
    pub(super) fn handle_handler(&mut self, delivered: Option<DeliveredToHandler>) -> bool {
        let Some((handler, accepted)) = delivered else {
            return false;
        };
        match accepted {
            Err(MailboxError::Full) => self.overflow(handler),
            Ok(()) | Err(MailboxError::Closed) => self.to_wake.push(handler),
        }
        accepted.is_ok()
    }

    /// Queues the message for a page. Returns whether the page accepted it.
    #[inline(never)]
    fn deliver_event(
        &mut self,
        frame: &Broadcast,
        at: Option<log::Position>,
        subscriber: &EventSubscriber,
        mode: TopicWrite,
    ) -> bool {
        let message = self.message.get_or_insert_with(|| frame.message());
        let place = at.map(|at| at.place());
        let accepted = self.events.enqueue(message, place, subscriber);
        if accepted {
            let page = subscriber.recipient().clone();
            match mode {
                TopicWrite::Direct => self.pages.push(page),
                TopicWrite::Queue(_) => self.deferred.push_page(page),
            }
        }
        accepted
    }

    /// Queues a message that only this page gets.
    pub(super) fn deliver_first_event(
        &mut self,
        message: &Message,
        place: Option<LanePlace>,
        subscriber: &EventSubscriber,
    ) {
        if EncodedEvents::default().enqueue(message, place, subscriber) {
            self.deferred.push_page(subscriber.recipient().clone());
        }
    }

    fn overflow(&mut self, recipient: Arc<dyn Recipient>) {
        if recipient.overflow(&mut self.after_push.dropped) {
            self.closed.push(recipient);
        } else {
            self.to_wake.push(recipient);
        }
    }

    pub(crate) fn finish(mut self, topic: &str) {
        self.publisher.flush(self.deferred);
        self.after_push.wake();
        for recipient in self.to_notify {
            recipient.outbox().changed().notify_waiters();
        }
        for page in self.pages {
            page.flush();
        }
        for handler in self.to_wake {
            handler.outbox().wake();
        }
        for recipient in self.closed {
            recipient.outbox().wake_all();
            let id = recipient.id();
            tracing::debug!(%id, topic, "closed: the client reads too slowly");
        }
    }
}
