//! The waiting frames, in order.

use std::collections::VecDeque;
use std::mem;

use bytes::{Buf, Bytes};

use super::{DroppedPayloads, Frame, Policy};
use crate::protocol::frame::Header;

mod buffers;
mod burst;
mod counts;
mod slices;

pub(super) use burst::IfBlocked;
pub(super) use counts::DropReason;
use counts::RareCounts;

/// The type of a frame in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FrameKind {
    /// A message for this client only.
    Message,
    /// A message of the topic with this id.
    Topic(u64),
    Ping,
    Pong,
    Close,
}

/// A part of the queue that is contiguous in memory.
pub(super) struct Chunk {
    bytes: Bytes,
    kind: FrameKind,
    extent: Extent,
    ownership: Ownership,
    if_blocked: IfBlocked,
}

/// The content of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Extent {
    /// A part of a frame that continues in the next chunk.
    Part,
    /// A frame, or the end of one.
    Frame,
    /// The rest of a cork buffer: many whole frames after a partly written one.
    Frames,
}

/// How the bytes of a chunk are owned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ownership {
    Copied,
    /// A payload that was not copied: it may be shared, and may have an owner.
    Shared,
}

/// How much of the first chunk is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Front {
    /// It starts with a frame.
    #[default]
    Whole,
    /// It is a part of a frame whose start is already written.
    Partial,
}

/// The frames that wait for one client, and their limits.
///
/// The order of the fields matters: those that every push accesses come first.
#[derive(Default)]
#[repr(C)]
pub(super) struct FrameQueue {
    chunks: VecDeque<Chunk>,
    /// The bytes of all chunks.
    bytes: usize,
    max_bytes: usize,
    counts: Option<Box<RareCounts>>,
    frames: u32,
    max_frames: u32,
    /// If the first chunk contains many frames: the bytes left of the partly written one.
    remaining: u32,
    front: Front,
    /// Whether some frames may be dropped when the socket blocks: see [`IfBlocked`].
    has_droppable: bool,
}

/// A total of waiting frames.
#[derive(Clone, Copy, Default)]
pub(super) struct FrameTotals {
    pub(super) bytes: usize,
    pub(super) frames: u32,
}

impl Chunk {
    fn ends_frame(&self) -> bool {
        self.extent != Extent::Part
    }

    /// Moves the payload to `dropped` if it may have an owner.
    fn release(mut self, dropped: &mut DroppedPayloads) {
        self.release_payload(dropped);
    }

    fn release_payload(&mut self, dropped: &mut DroppedPayloads) {
        if self.ownership == Ownership::Shared {
            dropped.keep(mem::take(&mut self.bytes));
        }
    }
}

impl FrameQueue {
    /// Creates a queue for this number of bytes and frames. One frame of any size fits an empty
    /// queue.
    pub(super) fn new(max_bytes: usize, max_frames: usize) -> Self {
        Self {
            max_bytes,
            max_frames: u32::try_from(max_frames).unwrap_or(u32::MAX),
            ..Self::default()
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether the first frame is partly written.
    pub(super) fn is_partly_written(&self) -> bool {
        self.front == Front::Partial
    }

    /// The bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The frames that wait.
    pub(super) fn frames(&self) -> usize {
        self.frames as usize
    }

    /// Whether a frame fits.
    pub(super) fn fits(&self, len: usize) -> bool {
        self.is_empty() || self.has_room(len)
    }

    /// Whether there is room for one frame with this number of bytes.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.bytes.saturating_add(len) <= self.max_bytes && self.frames < self.max_frames
    }

    /// Whether a frame would fit if these were dropped.
    pub(super) fn fits_without(&self, without: FrameTotals, len: usize) -> bool {
        let frames = self.frames - without.frames;
        let bytes = (self.bytes - without.bytes).saturating_add(len);
        frames == 0 || (bytes <= self.max_bytes && frames < self.max_frames)
    }

    /// Queues a frame of which this number of bytes is already written.
    pub(super) fn push(&mut self, frame: &Frame, kind: FrameKind, written: usize) {
        self.push_chunks(frame, kind, written, IfBlocked::Wait);
    }

    fn push_chunks(
        &mut self,
        frame: &Frame,
        kind: FrameKind,
        written: usize,
        if_blocked: IfBlocked,
    ) {
        self.bytes += frame.len() - written;
        self.frames += 1;
        if written > 0 {
            self.front = Front::Partial;
        }
        if self.chunks.capacity() == 0 {
            self.chunks = buffers::take();
        }
        let [head, payload] = frame.parts();
        let (rest_of_head, rest_of_payload) = if written < head.len() {
            (written, 0)
        } else {
            (head.len(), written - head.len())
        };
        let extent = if payload.is_empty() {
            Extent::Frame
        } else {
            Extent::Part
        };
        let parts = [
            (head, rest_of_head, extent, Ownership::Copied),
            (payload, rest_of_payload, Extent::Frame, Ownership::Shared),
        ];
        for (bytes, begin, extent, ownership) in parts {
            if begin < bytes.len() {
                self.chunks.push_back(Chunk {
                    bytes: bytes.slice(begin..),
                    kind,
                    extent,
                    ownership,
                    if_blocked,
                });
            }
        }
    }

    /// Queues the rest of a cork buffer, after this number of written bytes, before everything
    /// else.
    pub(super) fn push_rest(&mut self, cork: &[u8], written: usize) {
        let rest = &cork[written..];
        self.bytes += rest.len();
        self.frames += 1;
        self.remaining = remaining_of_partial(0, cork, written);
        if self.remaining > 0 {
            self.front = Front::Partial;
        }
        self.chunks.push_front(Chunk {
            bytes: Bytes::copy_from_slice(rest),
            kind: FrameKind::Message,
            extent: Extent::Frames,
            ownership: Ownership::Copied,
            if_blocked: IfBlocked::Wait,
        });
    }

    /// Queues a control frame before all others, but not inside a partly written one. It replaces
    /// an earlier one of its kind.
    pub(super) fn push_control(&mut self, kind: FrameKind, frame: Bytes) {
        self.remove(kind, &mut DroppedPayloads::default());
        let end_of_partial = self.chunks.iter().position(Chunk::ends_frame);
        let position = match self.front {
            Front::Partial => end_of_partial.map_or(0, |end| end + 1),
            Front::Whole => 0,
        };
        self.bytes += frame.len();
        self.frames += 1;
        let chunk = Chunk {
            bytes: frame,
            kind,
            extent: Extent::Frame,
            ownership: Ownership::Copied,
            if_blocked: IfBlocked::Wait,
        };
        self.chunks.insert(position, chunk);
    }

    /// Removes written bytes from the queue.
    pub(super) fn advance(&mut self, mut written: usize, dropped: &mut DroppedPayloads) {
        self.bytes -= written;
        if self.bytes == 0 {
            self.handle_all_written(dropped);
            return;
        }
        while written > 0 {
            let Some(front) = self.chunks.front_mut() else {
                break;
            };
            if written < front.bytes.len() {
                let many = front.extent == Extent::Frames;
                if many {
                    let remaining = usize::try_from(self.remaining).unwrap_or(usize::MAX);
                    self.remaining = remaining_of_partial(remaining, &front.bytes, written);
                }
                front.bytes.advance(written);
                self.front = if many && self.remaining == 0 {
                    Front::Whole
                } else {
                    Front::Partial
                };
                return;
            }
            written -= front.bytes.len();
            self.front = if front.ends_frame() {
                self.frames -= 1;
                Front::Whole
            } else {
                Front::Partial
            };
            if let Some(written) = self.chunks.pop_front() {
                written.release(dropped);
            }
        }
    }

    fn handle_all_written(&mut self, dropped: &mut DroppedPayloads) {
        // An idle connection keeps no buffer.
        let mut chunks = mem::take(&mut self.chunks);
        while let Some(chunk) = chunks.pop_front() {
            chunk.release(dropped);
        }
        buffers::give_back(chunks);
        (self.frames, self.front) = (0, Front::Whole);
        self.has_droppable = false;
    }

    /// The total of frames of a kind that are not partly written, the oldest first, until `enough`
    /// returns true.
    pub(super) fn total_of(
        &self,
        kind: FrameKind,
        enough: impl Fn(FrameTotals) -> bool,
    ) -> FrameTotals {
        let mut waiting = FrameTotals::default();
        let mut past_partial = self.front == Front::Whole;
        for chunk in &self.chunks {
            let ends = chunk.ends_frame();
            if past_partial && chunk.kind == kind {
                waiting.bytes += chunk.bytes.len();
                waiting.frames += u32::from(ends);
                if ends && enough(waiting) {
                    break;
                }
            }
            past_partial |= ends;
        }
        waiting
    }

    /// Drops the oldest frame of a topic that is not partly written. If the queue is full of the
    /// topic, that is one of the first frames: the search stops there, because every publish to a
    /// slow client drops one.
    pub(super) fn drop_oldest(&mut self, kind: FrameKind, dropped: &mut DroppedPayloads) {
        let mut begins = self.front == Front::Whole;
        let oldest = self.chunks.iter().position(|chunk| {
            let found = begins && chunk.kind == kind;
            begins = chunk.ends_frame();
            found
        });
        let Some(oldest) = oldest else {
            return;
        };
        while let Some(chunk) = self.chunks.remove(oldest) {
            self.bytes -= chunk.bytes.len();
            let ends = chunk.ends_frame();
            chunk.release(dropped);
            if ends {
                break;
            }
        }
        self.frames -= 1;
        self.count_dropped(1, DropReason::Policy(Policy::DropOldest));
    }

    /// Drops all frames of a topic that are not partly written, to be replaced.
    pub(super) fn drop_all(&mut self, kind: FrameKind, dropped: &mut DroppedPayloads) {
        let removed = self.remove(kind, dropped);
        self.count_dropped(removed.into(), DropReason::Policy(Policy::Latest));
    }

    /// Removes all frames of a kind, except for a partly written one. Returns their number.
    fn remove(&mut self, kind: FrameKind, dropped: &mut DroppedPayloads) -> u32 {
        let mut count = 0;
        let mut past_partial = self.front == Front::Whole;
        let mut removing = false;
        let mut inside = false;
        let bytes = &mut self.bytes;
        self.chunks.retain_mut(|chunk| {
            let ends = chunk.ends_frame();
            if !inside {
                removing = past_partial && chunk.kind == kind;
                count += u32::from(removing);
            }
            inside = !ends;
            past_partial |= ends;
            if removing {
                *bytes -= chunk.bytes.len();
                chunk.release_payload(dropped);
            }
            !removing
        });
        self.frames -= count;
        count
    }

    /// Discards all frames, except for the rest of a partly written one. Returns whether a Close
    /// frame was discarded.
    pub(super) fn discard(&mut self, dropped: &mut DroppedPayloads) -> bool {
        let ends_with_close = |chunks: &VecDeque<Chunk>| {
            chunks
                .back()
                .is_some_and(|chunk| chunk.kind == FrameKind::Close)
        };
        let had_close = ends_with_close(&self.chunks);
        let mut queue = mem::take(&mut self.chunks).into_iter();
        (self.bytes, self.frames) = (0, 0);
        self.has_droppable = false;
        if self.front == Front::Partial {
            for mut chunk in queue.by_ref() {
                if chunk.extent == Extent::Frames {
                    let remaining = usize::try_from(self.remaining).unwrap_or(usize::MAX);
                    chunk.bytes.truncate(remaining);
                }
                self.bytes += chunk.bytes.len();
                let ends = chunk.ends_frame();
                self.chunks.push_back(chunk);
                if ends {
                    self.frames = 1;
                    break;
                }
            }
        }
        for chunk in queue {
            chunk.release(dropped);
        }
        had_close && !ends_with_close(&self.chunks)
    }

    /// Drops everything.
    pub(super) fn clear(&mut self, dropped: &mut DroppedPayloads) {
        for chunk in mem::take(&mut self.chunks) {
            chunk.release(dropped);
        }
        (self.bytes, self.frames, self.front) = (0, 0, Front::Whole);
        self.has_droppable = false;
    }
}

/// Returns how many bytes of a partly written frame remain after the first `written` bytes of
/// `frames`, or 0 if these end with a frame. `frames` starts with `remaining` bytes of an earlier
/// frame.
fn remaining_of_partial(remaining: usize, frames: &[u8], written: usize) -> u32 {
    let mut end = remaining;
    while end < written {
        let Ok(Some((header, size))) = Header::parse(&frames[end..]) else {
            end = frames.len();
            break;
        };
        end += size + usize::try_from(header.len).unwrap_or(usize::MAX);
    }
    // A cork buffer is small.
    u32::try_from(end - written).unwrap_or(u32::MAX)
}
