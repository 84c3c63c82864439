//! Keeps the sessions of open sockets alive.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tokio::time::sleep;

use super::SessionError;
use super::live::Live;
use super::registry::Inner;

/// The keeper's turns come so many times in the idle time of a session: a store that
/// fails once or twice loses none.
const TURNS: u32 = 4;

/// Sessions that the store is asked for at the same time.
const AT_ONCE: usize = 64;

/// The task that lets sessions live on while sockets of theirs are open. It runs only
/// while there are any.
#[derive(Default)]
pub(super) struct Keeper {
    runs: Mutex<bool>,
}

impl Keeper {
    fn runs(&self) -> MutexGuard<'_, bool> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the task where it does not run.
    pub(super) fn start(&self, sessions: &Arc<Inner>) {
        let runs = std::mem::replace(&mut *self.runs(), true);
        // Without the lock: a runtime that is going down drops the task at once.
        if !runs {
            let running = Running(Arc::downgrade(sessions));
            tokio::spawn(keep(running, sessions.limits.idle / TURNS));
        }
    }

    /// The task ends, unless a session has got a socket meanwhile.
    fn stop(&self, sessions: &Inner) -> bool {
        let mut runs = self.runs();
        *runs = !sessions.with_sockets().is_empty();
        !*runs
    }
}

/// The task, until it has said itself that it ends; where it is dropped before, with its
/// runtime for one, the next socket starts another.
struct Running(Weak<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(sessions) = self.0.upgrade() {
            *sessions.keeper().runs() = false;
        }
    }
}

async fn keep(mut running: Running, period: Duration) {
    loop {
        sleep(period).await;
        let Some(sessions) = running.0.upgrade() else {
            return;
        };
        let all = sessions.with_sockets();
        if all.is_empty() && sessions.keeper().stop(&sessions) {
            running.0 = Weak::new();
            return;
        }
        let checks = stream::iter(all).map(|live| check(&sessions, live));
        let failures: Vec<_> = checks
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if let Some(error) = failures.first() {
            let failed = failures.len();
            tracing::warn!(failed, %error, "sessions of open sockets could not be kept alive");
        }
    }
}

/// Lets one session live on, or closes its sockets where it is no more. Returns why neither
/// was possible.
async fn check(sessions: &Inner, live: Arc<Live>) -> Option<String> {
    // The store and the source are not ours: what panics in them ends no more than this.
    let checked = AssertUnwindSafe(is_there(sessions, &live)).catch_unwind();
    match checked.await {
        Ok(Ok(true)) => None,
        Ok(Ok(false)) => {
            sessions.close_lost(&live);
            None
        }
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(_) => Some("the session store panicked".to_owned()),
    }
}

/// Whether the session is still there; if so, it lives on. Sockets of before a logon do not
/// let it: who planted a session would hold the visitor's.
async fn is_there(sessions: &Inner, live: &Live) -> Result<bool, SessionError> {
    if let (Some(source), Some(name)) = (&sessions.source, &live.foreign)
        && !sessions.in_time(source.is_live(name)).await?
    {
        return Ok(false);
    }
    if !live.is_renewed() {
        let touched = sessions.store.touch(live.key, sessions.limits.idle);
        let touched = sessions.in_time(touched).await?;
        // A logon may have moved it to another key meanwhile.
        if touched || !live.is_renewed() {
            return Ok(touched);
        }
    }
    let key = *live.current();
    sessions.in_time(sessions.store.contains(key)).await
}
