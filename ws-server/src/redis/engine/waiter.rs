//! The reads of one server of several: none waits for the answer of another server.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use ws_core::log::shared::{EngineError, LaneRead, ReadFrom};

use super::portion::Portion;

/// How long the lanes of other servers wait for one that was not late before.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// What a server has answered to a read.
pub(super) type ServerRead = Result<Vec<LaneRead>, EngineError>;

/// One server, as the reads of all of them see it.
#[derive(Default)]
pub(super) struct Waiter {
    /// A command waits for new entries.
    waits: AtomicBool,
    reading: Mutex<Option<Reading>>,
    /// The last answer was late, so the others do not wait for the next one.
    is_slow: AtomicBool,
    /// The last read has failed.
    pub(super) failed: AtomicBool,
    /// The last read found another generation.
    pub(super) replaced: AtomicBool,
    pub(super) portion: Portion,
}

/// A read that is under way, or whose answer was not taken yet. A call that gives up leaves it here,
/// because the same command would take as long again.
struct Reading {
    from: Vec<ReadFrom>,
    task: AbortOnDropHandle<ServerRead>,
    answer: Option<ServerRead>,
}

impl Reading {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.answer.is_some() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.task).poll(cx).map(|ended| {
            let ended = ended.unwrap_or_else(|error| {
                let cause = if error.is_panic() {
                    "a read has panicked"
                } else {
                    "the runtime of a read has ended"
                };
                Err(EngineError::Unknown(cause.into()))
            });
            self.answer = Some(ended);
        })
    }
}

/// Whether both reads begin at the same places.
fn is_same(one: &[ReadFrom], other: &[ReadFrom]) -> bool {
    let place = |from: &ReadFrom| (from.lane, from.generation, from.after, from.relayed_after);
    one.iter().map(place).eq(other.iter().map(place))
}

impl Waiter {
    /// Returns whether a command that waits for entries is to be sent, because none waits.
    pub(super) fn begin(&self) -> bool {
        !self.waits.swap(true, Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    fn reading(&self) -> MutexGuard<'_, Option<Reading>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a read, unless one of the same places is under way or answered.
    pub(super) fn begin_read(
        &self,
        from: &[ReadFrom],
        begin: impl FnOnce() -> JoinHandle<ServerRead>,
    ) {
        let mut reading = self.reading();
        if reading.as_ref().is_some_and(|it| is_same(&it.from, from)) {
            return;
        }
        *reading = Some(Reading {
            from: from.to_vec(),
            task: AbortOnDropHandle::new(begin()),
            answer: None,
        });
    }

    /// Whether a read is under way or answered.
    pub(super) fn is_reading(&self) -> bool {
        self.reading().is_some()
    }

    /// Takes the answer to the read of these places. `None` if it is late: then a later call gets it.
    pub(super) async fn answer(&self, from: &[ReadFrom]) -> Option<ServerRead> {
        let patience = if self.is_slow.load(Ordering::Relaxed) {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let answered = poll_fn(|cx| match &mut *self.reading() {
            Some(reading) => reading.poll(cx),
            None => Poll::Ready(()),
        });
        if timeout(patience, answered).await.is_err() {
            self.is_slow.store(true, Ordering::Relaxed);
            return None;
        }
        let reading = self.reading().take_if(|it| is_same(&it.from, from))?;
        reading.answer
    }

    /// A read has ended. If it was in time, the others wait for the next one.
    pub(super) fn set_slow(&self, is_slow: bool) {
        self.is_slow.store(is_slow, Ordering::Relaxed);
    }

    /// Ready when the answer to a read can be taken.
    pub(super) fn poll_answered(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.reading() {
            Some(reading) => reading.poll(cx),
            None => Poll::Pending,
        }
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use tokio::sync::oneshot;
    use ws_core::log::Lane;
    use ws_core::log::shared::Opened;
    use ws_core::log::{EntryId, Generation};
    use ws_core::testkit::engines::new_read;

    use super::*;

    fn from(after: u64) -> Vec<ReadFrom> {
        let opened = Opened {
            generation: Generation(1),
            start: EntryId::ZERO,
            added: 0,
            relayed: EntryId::ZERO,
        };
        vec![new_read(Lane(3), &opened, EntryId::new(after, 0))]
    }

    fn begin(waiter: &Waiter, from: &[ReadFrom]) -> Option<oneshot::Sender<ServerRead>> {
        let mut sender = None;
        waiter.begin_read(from, || {
            let (answer, answered) = oneshot::channel();
            sender = Some(answer);
            tokio::spawn(async { answered.await.unwrap() })
        });
        sender
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_for_the_next_call_from_the_same_place() {
        let waiter = Waiter::default();
        let answer = begin(&waiter, &from(1)).unwrap();
        assert_eq!(waiter.answer(&from(1)).await, None);
        assert!(begin(&waiter, &from(1)).is_none(), "the same command again");
        answer.send(Ok(Vec::new())).unwrap();
        poll_fn(|cx| waiter.poll_answered(cx)).await;
        assert!(waiter.is_reading());
        assert_eq!(waiter.answer(&from(1)).await, Some(Ok(Vec::new())));
        assert!(!waiter.is_reading());
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_from_another_place_replaces_the_one_that_is_under_way() {
        let waiter = Waiter::default();
        let mut former = begin(&waiter, &from(1)).unwrap();
        let answer = begin(&waiter, &from(2)).unwrap();
        former.closed().await;
        let error = EngineError::NotSent("refused".into());
        answer.send(Err(error.clone())).unwrap();
        assert_eq!(waiter.answer(&from(2)).await, Some(Err(error)));
    }
}
