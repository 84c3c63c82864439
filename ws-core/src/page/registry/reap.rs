//! Ends pages whose browser does not return.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::Pages;
use crate::page::reaper::ReaperStep;
use crate::page::stream::Stream;
use crate::timeout;

impl Pages {
    /// Checks a page again at this time.
    pub(super) fn watch(&self, stream: &Arc<Stream>, at: Instant) {
        let longest = self.reaper.watch(stream, at, self.limits.waiting);
        // A new deadline is never earlier than the watched ones, so a running task wakes early
        // enough.
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && self.reaper.begin()
        {
            runtime.spawn(reap(ReaperTask(self.this.clone())));
        }
        for longest in longest {
            self.follow_up(&longest, longest.end_early());
        }
    }

    /// Checks the pages that are due. Returns when the next one is due, or `None` if the task
    /// should end.
    fn end_due(&self, now: Instant) -> Option<Instant> {
        loop {
            match self.reaper.next(now) {
                ReaperStep::Due(stream) => self.follow_up(&stream, stream.expire(now)),
                ReaperStep::At(next) => return Some(next),
                ReaperStep::Never => return None,
            }
        }
    }
}

/// The task that ends pages. If it is dropped early, for example with its runtime, the next page
/// starts another one.
struct ReaperTask(Weak<Pages>);

impl Drop for ReaperTask {
    fn drop(&mut self) {
        if let Some(pages) = self.0.upgrade() {
            pages.reaper.stop();
        }
    }
}

/// Ends pages after their deadline, until none is watched.
async fn reap(mut running: ReaperTask) {
    while let Some(pages) = running.0.upgrade() {
        let Some(next) = pages.end_due(Instant::now()) else {
            running.0 = Weak::new();
            return;
        };
        let grace = pages.limits.grace;
        drop(pages);
        timeout::sleep_past_pauses(next, grace).await;
    }
}
