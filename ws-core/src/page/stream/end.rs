//! The end of a page: by its handler, by its deadline, or by eviction.

use tokio::time::Instant;

use super::locked::StreamGuard;
use super::{FollowUp, Stream, StreamState, follow_up_of_close};
use crate::close::{Close, CloseCode};

impl Stream {
    /// Delivers the queued messages, then this Close of the handler.
    pub(in crate::page) fn finish(&self, close: &Close) -> FollowUp {
        let mut state = self.lock();
        if state.ended || state.ending.is_some() {
            return FollowUp::Nothing;
        }
        state.begin_closing();
        // What the handler has received is lost with its state.
        state.lineage.failed = close.code() == CloseCode::INTERNAL_ERROR;
        state.ending = Some(close.clone());
        // A reset may still be due.
        state.pump();
        if let Some(feed) = &state.feed {
            feed.end();
        }
        // If a page never acknowledges, it ends after the same time as one that never reconnects.
        let follow_up = state.start_deadline(&self.limits);
        let closed = state.close_if_done();
        drop(state);
        if closed.is_some() {
            follow_up_of_close(closed)
        } else {
            follow_up
        }
    }

    /// Whether the page continues on another server: it has connected there, or the handler was closed
    /// because this server ends.
    #[cfg(feature = "cluster")]
    pub(in crate::page) fn continues_elsewhere(&self) -> bool {
        let state = self.lock();
        if state.is_superseded {
            return true;
        }
        let code = state.ending.as_ref().map(Close::code);
        matches!(
            code,
            Some(CloseCode::GOING_AWAY | CloseCode::SERVICE_RESTART)
        )
    }

    /// Ends the page if its deadline has passed. During a handshake the deadline stays watched,
    /// since the handshake may be refused.
    pub(in crate::page) fn expire(&self, now: Instant) -> FollowUp {
        let suspended = self.lock().suspended_deadline();
        match suspended.filter(|until| *until > now) {
            Some(until) => FollowUp::Watch(until),
            None => self.end_if(|until| until <= now),
        }
    }

    /// Ends the page if it waits and `is_due` holds for its deadline. If it does not wait, the
    /// reaper no longer watches it.
    fn end_if(&self, is_due: impl FnOnce(Instant) -> bool) -> FollowUp {
        let mut state = self.lock();
        match state.deadline.filter(|_| !state.ended) {
            Some(until) if is_due(until) => {
                let close = state.expiry_close();
                end_and_close(state, &close)
            }
            Some(until) => FollowUp::Watch(until),
            None => {
                state.watched = false;
                FollowUp::Nothing
            }
        }
    }

    /// Whether the reaper must keep watching the page.
    pub(in crate::page) fn is_waiting(&self) -> bool {
        let mut state = self.lock();
        state.watched = !state.ended && state.deadline.is_some();
        state.watched
    }

    /// Ends the page before its deadline, unless a socket has attached in the meantime.
    pub(in crate::page) fn end_early(&self) -> FollowUp {
        self.end_if(|_| true)
    }

    /// Ends the page, and closes its socket with this Close.
    pub(in crate::page) fn end(&self, close: &Close) -> FollowUp {
        let state = self.lock();
        if state.ended {
            return FollowUp::Nothing;
        }
        end_and_close(state, close)
    }
}

fn end_and_close(mut state: StreamGuard<'_>, close: &Close) -> FollowUp {
    let socket = state.end(false);
    drop(state);
    if let Some(socket) = socket {
        socket.close_page(close);
    }
    FollowUp::Remove
}

/// The Close of a socket whose page has another one. A script that has connected again learns that
/// no other script has the page: it may try a new connection while it uses the one before.
pub(super) fn superseded(is_same_script: bool) -> Close {
    let reason = if is_same_script {
        "reconnected"
    } else {
        "another socket has the page"
    };
    Close::new(CloseCode::SUPERSEDED, reason)
}

/// The Close for connections from before a logon; the page then reconnects.
pub(crate) fn logon_close() -> Close {
    Close::new(CloseCode::SERVICE_RESTART, "the visitor has logged on")
}

impl StreamState {
    /// The Close for the socket of a page whose deadline has passed.
    fn expiry_close(&self) -> Close {
        if self.ending.is_none() {
            return Close::GOING_AWAY;
        }
        // The page has not received everything; it gets a reset when it reconnects.
        let behind = || Close::new(CloseCode::TRY_AGAIN_LATER, "the page reads too slowly");
        self.last_close().unwrap_or_else(behind)
    }
}
