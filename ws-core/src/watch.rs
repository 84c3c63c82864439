//! The watchdog: keeps a hook that blocks its thread from holding up the whole runtime.
//!
//! The worker of a runtime that took events from the system runs a single task without waking
//! another worker. If a hook blocks in that task, no worker waits for the system any more: no
//! connection is accepted and no timer fires. A task that is spawned from outside of the runtime
//! wakes a worker that sleeps, which then waits for the system in its place.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::hook::{self, Hook, Place, Word};
use crate::throttle::Throttle;

/// The time between two looks at what each thread runs.
const INTERVAL: Duration = Duration::from_millis(25);

/// A hook that runs so long without yielding is logged.
const LONG: Duration = Duration::from_millis(100);

/// A look so much later than the last shows that the process itself did not run.
const PAUSE: Duration = Duration::from_millis(500);

/// So many looks without a hook that has begun or ended, and the watchdog rests.
const QUIET_LOOKS: u32 = 40;

/// What the watchdog knows of all threads that run hooks.
#[derive(Debug)]
pub struct Watch {
    /// One for each of `hook::workers`.
    sights: Vec<Sight>,
    last: Instant,
    /// Looks in a row that have found nothing.
    quiet: u32,
    /// How often each hook was long, for the log.
    long: HashMap<Place, Throttle>,
}

/// What one thread was seen to run.
#[derive(Clone, Copy, Debug)]
struct Sight {
    word: Word,
    /// When `word` was seen first.
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
    /// Watches for as long as the process lives, on the calling thread.
    ///
    /// Only one thread of a process watches; on any other this returns at once.
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
            // A thread that has not noticed yet has begun its hook by the next look.
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

    /// Looks at every thread once, and acts on hooks that still run: wakes their runtimes, and logs
    /// those that run for more than 100 ms.
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

    /// Logs a hook that runs for long, at most once in ten seconds for each place.
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
