//! How many messages of a history a new subscriber can receive at once.

/// This part of each limit (one fourth) stays free for messages that follow: otherwise the next
/// publish would close the connection before it has written anything.
const RESERVE_DIVISOR: usize = 4;

/// Messages, and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct QueueSize {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// What a new subscriber can receive at once, without closing its connection or losing the queue of
/// its page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplayCapacity {
    free: QueueSize,
    /// Bytes that each message takes besides its payload.
    overhead: usize,
    /// One message of any size fits an empty queue.
    is_empty: bool,
}

impl ReplayCapacity {
    /// For subscribers that may lose messages.
    pub(crate) const UNLIMITED: Self = Self {
        free: QueueSize {
            messages: usize::MAX,
            bytes: usize::MAX,
        },
        overhead: 0,
        is_empty: true,
    };

    /// The capacity of a queue with this limit, in which so much waits.
    pub(crate) fn new(limit: QueueSize, waiting: QueueSize, overhead: usize) -> Self {
        let free = |limit: usize, waiting: usize| {
            (limit - limit.div_ceil(RESERVE_DIVISOR)).saturating_sub(waiting)
        };
        Self {
            free: QueueSize {
                messages: free(limit.messages, waiting.messages),
                bytes: free(limit.bytes, waiting.bytes),
            },
            overhead,
            is_empty: waiting.messages == 0,
        }
    }

    /// The number of the newest messages that fit, of messages with these bytes.
    pub(super) fn newest(&self, lens: impl DoubleEndedIterator<Item = usize>) -> usize {
        let (mut messages, mut bytes) = (0, 0_usize);
        for len in lens.rev() {
            bytes = bytes.saturating_add(len.saturating_add(self.overhead));
            let fits = messages < self.free.messages && bytes <= self.free.bytes;
            let is_only = self.is_empty && messages == 0;
            if !fits && !is_only {
                break;
            }
            messages += 1;
        }
        messages
    }
}
