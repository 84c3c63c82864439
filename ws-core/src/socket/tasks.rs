//! Work beside the hooks: `Socket::spawn`.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tracing::Instrument;

use super::{ConnectionShared, Sends, Socket};
use crate::close::{Close, CloseCause};
use crate::error::{SpawnError, log_panic};
use crate::hook::{self, Hook, RouteNumber};
use crate::reply::{Reply, ReplyEnd, ReplyOrNever};

impl<H> Socket<H> {
    /// Runs a future concurrently with the hooks. Its output is a reply, like that of a hook: it
    /// waits for room in the outbox. When the connection ends, the future is dropped; if it panics,
    /// the connection is closed with 1011. It may be an endless loop:
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::prelude::*;
    ///
    /// struct Ticker;
    ///
    /// #[ws_handler]
    /// impl Ticker {
    ///     fn init(socket: &Socket<Self>) -> Result<Self, Refusal> {
    ///         let sender = socket.sender();
    ///         let endless = async move {
    ///             loop {
    ///                 tokio::time::sleep(Duration::from_secs(1)).await;
    ///                 let _ = sender.send("tick");
    ///             }
    ///         };
    ///         socket.spawn(endless).or_refuse()?;
    ///         Ok(Ticker)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpawnError::Full`] if the route's `tasks` limit is reached, [`SpawnError::Closed`] if the
    /// connection is gone.
    ///
    /// # Panics
    ///
    /// Panics if called outside of a tokio runtime.
    pub fn spawn<F>(&self, future: F) -> Result<(), SpawnError>
    where
        F: Future + Send + 'static,
        F::Output: ReplyOrNever,
        H: Sends<<F::Output as ReplyOrNever>::Value>,
    {
        let runtime = Handle::current();
        self.shared.reserve_task()?;
        let shared = self.shared.clone();
        let task = async move {
            let output = async { future.await.reply() };
            let output = AssertUnwindSafe(output).catch_unwind();
            let output = async { output.await.map_err(|panic| log_panic(&*panic)) };
            let hook = Hook::Spawn.on(shared.route());
            match hook::run_async(hook, output).await {
                Ok(reply) => shared.deliver(reply).await,
                Err(()) => {
                    shared.close(&Close::internal(), CloseCause::HookPanic);
                }
            }
        };
        // A runtime that shuts down drops the future at once, and its `Drop` may use the socket: no
        // lock may be held here.
        let task = runtime.spawn(task.in_current_span());
        self.shared.store_task(task.abort_handle());
        Ok(())
    }
}

/// The tasks of a connection. Dropping this aborts them.
#[derive(Default)]
pub(super) struct Tasks {
    running: Vec<AbortHandle>,
    /// The number of tasks that are reserved but not yet in `running`.
    starting: usize,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.running {
            task.abort();
        }
    }
}

impl ConnectionShared {
    /// The number of the route's pattern, which identifies hooks in logs.
    pub(crate) fn route(&self) -> RouteNumber {
        self.route_context.route
    }

    /// Reserves a place for a task.
    fn reserve_task(&self) -> Result<(), SpawnError> {
        let mut lifecycle = self.lock();
        if lifecycle.ended {
            return Err(SpawnError::Closed);
        }
        let tasks = lifecycle.optional().tasks.get_or_insert_default();
        tasks.running.retain(|task| !task.is_finished());
        if tasks.running.len() + tasks.starting >= self.limits().tasks {
            return Err(SpawnError::Full);
        }
        tasks.starting += 1;
        Ok(())
    }

    /// Stores a task in its reserved place until the task or the connection ends.
    fn store_task(&self, task: AbortHandle) {
        let mut lifecycle = self.lock();
        if lifecycle.ended {
            drop(lifecycle);
            task.abort();
            return;
        }
        let tasks = lifecycle.optional().tasks.get_or_insert_default();
        tasks.starting -= 1;
        tasks.running.push(task);
    }

    /// Sends the reply of a task.
    async fn deliver(self: Arc<Self>, mut reply: Reply) {
        while let Some(message) = reply.messages.next() {
            if self.send_async(message).await.is_err() {
                return;
            }
        }
        match reply.end {
            ReplyEnd::KeepOpen => {}
            ReplyEnd::Close(close) | ReplyEnd::Undecodable(close) => {
                self.close(&close, CloseCause::ServerClosed);
            }
            ReplyEnd::Error(close) => {
                self.close(&close, CloseCause::HookError);
            }
        }
    }
}
