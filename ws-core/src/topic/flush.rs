//! Writes the frames that publishes have queued.

use std::mem;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::yield_now;

use super::Recipient;
use super::events::PushRecipient;

/// The number of sockets, and of pages, that the task writes to before it yields.
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
    pub(super) const fn new() -> Self {
        Self {
            recipients: Vec::new(),
            pages: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.recipients.is_empty() && self.pages.is_empty()
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

    /// Flushes the outboxes in a separate task. The frames are queued already, so order and limits
    /// hold regardless of which task writes.
    ///
    /// The task runs after the tasks that are ready now, because these may publish to the same
    /// subscribers.
    pub(super) fn flush(mut self) {
        if self.is_empty() {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    while !self.is_empty() {
                        yield_now().await;
                        self.flush_some();
                    }
                });
            }
            // Outside of a runtime there is no other task, so this thread writes.
            Err(_) => self.flush_now(),
        }
    }

    /// Flushes the outboxes.
    pub(super) fn flush_now(mut self) {
        while !self.is_empty() {
            self.flush_some();
        }
    }

    /// Writes to some of the sockets.
    fn flush_some(&mut self) {
        let rest = self.recipients.len().saturating_sub(SOCKETS_PER_TURN);
        prefetch(self.recipients[rest..].iter());
        for recipient in self.recipients.drain(rest..) {
            recipient.outbox().flush_direct();
        }
        let rest = self.pages.len().saturating_sub(SOCKETS_PER_TURN);
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
