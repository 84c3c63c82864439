//! Log lines that any client can cause, and that must not flood the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is worth a line at the first time, the tenth, the hundredth, and so on.
/// Clones count together.
///
/// ```
/// use ws_core::thinned::Thinned;
///
/// let thinned = Thinned::default();
/// let lines: Vec<_> = (0..100).filter_map(|_| thinned.count()).collect();
/// assert_eq!(lines, [1, 10, 100]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Thinned(Arc<AtomicU64>);

impl Thinned {
    /// Counts once more. Returns how often it was, where a line is due.
    pub fn count(&self) -> Option<u64> {
        let count = self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        (count == 10_u64.pow(count.ilog10())).then_some(count)
    }
}

/// How often something was is no part of what its owner is.
impl PartialEq for Thinned {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Thinned {}
