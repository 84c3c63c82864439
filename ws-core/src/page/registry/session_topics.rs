//! The subscriptions of sessions: every page of the session is subscribed, now and later.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Pages;
use super::topics::{Deferred, Sharing};
use crate::log::Cursor;
use crate::page::queue::Loss;
use crate::page::stream::{NotAdded, Stream, SubscribedBy};
use crate::session::{Session, SessionGeneration, SessionId, SessionSubscribeError};
use crate::topic::{Continuity, EventPlan, SinceError, TopicKey};

/// The subscriptions of all sessions.
#[derive(Default)]
pub(super) struct SessionTopics(Mutex<HashMap<SessionId, SessionPlans>>);

#[derive(Default)]
struct SessionPlans {
    /// The most logons of the session that are known.
    renewals: u32,
    list: Vec<SessionPlan>,
}

/// One subscription of a session.
struct SessionPlan {
    plan: EventPlan,
    /// The number of logons when it was made: pages from before do not get it.
    renewals: u32,
    /// The user who was logged on.
    user: Option<Box<str>>,
}

impl SessionPlan {
    fn key(&self) -> &TopicKey {
        &self.plan.topic.key
    }

    /// Whether it is valid for a session of this user: a subscription that was made for one user
    /// is never that of another.
    fn is_for(&self, user: Option<&str>) -> bool {
        self.user.is_none() || self.user.as_deref() == user
    }

    fn is_for_page_of(&self, session: &Session) -> bool {
        self.renewals <= session.renewals() && self.is_for(session.user())
    }
}

/// The subscriptions of a page of this session.
fn plans_of<'t>(
    topics: &'t HashMap<SessionId, SessionPlans>,
    session: &'t Session,
) -> impl Iterator<Item = &'t EventPlan> {
    let plans = topics.get(&session.generation().id);
    let plans = plans.into_iter().flat_map(|plans| &plans.list);
    plans
        .filter(|plan| plan.is_for_page_of(session))
        .map(|plan| &plan.plan)
}

impl SessionTopics {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, SessionPlans>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Subscribes all pages of a session, now and later. If the session is subscribed to the topic
    /// already, that has no effect, but a plan with a position replaces the subscriptions of the
    /// present pages.
    pub(super) fn subscribe_session(
        &self,
        generation: SessionGeneration,
        user: Option<&str>,
        plan: &EventPlan,
        sharing: Sharing,
    ) -> Result<(), SessionSubscribeError> {
        let mut deferred = Deferred::default();
        // Locked throughout: a page that opens meanwhile waits, and is subscribed then.
        let mut topics = self.session_topics.lock();
        let plans = topics.entry(generation.id).or_default();
        plans.renewals = plans.renewals.max(generation.renewals);
        let max = self.limits.session_subscriptions;
        let is_known = plans.list.iter().any(|it| *it.key() == plan.topic.key);
        if is_known && !plan.start.is_since() {
            return Ok(());
        }
        let added = if !is_known && plans.list.len() >= max {
            Err(SessionSubscribeError::TooMany { max })
        } else {
            self.subscribe_all(generation, plan, &mut deferred)
                .map_err(SessionSubscribeError::Since)
        };
        #[cfg(feature = "cluster")]
        if added.is_ok() && sharing == Sharing::Everywhere {
            self.share_session_topic(generation.id, (generation.renewals, user), plan);
        }
        #[cfg(not(feature = "cluster"))]
        let _ = sharing;
        if added.is_ok() && !is_known {
            plans.list.push(SessionPlan {
                plan: plan.for_later(),
                renewals: generation.renewals,
                user: user.map(Into::into),
            });
        } else if plans.list.is_empty() {
            topics.remove(&generation.id);
        }
        drop(topics);
        deferred.finish();
        added
    }

    /// Subscribes the present pages of a session, unless they cannot continue from the position of
    /// the plan.
    fn subscribe_all(
        &self,
        generation: SessionGeneration,
        plan: &EventPlan,
        deferred: &mut Deferred,
    ) -> Result<(), SinceError> {
        self.topics.check_start(&plan.topic, &plan.start)?;
        for stream in self.streams_of_session(generation) {
            self.subscribe_or_lose(&stream, plan, SubscribedBy::Session, deferred);
        }
        Ok(())
    }

    /// Subscribes a page that opens, or that has moved to another session.
    pub(super) fn join_session_topics(&self, stream: &Arc<Stream>) {
        let mut deferred = Deferred::default();
        let mut topics = self.session_topics.lock();
        let session = stream.session();
        // Another node may have seen the logon.
        if let Some(plans) = topics.get_mut(&session.generation().id) {
            plans.renewals = plans.renewals.max(session.renewals());
        }
        for plan in plans_of(&topics, &session) {
            self.subscribe_later(stream, plan, SubscribedBy::Session, &mut deferred);
        }
        drop(topics);
        deferred.finish();
    }

    /// Continues the subscriptions of its session, and what the page was subscribed to on another
    /// node, for a page that returns with this cursor. If that is impossible for one of them,
    /// nothing is subscribed. A page that `is_empty`, because it has received nothing, gets replays.
    pub(in crate::page) fn continue_session_topics(
        &self,
        stream: &Arc<Stream>,
        cursor: &Arc<Cursor>,
        is_empty: bool,
    ) -> Result<(), SinceError> {
        let mut deferred = Deferred::default();
        let topics = self.session_topics.lock();
        let session = stream.session();
        let of_session = plans_of(&topics, &session).cloned();
        let of_session = of_session.map(|plan| (SubscribedBy::Session, plan));
        let of_page = self.page_plans(stream).into_iter();
        let of_page = of_page.map(|plan| (SubscribedBy::Page, plan));
        let plans: Vec<_> = of_session
            .chain(of_page)
            .filter(|(_, plan)| self.can_continue(plan))
            .map(|(by, plan)| match plan {
                plan if is_empty && plan.is_replay() => (by, plan),
                plan => (by, plan.behind(cursor)),
            })
            .collect();
        for (_, plan) in &plans {
            self.topics.check_start(&plan.topic, &plan.start)?;
        }
        for (by, plan) in &plans {
            if stream.is_reset_due() {
                // The page loads its state again: the other topics begin with that.
                self.subscribe_later(stream, plan, *by, &mut deferred);
            } else {
                self.subscribe_or_lose(stream, plan, *by, &mut deferred);
            }
        }
        drop(topics);
        deferred.finish();
        Ok(())
    }

    /// Whether what a page has missed of a topic is in a history, or in a log that several servers
    /// share.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(
            clippy::unused_self,
            reason = "only a log that several servers share needs it"
        )
    )]
    fn can_continue(&self, plan: &EventPlan) -> bool {
        #[cfg(feature = "cluster")]
        if self.is_shared() {
            return plan.is_logged();
        }
        plan.continuity() == Continuity::History
    }

    /// Subscribes a page to a plan that was checked. If the history has lost its oldest message
    /// since, the page gets a reset.
    fn subscribe_or_lose(
        &self,
        stream: &Arc<Stream>,
        plan: &EventPlan,
        by: SubscribedBy,
        deferred: &mut Deferred,
    ) {
        let loss = Loss::of_continuing(plan);
        match self.subscribe_stream(stream, plan, (by, Sharing::Here), loss) {
            Ok(after_unlock) => deferred.push(plan.topic.key.clone(), after_unlock),
            Err(NotAdded::Failed(_)) => {
                stream.lose();
                self.subscribe_later(stream, plan, by, deferred);
            }
            // It has ended, or has too many subscriptions.
            Err(_) => {}
        }
    }

    fn subscribe_later(
        &self,
        stream: &Arc<Stream>,
        plan: &EventPlan,
        by: SubscribedBy,
        deferred: &mut Deferred,
    ) {
        let plan = plan.for_later();
        let loss = Loss::of_continuing(&plan);
        // It fails only if the page has ended, or has too many subscriptions of its handler.
        if let Ok(after_unlock) = self.subscribe_stream(stream, &plan, (by, Sharing::Here), loss) {
            deferred.push(plan.topic.key, after_unlock);
        }
    }

    /// Ends the subscription of a session to a topic. Returns whether there was one.
    pub(super) fn unsubscribe_session(&self, session: SessionGeneration, topic: &TopicKey) -> bool {
        let mut topics = self.session_topics.lock();
        #[cfg(feature = "cluster")]
        self.share_session_removal(session.id, topic);
        let removed = remove_plans(&mut topics, session.id, |plan| plan.key() == topic);
        drop(topics);
        self.unsubscribe_removed(session.id, &removed)
    }

    /// Another node has subscribed a session.
    #[cfg(feature = "cluster")]
    pub(super) fn subscribe_session_read(
        &self,
        generation: SessionGeneration,
        user: Option<&str>,
        plan: &EventPlan,
    ) {
        let added = self.subscribe_session(generation, user, plan, Sharing::Here);
        if let Err(error) = added {
            let topic = plan.topic.key.name();
            tracing::debug!(topic, %error, "the subscription of a session is not known here");
        }
    }

    /// Another node has ended the subscription of a session, or nobody knows it any more.
    #[cfg(feature = "cluster")]
    pub(super) fn unsubscribe_session_read(&self, id: SessionId, topic: &TopicKey) {
        let mut topics = self.session_topics.lock();
        let removed = remove_plans(&mut topics, id, |plan| plan.key() == topic);
        drop(topics);
        self.unsubscribe_removed(id, &removed);
    }

    /// Whether a page of this session is here.
    #[cfg(feature = "cluster")]
    pub(super) fn has_pages_of(&self, id: SessionId) -> bool {
        let topics = self.session_topics.lock();
        let Some(plans) = topics.get(&id) else {
            return false;
        };
        let latest = plans.renewals;
        let first = plans.list.iter().map(|plan| plan.renewals).min();
        drop(topics);
        let streams = self.streams_of_generations(id, first.unwrap_or(latest)..=latest);
        !streams.is_empty()
    }

    fn unsubscribe_pages(&self, id: SessionId, latest: u32, plan: &SessionPlan) {
        for stream in self.streams_of_generations(id, plan.renewals..=latest) {
            let by = (SubscribedBy::Session, Sharing::Here);
            self.unsubscribe_stream(&stream, plan.key(), by);
        }
    }

    /// The pages of a session with these numbers of logons. In a record of another node, the numbers
    /// may be any.
    pub(super) fn streams_of_generations(
        &self,
        id: SessionId,
        renewals: RangeInclusive<u32>,
    ) -> Vec<Arc<Stream>> {
        let index = self.index();
        let is_known = |it: &SessionGeneration| it.id == id && renewals.contains(&it.renewals);
        let streams = if renewals.size_hint().0 <= index.sessions.len() {
            let all = renewals.map(|renewals| SessionGeneration { id, renewals });
            let known = all.filter_map(|generation| index.sessions.get(&generation));
            known.flatten().cloned().collect()
        } else {
            let known = index.sessions.iter().filter(|(it, _)| is_known(it));
            known.flat_map(|(_, streams)| streams).cloned().collect()
        };
        drop(index);
        streams
    }

    /// Whether a session has a subscription.
    pub(super) fn has_session_topics(&self, id: SessionId) -> bool {
        self.session_topics.lock().contains_key(&id)
    }

    /// A logon has given a session this user. Subscriptions that were made for another user end.
    pub(super) fn renew_session_topics(&self, now: SessionGeneration, user: Option<&str>) {
        let mut topics = self.session_topics.lock();
        if let Some(plans) = topics.get_mut(&now.id) {
            plans.renewals = plans.renewals.max(now.renewals);
        }
        let removed = remove_plans(&mut topics, now.id, |plan| !plan.is_for(user));
        self.forget_plans(now.id, &removed);
        drop(topics);
        self.unsubscribe_removed(now.id, &removed);
    }

    /// A session has ended, up to this logon.
    pub(super) fn end_session(&self, session: SessionGeneration) {
        let mut topics = self.session_topics.lock();
        let is_over = topics
            .get(&session.id)
            .is_some_and(|plans| plans.renewals <= session.renewals);
        let removed = remove_plans(&mut topics, session.id, |_| is_over);
        self.forget_plans(session.id, &removed);
        drop(topics);
        self.unsubscribe_removed(session.id, &removed);
    }

    /// Subscriptions have ended on all nodes.
    #[cfg(feature = "cluster")]
    fn forget_plans(&self, id: SessionId, removed: &RemovedPlans) {
        let keys: Vec<_> = removed.list.iter().map(SessionPlan::key).collect();
        self.forget_session_topics(id, &keys);
    }

    #[cfg(not(feature = "cluster"))]
    #[expect(clippy::unused_self, reason = "only a shared log has other nodes")]
    const fn forget_plans(&self, _: SessionId, _: &RemovedPlans) {}

    /// Unsubscribes the pages of a session. Returns whether there was a subscription.
    fn unsubscribe_removed(&self, id: SessionId, removed: &RemovedPlans) -> bool {
        for plan in &removed.list {
            self.unsubscribe_pages(id, removed.latest, plan);
        }
        !removed.list.is_empty()
    }
}

/// Subscriptions of a session that have ended.
struct RemovedPlans {
    list: Vec<SessionPlan>,
    /// The most logons of the session that are known.
    latest: u32,
}

/// Takes out the subscriptions of a session that are over.
fn remove_plans(
    topics: &mut HashMap<SessionId, SessionPlans>,
    id: SessionId,
    is_over: impl Fn(&SessionPlan) -> bool,
) -> RemovedPlans {
    let Some(plans) = topics.get_mut(&id) else {
        let (list, latest) = (Vec::new(), 0);
        return RemovedPlans { list, latest };
    };
    let list = plans.list.extract_if(.., |plan| is_over(plan)).collect();
    let latest = plans.renewals;
    if plans.list.is_empty() {
        topics.remove(&id);
    }
    RemovedPlans { list, latest }
}
