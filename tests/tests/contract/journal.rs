//! What the tests of this package share: a journal that handlers write, and a pause in
//! which everybody does what there is to do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use ws_core::handler::Handler;
use ws_core::testkit::{Knock, TestClient, TestKit};
use ws_server::extract::AnyRoute;
use ws_server::limits::Limits;
use ws_server::prelude::*;

/// What happened, in order. Handlers take it as an argument of `init`: it is found by a
/// header of the handshake.
#[derive(Clone)]
pub(crate) struct Journal {
    id: u64,
    lines: Arc<Mutex<Vec<String>>>,
}

static JOURNALS: Mutex<BTreeMap<u64, Journal>> = Mutex::new(BTreeMap::new());
static LAST: AtomicU64 = AtomicU64::new(0);

fn journals() -> MutexGuard<'static, BTreeMap<u64, Journal>> {
    JOURNALS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    pub(crate) fn new() -> Self {
        let id = LAST.fetch_add(1, Ordering::Relaxed);
        let lines = Arc::default();
        let journal = Self { id, lines };
        journals().insert(id, journal.clone());
        journal
    }

    /// A client of a handler that takes this journal.
    pub(crate) fn knock<H: Handler<AnyRoute>>(&self, kit: &TestKit) -> Knock {
        self.hand(kit.handler::<H>())
    }

    /// A client that brings this journal along.
    pub(crate) fn hand(&self, knock: Knock) -> Knock {
        knock.header("x-journal", &self.id.to_string())
    }

    pub(crate) fn note(&self, line: impl Into<String>) {
        self.lock().push(line.into());
    }

    /// Everything so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// The lines that begin with this word.
    pub(crate) fn of(&self, word: &str) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| line.split(' ').next() == Some(word));
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, H, R> FromHandshake<'a, H, R> for Journal {
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        let id = opening.handshake().header("x-journal");
        let id = id.and_then(|id| id.parse().ok());
        let journal = id.and_then(|id: u64| journals().get(&id).cloned());
        journal.ok_or(Refusal::BAD_REQUEST)
    }
}

/// Says in the journal when it is dropped.
pub(crate) struct Farewell(pub(crate) Journal, pub(crate) &'static str);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// Lets everybody do what there is to do. Paused time passes only while all tasks wait, so
/// when this returns nothing is left to be done now.
pub(crate) async fn quiet() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Seconds since then, in paused time.
pub(crate) fn seconds(since: Instant) -> u64 {
    (since.elapsed() + Duration::from_millis(100)).as_secs()
}

/// A time of whole seconds.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The default limits, changed.
pub(crate) fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::DEFAULT;
    change(&mut limits);
    limits
}

/// Checks that `terminate` was called once, with this reason, and that it was the last
/// thing to happen.
pub(crate) async fn ended(
    client: &TestClient,
    journal: &Journal,
    cause: CloseCause,
    code: u16,
    text: &str,
) {
    let reason = client.terminated().await;
    assert_eq!(
        (reason.cause, reason.code.get(), &*reason.text),
        (cause, code, text)
    );
    quiet().await;
    let expected = format!("terminate {cause:?} {code} {text}");
    assert_eq!(journal.of("terminate"), [expected.trim_end()]);
}

/// Defines tests that run on a transport that every task may write to, as TCP is, and on
/// one that only the connection's own task writes to, as TLS is.
macro_rules! on_both_transports {
    ($( $(#[$doc:meta])* async fn $name:ident($way:ident: Way) $body:block )*) => {
        $(
            $(#[$doc])*
            mod $name {
                use super::*;

                async fn run($way: $crate::journal::Way) $body

                #[tokio::test(start_paused = true)]
                async fn directly() {
                    run(std::convert::identity).await;
                }

                #[tokio::test(start_paused = true)]
                async fn through_its_task() {
                    run(ws_core::testkit::Knock::indirect).await;
                }
            }
        )*
    };
}

/// Chooses the transport.
pub(crate) type Way = fn(Knock) -> Knock;
