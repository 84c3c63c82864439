//! How much of the queue a message may fill.

use crate::limits::PageLimits;

/// The handler of a page leaves this part of the queue free (one fourth), in messages and in bytes,
/// so that other pushes have room even if the handler is fast.
const RESERVE_DIVISOR: usize = 4;

/// A message of the handler counts for at most this part of the limit in bytes (one half): a
/// message of any size then fits beside a few other pushes, but two large ones never fit together.
const LARGEST_PUSH_DIVISOR: usize = 2;

/// The source of a message, which decides how much of the queue it may fill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum PushSource {
    /// The page's handler, which waits for room.
    Handler,
    /// The rest of the application, which cannot wait.
    Application,
}

impl PushSource {
    /// The maximum numbers of messages and bytes in the queue, including this message.
    pub(super) const fn share(self, limits: &PageLimits) -> (usize, usize) {
        let (messages, bytes) = (limits.messages, limits.bytes);
        match self {
            Self::Handler => (
                messages - messages.div_ceil(RESERVE_DIVISOR),
                bytes - bytes.div_ceil(RESERVE_DIVISOR),
            ),
            Self::Application => (messages, bytes),
        }
    }

    /// The bytes that a message of this cost counts against the limit.
    pub(super) const fn counted(self, cost: usize, limits: &PageLimits) -> usize {
        let max_bytes = limits.bytes / LARGEST_PUSH_DIVISOR;
        match self {
            Self::Handler if cost > max_bytes => max_bytes,
            Self::Handler | Self::Application => cost,
        }
    }
}
