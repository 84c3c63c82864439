//! The watchdog: prevents a hook that blocks its thread from blocking the whole runtime.
//!
//! When a worker of a runtime has polled the system for events and has only one task to run, it
//! wakes no other worker. If a hook blocks in that task, no worker polls the system any more: no
//! connection is accepted and no timer fires. Spawning a task from outside of the runtime wakes a
//! sleeping worker, which then polls the system instead.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::hook::{self, Hook, Place, Word};
use crate::throttle::Throttle;

/// The interval at which the watchdog checks every thread.
const INTERVAL: Duration = Duration::from_millis(25);

/// A hook that runs this long without yielding is logged.
const LONG: Duration = Duration::from_millis(100);

/// If a check is this much later than the last one, the process itself was suspended.
const PAUSE: Duration = Duration::from_millis(500);

/// After this number of checks without a hook that has begun or ended, the watchdog pauses.
const QUIET_LOOKS: u32 = 40;

/// The watchdog's view of all threads that run hooks.
#[derive(Debug)]
pub struct Watch {
    /// One entry for each of `hook::workers`.
    sights: Vec<Sight>,
    last: Instant,
    /// The number of consecutive checks without activity.
    quiet: u32,
    /// How often each hook ran too long, for the log.
    long: HashMap<Place, Throttle>,
}

/// The last observation of one thread.
#[derive(Clone, Copy, Debug)]
struct Sight {
    word: Word,
    /// When `word` was first observed.
    since: Instant,
    logged: bool,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            sights: Vec::new(),
            last: Instant::now(),
            quiet: 0,
            long: HashMap::new(),
        }
    }
}

impl Watch {
    /// Runs the watchdog on the calling thread, for the lifetime of the process.
    ///
    /// Only one thread of a process can be the watchdog; on any other this returns at once.
    pub fn run(mut self) {
        if !hook::begin_rest() {
            return;
        }
        hook::end_rest();
        loop {
            thread::sleep(INTERVAL);
            self.look(Instant::now());
            if self.quiet < QUIET_LOOKS {
                continue;
            }
            // A thread that has not yet noticed the pause begins its hook before the next check.
            hook::begin_rest();
            thread::sleep(INTERVAL);
            self.look(Instant::now());
            if self.quiet == 0 {
                hook::end_rest();
                continue;
            }
            hook::rest();
            self.quiet = 0;
            self.last = Instant::now();
        }
    }

    /// Checks every thread once. If a hook is still running, wakes its runtime; if it has run for
    /// more than 100 ms, logs it.
    pub fn look(&mut self, now: Instant) {
        let paused = now - self.last > PAUSE;
        self.last = now;
        self.quiet = self.quiet.saturating_add(1);
        let workers = hook::workers().clone();
        for (index, worker) in workers.into_iter().enumerate() {
            let word = worker.word();
            let sight = Sight {
                word,
                since: now,
                logged: false,
            };
            let Some(known) = self.sights.get_mut(index) else {
                self.sights.push(sight);
                self.quiet = 0;
                continue;
            };
            if known.word != word {
                *known = sight;
                self.quiet = 0;
                continue;
            }
            if word.place().hook() == Hook::None {
                continue;
            }
            self.quiet = 0;
            if paused {
                known.since = now;
            }
            // The task itself does nothing.
            let runtime = worker.runtime().clone();
            if let Some(runtime) = runtime {
                drop(runtime.spawn(async {}));
            }
            if !known.logged && now - known.since >= LONG {
                known.logged = true;
                self.log(word.place());
            }
        }
    }

    /// Logs a hook that runs too long, at most once in ten seconds for each place.
    fn log(&mut self, place: Place) {
        if let Some(count) = self.long.entry(place).or_default().count() {
            let (hook, route) = (place.hook().name(), place.pattern());
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
