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
        let evicted = self.reaper.watch(stream, at, self.limits.waiting);
        // A new deadline is never earlier than the watched ones, so a running task wakes early
        // enough.
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && self.reaper.begin()
        {
            runtime.spawn(reap(ReaperTask(self.weak_self.clone())));
        }
        for stream in evicted {
            self.follow_up(&stream, stream.end_early());
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

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};
    use tokio::time::sleep;

    use super::*;
    use crate::limits::PageLimits;
    use crate::session::{Session, Sessions};

    fn new_runtime() -> Runtime {
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    }

    fn new_pages() -> Arc<Pages> {
        Pages::new(
            PageLimits::DEFAULT,
            1,
            "page".to_owned(),
            Arc::new(crate::topic::Topics::new(1, 0)),
            std::sync::Arc::default(),
        )
    }

    async fn new_session() -> Session {
        let (session, _) = Sessions::default().begin().await.unwrap();
        session
    }

    /// Opens another page; returns after the grace period of all pages.
    async fn open_and_wait(pages: &Arc<Pages>, session: &Session) {
        pages.open(&"last".into(), session, None).unwrap();
        sleep(PageLimits::DEFAULT.grace * 2).await;
    }

    #[test]
    fn the_pages_of_a_runtime_that_has_ended_end_on_the_next_one() {
        let pages = new_pages();
        let first = new_runtime();
        let session = first.block_on(async {
            let session = new_session().await;
            pages.open(&"first".into(), &session, None).unwrap();
            // The task waits for the page.
            tokio::task::yield_now().await;
            session
        });
        drop(first);
        assert_eq!(pages.count(), 1);
        new_runtime().block_on(open_and_wait(&pages, &session));
        assert_eq!(pages.count(), 0);
    }

    /// Opens a page when it is dropped.
    struct OpenOnDrop(Arc<Pages>, Session);

    impl Drop for OpenOnDrop {
        fn drop(&mut self) {
            self.0.open(&"first".into(), &self.1, None).unwrap();
        }
    }

    #[test]
    fn a_page_that_begins_while_a_runtime_ends_or_without_one_ends_on_the_next_one() {
        let pages = new_pages();
        let first = new_runtime();
        let session = first.block_on(new_session());
        let opener = OpenOnDrop(pages.clone(), session.clone());
        // The runtime drops this task, and every task that is spawned meanwhile.
        first.spawn(async move {
            std::future::pending::<()>().await;
            drop(opener);
        });
        drop(first);
        pages.open(&"second".into(), &session, None).unwrap();
        assert_eq!(pages.count(), 2);
        new_runtime().block_on(open_and_wait(&pages, &session));
        assert_eq!(pages.count(), 0);
    }
}
