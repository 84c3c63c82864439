//! The context of one poll of a connection.

use std::future::Future;
use std::pin::pin;
use std::task::Context as TaskContext;

use tokio::task::yield_now;

use super::callee::AnyHandler;
use super::thread_buffers::ThreadBuffers;
use crate::outbox::Transport;

/// Borrowed by the parts of a connection for one poll.
pub(super) struct Turn<'a, 'cx> {
    pub(super) handler: &'a mut dyn AnyHandler,
    pub(super) transport: &'a mut dyn Transport,
    pub(super) buffers: &'a mut ThreadBuffers,
    pub(super) cx: &'a mut TaskContext<'cx>,
}

impl Turn<'_, '_> {
    /// Continues after other connections have run. They include connections with data that the
    /// runtime has not seen yet: after a mere wake-up, a flooding connection could run many turns
    /// before the runtime polls the network again.
    pub(super) fn yield_to_others(&mut self) {
        // The first poll leaves the wake-up to the runtime.
        let _ = pin!(yield_now()).poll(self.cx);
    }
}
