//! Topics: typed sets of sockets; each published value is encoded once.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use tokio::runtime::Handle;

use crate::id::ConnectionId;
use crate::log::{self, Secrets};
use crate::mailbox::MailboxError;
use crate::message::Message;
use crate::outbox::{DroppedPayloads, Outbox, Policy};

use counters::{ChannelCounts, TopicCounters};
use declarations::Declarations;
use logged::TopicLog;
use subscriber_list::{Slot, SubscriberList};

mod blocks;
mod burst;
mod capacity;
mod counters;
mod declaration;
mod declarations;
mod declared;
mod events;
mod first_messages;
mod flush;
#[cfg(feature = "cluster")]
mod interrupt;
mod key;
mod logged;
mod named;
#[doc(hidden)]
pub mod options;
mod position;
mod publish;
#[cfg(feature = "cluster")]
mod publish_shared;
mod publisher;
mod pushed;
mod receipt;
mod replay_end;
mod round;
#[cfg(feature = "cluster")]
mod shared;
#[cfg(feature = "cluster")]
mod shared_plan;
mod start;
mod subscriber_list;
mod value;
#[cfg(feature = "cluster")]
mod waiting;

pub use blocks::TopicBlocks;
pub(crate) use burst::Burst;
pub(crate) use capacity::{QueueSize, ReplayCapacity};
pub use declaration::{Declaration, Part};
pub use declared::{
    DeclaredTopic, HasHistory, HasPresence, Logged, MemberValue, NameWriter, TopicBlock,
};
#[cfg(feature = "cluster")]
pub(crate) use events::EventsWait;
pub(crate) use events::{Continuity, EventPlan, EventSubscriber, PushRecipient, SharedEvent};
pub(crate) use key::TopicKey;
pub use key::TopicRef;
pub(crate) use logged::NewSubscription;
pub use named::AsTopic;
pub use position::{Position, SinceError};
pub(crate) use publish::AfterUnlock;
pub(crate) use pushed::Pushed;
pub use receipt::{LoggedReceipt, PublishError, PublishOutcome, Published, Receipt, ReceiptKind};
#[cfg(feature = "cluster")]
pub(crate) use shared::SharedLog;
#[cfg(feature = "cluster")]
pub(crate) use shared_plan::SharedPlan;
pub use start::{Listenable, Plan, Received, Replay, Since, Subscribable, WithPosition};
pub use value::{FromTopic, TopicValue};

/// The name of a set of sockets, with the type of the values published to them.
///
/// A topic is only a name: it exists in a [`Hub`](crate::hub::Hub) while it has subscribers there.
/// Topics of the same name but different types are different topics.
///
/// Text, bytes and a [`Message`] are published bare, every other `T: Serialize` as a text message
/// of JSON: see [`TopicValue`].
///
/// ```
/// use ws_server::topic::Topic;
///
/// fn room(id: u64) -> Topic<String> {
///     Topic::local(format!("room:{id}"))
/// }
/// assert_eq!(room(7).name(), "room:7");
/// ```
pub struct Topic<T> {
    name: Arc<str>,
    values: PhantomData<fn(T)>,
}

impl<T> Topic<T> {
    /// Creates the topic of this name, for the subscribers of this process.
    pub fn local(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            values: PhantomData,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            values: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.name).finish()
    }
}

/// A connection that receives the messages of a topic.
pub(crate) trait Recipient: Send + Sync {
    fn id(&self) -> ConnectionId;
    fn outbox(&self) -> &Outbox;
    /// Handles a full outbox or mailbox of a subscription that must not miss a message. Returns
    /// whether that closed the connection; its task is not woken. Discarded payloads are added to
    /// `dropped`.
    fn overflow(&self, dropped: &mut DroppedPayloads) -> bool;
}

/// The handler, and whether its mailbox has accepted a message.
pub(crate) type DeliveredToHandler = (Arc<dyn Recipient>, Result<(), MailboxError>);

/// Puts a message, with its position if it is logged, into the mailbox of a handler. Returns `None`
/// if the handler is gone.
pub(crate) type Deliver =
    dyn Fn(&Message, Option<log::Position>) -> Option<DeliveredToHandler> + Send + Sync;

/// A subscriber: a client, a listening handler, or a page.
pub(crate) enum Subscriber {
    Client {
        recipient: Arc<dyn Recipient>,
        policy: Policy,
    },
    Listener {
        id: ConnectionId,
        deliver: Box<Deliver>,
    },
    /// Pages, which receive each message as an event.
    Events(EventSubscriber),
    /// One that gets nothing now: it waits for its first messages, or is about to be closed.
    #[cfg(feature = "cluster")]
    Suspended {
        subscriber: Box<Subscriber>,
        /// Identifies this wait.
        token: u64,
    },
}

/// The part of a connection, or the page, that subscribes: each can subscribe to a topic by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SubscriberKind {
    Client,
    /// A handler.
    Listener,
    Page,
}

impl Subscriber {
    fn connections(&self) -> Vec<ConnectionId> {
        match self {
            Self::Client { recipient, .. } => vec![recipient.id()],
            Self::Listener { id, .. } => vec![*id],
            Self::Events(subscriber) => subscriber.recipient().connections(),
            #[cfg(feature = "cluster")]
            Self::Suspended { subscriber, .. } => subscriber.connections(),
        }
    }

    pub(crate) fn kind(&self) -> SubscriberKind {
        match self {
            Self::Client { .. } => SubscriberKind::Client,
            Self::Listener { .. } => SubscriberKind::Listener,
            Self::Events(_) => SubscriberKind::Page,
            #[cfg(feature = "cluster")]
            Self::Suspended { subscriber, .. } => subscriber.kind(),
        }
    }
}

/// The topics of one hub.
pub(crate) struct Topics {
    channels: RwLock<HashMap<TopicKey, Arc<Channel>>>,
    last_id: AtomicU64,
    inline: usize,
    /// The runtime of the connections.
    runtime: OnceLock<Handle>,
    declarations: Declarations,
    log: TopicLog,
    counters: TopicCounters,
    secrets: Secrets,
}

/// The subscribers of one topic.
pub(crate) struct Channel {
    /// Marks the frames of this topic in outboxes; never 0.
    id: u64,
    key: TopicKey,
    subscribers: Mutex<Subscribers>,
}

#[derive(Default)]
struct Subscribers {
    list: SubscriberList,
    /// The last subscriber has left, and the channel is removed from the map.
    removed_from_map: bool,
    counts: ChannelCounts,
    /// The subscribers must miss no message of the shared log.
    #[cfg(feature = "cluster")]
    is_logged: bool,
}

/// The place of one subscriber of a topic.
pub(crate) struct Subscription {
    channel: Arc<Channel>,
    slot: Slot,
    kind: SubscriberKind,
}

impl Subscription {
    /// Whether this is a subscription of this part of the connection to the topic.
    pub(crate) fn is_to(&self, topic: &TopicKey, kind: SubscriberKind) -> bool {
        self.kind == kind && self.channel.key == *topic
    }
}

/// The subscribers that a publish skips.
#[derive(Clone, Copy, Default)]
pub(crate) struct Exclude {
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) volatile: bool,
}

impl Subscription {
    /// Replaces the subscriber in place, so that no message is missed in between. One that waits goes
    /// on waiting. Returns the earlier one.
    fn replace(&self, subscriber: Subscriber) -> Subscriber {
        let mut subscribers = self.channel.lock();
        #[cfg(feature = "cluster")]
        if let Some(Subscriber::Suspended {
            subscriber: earlier,
            ..
        }) = subscribers.list.get_mut(self.slot)
        {
            return std::mem::replace(&mut **earlier, subscriber);
        }
        subscribers.list.replace(self.slot, subscriber)
    }

    /// Same as [`replace`](Self::replace), but before that, `begin` is called with the new subscriber
    /// and the id of the topic. It does not wait.
    fn replace_after(
        &self,
        subscriber: Subscriber,
        begin: impl FnOnce(&Subscriber, u64),
    ) -> Subscriber {
        let mut subscribers = self.channel.lock();
        begin(&subscriber, self.channel.id);
        subscribers.list.replace(self.slot, subscriber)
    }
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, Subscribers> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topics {
    #[cfg(test)]
    pub(crate) fn new(inline: usize, history_bytes: usize) -> Self {
        Self::with_secrets(inline, history_bytes, Secrets::random())
    }

    /// Creates an empty set of topics; one publish writes directly to at most `inline` sockets. All
    /// histories have at most `history_bytes`. The secrets seal what clients keep.
    pub(crate) fn with_secrets(inline: usize, history_bytes: usize, secrets: Secrets) -> Self {
        Self {
            channels: RwLock::default(),
            last_id: AtomicU64::new(0),
            inline,
            runtime: OnceLock::new(),
            declarations: Declarations::default(),
            log: TopicLog::new(history_bytes, &secrets),
            secrets,
            counters: TopicCounters::default(),
        }
    }

    /// The secrets that seal what clients keep.
    pub(crate) const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Notes that connections run on the current runtime. The first one is kept: publishes on its
    /// threads are written by tasks of it.
    pub(crate) fn note_runtime(&self) {
        if self.runtime.get().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            self.runtime.get_or_init(|| runtime);
        }
    }

    fn find(&self, key: &TopicKey) -> Option<Arc<Channel>> {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        channels.get(key).cloned()
    }

    fn find_or_create(&self, key: &TopicKey) -> Arc<Channel> {
        if let Some(channel) = self.find(key) {
            return channel;
        }
        let mut channels = self
            .channels
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let create = || {
            let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
            Arc::new(Channel {
                id,
                key: key.clone(),
                subscribers: Mutex::default(),
            })
        };
        channels.entry(key.clone()).or_insert_with(create).clone()
    }

    /// Adds a subscriber. Before that, and before any later message is delivered to it, `begin` is
    /// called with the subscriber and the id of the topic.
    fn subscribe_after(
        &self,
        topic: &TopicKey,
        subscriber: Subscriber,
        begin: impl FnOnce(&Subscriber, u64),
    ) -> Subscription {
        let kind = subscriber.kind();
        loop {
            let channel = self.find_or_create(topic);
            let mut subscribers = channel.lock();
            if subscribers.removed_from_map {
                // Its last subscriber is leaving; the next lookup creates a new channel.
                drop(subscribers);
                std::thread::yield_now();
                continue;
            }
            begin(&subscriber, channel.id);
            let slot = subscribers.list.add(subscriber);
            drop(subscribers);
            return Subscription {
                channel,
                slot,
                kind,
            };
        }
    }

    /// Removes a subscriber; a topic without subscribers is removed. Drop the subscriber without any
    /// lock: this may run code of the application, which may subscribe or publish.
    #[must_use = "drop it without any lock"]
    pub(crate) fn unsubscribe(&self, subscription: Subscription) -> Subscriber {
        let Subscription { channel, slot, .. } = subscription;
        let mut subscribers = channel.lock();
        let removed = subscribers.list.remove(slot);
        let removed_from_map = subscribers.list.is_empty();
        subscribers.removed_from_map = removed_from_map;
        if removed_from_map {
            self.counters.take(&mut subscribers.counts);
        }
        drop(subscribers);
        if removed_from_map {
            let mut channels = self
                .channels
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            channels.remove(&channel.key);
        }
        removed
    }

    /// The connections whose client or handler is subscribed, and those of subscribed pages.
    pub(crate) fn subscribers(&self, topic: &TopicKey) -> HashSet<ConnectionId> {
        self.find(topic).map_or_else(HashSet::new, |channel| {
            let subscribers = channel.lock();
            let subscribers = subscribers.list.all().iter();
            subscribers.flat_map(Subscriber::connections).collect()
        })
    }

    /// The number of subscribers.
    pub(crate) fn count(&self, topic: &TopicKey) -> usize {
        self.find(topic)
            .map_or(0, |channel| channel.lock().list.len())
    }
}

#[cfg(test)]
mod tests;
