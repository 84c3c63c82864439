//! Which hook runs on which thread, for logs and for the watchdog.
//!
//! Each thread publishes which hook it runs, on which route, and how many hooks have begun on it.
//! If a watchdog reads the same values twice, the same hook still runs; so no clock is read per
//! message.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use tokio::runtime::{Handle, RuntimeFlavor};

/// A part of the application that the library calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hook {
    None,
    Start,
    Init,
    Message,
    Info,
    Terminate,
    Spawn,
}

/// All hooks, in the order of their numbers.
const HOOKS: [Hook; 7] = [
    Hook::None,
    Hook::Start,
    Hook::Init,
    Hook::Message,
    Hook::Info,
    Hook::Terminate,
    Hook::Spawn,
];

impl Hook {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Start => "start",
            Self::Init => "init",
            Self::Message => "message",
            Self::Info => "info",
            Self::Terminate => "terminate",
            Self::Spawn => "spawn",
        }
    }

    /// The hook on this route.
    pub(crate) const fn on(self, route: RouteNumber) -> Place {
        Place(route.0 | self as u32)
    }
}

/// The bits of a [`Place`] that contain the hook; the number of the route has the other bits.
const HOOK_BITS: u32 = 8;

/// The number of a route's pattern, shifted to its bits in a [`Place`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RouteNumber(u32);

/// The patterns of all routes of the process, by number. There are at most as many as the tables of
/// the program have.
static PATTERNS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

impl RouteNumber {
    /// Returns the number of the route with this pattern.
    pub(crate) fn of(pattern: &'static str) -> Self {
        let mut patterns = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = patterns.iter().position(|known| *known == pattern);
        let number = known.unwrap_or_else(|| {
            patterns.push(pattern);
            patterns.len() - 1
        });
        let most = u32::MAX >> HOOK_BITS;
        Self(u32::try_from(number).unwrap_or(most).min(most) << HOOK_BITS)
    }
}

/// A hook on a route.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Place(u32);

impl Place {
    pub(crate) fn hook(self) -> Hook {
        let number = self.0 & ((1 << HOOK_BITS) - 1);
        HOOKS.get(number as usize).copied().unwrap_or(Hook::None)
    }

    /// The pattern of the route.
    pub(crate) fn pattern(self) -> &'static str {
        let patterns = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
        let number = (self.0 >> HOOK_BITS) as usize;
        patterns.get(number).copied().unwrap_or("")
    }
}

/// The hook that a thread runs, and the number of hooks that have begun on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    place: Place,
    count: u32,
}

impl Word {
    /// The hook that runs; `Hook::None` between hooks.
    pub(crate) const fn place(self) -> Place {
        self.place
    }
}

/// A thread that runs hooks, as the watchdog sees it. It is never freed; when its thread ends,
/// another thread reuses it.
pub(crate) struct Worker {
    place: AtomicU32,
    /// How many hooks have begun.
    count: AtomicU32,
    taken: AtomicBool,
    /// The runtime of the worker thread, if it has several workers.
    runtime: Mutex<Option<Handle>>,
}

impl Worker {
    const fn new() -> Self {
        Self {
            place: AtomicU32::new(0),
            count: AtomicU32::new(0),
            taken: AtomicBool::new(true),
            runtime: Mutex::new(None),
        }
    }

    pub(crate) fn word(&self) -> Word {
        Word {
            place: Place(self.place.load(Ordering::Relaxed)),
            count: self.count.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn runtime(&self) -> MutexGuard<'_, Option<Handle>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static WORKERS: Mutex<Vec<&'static Worker>> = Mutex::new(Vec::new());

/// The worker of threads that have not joined; the watchdog does not read it.
static NOWHERE: Worker = Worker::new();

/// All threads that have run hooks.
pub(crate) fn workers() -> MutexGuard<'static, Vec<&'static Worker>> {
    WORKERS.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static MINE: Cell<&'static Worker> = const { Cell::new(&NOWHERE) };
    static LEAVE: Leave = const { Leave };
}

/// Releases the thread's worker when the thread ends.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        let worker = MINE.replace(&NOWHERE);
        *worker.runtime() = None;
        worker.place.store(0, Ordering::Relaxed);
        worker.taken.store(false, Ordering::Release);
    }
}

/// Makes the hooks of this thread visible to the watchdog, and wakes it if it rests. Must be called
/// before hooks run. It is not part of [`run`], because code that may panic there would slow down
/// every hook.
#[inline]
pub(crate) fn join() {
    if std::ptr::eq(MINE.get(), &raw const NOWHERE) {
        join_first();
    }
    if RESTS.load(Ordering::Relaxed) {
        wake_watchdog();
    }
}

#[cold]
fn join_first() {
    // A thread that is ending does not join.
    if LEAVE.try_with(|_| {}).is_err() {
        return;
    }
    let mut workers = workers();
    let free = workers
        .iter()
        .find(|worker| !worker.taken.swap(true, Ordering::Acquire))
        .copied();
    let worker = free.unwrap_or_else(|| {
        let worker: &'static Worker = Box::leak(Box::new(Worker::new()));
        workers.push(worker);
        worker
    });
    drop(workers);
    let runtime = Handle::try_current().ok();
    *worker.runtime() =
        runtime.filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    MINE.set(worker);
}

/// Whether the watchdog rests until the next hook begins.
static RESTS: AtomicBool = AtomicBool::new(false);
static WATCHDOG: OnceLock<thread::Thread> = OnceLock::new();

#[cold]
fn wake_watchdog() {
    if RESTS.swap(false, Ordering::AcqRel)
        && let Some(watchdog) = WATCHDOG.get()
    {
        watchdog.unpark();
    }
}

/// Makes the calling thread the watchdog: the next hook wakes it, as soon as every thread has
/// noticed. Returns whether it is the first caller, and therefore the only watchdog.
pub(crate) fn begin_rest() -> bool {
    let watchdog = WATCHDOG.get_or_init(thread::current);
    let only = watchdog.id() == thread::current().id();
    RESTS.store(only, Ordering::Release);
    only
}

/// Ends a rest early.
pub(crate) fn end_rest() {
    RESTS.store(false, Ordering::Release);
}

/// Rests until a hook begins.
pub(crate) fn rest() {
    while RESTS.load(Ordering::Acquire) {
        thread::park();
    }
}

/// A hook that runs. Dropping it restores the outer hook, even after a panic.
struct Running {
    worker: &'static Worker,
    outer: Place,
}

impl Running {
    #[inline]
    fn begin(place: Place) -> Self {
        let worker = MINE.get();
        let outer = Place(worker.place.load(Ordering::Relaxed));
        worker.place.store(place.0, Ordering::Relaxed);
        // No other thread writes this value.
        let count = worker.count.load(Ordering::Relaxed).wrapping_add(1);
        worker.count.store(count, Ordering::Relaxed);
        Self { worker, outer }
    }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        self.worker.place.store(self.outer.0, Ordering::Relaxed);
    }
}

/// The name of the hook that runs on this thread.
pub(crate) fn name() -> &'static str {
    MINE.get().word().place().hook().name()
}

/// Runs a part of this hook.
#[inline]
pub(crate) fn run<T>(place: Place, part: impl FnOnce() -> T) -> T {
    let _running = Running::begin(place);
    part()
}

/// Runs a future as this hook.
pub(crate) async fn run_async<T>(place: Place, hook: impl Future<Output = T>) -> T {
    let mut hook = pin!(hook);
    poll_fn(|cx| {
        join();
        run(place, || hook.as_mut().poll(cx))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_changes_with_every_hook() {
        join();
        let here = || MINE.get().word();
        let place = Hook::Message.on(RouteNumber::of("/word"));
        let inner = Hook::Init.on(RouteNumber::of("/inner"));
        let mut seen = Vec::new();
        for _ in 0..2 {
            run(place, || {
                seen.push(here());
                assert_eq!((here().place().hook(), name()), (Hook::Message, "message"));
                assert_eq!(here().place().pattern(), "/word");
                run(inner, || assert_eq!(here().place(), inner));
                seen.push(here());
                assert_eq!(here().place(), place);
            });
            seen.push(here());
            assert_eq!((here().place().hook(), name()), (Hook::None, "none"));
        }
        let mut different = seen.clone();
        different.dedup();
        assert_eq!(different, seen);
    }

    #[test]
    fn the_worker_of_a_thread_that_has_ended_serves_another() {
        let ran = || {
            join();
            run(Hook::Info.on(RouteNumber::of("/ended")), || {});
            std::ptr::from_ref(MINE.get()).addr()
        };
        let first = thread::spawn(ran).join().unwrap();
        // Other tests also use workers.
        let again = (0..1000).any(|_| thread::spawn(ran).join().unwrap() == first);
        assert!(again);
    }

    #[test]
    fn every_hook_has_the_number_of_its_place() {
        for hook in HOOKS {
            assert_eq!(hook.on(RouteNumber(7 << HOOK_BITS)).hook(), hook);
        }
    }
}
