//! Validation of UTF-8 that arrives in pieces (RFC 6455 section 8.1).
//!
//! Every byte is validated once. Valid text is passed on as `&str` at once; only an incomplete code
//! point at the end of a piece, at most three bytes, waits for the next piece. A byte that can
//! never become valid fails with its own piece, before the rest of its sequence arrives.

use std::str;

/// The bytes cannot be UTF-8, regardless of what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("text is not UTF-8")]
pub struct InvalidUtf8;

impl From<InvalidUtf8> for super::ProtocolError {
    fn from(_: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}

/// Validates text that is complete in one slice.
///
/// # Errors
///
/// [`InvalidUtf8`] if the bytes are not valid UTF-8.
#[inline]
pub fn validate(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| InvalidUtf8)
}

/// The validator of one text; four bytes of state.
///
/// ```
/// use ws_core::protocol::utf8::{InvalidUtf8, Validator};
///
/// let mut validator = Validator::default();
/// let mut text = String::new();
/// validator.feed(b"caf\xc3", |piece| text.push_str(piece))?;
/// assert_eq!((text.as_str(), validator.is_complete()), ("caf", false));
/// validator.feed(b"\xa9!", |piece| text.push_str(piece))?;
/// assert_eq!((text.as_str(), validator.is_complete()), ("caf\u{e9}!", true));
/// assert_eq!(validator.feed(b"\xf4\x90", |_| ()), Err(InvalidUtf8));
/// # Ok::<(), InvalidUtf8>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Validator {
    /// The bytes of an incomplete code point, valid so far.
    pending: [u8; 3],
    pending_len: u8,
}

impl Validator {
    /// Validates the next piece of the text and passes the valid parts to `sink`, in order.
    ///
    /// All parts passed to `sink`, over all calls, add up to the text so far, without an incomplete
    /// code point at its end.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if `input` contains a byte that is not valid at its position. Earlier parts
    /// of `input` may have been passed to `sink`; the validator must not be used afterwards.
    pub fn feed(&mut self, input: &[u8], mut sink: impl FnMut(&str)) -> Result<(), InvalidUtf8> {
        let input = if self.pending_len == 0 {
            input
        } else {
            self.complete(input, &mut sink)?
        };
        let (bulk, tail) = input.split_at(input.len() - incomplete_len(input));
        if !bulk.is_empty() {
            sink(validate(bulk)?);
        }
        if !tail.is_empty() && !may_become_valid(tail) {
            return Err(InvalidUtf8);
        }
        for (slot, byte) in self.pending.iter_mut().zip(tail) {
            *slot = *byte;
            self.pending_len += 1;
        }
        Ok(())
    }

    /// Whether the text may end here: it does not end inside a code point.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pending_len == 0
    }

    /// The number of bytes kept of an incomplete code point, 0 to 3.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        usize::from(self.pending_len)
    }

    /// Takes the bytes that complete the pending code point from `input`, and returns the rest.
    fn complete<'i>(
        &mut self,
        mut input: &'i [u8],
        sink: &mut impl FnMut(&str),
    ) -> Result<&'i [u8], InvalidUtf8> {
        let mut sequence = [0; 4];
        let mut len = self.pending_len();
        sequence[..len].copy_from_slice(&self.pending[..len]);
        while let Some((&byte, rest)) = input.split_first() {
            input = rest;
            // In bounds: a valid start of three bytes is complete with the fourth.
            sequence[len] = byte;
            len += 1;
            match str::from_utf8(&sequence[..len]) {
                Ok(character) => {
                    self.pending_len = 0;
                    sink(character);
                    return Ok(input);
                }
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => {
                    self.pending[len - 1] = byte;
                    self.pending_len += 1;
                }
            }
        }
        Ok(input)
    }
}

/// Whether an incomplete sequence is the start of some code point.
fn may_become_valid(sequence: &[u8]) -> bool {
    str::from_utf8(sequence).is_err_and(|error| error.error_len().is_none())
}

/// The length of an incomplete sequence at the end of `input`, 0 to 3 bytes, judged only by its
/// first byte.
#[inline]
fn incomplete_len(input: &[u8]) -> usize {
    for (before, byte) in input.iter().rev().take(3).enumerate() {
        let width = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        let have = before + 1;
        return if have < width { have } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Feeds the pieces. Returns the text, or the number of the piece that failed.
    fn feed_all<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<(String, bool), usize> {
        let mut validator = Validator::default();
        let mut text = String::new();
        for (number, piece) in pieces.into_iter().enumerate() {
            validator
                .feed(piece, |valid| text.push_str(valid))
                .map_err(|_| number)?;
        }
        Ok((text, validator.is_complete()))
    }

    /// The index of the first byte after which no continuation can be valid.
    fn first_impossible_byte(bytes: &[u8]) -> Option<usize> {
        (0..bytes.len()).find(|&end| {
            str::from_utf8(&bytes[..=end]).is_err_and(|error| error.error_len().is_some())
        })
    }

    #[test]
    fn an_impossible_byte_fails_before_its_sequence_is_complete() {
        for (bytes, at) in [
            (&b"\xf4\x90"[..], 1),
            (b"\xe0\x80", 1),
            (b"\xed\xa0", 1),
            (b"\xf0\x80", 1),
            (b"\xc0", 0),
            (b"\xc1", 0),
            (b"\xf5", 0),
            (b"\xff", 0),
            (b"\x80", 0),
            (b"ok\xe2\x82A", 4),
            (b"\xf0\x9f\x92\x41", 3),
        ] {
            assert_eq!(feed_all(bytes.chunks(1)), Err(at), "{bytes:x?}");
            assert_eq!(feed_all([&bytes[..=at]]), Err(0), "{bytes:x?}");
            let (_, is_complete) = feed_all([&bytes[..at]]).unwrap();
            assert_eq!(
                is_complete,
                str::from_utf8(&bytes[..at]).is_ok(),
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn an_incomplete_code_point_is_buffered() {
        let text = "\u{1f4a9}".as_bytes();
        for end in 1..4 {
            assert_eq!(feed_all([&text[..end]]), Ok((String::new(), false)));
        }
        assert_eq!(feed_all(text.chunks(1)), Ok(("\u{1f4a9}".into(), true)));
    }

    #[test]
    fn every_code_point_passes_byte_by_byte() {
        for character in ['\0', '\x7f', '\u{80}', '\u{7ff}', '\u{800}', '\u{d7ff}']
            .into_iter()
            .chain(['\u{e000}', '\u{ffff}', '\u{10000}', '\u{10ffff}'])
        {
            let text = character.to_string();
            let fed = feed_all(text.as_bytes().chunks(1));
            assert_eq!(fed, Ok((text.clone(), true)));
        }
    }

    /// Bytes that consist mostly of whole, incomplete and invalid sequences.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            8 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
            4 => "[a-z]{0,80}".prop_map(String::into_bytes),
            1 => vec(any::<u8>(), 1..4),
        ];
        vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_split_agrees_with_the_standard_library(
            bytes in bytes(),
            cuts in vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let fed = feed_all(cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]));
            if let Some(at) = first_impossible_byte(&bytes) {
                let piece = cuts.windows(2).position(|cut| cut[0] <= at && at < cut[1]);
                prop_assert_eq!(fed.err(), piece);
            } else {
                let whole = str::from_utf8(&bytes);
                let valid = whole.map_or_else(|error| error.valid_up_to(), str::len);
                let text = String::from_utf8(bytes[..valid].to_vec()).unwrap();
                prop_assert_eq!(fed, Ok((text, whole.is_ok())));
            }
        }

        #[test]
        fn byte_by_byte_fails_at_the_first_impossible_byte(bytes in bytes()) {
            prop_assert_eq!(feed_all(bytes.chunks(1)).err(), first_impossible_byte(&bytes));
        }
    }
}
