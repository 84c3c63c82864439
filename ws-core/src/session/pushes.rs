//! Pushes to all pages of a session.

use serde::Serialize;

use super::Session;
use crate::topic::{PublishError, Pushed};
use crate::wire::Push;

impl Session {
    /// Pushes an event to all pages of the session; see [`Page::push`](crate::page::Page::push). If
    /// a logon has replaced the session, it has no pages. Returns the number of pages that accepted
    /// the event.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// let (session, _cookie) = hub.sessions().begin().await.unwrap();
    /// let _page = hub.open_page(&session).unwrap();
    /// assert_eq!(session.push("cart", &3), 1);
    /// # });
    /// ```
    pub fn push<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> usize {
        let Some(push) = Push::event_or_log(event, payload) else {
            return 0;
        };
        self.push_encoded(&push).iter().map(Pushed::reached).sum()
    }

    fn push_encoded(&self, push: &Push) -> Vec<Pushed> {
        let server = self.live.server.upgrade();
        let Some(server) = server.filter(|_| self.is_current()) else {
            return Vec::new();
        };
        let pages = server.backend().pages();
        let (generation, id) = (self.generation(), || self.id());
        pages
            .map(|pages| pages.push(generation, &id, push))
            .collect()
    }

    /// Same as [`push`](Self::push), and waits until the event is in the log that several servers
    /// share. The returned number counts only the pages of this server.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// # let hub = ws_server::Hub::default();
    /// let (session, _cookie) = hub.sessions().begin().await.unwrap();
    /// assert_eq!(session.send("cart", &3).await, Ok(0));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError`] if it cannot be encoded or was not logged.
    pub fn send<T: Serialize + ?Sized>(
        &self,
        event: &str,
        payload: &T,
    ) -> impl Future<Output = Result<usize, PublishError>> + Send + use<T> {
        let pushed = Push::encode(event, payload).map(|push| self.push_encoded(&push));
        async {
            let mut reached = 0;
            for pushed in pushed? {
                reached += pushed.confirmed().await?;
            }
            Ok(reached)
        }
    }
}
