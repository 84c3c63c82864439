//! Pages that receive the messages of topics as events.

use http::StatusCode;

use super::Page;
use super::queue::Loss;
use super::registry::Sharing;
use super::stream::{NotAdded, SubscribedBy};
use crate::error::Refusal;
use crate::topic::{AsTopic, EventPlan, SinceError, Subscribable, TopicKey};

impl Page {
    /// Pushes everything published to the topic to the page, as events of this name, until
    /// [`unsubscribe`](Self::unsubscribe) or the end of the page. The events are complete and in
    /// order over any number of connections, like those of [`push`](Self::push).
    ///
    /// The data of an event is the JSON of the value: text is a string, bytes are a string in
    /// base64. If the page is already subscribed to the topic, this has no effect;
    /// [`since`](crate::topic::DeclaredTopic::since) replaces the subscription: the page gets the
    /// messages after the position, again if it has received them.
    ///
    /// The messages of a replay leave a quarter of the limits `messages` and `bytes` of the page
    /// free: if they do not fit, `replay` pushes the newest that do, and `since` fails with
    /// [`SinceError::TooFarBehind`].
    ///
    /// If several servers share a log, all of them know the subscription, unless the topic is a
    /// [`Topic::local`](crate::topic::Topic::local): the page keeps it on another server, and it can
    /// be made on any. A page that is on no server, because its server has died, keeps it for a
    /// quarter of an hour.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// use ws_server::{Hub, Topic};
    ///
    /// # let hub = Hub::default();
    /// let (session, _cookie) = hub.sessions().begin().await.unwrap();
    /// let page = hub.open_page(&session).unwrap();
    /// let prices: Topic<u32> = Topic::local("prices");
    /// page.subscribe("price", &prices).unwrap();
    /// assert_eq!(hub.publish(&prices, &7).reached(), 1);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`PageSubscribeError`] if the page has ended or has too many subscriptions, if it cannot
    /// continue from a position, or if this handle was made before a logon and the page belongs to
    /// the new session already.
    pub fn subscribe<S: Subscribable>(
        &self,
        event: &str,
        topic: S,
    ) -> Result<(), PageSubscribeError> {
        let plan = EventPlan::new(event, topic);
        let pages = &self.pages;
        let Some(stream) = pages.find_or_reopen(&self.id.text, &self.session) else {
            return self.subscribe_elsewhere(&plan);
        };
        if stream.is_renewed(&self.session) {
            return Err(PageSubscribeError::Ended);
        }
        let (by, loss) = (
            (SubscribedBy::Page, Sharing::Everywhere),
            Loss::of_ending(&plan),
        );
        let added = pages.subscribe_stream(&stream, &plan, by, loss)?;
        added.finish(plan.topic.key.name());
        Ok(())
    }

    /// Ends the subscription to a topic. Events from before may still wait in the queue. Returns
    /// whether there was a subscription; a handle that was made before a logon ends none of a page
    /// that belongs to the new session already.
    ///
    /// ```
    /// use ws_server::{Page, Topic};
    ///
    /// fn mute(page: &Page, room: &Topic<String>) -> bool {
    ///     page.unsubscribe(room)
    /// }
    /// ```
    pub fn unsubscribe(&self, topic: impl AsTopic) -> bool {
        let key = topic.as_topic_ref().key;
        let Some(stream) = self.pages.find(&self.id.text) else {
            return self.unsubscribe_elsewhere(&key);
        };
        let by = (SubscribedBy::Page, Sharing::Everywhere);
        !stream.is_renewed(&self.session) && self.pages.unsubscribe_stream(&stream, &key, by)
    }

    /// Subscribes a page that this node does not have.
    #[cfg(feature = "cluster")]
    fn subscribe_elsewhere(&self, plan: &EventPlan) -> Result<(), PageSubscribeError> {
        let (page, max) = (&self.id.text, self.pages.max_subscriptions());
        if self.pages.shared_subscriptions_of(page) >= max {
            return Err(PageSubscribeError::TooMany { max });
        }
        let is_known = self.pages.subscribe_elsewhere(page, &self.session, plan);
        is_known.then_some(()).ok_or(PageSubscribeError::Ended)
    }

    #[cfg(not(feature = "cluster"))]
    #[expect(clippy::unused_self, reason = "only a shared log has other nodes")]
    const fn subscribe_elsewhere(&self, _: &EventPlan) -> Result<(), PageSubscribeError> {
        Err(PageSubscribeError::Ended)
    }

    #[cfg(feature = "cluster")]
    fn unsubscribe_elsewhere(&self, topic: &TopicKey) -> bool {
        self.pages.unsubscribe_elsewhere(&self.id.text, topic)
    }

    #[cfg(not(feature = "cluster"))]
    #[expect(clippy::unused_self, reason = "only a shared log has other nodes")]
    const fn unsubscribe_elsewhere(&self, _: &TopicKey) -> bool {
        false
    }
}

/// Why a page is not subscribed to a topic.
///
/// ```
/// use ws_server::error::Refusal;
/// use ws_server::page::PageSubscribeError;
///
/// let error = PageSubscribeError::TooMany { max: 64 };
/// assert_eq!(error.to_string(), "the page has 64 subscriptions already");
/// assert_eq!(Refusal::from(error).status(), 429);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageSubscribeError {
    /// The page has ended.
    #[error("the page has ended")]
    Ended,
    /// The page has as many subscriptions as
    /// [`PageLimits::subscriptions`](crate::limits::PageLimits::subscriptions) allows.
    #[error("the page has {max} subscriptions already")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The subscription cannot continue from its position.
    #[error(transparent)]
    Since(#[from] SinceError),
}

impl PageSubscribeError {
    /// The status of a refused request: 410, 429, or that of the [`SinceError`].
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Ended => StatusCode::GONE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Since(error) => error.status(),
        }
    }
}

impl From<NotAdded<SinceError>> for PageSubscribeError {
    fn from(not_added: NotAdded<SinceError>) -> Self {
        match not_added {
            NotAdded::Ended => Self::Ended,
            // Only for what was read from the log.
            #[cfg(feature = "cluster")]
            NotAdded::Beginning => Self::Ended,
            NotAdded::TooMany(max) => Self::TooMany { max },
            NotAdded::Failed(error) => Self::Since(error),
        }
    }
}

impl From<PageSubscribeError> for Refusal {
    fn from(error: PageSubscribeError) -> Self {
        Self::new(error.status()).body(error.to_string())
    }
}

#[cfg(test)]
mod tests;
