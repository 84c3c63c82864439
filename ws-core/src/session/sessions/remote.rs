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
