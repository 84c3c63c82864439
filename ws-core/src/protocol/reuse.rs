//! Reuses the buffer of the last message that was copied out of the read buffer.
//!
//! A message that a hook keeps or returns owns its payload. When it is sent back, it is copied into
//! the cork buffer, and its own buffer is free again. If the next message has the same size, it
//! takes that buffer, so an echo allocates nothing. Only the same size is accepted, so that a
//! message that is kept never holds more memory than it needs.

use std::cell::Cell;

use bytes::Bytes;

/// The largest buffer that is kept, in bytes.
const MAX_REUSED: usize = 16 * 1024;

thread_local! {
    /// An empty vector whose capacity is reused.
    static REUSABLE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Returns an empty buffer with exactly this capacity.
#[inline]
fn take_buffer(len: usize) -> Vec<u8> {
    let buffer = REUSABLE.take();
    if buffer.capacity() == len {
        return buffer;
    }
    REUSABLE.set(buffer);
    Vec::with_capacity(len)
}

/// Copies the bytes into a buffer of their own.
#[inline]
pub(super) fn copy(bytes: &[u8]) -> Vec<u8> {
    let mut copy = take_buffer(bytes.len());
    copy.extend_from_slice(bytes);
    copy
}

/// Copies the text into a buffer of its own.
#[inline]
pub(super) fn copy_text(text: &str) -> String {
    // Validation of an empty buffer is free and cannot fail.
    let mut copy = String::from_utf8(take_buffer(text.len())).unwrap_or_default();
    copy.push_str(text);
    copy
}

/// Keeps the buffer of a payload that is no longer needed, unless another handle shares it.
#[expect(
    clippy::inline_always,
    reason = "called for each message of a burst, which the compiler keeps apart by itself"
)]
#[inline(always)]
pub(crate) fn recycle(payload: Bytes) {
    // A unique `Bytes` becomes a vector without an allocation.
    if (1..=MAX_REUSED).contains(&payload.len()) && payload.is_unique() {
        let mut buffer = Vec::from(payload);
        if buffer.capacity() <= MAX_REUSED {
            buffer.clear();
            REUSABLE.set(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of this many bytes, and its address.
    fn copied(len: usize) -> (Vec<u8>, *const u8) {
        let copy = copy(&vec![7; len]);
        assert_eq!((copy.len(), copy.capacity()), (len, len));
        let address = copy.as_ptr();
        (copy, address)
    }

    #[test]
    fn the_next_message_of_the_same_size_takes_the_buffer() {
        let (first, address) = copied(100);
        recycle(first.into());
        let (other, _) = copied(99);
        let (second, reused) = copied(100);
        assert_eq!(reused, address);
        recycle(other.into());
        assert_eq!(copied(100).0, second);
        let text = copy_text(&"x".repeat(99));
        assert_eq!((text.as_str(), text.capacity()), (&*"x".repeat(99), 99));
    }

    #[test]
    fn a_shared_buffer_is_not_reused() {
        let (first, _) = copied(50);
        let shared = Bytes::from(first);
        recycle(shared.clone());
        let (second, _) = copied(50);
        assert_eq!((&shared[..], &second[..]), (&[7; 50][..], &[7; 50][..]));
        recycle(Bytes::from_static(b"static"));
        recycle(Bytes::new());
        assert_eq!(copy(b"static"), b"static");
    }

    #[test]
    fn a_large_buffer_is_freed() {
        let (large, _) = copied(MAX_REUSED + 1);
        recycle(large.into());
        assert_eq!(REUSABLE.take().capacity(), 0);
        let (largest, address) = copied(MAX_REUSED);
        recycle(largest.into());
        assert_eq!(copied(MAX_REUSED).1, address);
    }
}
