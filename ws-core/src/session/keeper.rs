//! Keeps the sessions of open sockets alive.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::live::Live;
use super::sessions::Inner;

/// The keeper's turns come so many times in the idle time of a session: a store that
/// fails once or twice loses none.
const TURNS: u32 = 4;

/// The task that lets sessions live on while sockets of theirs are open. It runs only
/// while there are any.
#[derive(Default)]
pub(super) struct Keeper {
    runs: Mutex<bool>,
}

impl Keeper {
    /// Starts the task where it does not run.
    pub(super) fn start(&self, sessions: &Arc<Inner>) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if !*runs {
            *runs = true;
            let period = sessions.limits.idle / TURNS;
            tokio::spawn(keep(Arc::downgrade(sessions), period));
        }
    }

    /// The task ends, unless a session has got a socket meanwhile.
    fn stop(&self, sessions: &Inner) -> bool {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        *runs = !sessions.held().is_empty();
        !*runs
    }
}

async fn keep(sessions: Weak<Inner>, period: Duration) {
    loop {
        sleep(period).await;
        let Some(sessions) = sessions.upgrade() else {
            return;
        };
        let held = sessions.held();
        if held.is_empty() && sessions.keeper().stop(&sessions) {
            return;
        }
        let mut failed = 0_usize;
        for live in held {
            match is_there(&sessions, &live).await {
                Some(true) => {}
                // A logon may have moved it to another key meanwhile.
                Some(false) if live.is_held() => sessions.close_lost(&live),
                Some(false) => {}
                None => failed += 1,
            }
        }
        if failed > 0 {
            tracing::warn!(failed, "sessions of open sockets could not be kept alive");
        }
    }
}

/// Whether the session is still there; `None` where nobody says.
async fn is_there(sessions: &Inner, live: &Live) -> Option<bool> {
    if let (Some(source), Some(name)) = (&sessions.source, &live.foreign)
        && !sessions.in_time(source.is_live(name)).await.ok()?
    {
        return Some(false);
    }
    let touched = sessions.store.touch(live.key, sessions.limits.idle);
    sessions.in_time(touched).await.ok()
}
