//! Whether the server should get new requests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use ws_core::hub::Hub;

/// How long an answer of the session store counts: anybody may ask for the readiness.
const STORE_CHECK: Duration = Duration::from_secs(1);

/// Why the server is not ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotReady {
    Stopping,
    Starting,
    AcceptFails,
    /// It has never answered.
    SessionStore,
}

/// A fault that does not make the server unready: it would make all servers unready, and leave the
/// load balancer without any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    None,
    /// It has answered before.
    SessionStore,
    /// Some lanes of the log take no entries of this server.
    #[cfg(feature = "cluster")]
    LogWrites,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("ready"),
            Self::SessionStore => write!(f, "ready, but {}", NotReady::SessionStore),
            #[cfg(feature = "cluster")]
            Self::LogWrites => {
                f.write_str("ready, but the log does not accept what this server writes")
            }
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopping => "the server is shutting down",
            Self::Starting => "the server has not read the log of its cluster yet",
            Self::AcceptFails => "the server cannot accept connections",
            Self::SessionStore => "the session store does not answer",
        })
    }
}

/// The state that decides whether the server is ready. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<ReadinessState>);

#[derive(Debug, Default)]
struct ReadinessState {
    stopping: AtomicBool,
    accept_fails: AtomicBool,
    /// The last answer of the session store, and its time.
    store: Mutex<Option<(Instant, bool)>>,
    /// The session store has answered once.
    store_answered: AtomicBool,
}

impl Readiness {
    /// Records that a shutdown begins.
    pub(crate) fn stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Records whether the last attempt to accept a connection failed.
    pub(crate) fn accept_fails(&self, fails: bool) {
        // Read before it is written: nearly always there is no change.
        if self.0.accept_fails.load(Ordering::Relaxed) != fails {
            self.0.accept_fails.store(fails, Ordering::Relaxed);
        }
    }

    /// Checks the server. Requests at the same time share one call of the session store.
    pub(crate) async fn check(&self, hub: &Hub) -> Result<Fault, NotReady> {
        if self.0.stopping.load(Ordering::Relaxed) || hub.is_shutting_down() {
            return Err(NotReady::Stopping);
        }
        if !hub.is_ready() {
            return Err(NotReady::Starting);
        }
        if self.0.accept_fails.load(Ordering::Relaxed) {
            return Err(NotReady::AcceptFails);
        }
        let mut store = self.0.store.lock().await;
        let now = Instant::now();
        let answers = match *store {
            Some((at, answers)) if now < at + STORE_CHECK => answers,
            _ => {
                let answers = hub.sessions().check_store().await.is_ok();
                *store = Some((Instant::now(), answers));
                answers
            }
        };
        if answers {
            self.0.store_answered.store(true, Ordering::Relaxed);
            return Ok(log_fault(hub));
        }
        let has_answered = self.0.store_answered.load(Ordering::Relaxed);
        has_answered
            .then_some(Fault::SessionStore)
            .ok_or(NotReady::SessionStore)
    }
}

#[cfg(feature = "cluster")]
fn log_fault(hub: &Hub) -> Fault {
    let view = hub.cluster();
    if view.is_some_and(|view| !view.unwritable_lanes.is_empty()) {
        Fault::LogWrites
    } else {
        Fault::None
    }
}

#[cfg(not(feature = "cluster"))]
const fn log_fault(_: &Hub) -> Fault {
    Fault::None
}
