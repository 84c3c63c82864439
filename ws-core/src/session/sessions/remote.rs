//! Applies what other servers have done to sessions.

use super::Sessions;
use crate::session::notice::EndedSession;
use crate::session::{SessionGeneration, SessionKey, SessionNotice};

impl Sessions {
    /// Notices about sessions may be lost: compares those in use with the store.
    pub(crate) fn notices_lost(&self) {
        self.inner.check_soon();
    }

    /// Applies what another server has done to a session.
    pub(crate) fn apply(&self, notice: SessionNotice) {
        let registry = &self.inner.registry;
        match notice {
            SessionNotice::Ended(ended) => {
                for EndedSession { id, renewals } in ended {
                    registry.close_up_to(id, renewals);
                    // This server may know only the subscriptions of the session.
                    let ended = SessionGeneration { id, renewals };
                    self.inner.backend.pages().for_each(|it| it.ended(ended));
                }
            }
            SessionNotice::Renewed {
                id,
                renewals,
                key,
                user,
            } => {
                let now = SessionGeneration { id, renewals };
                let pages = self.inner.backend.pages();
                pages.for_each(|it| it.renewed_elsewhere(now, user.as_deref()));
                for before in registry.renew(now, SessionKey::from_bytes(key)) {
                    let pages = self.inner.backend.pages();
                    pages.for_each(|it| it.renewed(before, now, user.as_deref()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_session_before_a_logon_does_not_end_the_one_after_it() {
        let sessions = Sessions::default();
        let (before, _) = sessions.begin().await.unwrap();
        let generation = before.generation();
        let user = Some("ada".to_owned());
        let (current, _) = sessions.renew(&before, user).await.unwrap();
        sessions.apply(SessionNotice::Ended(vec![generation.into()]));
        assert!(current.is_current());
        sessions.apply(SessionNotice::Ended(vec![current.generation().into()]));
        assert!(!current.is_current());
    }
}
