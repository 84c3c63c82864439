//! The task that writes what one publish left to others.

use std::mem;
use std::sync::Arc;

use super::Recipient;

/// Sockets that the task writes to before it lets others run.
const TURN: usize = 64;

/// Asks for the memory of these outboxes.
///
/// A publish finds hardly any of it in the processor's cache where there are thousands of them, and
/// a write to a socket ends all that the processor does ahead of time: without this, memory would
/// be waited for once for each subscriber.
fn prefetch<'r>(recipients: impl Iterator<Item = &'r Arc<dyn Recipient>>) {
    for recipient in recipients {
        recipient.outbox().prefetch();
    }
}

/// Outboxes that hold a frame which nobody has tried to write yet.
///
/// Whatever becomes of the task, even if its runtime ends first, the connections' own
/// tasks are woken for what is left.
#[derive(Default)]
pub(super) struct Later {
    recipients: Vec<Arc<dyn Recipient>>,
}

impl Later {
    pub(super) fn push(&mut self, recipient: Arc<dyn Recipient>) {
        self.recipients.push(recipient);
    }

    /// Flushes the outboxes in a task of its own. The frames stand in them already, so that
    /// order and bounds hold whoever writes.
    pub(super) fn flush(mut self) {
        if self.recipients.is_empty() {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    while self.turn() {
                        tokio::task::yield_now().await;
                    }
                });
            }
            // A thread that belongs to no runtime has no one to leave the work to.
            Err(_) => while self.turn() {},
        }
    }

    /// Writes to some of the sockets. Returns whether there are more.
    fn turn(&mut self) -> bool {
        let rest = self.recipients.len().saturating_sub(TURN);
        prefetch(self.recipients[rest..].iter());
        for recipient in self.recipients.drain(rest..) {
            recipient.outbox().flush_direct();
        }
        rest > 0
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        for recipient in mem::take(&mut self.recipients) {
            recipient.outbox().wake();
        }
    }
}
