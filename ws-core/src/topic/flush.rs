//! The task that completes the writes of one publish.

use std::mem;
use std::sync::Arc;

use super::Recipient;

/// The number of sockets that the task writes to before it yields.
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

/// Outboxes with a queued frame that no task has yet tried to write.
///
/// If the task does not finish, for example because its runtime ends first, the connections' own
/// tasks are woken for the rest.
#[derive(Default)]
pub(super) struct DeferredFlush {
    recipients: Vec<Arc<dyn Recipient>>,
}

impl DeferredFlush {
    pub(super) fn push(&mut self, recipient: Arc<dyn Recipient>) {
        self.recipients.push(recipient);
    }

    /// Flushes the outboxes in a separate task. The frames are queued already, so order and limits
    /// hold regardless of which task writes.
    pub(super) fn flush(mut self) {
        if self.recipients.is_empty() {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    while self.flush_some() {
                        tokio::task::yield_now().await;
                    }
                });
            }
            // Outside of a runtime there is no other task, so this thread writes.
            Err(_) => while self.flush_some() {},
        }
    }

    /// Writes to some of the sockets. Returns whether more remain.
    fn flush_some(&mut self) -> bool {
        let rest = self.recipients.len().saturating_sub(SOCKETS_PER_TURN);
        prefetch(self.recipients[rest..].iter());
        for recipient in self.recipients.drain(rest..) {
            recipient.outbox().flush_direct();
        }
        rest > 0
    }
}

impl Drop for DeferredFlush {
    fn drop(&mut self) {
        for recipient in mem::take(&mut self.recipients) {
            recipient.outbox().wake();
        }
    }
}
