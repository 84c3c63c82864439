//! The subscriptions of pages and sessions on a log that several nodes share: every node knows them,
//! so a page that continues on another node has its topics there.
//!
//! A subscription has its effect on its own node at once, on the others when they read its record in
//! lane 0. The last change of each subscription waits until the log has it, so that the changes of
//! one subscription keep their order. Nodes that start later load what the others have recorded
//! beside the members of topics.
//!
//! A node that has a page writes its subscriptions again before they expire; if nobody has it, they
//! end. In these files, each uses only those below it in this list:
//!
//! ```text
//! applied   what was read has its effect on the pages of this node
//! moved     pages that come from another node
//! writer    changes wait for the log
//!   table   Table    the subscriptions of all nodes
//!   record  Change   their form in the log
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Pages;
use crate::limits::PageLimits;
use crate::page::stream::Stream;
use crate::session::{Session, SessionId};
use crate::throttle::LogThrottle;
use crate::topic::{EventPlan, SharedPlan, TopicKey};

mod applied;
mod moved;
mod record;
mod table;
mod writer;

use record::{Change, Key, Owner, SharedSubscription};
use table::{Full, MAX_SUBSCRIPTIONS, Table, TableLimits, Writer};

/// New subscriptions of this node that wait for the log, at most. Later ones are known only to this
/// node.
const MAX_PENDING: usize = 65_536;

/// Where a subscription was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MadeOn {
    /// The server that has the page.
    ServerOfPage,
    /// Any server, or it belongs to a session.
    AnyServer,
}

/// The subscriptions of all nodes, and the changes of this one.
pub(super) struct SharedTopics {
    state: Mutex<State>,
    /// Subscriptions beyond a limit.
    full: LogThrottle,
}

struct State {
    table: Table,
    /// The last change of each subscription that must be written.
    pending: HashMap<Key, Change>,
    /// The changes that the log has not accepted yet.
    in_flight: HashMap<Key, Change>,
    is_writing: bool,
}

impl SharedTopics {
    pub(super) fn new(limits: &PageLimits) -> Self {
        let table = Table::new(TableLimits {
            of_page: limits.subscriptions,
            of_session: limits.session_subscriptions,
            all: MAX_SUBSCRIPTIONS,
        });
        Self {
            state: Mutex::new(State {
                table,
                pending: HashMap::new(),
                in_flight: HashMap::new(),
                is_writing: false,
            }),
            full: LogThrottle::default(),
        }
    }

    /// Nothing but this module is called under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds a new subscription that must be written.
    fn add(&mut self, key: Key, subscription: SharedSubscription) -> Result<(), Full> {
        if self.pending.len() >= MAX_PENDING && !self.pending.contains_key(&key) {
            return Err(Full);
        }
        self.pending.insert(key, Change::Added(subscription));
        Ok(())
    }

    /// The last change of this node that is not in the table yet.
    fn unread(&self, key: &Key) -> Option<&Change> {
        self.pending.get(key).or_else(|| self.in_flight.get(key))
    }

    /// The subscriptions of a page or a session, as this node knows them.
    fn current(&self, owner: &Owner) -> Vec<(Key, SharedSubscription, Writer)> {
        let entries = self.table.of(owner).iter().map(|entry| {
            let (owner, topic) = (owner.clone(), entry.topic.clone());
            (Key { owner, topic }, &entry.subscription, entry.writer)
        });
        let is_over = |key: &Key| matches!(self.unread(key), Some(Change::Removed | Change::Ended));
        let of_table = entries.filter(|(key, ..)| !is_over(key));
        let mut all: Vec<_> = of_table
            .map(|(key, subscription, writer)| (key, subscription.clone(), writer))
            .collect();
        let unread = self.in_flight.keys().chain(self.pending.keys());
        for key in unread.filter(|key| key.owner == *owner) {
            if let Some(Change::Added(subscription)) = self.unread(key)
                && !all.iter().any(|(known, ..)| known == key)
            {
                all.push((key.clone(), subscription.clone(), Writer::This));
            }
        }
        all
    }
}

fn key_of(owner: Owner, topic: &TopicKey) -> Option<Key> {
    let TopicKey::Declared(topic) = topic else {
        return None;
    };
    let topic = topic.clone();
    Some(Key { owner, topic })
}

impl Pages {
    /// The number of subscriptions that all nodes know.
    pub(crate) fn shared_subscriptions(&self) -> usize {
        self.shared_topics.lock().table.len()
    }

    /// Whether other servers have pages too.
    pub(in crate::page) fn is_shared(&self) -> bool {
        self.topics.shared().is_some()
    }

    /// A page was subscribed here. Called under the lock of its subscriptions.
    pub(super) fn share_page_topic(&self, page: &str, session: &Session, plan: &EventPlan) {
        self.share_added(
            (Owner::Page(page.into()), MadeOn::ServerOfPage),
            (session.renewals(), session.user()),
            plan,
        );
    }

    /// A session was subscribed here. Called under the lock of the subscriptions of sessions.
    pub(super) fn share_session_topic(
        &self,
        session: SessionId,
        visitor: (u32, Option<&str>),
        plan: &EventPlan,
    ) {
        let owner = Owner::Session(session);
        self.share_added((owner, MadeOn::AnyServer), visitor, plan);
    }

    /// Returns whether the other nodes will know the subscription.
    fn share_added(
        &self,
        (owner, made_on): (Owner, MadeOn),
        (renewals, user): (u32, Option<&str>),
        plan: &EventPlan,
    ) -> bool {
        let shared = SharedPlan::of(plan).filter(|_| self.is_shared());
        let Some((topic, plan)) = shared else {
            return false;
        };
        let subscription = SharedSubscription {
            plan,
            renewals,
            user: user.map(Into::into),
            with_page: made_on == MadeOn::ServerOfPage,
        };
        let key = Key { owner, topic };
        let mut state = self.shared_topics.lock();
        let is_known = state.unread(&key).is_none()
            && state.table.get(&key).is_some_and(|known| {
                known.subscription == subscription && known.writer == Writer::This
            });
        if is_known {
            return true;
        }
        if let Err(Full) = state.add(key.clone(), subscription) {
            drop(state);
            self.keep_here(&key);
            return false;
        }
        self.start_writing(state);
        true
    }

    /// A subscription is not kept for other servers: its page cannot move unnoticed.
    fn keep_here(&self, key: &Key) {
        if let Some(count) = self.shared_topics.full.count() {
            let topic = key.topic.as_str();
            tracing::error!(
                topic,
                count,
                "subscriptions of pages or sessions are not kept for other servers: a limit is \
                 reached"
            );
        }
        if let Owner::Page(page) = &key.owner
            && let Some(stream) = self.find(page)
        {
            self.anchor(&stream);
        }
    }

    /// The subscription of a page has ended here. Called under the lock of its subscriptions.
    pub(super) fn share_page_removal(&self, page: &str, topic: &TopicKey) {
        if self.is_shared()
            && let Some(key) = key_of(Owner::Page(page.into()), topic)
        {
            self.share_removal(key);
        }
    }

    /// The subscription of a session has ended here.
    pub(super) fn share_session_removal(&self, session: SessionId, topic: &TopicKey) {
        if self.is_shared()
            && let Some(key) = key_of(Owner::Session(session), topic)
        {
            self.share_removal(key);
        }
    }

    /// Returns whether there was a subscription.
    fn share_removal(&self, key: Key) -> bool {
        let mut state = self.shared_topics.lock();
        let is_known = match state.unread(&key) {
            Some(change) => matches!(change, Change::Added(_)),
            None => state.table.get(&key).is_some(),
        };
        if is_known {
            state.pending.insert(key, Change::Removed);
            self.start_writing(state);
        }
        is_known
    }

    /// Subscribes a page that is on another node, or on none at the moment. Returns whether the log
    /// is shared and has the topic.
    pub(in crate::page) fn subscribe_elsewhere(
        &self,
        page: &str,
        session: &Session,
        plan: &EventPlan,
    ) -> bool {
        let is_possible = self.is_shared() && !plan.start.is_since();
        let owner = (Owner::Page(page.into()), MadeOn::AnyServer);
        let visitor = (session.renewals(), session.user());
        is_possible && self.share_added(owner, visitor, plan)
    }

    /// The number of subscriptions of a page, as this node knows them.
    pub(in crate::page) fn shared_subscriptions_of(&self, page: &str) -> usize {
        let owner = Owner::Page(page.into());
        self.shared_topics.lock().current(&owner).len()
    }

    /// Ends the subscription of a page that is on another node. Returns whether there was one.
    pub(in crate::page) fn unsubscribe_elsewhere(&self, page: &str, topic: &TopicKey) -> bool {
        let key = key_of(Owner::Page(page.into()), topic);
        self.is_shared() && key.is_some_and(|key| self.share_removal(key))
    }

    /// A page has ended for good: so do the subscriptions that this node has written last.
    pub(super) fn end_shared_topics(&self, stream: &Stream) {
        if !self.is_shared() {
            return;
        }
        let owner = Owner::Page((&**stream.id()).into());
        let mut state = self.shared_topics.lock();
        let own = state.current(&owner).into_iter();
        let own: Vec<_> = own.filter(|(.., writer)| *writer == Writer::This).collect();
        if own.is_empty() {
            return;
        }
        let ended = own.into_iter().map(|(key, ..)| (key, Change::Ended));
        state.pending.extend(ended);
        self.start_writing(state);
    }

    /// A session has ended, or some of its subscriptions have, on all nodes.
    pub(super) fn forget_session_topics(&self, session: SessionId, topics: &[&TopicKey]) {
        let Some(shared) = self.topics.shared() else {
            return;
        };
        let mut ended = Vec::new();
        let mut state = self.shared_topics.lock();
        for topic in topics {
            let Some(key) = key_of(Owner::Session(session), topic) else {
                continue;
            };
            state.pending.remove(&key);
            let is_recorded = state.table.get(&key);
            let is_recorded =
                is_recorded.is_some_and(|it| !matches!(it.writer, Writer::Another(_)));
            if state.table.remove(&key) && is_recorded {
                ended.push(key);
            }
        }
        drop(state);
        for key in ended {
            shared.node().note_common(key.to_bytes(), None);
        }
    }

    /// Whether this node has a page, or a page of a session.
    fn has_owner(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Page(id) => self.find(id).is_some_and(|stream| !stream.has_ended()),
            Owner::Session(id) => self.has_pages_of(*id),
        }
    }

    /// The stream of a page that is subscribed, if it is here.
    fn stream_for(&self, page: &str, subscription: &SharedSubscription) -> Option<Arc<Stream>> {
        let stream = self.find(page).filter(|stream| !stream.has_ended())?;
        subscription.is_for(&stream.session()).then_some(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::record::tests::{page, subscription};
    use super::*;

    #[test]
    fn new_subscriptions_wait_up_to_a_limit_and_later_changes_of_them_have_room() {
        let SharedTopics { state, .. } = SharedTopics::new(&PageLimits::DEFAULT);
        let mut state = state.into_inner().unwrap();
        let said = || subscription("said", None);
        for number in 0..MAX_PENDING {
            let key = page(&number.to_string(), "room/7");
            assert_eq!(state.add(key, said()), Ok(()));
        }
        assert_eq!(state.add(page("late", "room/7"), said()), Err(Full));
        assert_eq!(state.add(page("0", "room/7"), said()), Ok(()));
        assert_eq!(state.pending.len(), MAX_PENDING);
    }

    #[cfg(feature = "test-kit")]
    #[tokio::test(start_paused = true)]
    async fn a_page_whose_subscription_the_others_do_not_keep_is_anchored() {
        let cluster = crate::testkit::Cluster::new(1).await;
        let rendered = cluster.node(0).visitor().await.page();
        let pages = rendered.pages();
        let id = rendered.id().into();
        let stream = pages.open(&id, rendered.owner(), None).unwrap();
        pages.keep_here(&page(rendered.id(), "room/7"));
        assert!(!stream.anchor(), "it is anchored already");
    }
}
