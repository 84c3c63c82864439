//! The watchdog: prevents a hook that blocks its thread from blocking the whole runtime.
//!
//! When a worker of a runtime has polled the system for events and has only one task to run, it
//! wakes no other worker. If a hook blocks in that task, no worker polls the system any more: no
//! connection is accepted and no timer fires. Spawning a task from outside of the runtime wakes a
//! sleeping worker, which then polls the system instead.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::hook::{self, Hook, HookSnapshot, RouteHook};
use crate::throttle::LogThrottle;

/// The interval at which the watchdog checks every thread.
const INTERVAL: Duration = Duration::from_millis(25);

/// A hook that runs this long without yielding is logged.
const LONG_HOOK: Duration = Duration::from_millis(100);

/// If a check is this much later than the last one, the process itself was suspended.
const SUSPENSION: Duration = Duration::from_millis(500);

/// After this number of consecutive checks in which no hook ran, began or ended, the watchdog
/// parks.
const QUIET_CHECKS: u32 = 40;

/// The watchdog's view of all threads that run hooks.
#[derive(Debug)]
pub struct Watchdog {
    /// One entry for each of `hook::threads`.
    observations: Vec<Observation>,
    last: Instant,
    /// The number of consecutive checks without activity.
    quiet: u32,
    /// How often each hook ran too long, for the log.
    throttles: HashMap<RouteHook, LogThrottle>,
}

/// The last observation of one thread.
#[derive(Clone, Copy, Debug)]
struct Observation {
    snapshot: HookSnapshot,
    /// When `snapshot` was first observed.
    since: Instant,
    logged: bool,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            observations: Vec::new(),
            last: Instant::now(),
            quiet: 0,
            throttles: HashMap::new(),
        }
    }
}

impl Watchdog {
    /// Runs the watchdog on the calling thread, for the lifetime of the process.
    ///
    /// Only one thread of a process can be the watchdog; on any other this returns at once.
    pub fn run(mut self) {
        if !hook::prepare_park() {
            return;
        }
        hook::cancel_park();
        loop {
            thread::sleep(INTERVAL);
            self.check(Instant::now());
            if self.quiet < QUIET_CHECKS {
                continue;
            }
            // If a thread has not seen the announcement yet, its hook begins before the next check.
            hook::prepare_park();
            thread::sleep(INTERVAL);
            self.check(Instant::now());
            if self.quiet == 0 {
                hook::cancel_park();
                continue;
            }
            hook::park();
            self.quiet = 0;
            self.last = Instant::now();
        }
    }

    /// Checks every thread once. If a hook is still running, wakes its runtime; if it has run for
    /// more than 100 ms, logs it.
    pub fn check(&mut self, now: Instant) {
        let paused = now - self.last > SUSPENSION;
        self.last = now;
        self.quiet = self.quiet.saturating_add(1);
        let threads = hook::threads().clone();
        for (index, thread) in threads.into_iter().enumerate() {
            let snapshot = thread.snapshot();
            let observation = Observation {
                snapshot,
                since: now,
                logged: false,
            };
            let Some(known) = self.observations.get_mut(index) else {
                self.observations.push(observation);
                self.quiet = 0;
                continue;
            };
            if known.snapshot != snapshot {
                *known = observation;
                self.quiet = 0;
                continue;
            }
            if snapshot.route_hook().hook() == Hook::None {
                continue;
            }
            self.quiet = 0;
            if paused {
                known.since = now;
            }
            // The task itself does nothing.
            let runtime = thread.runtime().clone();
            if let Some(runtime) = runtime {
                drop(runtime.spawn(async {}));
            }
            if !known.logged && now - known.since >= LONG_HOOK {
                known.logged = true;
                self.log(snapshot.route_hook());
            }
        }
    }

    /// Logs a hook that runs too long, at most once in ten seconds for each hook.
    fn log(&mut self, route_hook: RouteHook) {
        if let Some(count) = self.throttles.entry(route_hook).or_default().count() {
            let (hook, route) = (route_hook.hook().name(), route_hook.pattern());
            tracing::warn!(
                hook,
                route,
                count,
                "a hook has run for more than 100 ms without yielding and blocks a worker thread; \
                 move blocking work to `tokio::task::spawn_blocking`"
            );
        }
    }
}
