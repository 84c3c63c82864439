//! Tracks which hook runs on each thread, for logs and for the watchdog.
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
use tracing::Span;

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
    /// All hooks, in the order of their numbers.
    pub(crate) const ALL: [Self; 7] = HOOKS;

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

    /// The span of one call, with the size of its message. It is disabled unless a subscriber wants
    /// it.
    pub(crate) fn span(self, connection: &Span, bytes: Option<usize>) -> Span {
        tracing::debug_span!(parent: connection, "hook", hook = self.name(), bytes)
    }

    /// The hook on this route.
    pub(crate) const fn on(self, route: RouteNumber) -> RouteHook {
        RouteHook(route.0 | self as u32)
    }
}

/// The bits of a [`RouteHook`] that contain the hook; the number of the route has the other bits.
const HOOK_BITS: u32 = 8;

/// The number of a route's pattern, shifted to its bits in a [`RouteHook`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RouteNumber(u32);

/// The patterns of all routes of the process, by number. There are no more entries than routes in
/// the program's tables.
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
        let max = u32::MAX >> HOOK_BITS;
        Self(u32::try_from(number).unwrap_or(max).min(max) << HOOK_BITS)
    }
}

/// A hook on a route.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RouteHook(u32);

impl RouteHook {
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
pub(crate) struct HookSnapshot {
    route_hook: RouteHook,
    count: u32,
}

impl HookSnapshot {
    /// The hook that runs; `Hook::None` between hooks.
    pub(crate) const fn route_hook(self) -> RouteHook {
        self.route_hook
    }
}

/// A thread that runs hooks, as the watchdog sees it. It is never freed; when its thread ends,
/// another thread reuses it.
pub(crate) struct HookThread {
    route_hook: AtomicU32,
    /// How many hooks have begun.
    count: AtomicU32,
    in_use: AtomicBool,
    /// The runtime of the worker thread, if it has several workers.
    runtime: Mutex<Option<Handle>>,
}

impl HookThread {
    const fn new() -> Self {
        Self {
            route_hook: AtomicU32::new(0),
            count: AtomicU32::new(0),
            in_use: AtomicBool::new(true),
            runtime: Mutex::new(None),
        }
    }

    pub(crate) fn snapshot(&self) -> HookSnapshot {
        HookSnapshot {
            route_hook: RouteHook(self.route_hook.load(Ordering::Relaxed)),
            count: self.count.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn runtime(&self) -> MutexGuard<'_, Option<Handle>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static THREADS: Mutex<Vec<&'static HookThread>> = Mutex::new(Vec::new());

/// The entry of threads that are not registered; the watchdog does not read it.
static UNREGISTERED: HookThread = HookThread::new();

/// All threads that have run hooks.
pub(crate) fn threads() -> MutexGuard<'static, Vec<&'static HookThread>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static CURRENT: Cell<&'static HookThread> = const { Cell::new(&UNREGISTERED) };
    static RELEASE_AT_EXIT: ReleaseAtExit = const { ReleaseAtExit };
}

/// Releases the entry of the thread when the thread ends.
struct ReleaseAtExit;

impl Drop for ReleaseAtExit {
    fn drop(&mut self) {
        let thread = CURRENT.replace(&UNREGISTERED);
        *thread.runtime() = None;
        thread.route_hook.store(0, Ordering::Relaxed);
        thread.in_use.store(false, Ordering::Release);
    }
}

/// Makes the hooks of this thread visible to the watchdog, and wakes it if it is parked. Call it
/// before hooks run. It is not part of [`run`], because code that may panic there would slow down
/// every hook.
#[inline]
pub(crate) fn register_thread() {
    if std::ptr::eq(CURRENT.get(), &raw const UNREGISTERED) {
        register_new_thread();
    }
    if WATCHDOG_PARKED.load(Ordering::Relaxed) {
        wake_watchdog();
    }
}

#[cold]
fn register_new_thread() {
    // A thread that is ending does not register.
    if RELEASE_AT_EXIT.try_with(|_| {}).is_err() {
        return;
    }
    let mut threads = threads();
    let free = threads
        .iter()
        .find(|thread| !thread.in_use.swap(true, Ordering::Acquire))
        .copied();
    let thread = free.unwrap_or_else(|| {
        let thread: &'static HookThread = Box::leak(Box::new(HookThread::new()));
        threads.push(thread);
        thread
    });
    drop(threads);
    let runtime = Handle::try_current().ok();
    *thread.runtime() =
        runtime.filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    CURRENT.set(thread);
}

/// Whether the watchdog is parked until the next hook begins.
static WATCHDOG_PARKED: AtomicBool = AtomicBool::new(false);
static WATCHDOG: OnceLock<thread::Thread> = OnceLock::new();

#[cold]
fn wake_watchdog() {
    if WATCHDOG_PARKED.swap(false, Ordering::AcqRel)
        && let Some(watchdog) = WATCHDOG.get()
    {
        watchdog.unpark();
    }
}

/// Makes the calling thread the watchdog, and announces that it will park: from then on, the next
/// hook to begin wakes it, once its thread has seen the announcement. Returns whether it is the
/// first caller, and therefore the only watchdog.
pub(crate) fn prepare_park() -> bool {
    let watchdog = WATCHDOG.get_or_init(thread::current);
    let only = watchdog.id() == thread::current().id();
    WATCHDOG_PARKED.store(only, Ordering::Release);
    only
}

/// Cancels the parking.
pub(crate) fn cancel_park() {
    WATCHDOG_PARKED.store(false, Ordering::Release);
}

/// Parks the watchdog until a hook begins.
pub(crate) fn park() {
    while WATCHDOG_PARKED.load(Ordering::Acquire) {
        thread::park();
    }
}

/// A hook that runs. Dropping it restores the outer hook, even after a panic.
struct RunningHook {
    thread: &'static HookThread,
    outer: RouteHook,
}

impl RunningHook {
    #[inline]
    fn begin(route_hook: RouteHook) -> Self {
        let thread = CURRENT.get();
        let outer = RouteHook(thread.route_hook.load(Ordering::Relaxed));
        thread.route_hook.store(route_hook.0, Ordering::Relaxed);
        // No other thread writes this value.
        let count = thread.count.load(Ordering::Relaxed).wrapping_add(1);
        thread.count.store(count, Ordering::Relaxed);
        Self { thread, outer }
    }
}

impl Drop for RunningHook {
    #[inline]
    fn drop(&mut self) {
        self.thread
            .route_hook
            .store(self.outer.0, Ordering::Relaxed);
    }
}

/// The name of the hook that runs on this thread.
pub(crate) fn current_name() -> &'static str {
    CURRENT.get().snapshot().route_hook().hook().name()
}

/// Runs a part of this hook.
#[inline]
pub(crate) fn run<T>(route_hook: RouteHook, part: impl FnOnce() -> T) -> T {
    let _running = RunningHook::begin(route_hook);
    part()
}

/// Runs a future as this hook.
pub(crate) async fn run_async<T>(route_hook: RouteHook, hook: impl Future<Output = T>) -> T {
    let mut hook = pin!(hook);
    poll_fn(|cx| {
        register_thread();
        run(route_hook, || hook.as_mut().poll(cx))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_snapshot_changes_with_every_hook() {
        register_thread();
        let here = || CURRENT.get().snapshot();
        let route_hook = Hook::Message.on(RouteNumber::of("/snapshot"));
        let inner = Hook::Init.on(RouteNumber::of("/inner"));
        let mut seen = Vec::new();
        for _ in 0..2 {
            run(route_hook, || {
                seen.push(here());
                assert_eq!(
                    (here().route_hook().hook(), current_name()),
                    (Hook::Message, "message")
                );
                assert_eq!(here().route_hook().pattern(), "/snapshot");
                run(inner, || assert_eq!(here().route_hook(), inner));
                seen.push(here());
                assert_eq!(here().route_hook(), route_hook);
            });
            seen.push(here());
            assert_eq!(
                (here().route_hook().hook(), current_name()),
                (Hook::None, "none")
            );
        }
        let mut different = seen.clone();
        different.dedup();
        assert_eq!(different, seen);
    }

    #[test]
    fn the_entry_of_an_ended_thread_is_reused() {
        let ran = || {
            register_thread();
            run(Hook::Info.on(RouteNumber::of("/ended")), || {});
            std::ptr::from_ref(CURRENT.get()).addr()
        };
        // Threads of other tests also use entries, and may keep one for long.
        let mut used = HashSet::new();
        let again = (0..1000).any(|_| !used.insert(thread::spawn(ran).join().unwrap()));
        assert!(again);
    }

    #[test]
    fn the_number_of_each_hook_decodes_to_it() {
        for hook in HOOKS {
            assert_eq!(hook.on(RouteNumber(7 << HOOK_BITS)).hook(), hook);
        }
    }
}
