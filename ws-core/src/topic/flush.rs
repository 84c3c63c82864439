//! The task that writes what one publish left to others.

use std::sync::Arc;

use super::Recipient;

/// Sockets that the task writes to before it lets others run.
const TURN: usize = 64;

/// Flushes the outboxes in a task of its own. The frames stand in them already, so that
/// order and bounds hold whoever writes.
pub(super) fn later(recipients: Vec<Arc<dyn Recipient>>) {
    if recipients.is_empty() {
        return;
    }
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(async move {
                for turn in recipients.chunks(TURN) {
                    flush(turn);
                    tokio::task::yield_now().await;
                }
            });
        }
        // A thread that belongs to no runtime has no one to leave the work to.
        Err(_) => flush(&recipients),
    }
}

fn flush(recipients: &[Arc<dyn Recipient>]) {
    for recipient in recipients {
        recipient.outbox().flush_direct();
    }
}
