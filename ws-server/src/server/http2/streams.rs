//! The streams of one connection, each in a task of its own.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;
use hyper::rt::Executor;
use tokio::time::{Instant, timeout_at};

use crate::server::http::{Activity, Phase};

/// The number of streams of one connection, shared with their tasks.
#[derive(Debug)]
pub(super) struct Streams {
    open: AtomicUsize,
    requests: AtomicU64,
    /// Wakes the connection when its last stream has ended.
    connection: AtomicWaker,
    /// The time for which a client may keep a body waiting.
    patience: Duration,
}

impl Streams {
    pub(super) fn new(patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            connection: AtomicWaker::new(),
            patience,
        })
    }

    pub(super) fn register(&self, connection: &Waker) {
        self.connection.register(connection);
    }

    /// The number of tasks: a stream that was upgraded has one too.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Records that a request has arrived. hyper passes its stream to the executor next.
    pub(super) fn begin(&self, activity: Arc<Activity>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        NEXT.set(Some(activity));
    }
}

thread_local! {
    /// The activity of the request that was passed to the service last. hyper passes its stream to
    /// the executor at once, on the same thread. Upgraded streams come without a request.
    static NEXT: RefCell<Option<Arc<Activity>>> = const { RefCell::new(None) };
}

/// Spawns the streams of one connection.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor(Arc<Streams>);

impl StreamExecutor {
    pub(super) fn new(streams: &Arc<Streams>) -> Self {
        Self(streams.clone())
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        let open = OpenStream(self.0.clone());
        let activity = NEXT.take();
        tokio::spawn(async move {
            match activity {
                Some(activity) => drive(stream, &activity, open.0.patience).await,
                None => stream.await,
            }
            drop(open);
        });
    }
}

/// Counts a stream as open until it is dropped.
struct OpenStream(Arc<Streams>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.connection.wake();
        }
    }
}

/// Drives a stream until it ends, or until its client has kept a body waiting for too long: dropping
/// the stream resets it.
///
/// The activity is checked at least once in the client's patience, because a task of the application
/// may read the body, which does not wake this task.
async fn drive(stream: impl Future<Output = ()>, activity: &Activity, patience: Duration) {
    let mut stream = pin!(stream);
    let mut check = Instant::now() + patience;
    while timeout_at(check, &mut stream).await.is_err() {
        let now = Instant::now();
        check = match activity.phase() {
            Phase::Working { until: Some(until) } if until <= now => {
                tracing::debug!("the client kept the body of a request or response waiting");
                return;
            }
            Phase::Working { until: Some(until) } => until,
            _ => now + patience,
        };
    }
}
