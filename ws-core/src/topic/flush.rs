//! Writes the frames that publishes have queued.

use std::mem;
use std::sync::Arc;

use tokio::task::yield_now;

use super::Recipient;
use super::events::PushRecipient;

/// The number of sockets, and of pages, that a task writes to before it yields.
const SOCKETS_PER_TURN: usize = 64;

/// Prefetches the memory of these outboxes.
///
/// With thousands of outboxes, hardly any of their memory is in the processor's cache, and a system
/// call to write stops speculative execution: without prefetching, a publish would wait for memory
/// once per subscriber.
fn prefetch<'r>(recipients: impl Iterator<Item = &'r Arc<dyn Recipient>>) {
    for recipient in recipients {
        recipient.outbox().prefetch();
    }
}

/// Outboxes with a queued frame that no task has yet tried to write, and pages with a queued event.
///
/// If the outboxes are not flushed, for example because the runtime of the task ends first, the
/// connections' own tasks are woken for the rest.
#[derive(Default)]
pub(super) struct DeferredFlush {
    recipients: Vec<Arc<dyn Recipient>>,
    pages: Vec<Arc<dyn PushRecipient>>,
}

impl DeferredFlush {
    pub(super) fn is_empty(&self) -> bool {
        self.recipients.is_empty() && self.pages.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.recipients.len() + self.pages.len()
    }

    pub(super) fn push(&mut self, recipient: Arc<dyn Recipient>) {
        self.recipients.push(recipient);
    }

    /// Adds a page. It may be added several times: only the first flush finds something to write.
    pub(super) fn push_page(&mut self, page: Arc<dyn PushRecipient>) {
        self.pages.push(page);
    }

    /// Adds the outboxes and the pages of another publish.
    pub(super) fn merge(&mut self, mut other: Self) {
        if self.is_empty() {
            mem::swap(self, &mut other);
        } else {
            self.recipients.append(&mut other.recipients);
            self.pages.append(&mut other.pages);
        }
    }

    /// Flushes the outboxes, and yields to other tasks after some of them. The frames are queued
    /// already, so order and limits hold regardless of which task writes.
    pub(super) async fn flush(mut self) {
        self.flush_some(SOCKETS_PER_TURN);
        while !self.is_empty() {
            yield_now().await;
            self.flush_some(SOCKETS_PER_TURN);
        }
    }

    /// Flushes the outboxes.
    pub(super) fn flush_now(mut self) {
        self.flush_at_most(usize::MAX);
    }

    /// Flushes this number of outboxes and of pages, or all if there are fewer.
    pub(super) fn flush_at_most(&mut self, mut count: usize) {
        while count > 0 && !self.is_empty() {
            let some = SOCKETS_PER_TURN.min(count);
            self.flush_some(some);
            count -= some;
        }
    }

    fn flush_some(&mut self, count: usize) {
        let rest = self.recipients.len().saturating_sub(count);
        prefetch(self.recipients[rest..].iter());
        for recipient in self.recipients.drain(rest..) {
            recipient.outbox().flush_direct();
        }
        let rest = self.pages.len().saturating_sub(count);
        for page in self.pages.drain(rest..) {
            page.flush();
        }
    }
}

impl Drop for DeferredFlush {
    fn drop(&mut self) {
        for recipient in mem::take(&mut self.recipients) {
            recipient.outbox().wake();
        }
        for page in mem::take(&mut self.pages) {
            page.flush();
        }
    }
}
