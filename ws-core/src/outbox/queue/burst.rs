//! The frames of a burst: they are queued before any write is tried.

use std::collections::VecDeque;
use std::mem;

use super::slices::MAX_SLICES;
use super::{Chunk, DroppedPayloads, Frame, FrameKind, FrameQueue, Front};

/// The maximum number of bytes of one subscriber that wait for the end of a burst.
const MAX_BURST_BYTES: usize = 64 * 1024;

/// What happens to a frame of a burst if the socket does not accept the whole burst.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::outbox) enum IfBlocked {
    /// It waits.
    Wait,
    /// It waits, and replaces the earlier frames of its topic.
    Replace,
    /// It is dropped if other frames wait before it.
    Drop,
}

impl FrameQueue {
    /// Whether a frame of this number of bytes still fits into the write at the end of a burst.
    pub(in crate::outbox) fn fits_burst(&self, len: usize) -> bool {
        // A large payload is a chunk of its own.
        self.chunks.len() + 2 <= MAX_SLICES && self.bytes.saturating_add(len) <= MAX_BURST_BYTES
    }

    /// Whether a burst should be written before it continues: it fills one write, or half of the
    /// queue.
    pub(in crate::outbox) fn is_burst_full(&self) -> bool {
        let is_half_full = self.bytes >= self.max_bytes / 2 || self.frames >= self.max_frames / 2;
        is_half_full || !self.fits_burst(1)
    }

    /// Whether all frames are whole messages of topics.
    pub(in crate::outbox) fn has_only_topics(&self) -> bool {
        let is_topic = |chunk: &Chunk| matches!(chunk.kind, FrameKind::Topic(_));
        self.front == Front::Whole && self.chunks.iter().all(is_topic)
    }

    /// Whether frames may be dropped when the socket blocks.
    #[cfg(test)]
    pub(in crate::outbox) fn has_droppable(&self) -> bool {
        self.has_droppable
    }

    /// Queues a frame of a burst.
    pub(in crate::outbox) fn push_of_burst(
        &mut self,
        frame: &Frame,
        kind: FrameKind,
        if_blocked: IfBlocked,
    ) {
        self.has_droppable |= if_blocked != IfBlocked::Wait;
        self.push_chunks(frame, kind, 0, if_blocked);
    }

    /// Drops the frames that must not wait, because the socket has not accepted the whole burst:
    /// the queue is then as if each frame of the burst had been written by itself.
    #[inline]
    pub(in crate::outbox) fn handle_blocked(&mut self, dropped: &mut DroppedPayloads) {
        if mem::take(&mut self.has_droppable) {
            self.drop_droppable(dropped);
        }
    }

    #[cold]
    fn drop_droppable(&mut self, dropped: &mut DroppedPayloads) {
        let end_of_first = self.chunks.iter().position(Chunk::ends_frame);
        let mut replaced = Vec::new();
        let mut kept = VecDeque::with_capacity(self.chunks.len());
        let mut keeps = true;
        for (index, chunk) in mem::take(&mut self.chunks).into_iter().enumerate().rev() {
            if chunk.ends_frame() {
                let is_first = Some(index) == end_of_first;
                let is_partly_written = is_first && self.front == Front::Partial;
                keeps = is_partly_written
                    || !(replaced.contains(&chunk.kind)
                        || (chunk.if_blocked == IfBlocked::Drop && !is_first));
                if keeps && chunk.if_blocked == IfBlocked::Replace {
                    replaced.push(chunk.kind);
                }
                if !keeps {
                    self.frames -= 1;
                    self.count_dropped(1, chunk.if_blocked.into());
                }
            }
            if keeps {
                kept.push_front(chunk);
            } else {
                self.bytes -= chunk.bytes.len();
                chunk.release(dropped);
            }
        }
        self.chunks = kept;
    }
}
