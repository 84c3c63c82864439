//! The slices of a vectored write.

use std::io::IoSlice;

use super::FrameQueue;

/// The maximum number of chunks in one vectored write.
pub(super) const MAX_SLICES: usize = 64;

/// A write of at most this many chunks needs only a small array of slices.
const FEW_SLICES: usize = 8;

impl FrameQueue {
    /// Calls `write` with `first` and the front of the queue.
    pub(in crate::outbox) fn with_slices<T>(
        &self,
        first: &[u8],
        write: impl FnOnce(&[IoSlice<'_>]) -> T,
    ) -> T {
        // The common case of a flush: one frame.
        if first.is_empty() && self.chunks.len() == 1 {
            return write(&[IoSlice::new(&self.chunks[0].bytes)]);
        }
        if self.chunks.len() < FEW_SLICES {
            let mut slices = [IoSlice::new(&[]); FEW_SLICES];
            let count = self.fill(first, &mut slices);
            return write(&slices[..count]);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = self.fill(first, &mut slices);
        write(&slices[..count])
    }

    /// Fills `slices` with `first` and the front of the queue; returns the number of slices.
    fn fill<'a>(&'a self, first: &'a [u8], slices: &mut [IoSlice<'a>]) -> usize {
        let queued = self.chunks.iter().map(|chunk| &*chunk.bytes);
        let all = Some(first)
            .filter(|first| !first.is_empty())
            .into_iter()
            .chain(queued);
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(all) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        count
    }
}
