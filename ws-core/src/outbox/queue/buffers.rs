//! Buffers of queues, kept by each thread for the next queue that needs one.
//!
//! A publish to many subscribers fills many queues for a moment. Without the kept buffers, each of
//! them would allocate and free one.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::Chunk;

/// The maximum number of buffers that a thread keeps.
const MAX_BUFFERS: usize = 4096;

/// The maximum capacity of a buffer that is kept, in chunks of 56 bytes.
const MAX_CHUNKS: usize = 16;

thread_local! {
    static KEPT: RefCell<Vec<VecDeque<Chunk>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
pub(super) fn take() -> VecDeque<Chunk> {
    let kept = KEPT.try_with(|kept| kept.borrow_mut().pop());
    // Most queues never hold more than one frame: a message published to many subscribers waits in
    // many queues.
    kept.ok()
        .flatten()
        .unwrap_or_else(|| VecDeque::with_capacity(1))
}

/// Keeps an empty buffer for the next queue.
pub(super) fn give_back(buffer: VecDeque<Chunk>) {
    if buffer.capacity() > MAX_CHUNKS {
        return;
    }
    // A thread that is about to end keeps none.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < MAX_BUFFERS {
            kept.push(buffer);
        }
    });
}
