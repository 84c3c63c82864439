//! Buffers of a worker thread, lent to the connection that it drives.
//!
//! An idle connection has no buffers of its own.

use std::cell::Cell;

use tokio::time::Instant;

use crate::hook;
use crate::stats::ThreadCounters;

/// Size of the buffer that sockets are read into, in bytes.
const SCRATCH_BYTES: usize = 64 * 1024;

/// The buffers of one thread.
pub(super) struct ThreadBuffers {
    pub(super) scratch: Vec<u8>,
    /// The frames of the current burst, written together at its end.
    pub(super) cork: Vec<u8>,
    /// The time of this poll.
    pub(super) now: Instant,
    /// What this thread counts.
    pub(super) counters: ThreadCounters,
}

thread_local! {
    static IDLE: Cell<Option<Box<ThreadBuffers>>> = const { Cell::new(None) };
}

impl ThreadBuffers {
    /// Takes the thread's buffers. If a hook drives another connection on this thread, there are
    /// none, and new ones are made.
    pub(super) fn take() -> Box<Self> {
        hook::register_thread();
        let now = Instant::now();
        match IDLE.take() {
            Some(mut idle) => {
                idle.now = now;
                idle
            }
            None => Box::new(Self {
                scratch: vec![0; SCRATCH_BYTES],
                cork: Vec::new(),
                now,
                counters: ThreadCounters::default(),
            }),
        }
    }

    /// Returns the buffers for the next connection.
    pub(super) fn give_back(mut self: Box<Self>) {
        // Bytes that one connection could not write must never reach another's client.
        self.cork.clear();
        IDLE.set(Some(self));
    }
}
