//! The interface through which sessions reach their pages.

use super::error::SessionSubscribeError;
use super::{SessionGeneration, SessionId, SessionNotice};
use crate::topic::{EventPlan, Pushed, TopicKey};
use crate::wire::Push;

/// The pages of a server.
pub(crate) trait SessionPages: Send + Sync {
    /// Pushes to all pages of a session; `id` returns its public id, which must be computed.
    fn push(&self, session: SessionGeneration, id: &dyn Fn() -> SessionId, push: &Push) -> Pushed;
    /// Notifies the pages of this session that a logon has replaced it with `now`, a session of
    /// this user.
    fn renewed(&self, before: SessionGeneration, now: SessionGeneration, user: Option<&str>);
    /// On another server, a logon has given a session this generation and user.
    #[cfg(feature = "cluster")]
    fn renewed_elsewhere(&self, now: SessionGeneration, user: Option<&str>);
    /// Subscribes all pages of a session of this user, now and later.
    fn subscribe(
        &self,
        session: SessionGeneration,
        user: Option<&str>,
        plan: &EventPlan,
    ) -> Result<(), SessionSubscribeError>;
    /// Ends a subscription of a session. Returns whether there was one.
    fn unsubscribe(&self, session: SessionGeneration, topic: &TopicKey) -> bool;
    /// Whether a session has a subscription.
    fn has_subscriptions(&self, session: SessionId) -> bool;
    /// Notifies the other servers that share the log of this one.
    fn announce(&self, notice: &SessionNotice);
    /// Ends the subscriptions of a session that has ended, up to this logon.
    fn ended(&self, session: SessionGeneration);
}
