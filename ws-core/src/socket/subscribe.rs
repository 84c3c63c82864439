//! The subscriptions of one connection to topics.

use std::any::type_name;
use std::error::Error;
use std::sync::Arc;

use super::{ConnectionShared, Sends, Socket};
use crate::close::{Close, CloseCause, CloseCode, CloseReason};
use crate::id::ConnectionId;
use crate::log;
use crate::mailbox::{Accepts, MailboxError};
use crate::message::Message;
use crate::outbox::{DroppedPayloads, Outbox, Policy};
use crate::topic::{
    AsTopic, FromTopic, Listenable, Plan, Position, QueueSize, Recipient, ReplayCapacity,
    SinceError, Subscribable, Subscriber, SubscriberKind, TopicKey, TopicValue,
};

/// Bytes of the longest head of a frame from a server (RFC 6455, section 5.2).
const MAX_HEAD: usize = 10;

impl<H> Socket<H> {
    /// Sends everything published to the topic to the client, until
    /// [`unsubscribe`](Self::unsubscribe) or the end of the connection. If the client does not read
    /// fast enough, its connection is closed with 1013; see
    /// [`subscribe_with`](Self::subscribe_with) for other policies.
    ///
    /// If several servers share a log, and messages of the topic may have been lost or were read too
    /// late, the connection is closed with 1012, so that its client reconnects.
    ///
    /// If the connection is already subscribed, only the policy changes;
    /// [`since`](crate::topic::DeclaredTopic::since) also sends the messages after its position,
    /// again if the client has received them. After the end of the connection, this has no effect.
    ///
    /// The messages of a replay leave a quarter of the limits `outbox` and `outbox_frames` free: if
    /// they do not fit, `replay` sends the newest that do, and `since` fails with
    /// [`SinceError::TooFarBehind`].
    ///
    /// ```
    /// use ws_server::prelude::*;
    ///
    /// struct News;
    ///
    /// #[ws_handler]
    /// impl News {
    ///     fn init(socket: &Socket<Self>) -> Self {
    ///         let news: Topic<String> = Topic::local("news");
    ///         socket.subscribe(news);
    ///         News
    ///     }
    /// }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let kit = ws_server::testkit::TestKit::new();
    /// # let mut client = kit.handler::<News>().connect().await.unwrap();
    /// # let news: Topic<String> = Topic::local("news");
    /// # assert_eq!(kit.hub().publish(news, &"hello".to_owned()).reached(), 1);
    /// # assert_eq!(client.text().await, "hello");
    /// # });
    /// ```
    pub fn subscribe<S: Subscribable>(&self, topic: S) -> S::Outcome
    where
        H: Sends<S::Value>,
    {
        self.subscribe_with(topic, Policy::Close)
    }

    /// Same as [`subscribe`](Self::subscribe), with a policy for when the outbox is full. Only
    /// frames of this topic are dropped, and they are counted in [`dropped`](Self::dropped).
    ///
    /// ```
    /// use ws_server::{Policy, Socket, Topic};
    /// use ws_server::socket::Sends;
    ///
    /// fn follow<H: Sends<f64>>(socket: &Socket<H>) {
    ///     let prices: Topic<f64> = Topic::local("prices");
    ///     socket.subscribe_with(prices, Policy::Latest);
    /// }
    /// ```
    pub fn subscribe_with<S: Subscribable>(&self, topic: S, policy: Policy) -> S::Outcome
    where
        H: Sends<S::Value>,
    {
        let recipient: Arc<dyn Recipient> = self.shared.clone();
        let client = Subscriber::Client { recipient, policy };
        let shared = Arc::downgrade(&self.shared);
        let capacity = move || match (policy, shared.upgrade()) {
            (Policy::Close, Some(shared)) => shared.outbox_capacity(),
            _ => ReplayCapacity::UNLIMITED,
        };
        let added = self.shared.add_subscription(topic.plan(), client, capacity);
        S::outcome(added)
    }

    /// Ends the subscription of the client. Messages published before may still wait in the outbox.
    /// Returns whether there was a subscription.
    ///
    /// ```
    /// use ws_server::{Socket, Topic};
    /// use ws_server::socket::Sends;
    ///
    /// fn change<H: Sends<String>>(socket: &Socket<H>, old: &Topic<String>, new: &Topic<String>) {
    ///     if socket.unsubscribe(old) {
    ///         socket.subscribe(new);
    ///     }
    /// }
    /// ```
    pub fn unsubscribe<T: TopicValue>(&self, topic: impl AsTopic<Value = T>) -> bool {
        self.shared
            .remove_subscription(&topic.as_topic_ref().key, SubscriberKind::Client)
    }

    /// Delivers everything published to the topic to the handler, in `info`, converted to the
    /// mailbox type, which is `From<T>`. If the handler does not keep up and its mailbox is full,
    /// its connection is closed with 1013. The messages of a replay leave a quarter of the limit
    /// `mailbox` free, as for [`subscribe`](Self::subscribe).
    ///
    /// The handler's own task deserializes the value from the published message, as a client would,
    /// so fields that serde skips are missing. If the value cannot be deserialized, or `From`
    /// panics, this connection is closed with 1011.
    ///
    /// ```
    /// use ws_server::prelude::*;
    ///
    /// fn prices() -> Topic<u32> {
    ///     Topic::local("prices")
    /// }
    ///
    /// struct Stock(u32);
    ///
    /// #[ws_handler]
    /// impl Stock {
    ///     fn init(socket: &Socket<Self>) -> Self {
    ///         socket.listen(prices());
    ///         Stock(0)
    ///     }
    ///
    ///     fn message(&mut self, _question: String) -> String { self.0.to_string() }
    ///
    ///     fn info(&mut self, price: u32) { self.0 = price; }
    /// }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let kit = ws_server::testkit::TestKit::new();
    /// # let mut client = kit.handler::<Stock>().connect().await.unwrap();
    /// # assert_eq!(kit.hub().publish(prices(), &7).reached(), 1);
    /// # client.send("how much?").await;
    /// # assert_eq!(client.text().await, "7");
    /// # });
    /// ```
    pub fn listen<L, M>(&self, topic: L) -> L::Outcome
    where
        L: Listenable<Value: FromTopic>,
        M: From<L::Item> + Send + 'static,
        H: Accepts<M>,
    {
        let plan = topic.plan();
        let handler = Arc::downgrade(&self.shared);
        let key = plan.topic.key.clone();
        let deliver = move |message: &Message, at: Option<log::Position>| {
            let handler: Arc<ConnectionShared> = handler.upgrade()?;
            let queued = handler.queue_topic_message::<L, M>(message, at, &key);
            Some((handler as Arc<dyn Recipient>, queued))
        };
        let listener = Subscriber::Listener {
            id: self.id(),
            deliver: Box::new(deliver),
        };
        let shared = Arc::downgrade(&self.shared);
        let capacity = move || {
            let shared: Option<Arc<ConnectionShared>> = shared.upgrade();
            shared.map_or(ReplayCapacity::UNLIMITED, |it| it.mailbox_capacity::<M>())
        };
        L::outcome(self.shared.add_subscription(plan, listener, capacity))
    }

    /// Ends the subscription of the handler. Returns whether there was one.
    ///
    /// ```
    /// use ws_server::{Socket, Topic};
    ///
    /// fn pause<H>(socket: &Socket<H>, prices: &Topic<u32>) {
    ///     if !socket.unlisten(prices) {
    ///         tracing::debug!("paused already");
    ///     }
    /// }
    /// ```
    pub fn unlisten<T: TopicValue>(&self, topic: impl AsTopic<Value = T>) -> bool {
        self.shared
            .remove_subscription(&topic.as_topic_ref().key, SubscriberKind::Listener)
    }
}

/// Deserializes a published message and converts it to a notification.
fn decode_item<L, M>(message: Message, position: Option<Position>) -> Option<M>
where
    L: Listenable<Value: FromTopic>,
    M: From<L::Item>,
{
    let value = decode_value::<L::Value>(message)?;
    L::item(value, position).map(M::from)
}

pub(super) fn decode_value<T: FromTopic>(message: Message) -> Option<T> {
    let value = T::from_topic(message).inspect_err(|error| {
        let value = type_name::<T>();
        tracing::error!(value, "closed: a published value cannot be decoded");
        // The cause may quote the value.
        let cause = error.source().map(tracing::field::display);
        tracing::debug!(value, %error, cause, "a published value cannot be decoded");
    });
    value.ok()
}

impl ConnectionShared {
    /// Queues a message of a topic for the handler; does not wake its task.
    fn queue_topic_message<L, M>(
        &self,
        message: &Message,
        at: Option<log::Position>,
        topic: &TopicKey,
    ) -> Result<(), MailboxError>
    where
        L: Listenable<Value: FromTopic>,
        M: From<L::Item> + Send + 'static,
    {
        if !self.outbox.is_open() {
            return Err(MailboxError::Closed);
        }
        let limit = self.limits().mailbox;
        let message = message.clone();
        if !L::HAS_POSITION {
            let decode = |message| decode_item::<L, M>(message, None);
            let notified = self.mailbox.notify_topic_message(message, decode, limit);
            return notified.inspect_err(|error| self.count_unless_closed(*error));
        }
        let position = at.and_then(|at| self.route_context.topics.position(at, topic));
        let decode = Box::new(move || decode_item::<L, M>(message, position));
        let notified = self.mailbox.notify_deferred(decode, limit);
        notified.inspect_err(|error| self.count_unless_closed(*error))
    }

    /// The topics of the hub.
    pub(crate) fn topics(&self) -> &crate::topic::Topics {
        &self.route_context.topics
    }

    /// What the client can receive at once.
    fn outbox_capacity(&self) -> ReplayCapacity {
        let limits = self.limits();
        let limit = QueueSize {
            messages: limits.outbox_frames,
            bytes: limits.outbox,
        };
        let (messages, bytes) = self.outbox.backlog();
        ReplayCapacity::new(limit, QueueSize { messages, bytes }, MAX_HEAD)
    }

    /// What the handler can receive at once.
    fn mailbox_capacity<M: Send + 'static>(&self) -> ReplayCapacity {
        let limit = QueueSize {
            messages: self.limits().mailbox,
            bytes: usize::MAX,
        };
        let waiting = QueueSize {
            messages: self.mailbox.notified::<M>(),
            bytes: 0,
        };
        ReplayCapacity::new(limit, waiting, 0)
    }

    /// Adds or replaces a subscription of the client or of the handler.
    fn add_subscription<T: ?Sized>(
        &self,
        plan: Plan<T>,
        subscriber: Subscriber,
        capacity: impl Fn() -> ReplayCapacity + Send + Sync + 'static,
    ) -> Result<(), SinceError> {
        let Plan { topic, start } = plan;
        let topics = &self.route_context.topics;
        let kind = subscriber.kind();
        // Locked throughout: two subscriptions to one topic would double every frame.
        let mut lifecycle = self.lock();
        if lifecycle.ended {
            return Ok(());
        }
        let state = lifecycle.optional();
        let mut existing = state.subscriptions.iter();
        if let Some(existing) = existing.find(|existing| existing.is_to(&topic.key, kind)) {
            let replaced = topics.resubscribe(existing, &topic, subscriber, &start, capacity())?;
            drop(lifecycle);
            drop(replaced.earlier);
            replaced.after_unlock.finish(topic.key.name());
        } else if state.subscription_count() < self.limits().subscriptions {
            let added = topics.subscribe(&topic, subscriber, &start, capacity)?;
            state.subscriptions.push(added.subscription);
            drop(lifecycle);
            added.after_unlock.finish(topic.key.name());
        } else {
            drop(lifecycle);
            self.close_at_subscription_limit();
        }
        Ok(())
    }

    pub(super) fn close_at_subscription_limit(&self) {
        tracing::error!(id = %self.id, "closed: the limit of subscriptions is reached");
        self.close(&Close::internal(), CloseCause::HookError);
    }

    pub(super) fn remove_subscription(&self, topic: &TopicKey, kind: SubscriberKind) -> bool {
        let mut lifecycle = self.lock();
        let Some(state) = &mut lifecycle.optional else {
            return false;
        };
        let mut existing = state.subscriptions.iter();
        let Some(index) = existing.position(|existing| existing.is_to(topic, kind)) else {
            return false;
        };
        let subscription = state.subscriptions.swap_remove(index);
        // Before the lock is released: otherwise a new subscription would double messages.
        let removed = self.route_context.topics.unsubscribe(subscription);
        drop(lifecycle);
        drop(removed);
        true
    }
}

impl Recipient for ConnectionShared {
    fn id(&self) -> ConnectionId {
        self.id
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn overflow(&self, dropped: &mut DroppedPayloads) -> bool {
        let close = Close::new(CloseCode::TRY_AGAIN_LATER, "too slow");
        let reason = CloseReason::of(CloseCause::Overflow, &close);
        self.outbox
            .close_without_wakeup(&close, reason, Some(dropped))
    }
}
