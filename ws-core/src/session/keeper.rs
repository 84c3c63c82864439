//! Keeps the sessions of open sockets alive.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::SessionError;
use super::backend::Backend;
use super::live::Live;
use super::registry::Registry;

/// How often the keeper runs within the idle time of a session: if the store fails once or twice,
/// no session is lost.
const CHECKS_PER_IDLE_TIME: u32 = 4;

/// The time between two checks while the store fails, if sessions may have ended unnoticed.
const RETRY: Duration = Duration::from_secs(1);

/// How many sessions the keeper checks in the store at the same time.
const MAX_CONCURRENT_CHECKS: usize = 64;

/// Extends sessions while they have open sockets, and ends the subscriptions of sessions that the
/// store has lost. Its task runs only while there are any.
pub(super) struct Keeper {
    backend: Arc<Backend>,
    registry: Arc<Registry>,
    runs: Mutex<bool>,
    /// Sessions may have ended unnoticed.
    doubted: Arc<Notify>,
}

impl Keeper {
    pub(super) fn new(backend: Arc<Backend>, registry: Arc<Registry>) -> Self {
        Self {
            backend,
            registry,
            runs: Mutex::new(false),
            doubted: Arc::default(),
        }
    }

    fn runs(&self) -> MutexGuard<'_, bool> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the task if it is not running.
    pub(super) fn start(self: &Arc<Self>) {
        let runs = std::mem::replace(&mut *self.runs(), true);
        // After the lock is released: a runtime that shuts down drops the task at once.
        if !runs {
            let running = KeeperTask(Arc::downgrade(self));
            tokio::spawn(keep(
                running,
                self.backend.limits.idle / CHECKS_PER_IDLE_TIME,
            ));
        }
    }

    /// Checks all sessions in use soon, and again until the store has answered for each of them:
    /// another server may have ended some, and the notice is lost.
    #[cfg(feature = "cluster")]
    pub(super) fn check_soon(self: &Arc<Self>) {
        if !self.registry.in_use().is_empty() {
            self.start();
            self.doubted.notify_one();
        }
    }

    /// Stops the task, unless a session has got a socket in the meantime. Returns whether it stops.
    fn stop(&self) -> bool {
        let mut runs = self.runs();
        *runs = !self.registry.in_use().is_empty();
        !*runs
    }
}

/// The task, until it has stopped itself. If it is dropped before, for example with its runtime,
/// the next socket starts another one.
struct KeeperTask(Weak<Keeper>);

impl Drop for KeeperTask {
    fn drop(&mut self) {
        if let Some(keeper) = self.0.upgrade() {
            *keeper.runs() = false;
        }
    }
}

async fn keep(mut running: KeeperTask, period: Duration) {
    let Some(doubted) = running.0.upgrade().map(|keeper| keeper.doubted.clone()) else {
        return;
    };
    let (mut pause, mut are_doubted) = (period, false);
    loop {
        are_doubted |= timeout(pause, doubted.notified()).await.is_ok();
        let Some(keeper) = running.0.upgrade() else {
            return;
        };
        let all = keeper.registry.in_use();
        if all.is_empty() && keeper.stop() {
            running.0 = Weak::new();
            return;
        }
        let checks = stream::iter(all).map(|live| keeper.check(live));
        let failures: Vec<_> = checks
            .buffer_unordered(MAX_CONCURRENT_CHECKS)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if let Some(error) = failures.first() {
            let failed = failures.len();
            tracing::warn!(failed, %error, "sessions of open sockets could not be kept alive");
        }
        are_doubted &= !failures.is_empty();
        pause = if are_doubted { RETRY } else { period };
    }
}

impl Keeper {
    /// Extends one session if it has sockets, or ends it here if it no longer exists. Returns the
    /// error if neither was possible.
    async fn check(&self, live: Arc<Live>) -> Option<String> {
        // The store and the source may be code of the application: a panic there ends only this
        // check.
        let checked = AssertUnwindSafe(self.is_there(&live)).catch_unwind();
        match checked.await {
            Ok(Ok(true)) => None,
            Ok(Ok(false)) => {
                self.registry.close_lost(&live);
                None
            }
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some("the session store panicked".to_owned()),
        }
    }

    /// Returns whether the session still exists, and extends it if so. Sockets from before a logon
    /// do not extend it: an attacker who planted a session could otherwise keep the visitor's
    /// alive.
    async fn is_there(&self, live: &Live) -> Result<bool, SessionError> {
        let backend = &self.backend;
        if let (Some(source), Some(name)) = (&backend.source, &live.foreign)
            && !backend.with_timeout(source.is_live(name)).await?
        {
            return Ok(false);
        }
        if !live.has_sockets() && live.is_expired() {
            return Ok(false);
        }
        if live.has_sockets() && !live.is_renewed() {
            let idle = backend.limits.idle;
            let touched = backend.store.touch(live.key, live.id, idle);
            let touched = backend.with_timeout(touched).await?;
            // A logon may have moved it to another key in the meantime.
            if touched || !live.is_renewed() {
                return Ok(touched);
            }
        }
        let contains = backend.store.contains(live.current_key.get(), live.id);
        backend.with_timeout(contains).await
    }
}
