//! Publishes, and subscriptions that begin with a part of the history.

use std::sync::Arc;
#[cfg(feature = "cluster")]
use std::sync::OnceLock;

use super::capacity::ReplayCapacity;
use super::key::{Declared, TopicKey, TopicRef};
use super::position::{Position, SinceError};
use super::publish::{AfterUnlock, PublishedMessage};
use super::receipt::{LogContext, LoggedOutcome, LoggedResult, PublishError, PublishOutcome};
use super::replay_end::ReplayEnd;
#[cfg(feature = "cluster")]
use super::replay_end::deliver_positioned;
#[cfg(feature = "cluster")]
use super::shared::SharedLog;
use super::start::Start;
use super::{Exclude, Subscriber, Subscription, TopicValue, Topics};
use crate::error::EncodeError;
use crate::log::{
    self, Cursor, Gap, Generation, KeptMessage, Lane, Lanes, LocalLog, Sealer, Secrets, TopicName,
};
use crate::message::Message;
use crate::throttle::LogThrottle;

/// The most lanes for which pages have cursors: a longer one would not fit a URL.
#[cfg(feature = "cluster")]
const MAX_CURSOR_LANES: usize = 64;

/// The log of the declared topics of a hub.
pub(super) struct TopicLog {
    log: LocalLog,
    pub(super) context: Arc<LogContext>,
    /// Throttles the log lines about histories that were removed to make room.
    evictions: LogThrottle,
    /// The log that the hub shares with other nodes: then `log` is not used.
    #[cfg(feature = "cluster")]
    pub(super) shared: OnceLock<SharedLog>,
}

impl TopicLog {
    /// Whether a cursor has room for all lanes.
    #[cfg(feature = "cluster")]
    fn has_cursors(&self) -> bool {
        let shared = self.shared.get();
        shared.is_none_or(|shared| shared.node.lane_count() <= MAX_CURSOR_LANES)
    }

    #[cfg(not(feature = "cluster"))]
    #[expect(
        clippy::unused_self,
        reason = "only a log with the feature `cluster` may have too many lanes"
    )]
    const fn has_cursors(&self) -> bool {
        true
    }

    /// The end of the log.
    fn heads(&self) -> Cursor {
        #[cfg(feature = "cluster")]
        if let Some(shared) = self.shared.get() {
            return shared.node.cursor();
        }
        self.log.heads()
    }

    /// The lane of a topic.
    fn lane(&self, name: &TopicName) -> Lane {
        #[cfg(feature = "cluster")]
        if let Some(shared) = self.shared.get() {
            return shared.node.lane_of(name);
        }
        self.log.lane(name)
    }

    /// Whether it was read once, if other nodes publish to it too.
    #[cfg(feature = "cluster")]
    fn is_ready(&self) -> bool {
        let shared = self.shared.get();
        shared.is_none_or(|shared| shared.node.is_ready())
    }

    #[cfg(not(feature = "cluster"))]
    #[expect(clippy::unused_self, reason = "only a shared log must be read first")]
    const fn is_ready(&self) -> bool {
        true
    }

    pub(super) fn new(history_bytes: usize, secrets: &Secrets) -> Self {
        Self {
            log: LocalLog::new(Lanes::DEFAULT, Generation::random(), history_bytes),
            context: Arc::new(LogContext::new(Sealer::new(secrets))),
            evictions: LogThrottle::default(),
            #[cfg(feature = "cluster")]
            shared: OnceLock::new(),
        }
    }
}

/// A subscription, and the work that remains after its owner is unlocked.
pub(crate) struct NewSubscription {
    pub(crate) subscription: Subscription,
    pub(crate) after_unlock: AfterUnlock,
}

/// The subscriber that another one has replaced, and the work that remains after its owner is
/// unlocked.
#[must_use = "drop the subscriber without any lock"]
pub(crate) struct Replaced {
    pub(crate) earlier: Subscriber,
    pub(crate) after_unlock: AfterUnlock,
}

impl Topics {
    /// Encodes a value once and delivers it to every subscriber; all of them receive publishes in
    /// the same order. If it cannot be encoded, the outcome of a logged topic contains the error;
    /// for others it is logged.
    pub(crate) fn publish<T: TopicValue>(
        &self,
        topic: TopicRef<T>,
        value: &T,
        exclude: Exclude,
    ) -> PublishOutcome {
        let TopicRef { key, declared, .. } = topic;
        if let Some(declared) = declared {
            self.declarations.add(declared);
        }
        match (key, declared) {
            (TopicKey::Declared(name), Some(declared)) if declared.is_logged() => {
                self.publish_logged(name, declared, value.to_message(), exclude)
            }
            #[cfg(feature = "cluster")]
            (TopicKey::Declared(name), Some(_)) if self.log.shared.get().is_some() => {
                self.publish_live(name, value.to_message(), exclude)
            }
            (key, _) => PublishOutcome {
                reached: self.publish_unlogged(&key, value, exclude),
                logged: None,
            },
        }
    }

    fn publish_unlogged<T: TopicValue>(
        &self,
        key: &TopicKey,
        value: &T,
        exclude: Exclude,
    ) -> usize {
        let Some(channel) = self.find(key) else {
            self.counters.count_unheard();
            return 0;
        };
        match value.to_message() {
            Ok(message) => {
                let published = PublishedMessage { message, at: None };
                let (reached, after_unlock) = self.deliver_to_all(key, channel, published, exclude);
                after_unlock.finish(key.name());
                reached
            }
            Err(error) => {
                let (topic, error) = (key.name(), format_args!("{error:#}"));
                tracing::error!(topic, %error, "a value could not be encoded");
                0
            }
        }
    }

    /// Publishes through the log. Compiled once, not for each type of values.
    #[inline(never)]
    fn publish_logged(
        &self,
        name: TopicName,
        declared: Declared,
        message: Result<Message, EncodeError>,
        exclude: Exclude,
    ) -> PublishOutcome {
        #[cfg(feature = "cluster")]
        if let Some(shared) = self.log.shared.get() {
            return self.publish_shared(shared, name, declared, message, exclude);
        }
        let key = TopicKey::Declared(name.clone());
        let published = message.map_err(PublishError::Encode).and_then(|message| {
            let history = declared.kept();
            let published = self.log.log.publish(&name, &message, history, |at| {
                // Looked up under the lock of the lane: a subscriber that has continued from the
                // history gets every later message.
                let Some(channel) = self.find(&key) else {
                    self.counters.count_unheard();
                    return None;
                };
                let message = message.clone();
                let published = PublishedMessage {
                    message,
                    at: Some(at),
                };
                Some(self.deliver_to_all(&key, channel, published, exclude))
            });
            published.map_err(|error| PublishError::TooLarge { len: error.len })
        });
        let mut reached = 0;
        let result = published.map(|logged| {
            if let Some((accepted, after_unlock)) = logged.delivered {
                reached = accepted;
                after_unlock.finish(name.as_str());
            }
            if logged.evicted > 0 {
                self.log.report_evictions(logged.evicted);
            }
            logged.at
        });
        PublishOutcome {
            reached,
            logged: Some(LoggedOutcome {
                topic: name,
                context: self.log.context.clone(),
                result: LoggedResult::Done(result),
            }),
        }
    }

    /// Adds a subscriber, which gets a part of the history first: of a replay, the newest messages
    /// that fit `capacity`, which is called without a lock of this module.
    ///
    /// # Errors
    ///
    /// [`SinceError`] if it cannot continue from its position: it is not subscribed.
    pub(crate) fn subscribe<T: ?Sized>(
        &self,
        topic: &TopicRef<T>,
        subscriber: Subscriber,
        start: &Start,
        capacity: impl Fn() -> ReplayCapacity + Send + Sync + 'static,
    ) -> Result<NewSubscription, SinceError> {
        if let Some(declared) = topic.declared {
            self.declarations.add(declared);
        }
        let key = &topic.key;
        #[cfg(feature = "cluster")]
        if let (TopicKey::Declared(name), Some(shared)) = (key, self.log.shared.get())
            && let Some(declared) = topic.declared.filter(Declared::is_logged)
        {
            return self.subscribe_shared(shared, name, declared, subscriber, start, capacity);
        }
        let capacity = capacity();
        let mut after_unlock = AfterUnlock::new(self);
        let subscribe = |kept: Vec<KeptMessage>, head: Option<log::Position>| {
            let end = head.map(|head| ReplayEnd::of(start, head));
            self.subscribe_after(key, subscriber, |subscriber, topic| {
                self.deliver_kept((subscriber, topic), key, (kept, end), &mut after_unlock);
            })
        };
        let subscription = match (key, start) {
            (TopicKey::Declared(name), Start::Replay(last)) => {
                self.log.log.replay(name, *last, |mut kept, head| {
                    let missing = kept.len() - newest(capacity, &kept);
                    kept.drain(..missing);
                    subscribe(kept, Some(head))
                })
            }
            (TopicKey::Declared(name), Start::Since(_) | Start::Behind(_)) => {
                let from = self.position_of_start(name, start)?;
                self.resume(name, from, capacity, subscribe)?
            }
            _ => subscribe(Vec::new(), None),
        };
        Ok(NewSubscription {
            subscription,
            after_unlock,
        })
    }

    /// Replaces a subscriber in place. With [`Start::Since`] the new one gets the messages behind
    /// the position first.
    ///
    /// # Errors
    ///
    /// [`SinceError`] if it cannot continue from its position: the earlier one stays subscribed.
    pub(crate) fn resubscribe<T: ?Sized>(
        &self,
        existing: &Subscription,
        topic: &TopicRef<T>,
        subscriber: Subscriber,
        start: &Start,
        capacity: ReplayCapacity,
    ) -> Result<Replaced, SinceError> {
        let key = &topic.key;
        let mut after_unlock = AfterUnlock::new(self);
        let (TopicKey::Declared(name), Start::Since(_)) = (key, start) else {
            let earlier = existing.replace(subscriber);
            return Ok(Replaced {
                earlier,
                after_unlock,
            });
        };
        let from = self.position_of_start(name, start)?;
        #[cfg(feature = "cluster")]
        if let (Some(shared), Some(declared)) = (self.log.shared.get(), topic.declared) {
            let limits = declared.kept();
            return Self::resubscribe_shared(shared, name, limits, from, capacity, |first| {
                let earlier = existing.replace_after(subscriber, |subscriber, topic| {
                    deliver_positioned(subscriber, topic, first, &mut after_unlock);
                });
                Replaced {
                    earlier,
                    after_unlock,
                }
            });
        }
        let earlier = self.resume(name, from, capacity, |kept, head| {
            let end = head.map(ReplayEnd::Complete);
            existing.replace_after(subscriber, |subscriber, topic| {
                self.deliver_kept((subscriber, topic), key, (kept, end), &mut after_unlock);
            })
        })?;
        Ok(Replaced {
            earlier,
            after_unlock,
        })
    }

    /// Runs `subscribe` with the messages behind a position, and the end of the log.
    fn resume<R>(
        &self,
        name: &TopicName,
        from: log::Position,
        capacity: ReplayCapacity,
        subscribe: impl FnOnce(Vec<KeptMessage>, Option<log::Position>) -> R,
    ) -> Result<R, SinceError> {
        let resumed = self.log.log.resume(name, from, |kept, head| {
            if newest(capacity, &kept) < kept.len() {
                return Err(SinceError::TooFarBehind);
            }
            Ok(subscribe(kept, Some(head)))
        });
        resumed.map_err(|Gap| SinceError::Gap)?
    }

    /// Checks that a subscription can begin there.
    ///
    /// # Errors
    ///
    /// Same as [`subscribe`](Self::subscribe).
    pub(crate) fn check_start<T: ?Sized>(
        &self,
        topic: &TopicRef<T>,
        start: &Start,
    ) -> Result<(), SinceError> {
        let (TopicKey::Declared(name), Start::Since(_) | Start::Behind(_)) = (&topic.key, start)
        else {
            return Ok(());
        };
        let from = self.position_of_start(name, start)?;
        #[cfg(feature = "cluster")]
        if let (Some(shared), Some(declared)) = (self.log.shared.get(), topic.declared) {
            return Self::check_shared(shared, name, declared, from);
        }
        let resumed = self.log.log.resume(name, from, |_, _| ());
        resumed.map_err(|Gap| SinceError::Gap)
    }

    fn position_of_start(
        &self,
        name: &TopicName,
        start: &Start,
    ) -> Result<log::Position, SinceError> {
        match start {
            Start::Since(position) => position.open(name, &self.log.context.sealer),
            Start::Behind(cursor) => {
                let position = cursor.position(self.log.lane(name));
                position.ok_or(SinceError::Gap)
            }
            Start::Now | Start::Replay(_) => Err(SinceError::Invalid),
        }
    }

    /// Whether pages can continue from their cursors.
    pub(crate) fn has_cursors(&self) -> bool {
        self.log.has_cursors()
    }

    /// Whether subscribers get everything: the log, if it is shared, was read once.
    pub(crate) fn is_ready(&self) -> bool {
        self.log.is_ready()
    }

    /// The end of the log, for the cursors of pages.
    pub(crate) fn heads(&self) -> Cursor {
        self.log.heads()
    }

    /// Delivers messages of the history to one subscriber.
    fn deliver_kept(
        &self,
        (subscriber, topic): (&Subscriber, u64),
        key: &TopicKey,
        (kept, end): (Vec<KeptMessage>, Option<ReplayEnd>),
        after_unlock: &mut AfterUnlock,
    ) {
        let count = kept.len();
        for (number, kept) in kept.into_iter().enumerate() {
            let place = end.map(|end| end.place(number + 1 == count));
            let at = match (subscriber, key) {
                (Subscriber::Listener { .. }, TopicKey::Declared(name)) => {
                    Some(self.log.log.position_of(name, &kept))
                }
                _ => None,
            };
            after_unlock.deliver_first(subscriber, topic, kept.message, (at, place));
        }
    }

    /// The position of a message of a topic, for its handlers.
    pub(crate) fn position(&self, at: log::Position, topic: &TopicKey) -> Option<Position> {
        let TopicKey::Declared(name) = topic else {
            return None;
        };
        Some(Position::new(
            at,
            name.clone(),
            self.log.context.sealer.clone(),
        ))
    }

    /// The number of publishes that were refused and not awaited.
    pub(crate) fn refused_publishes(&self) -> u64 {
        self.log.context.refused()
    }
}

/// The number of the newest of these messages that fit.
fn newest(capacity: ReplayCapacity, kept: &[KeptMessage]) -> usize {
    capacity.newest(kept.iter().map(|kept| kept.message.len()))
}

impl TopicLog {
    fn report_evictions(&self, evicted: usize) {
        let evicted = u64::try_from(evicted).unwrap_or(u64::MAX);
        if let Some(count) = self.evictions.add(evicted) {
            tracing::warn!(
                count,
                "topics have lost their histories: the limit `history` of the server is reached"
            );
        }
    }
}

#[cfg(test)]
mod tests;
