//! The limits of presence: the members of topics.

use std::time::Duration;

use super::{KIB, LimitError, MAX_DURATION, MIB, check_nonzero};

limits_struct! {
    /// Limits of the members of topics: see [`Socket::enter`](crate::socket::Socket::enter).
    ///
    /// The topics that one connection may enter and watch count against its limit
    /// [`subscriptions`](super::Limits::subscriptions).
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::limits::{PresenceLimits, ServerLimits};
    ///
    /// let presence = PresenceLimits::DEFAULT.linger(Duration::from_secs(10));
    /// let limits = ServerLimits::DEFAULT.presence(presence);
    /// assert_eq!(limits.presence.list, 500);
    /// ```
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct PresenceLimits {
        /// Members of one topic, including those that have left less than `linger` ago; past this
        /// limit no further member enters. Default: 65,536.
        pub members: usize,
        /// Members of one topic up to which watchers get the members themselves; above it they get
        /// only the count. They get members again when no more than four fifths are left.
        /// Default: 500.
        pub list: usize,
        /// Bytes of the JSON of these members with their keys, up to which watchers get the members
        /// themselves, as for `list`. It should be at most a quarter of the smallest
        /// [`outbox`](super::Limits::outbox), which must have room for it. Default: 256 KiB.
        pub list_bytes: usize,
        /// Bytes of the members of all topics together: the key and the value of each member, the
        /// value of each of its connections, and 128 for each of both. Past this limit no further
        /// member enters, and none grows. Default: 256 MiB.
        pub bytes: usize,
        /// Different members that one connection has entered, including those that it has left less than
        /// `linger` and `tick` ago; past this limit it enters no further member, so that one
        /// client cannot fill a topic. Default: 128.
        pub per_connection: usize,
        /// The shortest time between two changes that the watchers of a topic get, and between two
        /// changes of one member. Changes in between are merged. Default: 500 ms.
        pub tick: Duration,
        /// How long a member that has left is still shown, so that a reload of a page shows
        /// nothing. Default: 2 s.
        pub linger: Duration,
    }
}

/// Bytes of the longest key of a member.
///
/// ```
/// use ws_server::limits::MAX_MEMBER_KEY;
///
/// fn is_key(name: &str) -> bool { name.len() <= MAX_MEMBER_KEY }
/// assert!(is_key("ada") && !is_key(&"x".repeat(257)));
/// ```
pub const MAX_MEMBER_KEY: usize = 256;

/// Bytes of the largest member, as JSON.
///
/// ```
/// use ws_server::limits::MAX_MEMBER;
///
/// assert_eq!(MAX_MEMBER, 4096);
/// ```
pub const MAX_MEMBER: usize = 4 * KIB;

impl PresenceLimits {
    /// The defaults of the library.
    pub const DEFAULT: Self = Self {
        members: 64 * KIB,
        list: 500,
        list_bytes: 256 * KIB,
        bytes: 256 * MIB,
        per_connection: 128,
        tick: Duration::from_millis(500),
        linger: Duration::from_secs(2),
    };

    /// These limits, with times that a clock can represent: `Duration::MAX` means "no limit".
    pub fn clamped(mut self) -> Self {
        self.tick = self.tick.min(MAX_DURATION);
        self.linger = self.linger.min(MAX_DURATION);
        self
    }

    /// Checks that the values can work.
    ///
    /// # Errors
    ///
    /// [`LimitError`] with the name of the first limit that cannot work.
    pub fn check(&self) -> Result<(), LimitError> {
        check_nonzero(&[
            ("members", self.members == 0),
            ("per_connection", self.per_connection == 0),
            ("tick", self.tick.is_zero()),
        ])
    }
}

impl Default for PresenceLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
