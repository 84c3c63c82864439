//! The end of a connection because its server shuts down.

use tokio::task::unconstrained;
use tokio::time::{Instant, sleep_until};

use super::ConnectionShared;
use crate::close::{Close, CloseCause, CloseCode};

/// The deadlines of one connection in a shutdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ShutdownTimes {
    /// A running hook may end and reply until then; afterwards the connection is closed anyway.
    pub(crate) close: Instant,
    /// Then everything but `terminate` is cut off.
    pub(crate) cutoff: Instant,
    /// Then `terminate` is cut off too.
    pub(crate) end: Instant,
}

impl ConnectionShared {
    /// Shuts the connection down: its task sends this Close as soon as no hook runs.
    pub(crate) fn shut_down(&self, times: ShutdownTimes, close: Close) {
        self.change_deadlines(|state| {
            state.shutdown.get_or_insert((times, close));
        });
        self.changed().notify_waiters();
    }

    /// Closes the connection, because the server shuts down.
    pub(crate) fn close_for_shutdown(&self) {
        let close = {
            let lifecycle = self.lock();
            let optional = lifecycle.optional.as_ref();
            optional.and_then(|state| state.shutdown.as_ref().map(|(_, close)| close.clone()))
        };
        let close = close.unwrap_or_else(going_away);
        self.close(&close, CloseCause::Shutdown);
    }

    /// Resolves when a shutdown cancels everything but `terminate`.
    pub(crate) async fn shutdown_cutoff(&self) {
        self.wait_until(|state| state.shutdown().is_some()).await;
        let shutdown = self.lock().shutdown();
        if let Some(ShutdownTimes { cutoff, .. }) = shutdown {
            // Unconstrained, to poll the timer even if this task's budget is used up.
            unconstrained(sleep_until(cutoff)).await;
        }
    }
}

/// The Close of a shutdown.
pub(crate) fn going_away() -> Close {
    Close::new(CloseCode::GOING_AWAY, "the server shuts down")
}
