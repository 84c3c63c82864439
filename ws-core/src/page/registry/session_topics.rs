//! The subscriptions of sessions: every page of the session is subscribed, now and later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Pages;
use super::topics::Deferred;
use crate::log::Cursor;
use crate::page::queue::Loss;
use crate::page::stream::{NotAdded, Stream, SubscribedBy};
use crate::session::{Session, SessionGeneration, SessionId, SessionSubscribeError};
use crate::topic::{AfterUnlock, Continuity, EventPlan, SinceError, TopicKey};

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
            self.subscribe_or_lose(&stream, plan, deferred);
        }
        Ok(())
    }

    /// Subscribes a page that opens, or that has moved to another session.
    pub(super) fn join_session_topics(&self, stream: &Arc<Stream>) {
        let mut deferred = Deferred::default();
        let topics = self.session_topics.lock();
        for plan in plans_of(&topics, &stream.session()) {
            self.subscribe_later(stream, plan, &mut deferred);
        }
        drop(topics);
        deferred.finish();
    }

    /// Continues the subscriptions of its session for a page that returns with this cursor. If that
    /// is impossible for one of them, nothing is subscribed.
    pub(in crate::page) fn continue_session_topics(
        &self,
        stream: &Arc<Stream>,
        cursor: &Arc<Cursor>,
    ) -> Result<(), SinceError> {
        let mut deferred = Deferred::default();
        let topics = self.session_topics.lock();
        let session = stream.session();
        let plans: Vec<_> = plans_of(&topics, &session)
            .filter(|plan| plan.continuity() == Continuity::History)
            .map(|plan| plan.behind(cursor))
            .collect();
        for plan in &plans {
            self.topics.check_start(&plan.topic, &plan.start)?;
        }
        for plan in &plans {
            self.subscribe_or_lose(stream, plan, &mut deferred);
        }
        drop(topics);
        deferred.finish();
        Ok(())
    }

    fn subscribe_for_session(
        &self,
        stream: &Arc<Stream>,
        plan: &EventPlan,
    ) -> Result<AfterUnlock, NotAdded<SinceError>> {
        let loss = Loss::of_continuing(plan);
        self.subscribe_stream(stream, plan, SubscribedBy::Session, loss)
    }

    /// Subscribes a page to a plan that was checked. If the history has lost its oldest message
    /// since, the page gets a reset.
    fn subscribe_or_lose(&self, stream: &Arc<Stream>, plan: &EventPlan, deferred: &mut Deferred) {
        match self.subscribe_for_session(stream, plan) {
            Ok(after_unlock) => deferred.push(plan.topic.key.clone(), after_unlock),
            Err(NotAdded::Failed(_)) => {
                stream.lose();
                self.subscribe_later(stream, plan, deferred);
            }
            Err(NotAdded::Ended | NotAdded::TooMany(_)) => {}
        }
    }

    fn subscribe_later(&self, stream: &Arc<Stream>, plan: &EventPlan, deferred: &mut Deferred) {
        let plan = plan.for_later();
        // It fails only if the page has ended.
        if let Ok(after_unlock) = self.subscribe_for_session(stream, &plan) {
            deferred.push(plan.topic.key, after_unlock);
        }
    }

    /// Ends the subscription of a session to a topic. Returns whether there was one.
    pub(super) fn unsubscribe_session(&self, session: SessionGeneration, topic: &TopicKey) -> bool {
        self.end_session_topics(session.id, |plans| {
            let is_it = |plan: &mut SessionPlan| plan.key() == topic;
            plans.list.extract_if(.., is_it).collect()
        })
    }

    fn unsubscribe_pages(&self, id: SessionId, latest: u32, plan: &SessionPlan) {
        for renewals in plan.renewals..=latest {
            for stream in self.streams_of_session(SessionGeneration { id, renewals }) {
                self.unsubscribe_stream(&stream, plan.key(), SubscribedBy::Session);
            }
        }
    }

    /// Whether a session has a subscription.
    pub(super) fn has_session_topics(&self, id: SessionId) -> bool {
        self.session_topics.lock().contains_key(&id)
    }

    /// A logon has given a session this user. Subscriptions that were made for another user end.
    pub(super) fn renew_session_topics(&self, now: SessionGeneration, user: Option<&str>) {
        self.end_session_topics(now.id, |plans| {
            plans.renewals = plans.renewals.max(now.renewals);
            let is_over = |plan: &mut SessionPlan| !plan.is_for(user);
            plans.list.extract_if(.., is_over).collect()
        });
    }

    /// A session has ended, up to this logon.
    pub(super) fn end_session(&self, session: SessionGeneration) {
        self.end_session_topics(session.id, |plans| {
            if plans.renewals <= session.renewals {
                std::mem::take(&mut plans.list)
            } else {
                Vec::new()
            }
        });
    }

    /// Ends the subscriptions that `remove` takes out. Returns whether there were any.
    fn end_session_topics(
        &self,
        id: SessionId,
        remove: impl FnOnce(&mut SessionPlans) -> Vec<SessionPlan>,
    ) -> bool {
        let mut topics = self.session_topics.lock();
        let Some(plans) = topics.get_mut(&id) else {
            return false;
        };
        let removed = remove(plans);
        let latest = plans.renewals;
        if plans.list.is_empty() {
            topics.remove(&id);
        }
        drop(topics);
        for plan in &removed {
            self.unsubscribe_pages(id, latest, plan);
        }
        !removed.is_empty()
    }
}
