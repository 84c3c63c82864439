//! Hashes texts of patterns at compile time.

/// FNV-1a, 32 bits.
pub(super) const fn hash(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let mut hash = 0x811c_9dc5;
    let mut at = 0;
    while at < bytes.len() {
        hash = step(hash, bytes[at] as u32);
        at += 1;
    }
    hash
}

/// Combines two hashes.
pub(super) const fn combine(hash: u32, next: u32) -> u32 {
    step(hash.rotate_left(5), next)
}

const fn step(hash: u32, next: u32) -> u32 {
    (hash ^ next).wrapping_mul(0x0100_0193)
}
