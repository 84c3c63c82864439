//! The context of one poll of a connection.

use std::future::Future;
use std::pin::pin;
use std::task::Context as TaskContext;

use tokio::task::yield_now;

use super::callee::AnyHandler;
use super::thread_buffers::ThreadBuffers;
use crate::outbox::Transport;

/// The values that the parts of a connection borrow for one poll.
pub(super) struct Turn<'a, 'cx> {
    pub(super) handler: &'a mut dyn AnyHandler,
    pub(super) transport: &'a mut dyn Transport,
    pub(super) buffers: &'a mut ThreadBuffers,
    pub(super) cx: &'a mut TaskContext<'cx>,
}

impl Turn<'_, '_> {
    /// Yields to other connections, including those with data that the runtime has not seen yet. If
    /// the task only woke itself, a flooding connection could run many turns before the runtime
    /// polls the network again.
    pub(super) fn yield_to_others(&mut self) {
        // The first poll asks the runtime to wake the task after it has polled the network.
        let _ = pin!(yield_now()).poll(self.cx);
    }
}
