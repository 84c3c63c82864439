//! Runs one `init` of a page's handler at a time.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Refusal;
use crate::page::Credentials;
use crate::session::Session;
use crate::timeout;

/// Allows one socket of a page at a time to run `init` of the page's handler. Sockets that wait for
/// it share its outcome: the handler, or the refusal.
#[derive(Default)]
pub(crate) struct InitLock {
    turn: tokio::sync::Mutex<()>,
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    count: u64,
    last: Option<Box<(InitClient, Refusal)>>,
}

/// The client for which `init` decides. Only sockets of equal clients share a refusal.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct InitClient {
    pub(crate) session: Session,
    /// Of a page without a session, whose session is not that of a visitor.
    pub(crate) credentials: Option<Credentials>,
}

/// A socket that waits to run `init`, or for the outcome of another.
pub(crate) struct InitWaiter<'l> {
    lock: &'l InitLock,
    client: &'l InitClient,
    /// The number of failures before it registered.
    before: u64,
}

/// The turn of one socket; dropping it ends the turn.
pub(crate) struct InitTurn<'l> {
    lock: &'l InitLock,
    _turn: tokio::sync::MutexGuard<'l, ()>,
}

impl InitLock {
    /// Registers a socket of this client that needs the handler.
    pub(crate) fn register<'l>(&'l self, client: &'l InitClient) -> InitWaiter<'l> {
        InitWaiter {
            lock: self,
            client,
            before: self.failures().count,
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'l> InitWaiter<'l> {
    /// Waits for its turn until `deadline`; if the process was suspended, the deadline moves to `after_pause`
    /// after it resumed.
    ///
    /// # Errors
    ///
    /// The refusal of the `init` that it waited for, if that ran for an equal client; 503 if the
    /// deadline passes.
    pub(crate) async fn turn(
        self,
        deadline: &mut Instant,
        after_pause: Duration,
    ) -> Result<InitTurn<'l>, Refusal> {
        let turn = pin!(self.lock.turn.lock());
        let turn = timeout::timeout_at(deadline, after_pause, turn).await;
        let turn = turn.map_err(|_| Refusal::SERVICE_UNAVAILABLE)?;
        let failures = self.lock.failures();
        if failures.count > self.before
            && let Some((client, refusal)) = failures.last.as_deref()
            && client == self.client
        {
            return Err(refusal.clone());
        }
        drop(failures);
        Ok(InitTurn {
            lock: self.lock,
            _turn: turn,
        })
    }
}

impl InitTurn<'_> {
    /// Records that `init` was refused for this client; its other sockets that wait for the outcome
    /// are refused too.
    pub(crate) fn fail(self, client: &InitClient, refusal: &Refusal) {
        let mut failures = self.lock.failures();
        failures.count += 1;
        failures.last = Some(Box::new((client.clone(), refusal.clone())));
    }
}
