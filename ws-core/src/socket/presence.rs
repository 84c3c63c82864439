//! The members of topics: entering, leaving and watching.

use std::sync::Arc;

use tokio::time::Instant;

use super::memberships::Membership;
use super::subscribe::decode_value;
use super::{ConnectionShared, OptionalState, Sends, Socket};
use crate::close::{Close, CloseCause};
use crate::error::{EncodeError, EnterError};
use crate::limits::{MAX_MEMBER, MAX_MEMBER_KEY};
use crate::log::{self, TopicName};
use crate::mailbox::{Accepts, MailboxError};
use crate::message::Message;
use crate::outbox::Policy;
use crate::presence::event::MembersEvent;
use crate::presence::record::{Key, Value};
use crate::presence::topics::{Full, OccupiedTopic};
use crate::topic::{HasPresence, MemberValue, Recipient, Subscriber, SubscriberKind, TopicKey};

impl<H> Socket<H> {
    /// Makes this connection a member of the topic, under this key, until [`leave`](Self::leave) or
    /// the end of the connection. If it has entered under this key already, only the member changes.
    ///
    /// Connections with the same key are one member, for example the tabs of one user: it enters
    /// with the first, leaves with the last, and the value of the connection that has entered last
    /// is shown. A member that has left is shown for another
    /// [`linger`](crate::limits::PresenceLimits::linger), so that a reload of a page shows nothing.
    /// Changes of one key within a [`tick`](crate::limits::PresenceLimits::tick) are merged.
    ///
    /// If the member cannot enter, the error is logged and the connection is closed: with 1013 if
    /// the topic or the server is full, or the connection has entered too many members, otherwise with
    /// 1011. Use [`try_enter`](Self::try_enter) if the client
    /// chooses the key, or much of the member.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use ws_server::Socket;
    /// use ws_server::topic::HasPresence;
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Member { name: String, is_typing: bool }
    ///
    /// /// Shows the other members of a room whether this one is typing.
    /// fn show<H, Room>(socket: &Socket<H>, room: &Room, user: &str, is_typing: bool)
    /// where
    ///     Room: HasPresence<Member = Member>,
    /// {
    ///     let name = user.to_owned();
    ///     socket.enter(room, user, Member { name, is_typing });
    /// }
    /// ```
    pub fn enter<D: HasPresence>(&self, topic: &D, key: &str, member: D::Member) {
        match self.try_enter(topic, key, member) {
            Ok(()) | Err(EnterError::Closed) => {}
            Err(error) => {
                let id = self.id();
                tracing::error!(%id, %error, "closed: a member could not enter its topic");
                let close = Close::new(error.close_code(), "the topic could not be entered");
                self.shared.close(&close, CloseCause::HookError);
            }
        }
    }

    /// Same as [`enter`](Self::enter), but returns an error if the member cannot enter.
    ///
    /// ```
    /// use ws_server::{EnterError, Socket};
    /// use ws_server::topic::HasPresence;
    ///
    /// /// Sets a status that the client chooses.
    /// fn set_status<H, Room>(socket: &Socket<H>, room: &Room, user: &str, status: String) -> bool
    /// where
    ///     Room: HasPresence<Member = String>,
    /// {
    ///     match socket.try_enter(room, user, status) {
    ///         Ok(()) => true,
    ///         Err(EnterError::TooLarge { .. }) => socket.try_enter(room, user, "…".into()).is_ok(),
    ///         Err(_) => false,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`EnterError`]: the key or the member exceeds its limit, the member cannot be encoded, the
    /// topic or the server is full, the connection has too many subscriptions or has entered too many
    /// members, or it is gone.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the member belongs to the topic from now on"
    )]
    pub fn try_enter<D: HasPresence>(
        &self,
        topic: &D,
        key: &str,
        member: D::Member,
    ) -> Result<(), EnterError> {
        let len = key.len();
        if len == 0 || len > MAX_MEMBER_KEY {
            return Err(EnterError::InvalidKey { len });
        }
        let member = serde_json::to_string(&member).map_err(EncodeError::new)?;
        let len = member.len();
        if len > MAX_MEMBER {
            return Err(EnterError::TooLarge { len });
        }
        let name = self.shared.route_context.topics.name_of(topic);
        self.shared.enter(&name, &key.into(), member.into())
    }

    /// Ends all memberships of this connection in the topic. Returns whether there was one.
    pub fn leave<D: HasPresence>(&self, topic: &D) -> bool {
        let name = self.shared.route_context.topics.name_of(topic);
        self.shared.leave(|entered| *entered.topic.name() == name)
    }

    /// Ends the membership of this connection in the topic under one key. Returns whether there was
    /// one.
    pub fn leave_key<D: HasPresence>(&self, topic: &D, key: &str) -> bool {
        let name = self.shared.route_context.topics.name_of(topic);
        self.shared.leave(|entered| entered.is_of(&name, key))
    }

    /// Sends the members of the topic to the client, and then every change, until
    /// [`unwatch`](Self::unwatch) or the end of the connection: see [`MembersEvent`], which has the
    /// format. If the client does not read fast enough, its connection is closed with 1013.
    ///
    /// All watchers of a topic get the same events at the same time. So a member that enters at the
    /// same time may be missing in the first event, and follows with the next one. Watching counts
    /// as a subscription of the connection; if it watches the topic already, this has no effect.
    ///
    /// ```
    /// use ws_server::Socket;
    /// use ws_server::socket::Sends;
    /// use ws_server::topic::{HasPresence, MembersEvent};
    ///
    /// fn join<H, Room>(socket: &Socket<H>, room: &Room, user: &str)
    /// where
    ///     Room: HasPresence<Member = String>,
    ///     H: Sends<MembersEvent<String>>,
    /// {
    ///     socket.enter(room, user, user.to_owned());
    ///     // The client gets:
    ///     // {"presence":"snapshot","topic":"room/7","members":[["ada","ada"],["bob","bob"]]}
    ///     socket.watch(room);
    /// }
    /// ```
    pub fn watch<D: HasPresence>(&self, topic: &D)
    where
        H: Sends<MembersEvent<D::Member>>,
    {
        let recipient: Arc<dyn Recipient> = self.shared.clone();
        let policy = Policy::Close;
        let watcher = Subscriber::Client { recipient, policy };
        let name = self.shared.route_context.topics.name_of(topic);
        self.shared.watch(&name, watcher);
    }

    /// Stops sending the members of the topic to the client. Returns whether it was watching.
    pub fn unwatch<D: HasPresence>(&self, topic: &D) -> bool {
        let name = self.shared.route_context.topics.name_of(topic);
        let key = TopicKey::Members(name);
        self.shared
            .remove_subscription(&key, SubscriberKind::Client)
    }

    /// Same as [`watch`](Self::watch), but delivers the events to the handler: in `info`, converted
    /// to the mailbox type, which is `From<MembersEvent<Member>>`. The limits and errors are those
    /// of [`listen`](Self::listen).
    ///
    /// ```
    /// use ws_server::prelude::*;
    /// use ws_server::topic::MembersEvent;
    ///
    /// topics! {
    ///     /// A table for two. Its members are the players.
    ///     pub Table: "table/{id: u64}" => String { presence: String };
    /// }
    ///
    /// struct Player { table: Table }
    ///
    /// #[ws_handler]
    /// impl Player {
    ///     fn init(Path(id): Path<u64>, session: Session, socket: &Socket<Self>) -> Self {
    ///         let (table, user) = (Table(id), session.user().unwrap_or("guest"));
    ///         socket.enter(&table, user, user.to_owned());
    ///         socket.listen_members(&table);
    ///         Player { table }
    ///     }
    ///
    ///     /// Begins the game when the second player has come.
    ///     fn info(&mut self, _: MembersEvent<String>, socket: &Socket<Self>, hub: &Hub) -> Option<&'static str> {
    ///         if hub.member_count(&self.table) < 2 {
    ///             return None;
    ///         }
    ///         socket.unlisten_members(&self.table);
    ///         Some("begin")
    ///     }
    ///
    ///     /// Leaves the table before the connection ends.
    ///     fn message(&mut self, _resign: String, socket: &Socket<Self>) {
    ///         socket.leave(&self.table);
    ///     }
    /// }
    ///
    /// dispatch! {
    ///     struct Routes;
    ///
    ///     game: "/tables/{id: u64}" => Player;
    /// }
    /// # fn main() {}
    /// ```
    pub fn listen_members<D, M>(&self, topic: &D)
    where
        D: HasPresence,
        M: From<MembersEvent<D::Member>> + Send + 'static,
        H: Accepts<M>,
    {
        let name = self.shared.route_context.topics.name_of(topic);
        let handler = Arc::downgrade(&self.shared);
        let deliver = move |message: &Message, _: Option<log::Position>| {
            let handler: Arc<ConnectionShared> = handler.upgrade()?;
            let queued = handler.queue_members_event::<D::Member, M>(message);
            Some((handler as Arc<dyn Recipient>, queued))
        };
        let listener = Subscriber::Listener {
            id: self.id(),
            deliver: Box::new(deliver),
        };
        self.shared.watch(&name, listener);
    }

    /// Stops delivering the members of the topic to the handler. Returns whether it was listening.
    pub fn unlisten_members<D: HasPresence>(&self, topic: &D) -> bool {
        let name = self.shared.route_context.topics.name_of(topic);
        let key = TopicKey::Members(name);
        self.shared
            .remove_subscription(&key, SubscriberKind::Listener)
    }
}

impl OptionalState {
    /// The number that counts against the limit of subscriptions.
    pub(super) fn subscription_count(&self) -> usize {
        let memberships = self.memberships.as_ref();
        self.subscriptions.len() + memberships.map_or(0, |it| it.len())
    }
}

impl ConnectionShared {
    fn enter(&self, name: &TopicName, key: &Key, value: Value) -> Result<(), EnterError> {
        let presence = &self.route_context.presence;
        // Locked throughout: otherwise the connection could end in between, and never leave.
        let mut lifecycle = self.lock();
        if lifecycle.ended {
            return Err(EnterError::Closed);
        }
        let state = lifecycle.optional();
        let count = state.subscription_count();
        let memberships = state.memberships.get_or_insert_default();
        let is_new = !memberships.has(name, key);
        if is_new && count >= self.limits().subscriptions {
            return Err(EnterError::TooManySubscriptions);
        }
        if is_new {
            let others = memberships.others(name, key, Instant::now());
            if others >= presence.limits().per_connection {
                return Err(EnterError::TooManyMembers);
            }
        }
        let entered = presence.enter(name, key, self.id, value);
        let topic = entered.map_err(|full| match full {
            Full::Topic => EnterError::TopicFull,
            Full::Server => EnterError::ServerFull,
        })?;
        if is_new {
            let (topic, key) = (topic.clone(), key.clone());
            memberships.add(Membership { topic, key });
        }
        drop(lifecycle);
        presence.settle(&topic);
        Ok(())
    }

    fn leave(&self, ends: impl Fn(&Membership) -> bool) -> bool {
        let mut lifecycle = self.lock();
        let state = lifecycle.optional.as_mut();
        let Some(memberships) = state.and_then(|state| state.memberships.as_mut()) else {
            return false;
        };
        let until = self.route_context.presence.shown_until(Instant::now());
        let left = memberships.leave(ends, until);
        // Before the lock is released: otherwise this could undo a later `enter`.
        let topics = self.leave_all(left);
        drop(lifecycle);
        self.settle_all(&topics)
    }

    /// Ends these memberships. The caller must then call [`settle_all`](Self::settle_all), without
    /// a lock.
    pub(super) fn leave_all(&self, left: Vec<Membership>) -> Vec<Arc<OccupiedTopic>> {
        let leave = |Membership { topic, key }| {
            topic.leave(&key, self.id);
            topic
        };
        left.into_iter().map(leave).collect()
    }

    /// Sends and schedules the changes of these topics. Returns whether there were any topics.
    pub(super) fn settle_all(&self, topics: &[Arc<OccupiedTopic>]) -> bool {
        for topic in topics {
            self.route_context.presence.settle(topic);
        }
        !topics.is_empty()
    }

    /// Queues an event for the handler; does not wake its task.
    fn queue_members_event<V, M>(&self, message: &Message) -> Result<(), MailboxError>
    where
        V: MemberValue,
        M: From<MembersEvent<V>> + Send + 'static,
    {
        if !self.outbox.is_open() {
            return Err(MailboxError::Closed);
        }
        let decode = |message| decode_value::<MembersEvent<V>>(message).map(M::from);
        let limit = self.limits().mailbox;
        let notified = self
            .mailbox
            .notify_topic_message(message.clone(), decode, limit);
        notified.inspect_err(|error| self.count_unless_closed(*error))
    }

    fn watch(&self, name: &TopicName, watcher: Subscriber) {
        let presence = &self.route_context.presence;
        let key = TopicKey::Members(name.clone());
        // Locked throughout: two subscriptions would double every event.
        let mut lifecycle = self.lock();
        if lifecycle.ended {
            return;
        }
        let kind = watcher.kind();
        let state = lifecycle.optional();
        let mut subscriptions = state.subscriptions.iter();
        if subscriptions.any(|subscription| subscription.is_to(&key, kind)) {
            return;
        }
        if state.subscription_count() >= self.limits().subscriptions {
            drop(lifecycle);
            self.close_at_subscription_limit();
            return;
        }
        let (topic, added) = presence.watch(name, watcher);
        state.subscriptions.push(added.subscription);
        drop(lifecycle);
        added.after_unlock.finish(name.as_str());
        presence.settle(&topic);
    }
}
