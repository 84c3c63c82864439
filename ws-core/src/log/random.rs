//! Random numbers.

/// Returns random bytes.
///
/// # Panics
///
/// Panics if the operating system provides no random numbers; hash maps with random keys do not
/// work without them either.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system provides random numbers");
    bytes
}

/// Returns a random number.
///
/// # Panics
///
/// As [`bytes`].
pub(super) fn number() -> u64 {
    u64::from_be_bytes(bytes())
}
