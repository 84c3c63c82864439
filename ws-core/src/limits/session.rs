//! The limits of sessions and pages.

use std::time::Duration;

use super::{KIB, LimitError, MAX_DURATION, MIB, Rate, check_nonzero};

limits_struct! {
    /// Limits of sessions, and of the pages that belong to them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::limits::SessionLimits;
    ///
    /// let limits = SessionLimits::DEFAULT.idle(Duration::from_secs(1200));
    /// assert_eq!(limits.idle, Duration::from_secs(1200));
    /// ```
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct SessionLimits {
        /// How long a new session lives if its cookie has not come back yet. Default: 2 minutes.
        pub first_idle: Duration,
        /// How long a session lives after its last request, while it has no open socket.
        /// Default: 1 hour.
        pub idle: Duration,
        /// How long a session lives in total, from its start or the last logon; then its open
        /// sockets are closed with 4401. Default: 14 days.
        pub lifetime: Duration,
        /// Sessions that the store in memory keeps. Past this limit an anonymous session without an
        /// open socket is evicted, first of the address that holds most; if there is none, 503. See
        /// [`MemoryStore`](crate::session::MemoryStore). Default: 100,000.
        pub sessions: usize,
        /// Bytes of all values that the store in memory keeps; past this limit no value is added.
        /// Default: 256 MiB.
        pub memory: usize,
        /// Sessions that may begin from one address (IPv6: one /64); past it 429. A private address
        /// is not counted if it may be a proxy that is missing in `trusted_proxies`.
        /// Default: 600 per minute.
        pub begin_rate: Option<Rate>,
        /// Bytes of all values of one session as JSON, including names. Default: 64 KiB.
        pub values: usize,
        /// How long the id of a page is valid after it was issued. Default: 24 hours.
        pub page_lifetime: Duration,
        /// How long a store may take for one response; past it 503. Default: 5 s.
        pub lookup_timeout: Duration,
    }
}

impl SessionLimits {
    /// The defaults of the library.
    pub const DEFAULT: Self = Self {
        first_idle: Duration::from_secs(2 * 60),
        idle: Duration::from_secs(60 * 60),
        lifetime: Duration::from_secs(14 * 24 * 60 * 60),
        sessions: 100_000,
        memory: 256 * MIB,
        begin_rate: Some(Rate::new(600, Duration::from_secs(60))),
        values: 64 * KIB,
        page_lifetime: Duration::from_secs(24 * 60 * 60),
        lookup_timeout: Duration::from_secs(5),
    };

    /// These limits, with times that a clock can represent: `Duration::MAX` means "no limit".
    pub fn clamped(mut self) -> Self {
        let times = [
            &mut self.first_idle,
            &mut self.idle,
            &mut self.lifetime,
            &mut self.page_lifetime,
            &mut self.lookup_timeout,
        ];
        for time in times {
            *time = MAX_DURATION.min(*time);
        }
        self
    }

    /// Checks that the values can work.
    ///
    /// # Errors
    ///
    /// [`LimitError`] with the name of the first limit that cannot work.
    pub fn check(&self) -> Result<(), LimitError> {
        let zeros = [
            ("first_idle", self.first_idle.is_zero()),
            ("idle", self.idle.is_zero()),
            ("lifetime", self.lifetime.is_zero()),
            ("sessions", self.sessions == 0),
            ("memory", self.memory == 0),
            ("values", self.values == 0),
            ("page_lifetime", self.page_lifetime.is_zero()),
            ("lookup_timeout", self.lookup_timeout.is_zero()),
        ];
        check_nonzero(&zeros)
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_documented_table() {
        let limits = SessionLimits::DEFAULT;
        let minutes = [limits.first_idle, limits.idle].map(|time| time.as_secs() / 60);
        assert_eq!(minutes, [2, 60]);
        let days = [limits.page_lifetime, limits.lifetime].map(|time| time.as_secs() / 86_400);
        assert_eq!(days, [1, 14]);
        assert_eq!((limits.sessions, limits.values), (100_000, 65_536));
        assert_eq!(limits.memory, 268_435_456);
        let rate = limits.begin_rate.unwrap();
        assert_eq!((rate.messages.get(), rate.per.as_secs()), (600, 60));
        assert_eq!(limits.lookup_timeout, Duration::from_secs(5));
        assert_eq!(limits.check(), Ok(()));
    }

    #[test]
    fn invalid_limits_are_reported_by_name() {
        let without_capacity = SessionLimits {
            sessions: 0,
            ..SessionLimits::DEFAULT
        };
        assert_eq!(
            without_capacity.check(),
            Err(LimitError::Zero { name: "sessions" })
        );
        let no_timeout = SessionLimits {
            lookup_timeout: Duration::ZERO,
            ..SessionLimits::DEFAULT
        };
        let name = "lookup_timeout";
        assert_eq!(no_timeout.check(), Err(LimitError::Zero { name }));
    }
}
