//! Masking of payloads (RFC 6455 section 5.3).

/// Bytes per step of the main loop: four words, which the compiler vectorizes.
const BLOCK: usize = 32;

/// Masks or unmasks `bytes` in place; applying the same mask twice restores them.
///
/// `offset` is the position of `bytes[0]` within the payload of its frame, so that a payload can be
/// processed in pieces.
///
/// ```
/// use ws_core::protocol::mask;
///
/// let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// mask::apply(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(&payload, b"Hello");
/// ```
#[inline]
pub fn apply(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    // As one number: the compiler needs twenty more instructions for single bytes.
    let key = u32::from_le_bytes(mask);
    let key = match offset % 4 {
        0 => key,
        1 => key.rotate_right(8),
        2 => key.rotate_right(16),
        _ => key.rotate_right(24),
    };
    let word = (u64::from(key) << 32 | u64::from(key)).to_le();
    let (blocks, rest) = bytes.as_chunks_mut::<BLOCK>();
    for block in blocks {
        for bytes in block.as_chunks_mut::<8>().0 {
            *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
        }
    }
    // Without loops, which the compiler would vectorize although they run once at most.
    let (pairs, rest) = rest.as_chunks_mut::<16>();
    if let Some(pair) = pairs.first_mut() {
        let key = u128::from(word) << 64 | u128::from(word);
        *pair = (u128::from_ne_bytes(*pair) ^ key).to_ne_bytes();
    }
    let (words, rest) = rest.as_chunks_mut::<8>();
    if let Some(bytes) = words.first_mut() {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn byte_by_byte(bytes: &[u8], mask: [u8; 4], offset: usize) -> Vec<u8> {
        let masked = bytes.iter().enumerate();
        masked
            .map(|(i, byte)| byte ^ mask[(offset + i) % 4])
            .collect()
    }

    #[test]
    fn the_sample_of_the_rfc_is_unmasked() {
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        apply(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&payload, b"Hello");
    }

    #[test]
    fn every_short_length_and_offset_equals_the_definition() {
        let source: Vec<u8> = (0..=255).collect();
        for len in 0..=2 * BLOCK + 9 {
            for offset in 0..9 {
                let mut bytes = source[..len].to_vec();
                apply(&mut bytes, [1, 20, 113, 254], offset);
                let expected = byte_by_byte(&source[..len], [1, 20, 113, 254], offset);
                assert_eq!(bytes, expected, "length {len}, offset {offset}");
            }
        }
    }

    #[test]
    fn an_empty_payload_stays_empty() {
        apply(&mut [], [1, 2, 3, 4], 3);
    }

    proptest! {
        #[test]
        fn any_slice_equals_the_definition(
            source in proptest::collection::vec(any::<u8>(), 0..600),
            mask: [u8; 4],
            offset: usize,
            start in 0_usize..16,
        ) {
            // A varied start covers every alignment in memory.
            let start = start.min(source.len());
            let offset = offset / 2;
            let mut bytes = source.clone();
            apply(&mut bytes[start..], mask, offset);
            prop_assert_eq!(&bytes[..start], &source[..start]);
            prop_assert_eq!(&bytes[start..], byte_by_byte(&source[start..], mask, offset));
        }
    }
}
