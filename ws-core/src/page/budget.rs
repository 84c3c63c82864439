//! Counts the bytes that the pages of a server hold together, exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::wire::Gap;

/// Queues are dropped until this part of the limit (one eighth) is free, so that not every further
/// message causes drops.
const RELIEF_DIVISOR: usize = 8;

/// The limit and the use of bytes by all pages of a server.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
    resets: ResetCounters,
    superseded: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            resets: ResetCounters::default(),
            superseded: AtomicU64::new(0),
        })
    }

    /// The bytes held now.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The resets of the pages.
    pub(super) const fn resets(&self) -> &ResetCounters {
        &self.resets
    }

    /// The messages that were dropped because their page has connected to another server.
    pub(super) fn superseded(&self) -> u64 {
        self.superseded.load(Ordering::Relaxed)
    }

    /// Counts such messages.
    #[cfg(feature = "cluster")]
    pub(super) fn count_superseded(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.superseded.fetch_add(count, Ordering::Relaxed);
    }

    /// Whether the pages hold more than the limit.
    pub(super) fn is_over(&self) -> bool {
        self.used() > self.limit
    }

    /// Whether enough is free again.
    pub(super) fn is_relieved(&self) -> bool {
        self.used() <= self.limit - self.limit / RELIEF_DIVISOR
    }
}

/// The resets that pages have received, by their reason.
#[derive(Debug, Default)]
pub(super) struct ResetCounters([AtomicU64; 3]);

impl ResetCounters {
    /// Counts one reset.
    pub(super) fn count(&self, why: Gap) {
        self.0[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self, why: Gap) -> u64 {
        self.0[why as usize].load(Ordering::Relaxed)
    }
}

/// A share of a budget, released when dropped.
#[derive(Debug)]
pub(super) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    pub(super) fn new(budget: &Arc<Budget>, bytes: usize) -> Self {
        let mut charge = Self {
            budget: budget.clone(),
            bytes: 0,
        };
        charge.add(bytes);
        charge
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.budget.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}
