//! Counters of one thread for one route.
//!
//! Only the thread that holds a shard writes to it, so a load and a store replace the atomic
//! addition, which would lock the memory bus for each message.

#![expect(
    clippy::inline_always,
    reason = "called for each message of a burst; the compiler does not inline it by itself"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The kinds of messages, by the number of their opcode (RFC 6455, section 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum MessageKind {
    Text = 1,
    Binary = 2,
}

/// What one thread has counted. When the thread gives it up, another one continues with it.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Shard {
    /// By the number of the kind; the first is unused.
    received: [AtomicU64; 3],
    sent: [AtomicU64; 3],
    bytes_received: AtomicU64,
    in_use: AtomicBool,
}

/// The totals of all shards of a route: of text and of binary messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ShardTotals {
    pub(super) received: [u64; 2],
    pub(super) sent: [u64; 2],
    pub(super) bytes_received: u64,
}

#[inline(always)]
fn add(counter: &AtomicU64, number: u64) {
    let before = counter.load(Ordering::Relaxed);
    counter.store(before.wrapping_add(number), Ordering::Relaxed);
}

impl Shard {
    /// Counts a message of the client.
    #[inline(always)]
    pub(super) fn count_received(&self, kind: MessageKind) {
        add(&self.received[kind as usize], 1);
    }

    /// Counts a message to the client.
    #[inline(always)]
    pub(super) fn count_sent(&self, kind: MessageKind) {
        add(&self.sent[kind as usize], 1);
    }

    /// Counts bytes of the client, as they arrived.
    #[inline(always)]
    pub(super) fn count_bytes_received(&self, bytes: usize) {
        add(&self.bytes_received, bytes as u64);
    }

    fn try_take(&self) -> bool {
        !self.in_use.swap(true, Ordering::Acquire)
    }

    pub(super) fn add_to(&self, totals: &mut ShardTotals) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (place, kind) in [MessageKind::Text, MessageKind::Binary]
            .into_iter()
            .enumerate()
        {
            totals.received[place] += load(&self.received[kind as usize]);
            totals.sent[place] += load(&self.sent[kind as usize]);
        }
        totals.bytes_received += load(&self.bytes_received);
    }
}

/// Takes a shard that no thread holds; if there is none, adds one.
pub(super) fn take(shards: &mut Vec<Arc<Shard>>) -> Arc<Shard> {
    if let Some(free) = shards.iter().find(|shard| shard.try_take()) {
        return free.clone();
    }
    let shard = Arc::new(Shard::default());
    shard.in_use.store(true, Ordering::Relaxed);
    shards.push(shard.clone());
    shard
}

/// The shard that a thread holds for one route. Dropping it lets another thread continue.
#[derive(Debug)]
pub(super) struct HeldShard {
    pub(super) route: u64,
    pub(super) shard: Arc<Shard>,
}

impl Drop for HeldShard {
    fn drop(&mut self) {
        self.shard.in_use.store(false, Ordering::Release);
    }
}
