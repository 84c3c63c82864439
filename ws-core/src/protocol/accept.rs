//! The key exchange of the opening handshake (RFC 6455 section 4.2.2).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest as _, Sha1};

/// The GUID that every server appends to the client's key (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of a valid key: 16 bytes in padded base64.
const KEY_LEN: usize = 24;

/// Decodes keys. Ignores the four unused bits of the last character: section 4.2.1 requires a value
/// of 16 bytes when decoded and does not mention them.
const KEY_DECODER: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`: 28 characters of base64.
///
/// The key is hashed as received; check it with [`is_valid_key`] first.
///
/// ```
/// let accept = ws_core::protocol::accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

/// Whether `key` is the base64 form of exactly 16 bytes (RFC 6455 section 4.2.1, item 5).
///
/// ```
/// use ws_core::protocol::is_valid_key;
///
/// assert!(is_valid_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
/// assert!(!is_valid_key(b"too short"));
/// ```
#[must_use]
pub fn is_valid_key(key: &[u8]) -> bool {
    // The decoder needs a buffer for whole groups of three bytes: 18 bytes for a value of 16.
    let mut value = [0; KEY_LEN / 4 * 3];
    key.len() == KEY_LEN && KEY_DECODER.decode_slice(key, &mut value) == Ok(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_key_of_the_rfc_gives_the_sample_response() {
        assert_eq!(
            accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn a_key_of_sixteen_bytes_is_valid() {
        assert!(is_valid_key(STANDARD.encode([0xff; 16]).as_bytes()));
        assert!(is_valid_key(STANDARD.encode([0; 16]).as_bytes()));
    }

    #[test]
    fn unused_bits_of_the_last_character_do_not_matter() {
        assert!(is_valid_key(b"AAAAAAAAAAAAAAAAAAAAAB=="));
    }

    #[test]
    fn a_key_of_another_length_is_not_valid() {
        for len in (0..=48).filter(|len| *len != 16) {
            let key = STANDARD.encode(vec![7; len]);
            assert!(!is_valid_key(key.as_bytes()), "{len} bytes");
        }
    }

    #[test]
    fn a_key_that_is_no_base64_is_not_valid() {
        for key in [
            &b"dGhlIHNhbXBsZSBub25jZQ"[..],
            b"dGhlIHNhbXBsZSBub25jZQ=!",
            b"dGhlIHNhbXBsZSBub25j-Q==",
            b" GhlIHNhbXBsZSBub25jZQ==",
            &[0xff; KEY_LEN],
        ] {
            assert!(!is_valid_key(key), "{key:?}");
        }
    }
}
