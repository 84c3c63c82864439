//! Keeps a page alive while a handshake for it is pending.

use tokio::time::Instant;

use super::{AttachError, FollowUp, InitClient, Stream};
#[cfg(feature = "cluster")]
use crate::page::Credentials;

impl Stream {
    /// Whether the page has a handler that is running, or that has ended without the page knowing
    /// yet, for a socket of this client. If the page has no session, the
    /// client must present the credentials that `init` has checked: the id alone is in a URL.
    pub(crate) fn has_handler_for(&self, client: &InitClient) -> Result<bool, AttachError> {
        let state = self.lock();
        match state.feed {
            None => Ok(false),
            Some(_) if state.credentials == client.credentials => Ok(true),
            Some(_) => Err(AttachError::OtherCredentials),
        }
    }

    /// The credentials that the page's handler was started with, if the page has no session.
    #[cfg(feature = "cluster")]
    pub(in crate::page) fn credentials(&self) -> Option<Credentials> {
        self.lock().credentials.clone()
    }

    /// Begins a handshake for the page. The page does not end before [`end_handshake`](Self::end_handshake).
    pub(in crate::page) fn begin_handshake(&self) {
        let mut state = self.lock();
        state.pending_handshakes += 1;
        let deadline = state.deadline;
        state.clear_deadline();
        if state.deadline.is_none() {
            state.suspended = state.suspended.or(deadline);
        }
    }

    /// Ends a handshake for the page. If it was refused, the page waits as before, and its grace is
    /// not extended.
    pub(in crate::page) fn end_handshake(&self) -> FollowUp {
        let mut state = self.lock();
        state.pending_handshakes -= 1;
        if self.is_anonymous && !state.is_used() {
            // Its first handshake was refused, so perhaps no client knows its id.
            state.end(false);
            return FollowUp::Remove;
        }
        let follow_up = state.start_deadline(&self.limits);
        drop(state);
        match follow_up {
            // The page's deadline passed during the handshake.
            FollowUp::Watch(until) if until <= Instant::now() => self.expire(until),
            follow_up => follow_up,
        }
    }
}
