//! Sessions that receive the messages of topics, on all of their pages.

use super::Session;
use super::error::SessionSubscribeError;
use crate::topic::{AsTopic, EventPlan, Subscribable};

impl Session {
    /// Pushes everything published to the topic to every page of the session, as events of this
    /// name, until [`unsubscribe`](Self::unsubscribe) or the end of the session. A page that opens
    /// later gets what is published from then on, or, with
    /// [`replay`](crate::topic::DeclaredTopic::replay), its own last messages first. Each page gets
    /// the events complete and in order, as with
    /// [`Page::subscribe`](crate::page::Page::subscribe).
    ///
    /// A subscription that was made before a logon stays after it. One that was made for a user
    /// ends when another user logs on, and pages that still belong to the session from before the
    /// logon do not get it. If the session is already subscribed to the topic, this has no effect.
    /// A page that is subscribed by `Page::subscribe` too gets both events.
    ///
    /// If several servers share a log, all of them know the subscription, unless the topic is a
    /// [`Topic::local`](crate::topic::Topic::local): also the pages of the session on other servers
    /// get it. If they only share the sessions, each server subscribes its own pages.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// use ws_server::{Hub, Topic};
    ///
    /// # let hub = Hub::default();
    /// let (session, _cookie) = hub.sessions().begin().await.unwrap();
    /// let prices: Topic<u32> = Topic::local("prices");
    /// session.subscribe("price", &prices).unwrap();
    /// let _page = hub.open_page(&session).unwrap();
    /// assert_eq!(hub.publish(&prices, &7).reached(), 1);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`SessionSubscribeError`] if the session is not current or has too many subscriptions, or if
    /// its pages cannot continue from a position. Then no page is subscribed.
    pub fn subscribe<S: Subscribable>(
        &self,
        event: &str,
        topic: S,
    ) -> Result<(), SessionSubscribeError> {
        self.subscribe_pages(&EventPlan::new(event, topic))
    }

    fn subscribe_pages(&self, plan: &EventPlan) -> Result<(), SessionSubscribeError> {
        let server = self.live.server.upgrade();
        let server = server.filter(|_| self.is_current());
        let server = server.ok_or(SessionSubscribeError::Ended)?;
        let (generation, user) = (self.generation(), self.user());
        let mut done: Vec<_> = Vec::new();
        let mut result = Ok(());
        for pages in server.backend().pages() {
            result = pages.subscribe(generation, user, plan);
            if result.is_err() {
                break;
            }
            done.push(pages);
        }
        // A logon or the end of the session may have overtaken this call.
        if result.is_ok() && !self.is_current() {
            result = Err(SessionSubscribeError::Ended);
        }
        if result.is_err() {
            for pages in done {
                pages.unsubscribe(generation, &plan.topic.key);
            }
        }
        server.subscriptions_changed(generation.id);
        result
    }

    /// Ends the subscription of the session to a topic. Events from before may still wait in the
    /// queues of its pages. Returns whether there was a subscription.
    ///
    /// ```
    /// use ws_server::{Session, Topic};
    ///
    /// fn mute(session: &Session, room: &Topic<String>) -> bool {
    ///     session.unsubscribe(room)
    /// }
    /// ```
    pub fn unsubscribe(&self, topic: impl AsTopic) -> bool {
        let key = topic.as_topic_ref().key;
        let server = self.live.server.upgrade();
        let Some(server) = server.filter(|_| self.is_current()) else {
            return false;
        };
        let generation = self.generation();
        let pages = server.backend().pages();
        let ended = pages
            .filter(|pages| pages.unsubscribe(generation, &key))
            .count();
        server.subscriptions_changed(generation.id);
        ended > 0
    }
}
