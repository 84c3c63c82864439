//! Texts of patterns, compared while the program compiles: by hash, then as texts.

/// FNV-1a, 32 bits.
pub(super) const fn hash(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let mut hash = START;
    let mut at = 0;
    while at < bytes.len() {
        hash = step(hash, bytes[at] as u64);
        at += 1;
    }
    hash as u32
}

/// One hash of several.
pub(super) const fn combine(hash: u32, next: u32) -> u32 {
    // Not `step`: a segment more and another hash must not cancel each other out.
    step(hash.rotate_left(5) as u64, next as u64) as u32
}

const START: u64 = 0x811c_9dc5;

/// The product of two numbers of 32 and 25 bits fits; a byte or a hash is the second operand.
const fn step(hash: u64, next: u64) -> u64 {
    ((hash ^ next) * 0x0100_0193) & 0xffff_ffff
}

/// Whether two texts are the same. Names in a table often begin alike and end differently.
pub(in crate::route) const fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = one.len();
    while at > 0 {
        at -= 1;
        if one[at] != other[at] {
            return false;
        }
    }
    true
}
