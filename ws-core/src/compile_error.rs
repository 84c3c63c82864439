//! Builds an error message at compile time, and compares texts.

/// The size of the longest message in bytes.
const MAX_LEN: usize = 1024;

/// An error message of the compiler.
#[derive(Clone, Copy)]
pub struct CompileError {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl CompileError {
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; MAX_LEN],
        len: 0,
    };

    /// The message.
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "two lines overlap",
        }
    }

    /// Appends a text if it fits as a whole.
    pub(crate) const fn add(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        if self.len + text.len() > MAX_LEN {
            return self;
        }
        let mut at = 0;
        while at < text.len() {
            self.bytes[self.len] = text[at];
            self.len += 1;
            at += 1;
        }
        self
    }
}

/// Whether two texts are equal. Compares from the end, since names in a table often share a prefix.
pub(crate) const fn equal(one: &str, other: &str) -> bool {
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
