//! Rounds: what the tasks of a thread publish at the same time leaves each socket in one write.
//!
//! A runtime fetches events from the system, and then runs the tasks that have become ready. If
//! several of them publish to the same subscribers, one flush after all of them writes everything.
//! If only one publishes, such a flush would only cost time: so a thread learns from its last
//! rounds, and writes at the end of each burst if no publishes have met.

use std::cell::{Cell, RefCell};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{self, Handle};
use tokio::task::yield_now;

use super::flush::DeferredFlush;
use crate::outbox::FlushId;

/// The number of outboxes that may wait for one flush. A publish that finds more flushes them.
const MAX_DEFERRED: usize = 64 * 1024;

/// After two publishes have met, the thread flushes at the end of this many rounds.
const PATIENT_ROUNDS: u8 = 16;

/// Up to this number of sockets, a round is not worth a task: each burst is written by itself.
const FEW_SOCKETS: usize = 4;

/// A list of outboxes that one flush will write.
struct Round {
    id: FlushId,
    deferred: Mutex<DeferredFlush>,
    /// The flush has begun, or will not run: later publishes need another round.
    is_closed: AtomicBool,
}

impl Round {
    fn lock(&self) -> MutexGuard<'_, DeferredFlush> {
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Closes the round, and returns its outboxes.
    fn close(&self) -> DeferredFlush {
        let mut deferred = self.lock();
        self.is_closed.store(true, Ordering::Relaxed);
        mem::take(&mut deferred)
    }

    /// Adds outboxes; returns them if the round is closed.
    fn add(&self, outboxes: DeferredFlush) -> Result<(), DeferredFlush> {
        let mut deferred = self.lock();
        if self.is_closed() {
            return Err(outboxes);
        }
        deferred.merge(outboxes);
        Ok(())
    }
}

/// The round of a thread.
struct CurrentRound {
    round: Arc<Round>,
    /// The runtime of the task that flushes at the end of the round, if there is one already.
    task: Option<runtime::Id>,
    /// How many sockets a thread may write to itself at the end of a burst.
    max_direct: usize,
}

impl CurrentRound {
    fn new() -> Self {
        Self {
            round: Arc::new(Round {
                id: FlushId::next(),
                deferred: Mutex::default(),
                is_closed: AtomicBool::new(false),
            }),
            task: None,
            max_direct: 0,
        }
    }

    /// Whether a publish of this thread may rely on the flush of this round. A task of another
    /// runtime may never run.
    fn is_reliable(&self) -> bool {
        let has_runtime = |task| Handle::try_current().is_ok_and(|runtime| runtime.id() == task);
        !self.round.is_closed() && self.task.is_none_or(has_runtime)
    }
}

thread_local! {
    static CURRENT: RefCell<Option<CurrentRound>> = const { RefCell::new(None) };
    /// The number of rounds in which the thread still waits for other publishes.
    static PATIENCE: Cell<u8> = const { Cell::new(0) };
}

/// Calls `change` with the round of this thread. If the thread is about to end, there is none.
fn with_current<T>(change: impl FnOnce(&mut Option<CurrentRound>) -> T) -> Option<T> {
    CURRENT
        .try_with(|current| change(&mut current.borrow_mut()))
        .ok()
}

/// The round of this thread; begins one if there is none that a publish may rely on.
fn reliable(current: &mut Option<CurrentRound>) -> &mut CurrentRound {
    match current {
        Some(current) if current.is_reliable() => {}
        // An earlier round is flushed by its task.
        _ => *current = None,
    }
    current.get_or_insert_with(CurrentRound::new)
}

/// Lets this thread wait for other publishes in its next rounds.
#[cfg(test)]
pub(super) fn expect_others() {
    PATIENCE.set(PATIENT_ROUNDS);
}

/// The flush that a task will run at the end of this round, if publishes have met lately.
pub(super) fn awaited_flush() -> Option<FlushId> {
    let has_task = |current: &CurrentRound| current.task.is_some() && !current.round.is_closed();
    with_current(|current| {
        let meets = PATIENCE.get() > 0 || current.as_ref().is_some_and(has_task);
        meets.then(|| reliable(current).round.id)
    })
    .flatten()
}

/// The flush that writes what this thread publishes now.
pub(super) fn flush_id() -> FlushId {
    with_current(|current| reliable(current).round.id).unwrap_or_else(FlushId::next)
}

/// Adds outboxes to the round of this thread.
pub(super) fn defer(outboxes: DeferredFlush, max_direct: usize) {
    let mut outboxes = Some(outboxes);
    // If the thread is about to end, `outboxes` is dropped, which wakes the connections' tasks.
    let excess = with_current(|current| {
        while let Some(added) = outboxes.take() {
            let current = reliable(current);
            current.max_direct = max_direct;
            outboxes = current.round.add(added).err();
        }
        let mut deferred = reliable(current).round.lock();
        (deferred.len() > MAX_DEFERRED).then(|| mem::take(&mut *deferred))
    });
    if let Some(Some(excess)) = excess {
        excess.flush_now();
    }
}

/// What to do at the end of a burst.
enum EndOfBurst {
    /// A task will flush.
    Done,
    /// Spawn that task.
    Spawn,
    /// Write to the sockets.
    Write(DeferredFlush, usize),
}

/// Ends a burst that has deferred outboxes: they are flushed at once, or at the end of the round.
pub(super) fn end_burst() {
    let end = with_current(|current| match current {
        Some(current) if current.task.is_some() && !current.round.is_closed() => {
            // Another burst has published in this round.
            PATIENCE.set(PATIENT_ROUNDS);
            EndOfBurst::Done
        }
        Some(current) if PATIENCE.get() == 0 => {
            let deferred = mem::take(&mut *current.round.lock());
            EndOfBurst::Write(deferred, current.max_direct)
        }
        _ => EndOfBurst::Spawn,
    });
    match end {
        None | Some(EndOfBurst::Done) => {}
        Some(EndOfBurst::Spawn) => spawn_flush(),
        Some(EndOfBurst::Write(mut deferred, max_direct)) => {
            let is_small = deferred.len() <= FEW_SOCKETS;
            deferred.flush_at_most(max_direct);
            let is_done = deferred.is_empty();
            if !is_done {
                defer(deferred, max_direct);
            }
            if !(is_done && is_small) {
                // The next publish of this round learns from it that there was an earlier one.
                spawn_flush();
            }
        }
    }
}

/// Flushes the outboxes of this thread's round.
pub(super) fn flush_now() {
    let deferred = with_current(|current| {
        let round = &current.as_ref()?.round;
        Some(mem::take(&mut *round.lock()))
    });
    if let Some(Some(deferred)) = deferred {
        deferred.flush_now();
    }
}

/// Spawns the task that flushes at the end of the round, if there is none yet.
pub(super) fn spawn_flush() {
    let Ok(runtime) = Handle::try_current() else {
        // Without a runtime there is no other task, so this thread writes.
        return flush_now();
    };
    let task = with_current(|current| {
        let current = reliable(current);
        let is_new = current.task.replace(runtime.id()).is_none();
        is_new.then(|| FlushTask(current.round.clone()))
    });
    // Not while the round is borrowed: a runtime that has ended drops the task at once.
    if let Some(Some(task)) = task {
        runtime.spawn(task.run());
    }
}

/// The task that flushes at the end of a round.
///
/// If it is dropped, for example because its runtime ends first, the connections' own tasks are
/// woken.
struct FlushTask(Arc<Round>);

impl FlushTask {
    async fn run(self) {
        let is_own = with_current(|current| {
            let is_this = |current: &CurrentRound| Arc::ptr_eq(&current.round, &self.0);
            current.as_ref().is_some_and(is_this)
        });
        // After the tasks that are ready now, because these may publish to the same subscribers.
        // On another thread, those are not the tasks of the round.
        if is_own == Some(true) {
            yield_now().await;
        }
        PATIENCE.set(PATIENCE.get().saturating_sub(1));
        self.0.close().flush().await;
    }
}

impl Drop for FlushTask {
    fn drop(&mut self) {
        drop(self.0.close());
    }
}
