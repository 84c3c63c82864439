//! Which flush writes the frames that wait in an outbox.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of a list of outboxes that will be flushed together.
///
/// An outbox knows the last list that it was added to. A publisher with another list adds it to its
/// own list too: the owner of the earlier list may be blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FlushId(NonZeroU32);

/// The number of the next list. Numbers repeat after four billion lists; by then the outboxes of the
/// earlier list have been flushed.
static NEXT: AtomicU32 = AtomicU32::new(1);

impl FlushId {
    /// The number of a new list.
    pub(crate) fn next() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }
}
