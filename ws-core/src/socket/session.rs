//! A connection registered with its session.

use std::sync::{Arc, Weak};

use super::ConnectionShared;
use crate::close::{Close, CloseCause, CloseCode};
use crate::session::{Session, SessionSocket};

impl ConnectionShared {
    /// Registers the connection with a session: it is closed with 4401 when the session ends.
    pub(crate) fn attach_to(self: &Arc<Self>, session: &Session) {
        let socket: Weak<dyn SessionSocket> = Arc::<Self>::downgrade(self);
        let attachment = session.attach(self.id, socket);
        let session = (attachment, session.expires_at());
        self.change_deadlines(|state| state.session = Some(session));
    }

    /// Whether the connection is not closing.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_open(&self) -> bool {
        self.outbox.is_open()
    }

    /// Whether the connection belongs to a session.
    #[cfg(feature = "cluster")]
    pub(crate) fn has_session(&self) -> bool {
        let lifecycle = self.lock();
        let optional = lifecycle.optional.as_ref();
        optional.is_some_and(|optional| optional.session.is_some())
    }

    /// Whether the connection belongs to a session of this user.
    pub(crate) fn is_of_user(&self, user: &str) -> bool {
        let lifecycle = self.lock();
        let optional = lifecycle.optional.as_ref();
        let session = optional.and_then(|optional| optional.session.as_ref());
        session.is_some_and(|(attachment, _)| attachment.user() == Some(user))
    }
}

impl SessionSocket for ConnectionShared {
    fn session_ended(&self) {
        let close = Close::new(CloseCode::UNAUTHORIZED, "the session has ended");
        self.close(&close, CloseCause::Expired);
    }
}
