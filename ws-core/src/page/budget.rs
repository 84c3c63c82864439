//! Counts the bytes that the pages of a server hold together, exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Queues are dropped until this part of the limit (one eighth) is free, so that not every further
/// message causes drops.
const RELIEF_DIVISOR: usize = 8;

/// The limit and the use of bytes by all pages of a server.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
        })
    }

    /// The bytes held now.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
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
