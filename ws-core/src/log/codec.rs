//! Writes and reads the parts of binary formats: numbers of variable length.

use bytes::Bytes;

/// Bytes of the longest number: 64 bits in groups of seven.
const MAX_NUMBER: usize = 10;

/// Appends a number in groups of seven bits, the lowest first (LEB128).
pub(super) fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

/// Appends the length of the bytes, and the bytes.
#[cfg(feature = "cluster")]
pub(super) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_number(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// The bytes do not have the form that the format requires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// Bytes that are read from the front. Parts share the memory of the whole.
pub(super) struct Input(Bytes);

impl Input {
    pub(super) const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, _) = self.0.split_first_chunk().ok_or(Malformed)?;
        let array = *array;
        self.0 = self.0.split_off(N);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads a number in its only form: the shortest.
    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for group in 0..MAX_NUMBER {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * u32::try_from(group).unwrap_or_default();
            if bits << shift >> shift != bits || (byte == 0 && group > 0) {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }
}

#[cfg(feature = "cluster")]
impl Input {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Reads this many bytes.
    pub(super) fn bytes(&mut self, len: usize) -> Result<Bytes, Malformed> {
        if len > self.0.len() {
            return Err(Malformed);
        }
        Ok(self.0.split_to(len))
    }

    /// Reads everything that is left.
    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    /// Reads a number that is a size or a count, of at most `most`.
    pub(super) fn size(&mut self, most: usize) -> Result<usize, Malformed> {
        let size = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        Some(size).filter(|size| *size <= most).ok_or(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn input(bytes: &[u8]) -> Input {
        Input::new(Bytes::copy_from_slice(bytes))
    }

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written(number: u64, shift in 0..64_u32) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number >> shift);
            let mut input = input(&bytes);
            prop_assert_eq!(input.number(), Ok(number >> shift));
            prop_assert!(input.is_empty());
        }
    }

    #[test]
    fn a_number_has_one_form() {
        assert_eq!(input(&[0x80, 0]).number(), Err(Malformed));
        assert_eq!(input(&[0x80]).number(), Err(Malformed));
        let mut most = vec![0xff; 9];
        most.push(1);
        assert_eq!(input(&most).number(), Ok(u64::MAX));
        most[9] = 2;
        assert_eq!(input(&most).number(), Err(Malformed));
        assert_eq!(input(&[0xff; 11]).number(), Err(Malformed));
    }

    #[test]
    fn no_more_is_read_than_there_is() {
        let mut input = input(&[1, 2, 3]);
        assert_eq!(input.array::<4>(), Err(Malformed));
        assert_eq!(input.array(), Ok([1, 2]));
        assert_eq!(input.number(), Ok(3));
        assert!(input.is_empty());
    }
}
