//! The limits of pages and of their streams.

use std::time::Duration;

use super::{KIB, LONGEST, LimitError, MIB, none_is_zero};

/// Limits of what a server keeps of a page: see [`Page`](crate::page::Page).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageLimits {
    /// How long a page goes on without a socket, from its rendering too; then it ends.
    pub grace: Duration,
    /// Messages that may wait for one page, those included that it has not acknowledged; past
    /// it all of them are dropped, and the page is told to load its state anew.
    pub messages: usize,
    /// Bytes of these messages, with 64 for each; one message of any size always fits. As many
    /// bytes of the page's own messages may wait for its handler, where that is slow; past it
    /// the socket is closed with 1013, and comes back.
    pub bytes: usize,
    /// Pages of one session at the same time; past it the oldest without a socket ends, and
    /// where there is none the answer is 429.
    pub per_session: usize,
    /// Pages without a socket at the same time, those included that were without one within
    /// the grace time; past it the one that has waited longest ends.
    pub waiting: usize,
}

impl PageLimits {
    /// The defaults of the library.
    pub const DEFAULT: Self = Self {
        grace: Duration::from_secs(20),
        messages: KIB,
        bytes: MIB,
        per_session: 128,
        waiting: 16 * KIB,
    };

    /// These limits, with times that a clock can count: `Duration::MAX` means "no limit".
    pub fn bounded(mut self) -> Self {
        self.grace = LONGEST.min(self.grace);
        self
    }

    /// Checks that the values can work.
    ///
    /// # Errors
    ///
    /// [`LimitError`] with the name of the first limit that cannot.
    pub fn check(&self) -> Result<(), LimitError> {
        none_is_zero(&[
            ("grace", self.grace.is_zero()),
            ("messages", self.messages == 0),
            ("bytes", self.bytes == 0),
            ("per_session", self.per_session == 0),
            ("waiting", self.waiting == 0),
        ])
    }
}

impl Default for PageLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_documented_table() {
        let limits = PageLimits::DEFAULT;
        assert_eq!(limits.grace, Duration::from_secs(20));
        assert_eq!((limits.messages, limits.bytes), (1_024, 1_048_576));
        assert_eq!((limits.per_session, limits.waiting), (128, 16_384));
        assert_eq!(limits.check(), Ok(()));
        let none = PageLimits {
            messages: 0,
            ..PageLimits::DEFAULT
        };
        assert_eq!(none.check(), Err(LimitError::Zero { name: "messages" }));
    }
}
