//! The private session of a page whose client has no cookies.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::backend::Backend;
use super::current_key::CurrentKey;
use super::live::Live;
use super::server::SessionServer;
use super::{Session, SessionGeneration, SessionId, SessionKey, SessionRecord};

/// A private session has no server: no store has it.
enum NoServer {}

impl SessionServer for NoServer {
    fn backend(&self) -> &Arc<Backend> {
        match *self {}
    }

    fn start_keeper(&self) {
        match *self {}
    }

    fn forget(&self, _: SessionId, _: u32) {
        match *self {}
    }

    fn subscriptions_changed(&self, _: SessionId) {
        match *self {}
    }

    fn ended(&self, _: SessionGeneration) {
        match *self {}
    }
}

impl Session {
    /// The session of one page without cookies. It has no user, no values and no other pages, it
    /// never ends, and no application gets it.
    pub(crate) fn of_page(id: SessionId) -> Self {
        let key = SessionKey::of_nobody();
        let record = SessionRecord {
            id,
            renewals: 0,
            user: None,
            values: BTreeMap::new(),
            version: 0,
            page_secret: [0; 32],
            age: Duration::ZERO,
        };
        let server = Weak::<NoServer>::new();
        let current_key = Arc::new(CurrentKey::new(0, key));
        let live = Live::new(key, current_key, None, record, Duration::MAX, server);
        Self {
            live: Arc::new(live),
        }
    }

    /// Whether it is the private session of a page without cookies.
    pub(crate) fn is_of_page(&self) -> bool {
        self.live.key == SessionKey::of_nobody()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{SessionError, Sessions};

    #[tokio::test(start_paused = true)]
    async fn a_private_session_is_current_for_ever_and_keeps_nothing() {
        let private = Session::of_page(SessionId::from_bytes([7; 16]));
        assert!(private.is_of_page());
        tokio::time::advance(Duration::from_secs(400 * 24 * 3600)).await;
        assert!(private.is_current() && !private.has_ended());
        assert_eq!((private.user(), private.push("news", &1)), (None, 0));
        let inserted = private.insert("a", &1).await;
        assert!(matches!(inserted, Err(SessionError::Ended)));
        let (session, _) = Sessions::default().begin().await.unwrap();
        assert!(!session.is_of_page());
    }
}
