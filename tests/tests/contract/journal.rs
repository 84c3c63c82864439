//! Shared by these tests: a journal that handlers write, and `settle`, which runs all tasks until
//! they wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use ws_core::handler::Handler;
use ws_core::testkit::{ClientBuilder, TestClient, TestKit};
use ws_server::CloseCause;
use ws_server::extract::AnyRoute;
use ws_server::extract::FromHandshake;
use ws_server::extract::Opening;
use ws_server::limits::Limits;
use ws_server::prelude::*;

/// The events of a test, in order. Handlers get it as an argument of `init`: a header of the
/// handshake identifies it.
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

    /// A client of a handler that gets this journal.
    pub(crate) fn client<H: Handler<AnyRoute>>(&self, kit: &TestKit) -> ClientBuilder {
        self.attach(kit.handler::<H>())
    }

    /// A client whose handler gets this journal.
    pub(crate) fn attach(&self, builder: ClientBuilder) -> ClientBuilder {
        builder.header("x-journal", &self.id.to_string())
    }

    pub(crate) fn note(&self, line: impl Into<String>) {
        self.lock().push(line.into());
    }

    /// Returns all lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// Returns the lines that begin with this word.
    pub(crate) fn lines_of(&self, word: &str) -> Vec<String> {
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

/// Writes a line to the journal when it is dropped.
pub(crate) struct NoteOnDrop(pub(crate) Journal, pub(crate) &'static str);

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// Runs all tasks until they wait. Paused time passes only while all tasks wait, so nothing is left
/// to do when this returns.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Seconds since this instant, in paused time.
pub(crate) fn seconds(since: Instant) -> u64 {
    (since.elapsed() + Duration::from_millis(100)).as_secs()
}

/// A duration of whole seconds.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Returns the default limits with a change.
pub(crate) fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::DEFAULT;
    change(&mut limits);
    limits
}

/// Checks that `terminate` was called once, with this reason, as the last event.
pub(crate) async fn assert_ended(
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
    settle().await;
    let expected = format!("terminate {cause:?} {code} {text}");
    assert_eq!(journal.lines_of("terminate"), [expected.trim_end()]);
}

/// Defines tests that run on two transports: one that every task may write to, as TCP, and one that
/// only the connection's own task writes to, as TLS.
macro_rules! on_both_transports {
    ($( $(#[$doc:meta])* async fn $name:ident($on_transport:ident: TransportChoice) $body:block )*) => {
        $(
            $(#[$doc])*
            mod $name {
                use super::*;

                async fn run($on_transport: $crate::journal::TransportChoice) $body

                #[tokio::test(start_paused = true)]
                async fn directly() {
                    run(std::convert::identity).await;
                }

                #[tokio::test(start_paused = true)]
                async fn through_its_task() {
                    run(ws_core::testkit::ClientBuilder::without_direct_writes).await;
                }
            }
        )*
    };
}

/// Selects the transport.
pub(crate) type TransportChoice = fn(ClientBuilder) -> ClientBuilder;
