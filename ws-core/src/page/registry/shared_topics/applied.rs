//! What was read from the log, and its effect on the pages of this node.

use std::sync::Arc;
use std::time::Duration;

use super::record::{Change, Key, Owner, SharedSubscription, read, write};
use super::table::{Lifetimes, Writer};
use super::{Pages, State};
use crate::log::shared::{AfterLane, Author, Incarnation, RecordedMember};
use crate::page::registry::topics::Sharing;
use crate::page::stream::{Stream, SubscribedBy};
use crate::session::SessionGeneration;
use crate::topic::TopicKey;

/// What remains to do for the pages of this node, without the lock of the lane.
enum Effect {
    Subscribe {
        key: Key,
        subscription: SharedSubscription,
        author: Author,
    },
    Unsubscribe(Key),
    /// Another node has ended the subscriptions of a page, which may continue here.
    Confirm(Key, SharedSubscription),
}

/// A record that this version cannot read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UnreadableRecord;

impl State {
    /// Whether this node has changed a subscription since what was read of it: then what was read
    /// has no effect on its pages.
    fn is_outdated(&self, key: &Key, author: Author) -> bool {
        let is_own_in_flight = author == Author::This;
        self.pending.contains_key(key) || !is_own_in_flight && self.in_flight.contains_key(key)
    }
}

impl Pages {
    /// Applies a record of a subscription.
    pub(crate) fn subscription_read(
        &self,
        content: &[u8],
        author: Author,
        incarnation: Incarnation,
    ) -> Result<AfterLane, UnreadableRecord> {
        let (key, change) = read(content).ok_or(UnreadableRecord)?;
        let writer = match author {
            Author::This => Writer::This,
            Author::Another => Writer::Another(incarnation),
        };
        let mut state = self.shared_topics.lock();
        let is_outdated = state.is_outdated(&key, author);
        let effect = match change {
            Change::Added(subscription) => {
                if state.table.set(&key, subscription.clone(), writer).is_err() {
                    drop(state);
                    self.keep_here(&key);
                    return Ok(None);
                }
                self.record(author, &key, Some(&subscription));
                Effect::Subscribe {
                    key,
                    subscription,
                    author,
                }
            }
            Change::Removed => {
                state.table.remove(&key);
                self.record(author, &key, None);
                Effect::Unsubscribe(key)
            }
            Change::Ended => {
                let known = state.table.get(&key).map(|it| it.subscription.clone());
                let Some(known) = known.filter(|_| state.table.end(&key, writer)) else {
                    return Ok(None);
                };
                self.record(author, &key, None);
                Effect::Confirm(key, known)
            }
        };
        drop(state);
        let pages = self.weak_self.upgrade().filter(|_| !is_outdated);
        Ok(pages.map(|pages| -> Box<dyn FnOnce()> { Box::new(move || pages.run(effect)) }))
    }

    /// The author of a change records it for nodes that start later.
    fn record(&self, author: Author, key: &Key, subscription: Option<&SharedSubscription>) {
        if author == Author::This
            && let Some(shared) = self.topics.shared()
        {
            let value = subscription.map(|it| write(key, &Change::Added(it.clone())));
            shared.node().note_common(key.to_bytes(), value);
        }
    }

    fn run(&self, effect: Effect) {
        match effect {
            Effect::Subscribe {
                key,
                subscription,
                author,
            } => match &key.owner {
                Owner::Page(page) => {
                    if self.subscribe_read(page, &key, &subscription) && author == Author::Another {
                        // This node has the page, so it writes the subscription from now on.
                        self.write_again([(key, subscription)]);
                    }
                }
                Owner::Session(id) => self.subscribe_session_read(
                    SessionGeneration {
                        id: *id,
                        renewals: subscription.renewals,
                    },
                    subscription.user.as_deref(),
                    &subscription.plan.plan(&key.topic),
                ),
            },
            Effect::Unsubscribe(Key { owner, topic }) => {
                let topic = TopicKey::Declared(topic);
                match owner {
                    Owner::Page(page) => {
                        if let Some(stream) = self.find(&page) {
                            let by = (SubscribedBy::Page, Sharing::Here);
                            self.unsubscribe_stream(&stream, &topic, by);
                        }
                    }
                    Owner::Session(id) => {
                        self.unsubscribe_session_read(id, &topic);
                    }
                }
            }
            Effect::Confirm(key, subscription) => {
                let Owner::Page(page) = &key.owner else {
                    return;
                };
                let topic = TopicKey::Declared(key.topic.clone());
                // A stream without a socket may be one that its page has left.
                let stream = self.stream_for(page, &subscription);
                let stream = stream.filter(|stream| stream.is_in_use());
                let keeps = |stream: &Stream| {
                    let topics = stream.topics();
                    topics.has(SubscribedBy::Page, &topic) || topics.is_beginning()
                };
                if stream.is_some_and(|stream| keeps(&stream)) {
                    self.write_again([(key, subscription)]);
                }
            }
        }
    }

    /// Subscribes a page of this node. Returns whether it is here, unlike one that all handshakes were
    /// refused to, and was not subscribed yet.
    fn subscribe_read(&self, page: &str, key: &Key, subscription: &SharedSubscription) -> bool {
        let Some(stream) = self.stream_for(page, subscription) else {
            return false;
        };
        let plan = subscription.plan.plan(&key.topic);
        if stream.topics().has(SubscribedBy::Page, &plan.topic.key) {
            return false;
        }
        match self.subscribe_moved(&stream, &plan, subscription.with_page) {
            Ok(after_unlock) => {
                after_unlock.finish(key.topic.as_str());
                !stream.is_stray()
            }
            // The page has ended, or does not continue yet, or has subscriptions of its handler up to
            // the limit.
            Err(_) => false,
        }
    }

    fn write_again(&self, all: impl IntoIterator<Item = (Key, SharedSubscription)>) {
        let mut state = self.shared_topics.lock();
        for (key, subscription) in all {
            let later = state.pending.entry(key);
            later.or_insert(Change::Added(subscription));
        }
        if !state.pending.is_empty() {
            self.start_writing(state);
        }
    }

    /// Adds what other nodes have recorded before this one has started.
    pub(crate) fn load_subscriptions(self: &Arc<Self>, recorded: &[RecordedMember]) {
        for RecordedMember { value, .. } in recorded {
            let Some((key, Change::Added(subscription))) = read(value) else {
                tracing::debug!("a recorded subscription is skipped");
                continue;
            };
            let mut state = self.shared_topics.lock();
            let known = state.table.set(&key, subscription.clone(), Writer::Unknown);
            drop(state);
            if known.is_err() {
                self.keep_here(&key);
                continue;
            }
            self.run(Effect::Subscribe {
                key,
                subscription,
                author: Author::Another,
            });
        }
    }

    /// A node is dead: this one writes the subscriptions of the pages and sessions that it has.
    pub(crate) fn subscriber_died(&self, dead: Incarnation) {
        let mut orphans = self.shared_topics.lock().table.died(dead);
        orphans.retain(|(key, _)| self.has_owner(&key.owner));
        self.write_again(orphans);
    }

    /// Entries of the log may be lost.
    pub(crate) fn subscriptions_lost(&self) {
        self.shared_topics.lock().table.lost();
    }

    /// Writes the subscriptions of this node again.
    pub(crate) fn announce_subscriptions(&self) {
        let mut own = self.shared_topics.lock().table.own();
        // Of those of dead nodes, it has some pages and sessions.
        own.retain(|(key, _, writer)| *writer == Writer::This || self.has_owner(&key.owner));
        self.write_again(own.into_iter().map(|(key, it, _)| (key, it)));
    }

    /// Time has passed: ends what nobody has written again, and writes again what this node has.
    pub(crate) fn check_subscriptions(&self, idle: Duration) {
        let lifetimes = Lifetimes {
            grace: self.limits.grace,
            idle,
        };
        let due = self.shared_topics.lock().table.tick(lifetimes);
        let Some(mut due) = due else {
            return;
        };
        due.rewritten.retain(|(key, _, writer)| match key.owner {
            // A session is held by the node that has written it, until the store has lost it.
            Owner::Session(_) if *writer == Writer::This => true,
            _ => self.has_owner(&key.owner),
        });
        let rewritten = due.rewritten.into_iter().map(|(key, it, _)| (key, it));
        self.write_again(rewritten);
        let Some(shared) = self.topics.shared() else {
            return;
        };
        for key in due.expired {
            shared.node().note_common(key.to_bytes(), None);
            self.run(Effect::Unsubscribe(key));
        }
    }
}
