//! What one poll of a connection works with.

use std::future::Future;
use std::pin::pin;
use std::task::Context as TaskContext;

use tokio::task::yield_now;

use super::callee::AnyHandler;
use super::worker::Worker;
use crate::outbox::Transport;

/// What is lent to the parts of a connection for one poll.
pub(super) struct Turn<'a, 'cx> {
    pub(super) handler: &'a mut dyn AnyHandler,
    pub(super) transport: &'a mut dyn Transport,
    pub(super) worker: &'a mut Worker,
    pub(super) cx: &'a mut TaskContext<'cx>,
}

impl Turn<'_, '_> {
    /// Goes on when the others had their turn. They include those whose messages the runtime has
    /// not seen yet: a mere wake-up would let a connection that floods run many turns before the
    /// runtime looks at the network again.
    pub(super) fn yield_to_others(&mut self) {
        // The first poll leaves the wake-up to the runtime.
        let _ = pin!(yield_now()).poll(self.cx);
    }
}
