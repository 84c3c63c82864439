//! `terminate` and its time limit.

use std::future::pending;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::consume_budget;
use tokio::time::{advance, sleep};

use super::super::test_doubles::{Behavior, ScriptedHandler, new_shared};
use super::*;
use crate::limits::Limits;

const SECOND: Duration = Duration::from_secs(1);

/// The time limit of `terminate`.
const LIMIT: Duration = Duration::from_secs(10);

struct TestFinish {
    shared: Arc<ConnectionShared>,
    finishing: Option<Box<Finishing>>,
    end_of_shutdown: Option<Instant>,
    start: Instant,
}

impl TestFinish {
    /// A connection whose `terminate` runs this future.
    fn begin(
        terminate: impl Future<Output = ()> + Send + 'static,
        end_of_shutdown: Option<Instant>,
    ) -> Self {
        let shared = new_shared(Limits::DEFAULT.terminate_timeout(LIMIT));
        let mut handler = ScriptedHandler::new(shared.clone(), Behavior::Return);
        handler.terminate = Some(Box::pin(terminate));
        let finishing = Finishing::begin(&mut handler, &shared, end_of_shutdown);
        assert_eq!(handler.log, ["terminate"]);
        Self {
            shared,
            finishing,
            end_of_shutdown,
            start: Instant::now(),
        }
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let finishing = self.finishing.as_mut().unwrap();
        finishing.poll(&self.shared, self.end_of_shutdown, cx)
    }

    fn poll_once(&mut self) -> Poll<()> {
        self.poll(&mut TaskContext::from_waker(Waker::noop()))
    }

    /// After how many seconds it has ended.
    async fn ended_after(mut self) -> u64 {
        std::future::poll_fn(|cx| self.poll(cx)).await;
        self.start.elapsed().as_secs()
    }
}

#[tokio::test]
async fn a_terminate_that_returns_leaves_nothing_to_poll() {
    let shared = new_shared(Limits::DEFAULT);
    let mut handler = ScriptedHandler::new(shared.clone(), Behavior::Return);
    assert!(Finishing::begin(&mut handler, &shared, None).is_none());
    assert_eq!(handler.log, ["terminate"]);
}

#[tokio::test(start_paused = true)]
async fn a_terminate_runs_to_its_end_or_to_its_limit() {
    assert_eq!(
        TestFinish::begin(sleep(LIMIT / 2), None)
            .ended_after()
            .await,
        5
    );
    assert_eq!(TestFinish::begin(pending(), None).ended_after().await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_may_only_shorten_the_limit() {
    for (end, expected) in [(4, 4), (30, 10)] {
        let end = Some(Instant::now() + SECOND * end);
        assert_eq!(
            TestFinish::begin(pending(), end).ended_after().await,
            expected
        );
        // A shutdown that begins while it runs.
        let mut later = TestFinish::begin(pending(), None);
        assert!(later.poll_once().is_pending());
        later.end_of_shutdown = Some(later.start + SECOND * u32::try_from(expected).unwrap());
        assert_eq!(later.ended_after().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_process_moves_the_limit_once() {
    let mut test = TestFinish::begin(pending(), None);
    assert!(test.poll_once().is_pending());
    advance(LIMIT + timeout::PAUSE_THRESHOLD).await;
    assert!(test.poll_once().is_pending());
    advance(SECOND * 9).await;
    assert!(test.poll_once().is_pending());
    advance(SECOND * 5).await;
    assert!(test.poll_once().is_ready());
    // A shutdown counts every second.
    let end = Some(Instant::now() + LIMIT);
    let mut test = TestFinish::begin(pending(), end);
    advance(LIMIT * 3).await;
    assert!(test.poll_once().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_a_terminate_that_has_waited() {
    let mut test = TestFinish::begin(
        async {
            sleep(SECOND).await;
            panic!("expected by the test");
        },
        None,
    );
    assert!(test.poll_once().is_pending());
    assert_eq!(test.ended_after().await, 1);
}

/// The timer of tokio is pending as long as the task has no budget left.
#[tokio::test(start_paused = true)]
async fn the_limit_holds_if_terminate_uses_up_the_budget_of_its_task() {
    let greedy = async {
        loop {
            consume_budget().await;
        }
    };
    let mut test = TestFinish::begin(greedy, None);
    assert!(test.poll_once().is_pending());
    advance(LIMIT).await;
    assert!(test.poll_once().is_ready());
    // The budget is used up indeed.
    assert_eq!(consume_budget().now_or_never(), None);
}
