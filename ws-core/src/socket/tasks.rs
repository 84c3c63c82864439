//! Work beside the hooks: `Socket::spawn`.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::{Shared, Socket};
use crate::close::{Close, CloseCause};
use crate::error::{SpawnError, log_panic};
use crate::hook::{self, Hook};
use crate::reply::{End, Reply, ReplyOrNever};

impl<H> Socket<H> {
    /// Runs a future beside the hooks. Its output is a reply, as a hook's would be: it
    /// waits for room in the outbox. At the end of the connection the future is dropped;
    /// a panic in it closes the connection with 1011. It may be an endless loop:
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
    /// [`SpawnError::Full`] where the route's `tasks` limit is reached,
    /// [`SpawnError::Closed`] where the connection is gone.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, future: F) -> Result<(), SpawnError>
    where
        F: Future + Send + 'static,
        F::Output: ReplyOrNever,
    {
        let shared = self.shared.clone();
        let mut control = self.shared.lock();
        if control.gone {
            return Err(SpawnError::Closed);
        }
        let tasks = control.more().tasks.get_or_insert_default();
        reap(tasks);
        if tasks.len() >= self.shared.limits().tasks {
            return Err(SpawnError::Full);
        }
        let task = async move {
            let output = async { future.await.reply() };
            let output = AssertUnwindSafe(output).catch_unwind();
            let output = async { output.await.map_err(|panic| log_panic(&*panic)) };
            let place = Hook::Spawn.on(shared.common.route);
            match hook::run_async(place, output).await {
                Ok(reply) => shared.deliver(reply).await,
                Err(()) => {
                    shared.close(&Close::internal(), CloseCause::HookPanic);
                }
            }
        };
        tasks.spawn(task.in_current_span());
        Ok(())
    }
}

/// Forgets the tasks that have ended.
fn reap(tasks: &mut JoinSet<()>) {
    while tasks.try_join_next().is_some() {}
}

impl Shared {
    /// Sends the reply of a task.
    async fn deliver(self: Arc<Self>, mut reply: Reply) {
        while let Some(message) = reply.messages.next() {
            if self.send_async(message).await.is_err() {
                return;
            }
        }
        match reply.end {
            End::Open => {}
            End::Close(close) | End::Undecodable(close) => {
                self.close(&close, CloseCause::ServerClosed);
            }
            End::Error(close) => {
                self.close(&close, CloseCause::HookError);
            }
        }
    }
}
