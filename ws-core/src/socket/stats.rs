//! The counters of one connection.

use std::time::Duration;

use tokio::time::Instant;

use super::ConnectionShared;
use crate::close::CloseReason;
use crate::hook::Hook;
use crate::id::ConnectionKind;
use crate::mailbox::MailboxError;
use crate::stats::{HookOutcome, RouteCounters};

/// The unit of the time at which a connection began.
const TICKS_PER_SECOND: u32 = 16;

/// The number of ticks in this time.
pub(super) fn ticks(time: Duration) -> u32 {
    let ticks = time.as_millis() * u128::from(TICKS_PER_SECOND) / 1_000;
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

impl ConnectionShared {
    /// The counters of the route.
    #[inline]
    pub(crate) fn counters(&self) -> &RouteCounters {
        &self.route_context.counters
    }

    /// Counts `weight` calls of a hook, of which one began then and has just ended, unless the
    /// library's own handler serves the connection.
    pub(crate) fn count_hook(&self, hook: Hook, outcome: HookOutcome, began: Instant, weight: u32) {
        if let Some(counters) = &self.route_context.hooks {
            counters.add(hook, outcome, began.elapsed(), weight);
        }
    }

    /// Whether the connection only carries messages between a page and the page's handler.
    pub(crate) fn belongs_to_page_handler(&self) -> bool {
        self.route_context.hooks.is_none()
    }

    /// Counts a notification that the mailbox did not accept, unless the connection has ended.
    pub(super) fn count_unless_closed(&self, error: MailboxError) {
        if error == MailboxError::Full
            && let Some(hooks) = &self.route_context.hooks
        {
            hooks.count_full_mailbox();
        }
    }

    /// Adds what the outbox has counted to the counters of the route. Returns the id of the route
    /// and the number of queued bytes.
    pub(crate) fn collect_outbox(&self) -> (u64, usize) {
        let (queued, totals) = self.outbox.take_totals();
        self.counters().add_outbox(&totals);
        (self.counters().id(), queued)
    }

    /// Counts the end of the connection, except for that of a page's handler, which has no client.
    pub(crate) fn count_end(&self, reason: &CloseReason) {
        if self.route_context.kind == ConnectionKind::Socket {
            let now = ticks(self.counters().age(Instant::now()));
            let open = Duration::from_secs(now.saturating_sub(self.began).into());
            self.counters().count_end(reason, open / TICKS_PER_SECOND);
        }
    }
}
