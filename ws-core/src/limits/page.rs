//! The limits of pages and of their streams.

use std::time::Duration;

use super::{KIB, LimitError, MAX_DURATION, MIB, Rate, check_nonzero};

limits_struct! {
    /// Limits of the state that a server keeps for a page: see [`Page`](crate::page::Page).
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::limits::PageLimits;
    ///
    /// let limits = PageLimits::DEFAULT.grace(Duration::from_secs(120));
    /// assert_eq!(limits.grace, Duration::from_secs(120));
    /// ```
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct PageLimits {
        /// How long a page stays alive without a socket, counted also from its rendering; then it
        /// ends. Default: 20 s.
        pub grace: Duration,
        /// Messages queued for one page, including those that it has not acknowledged; past this
        /// limit all of them are dropped, and the page gets a reset. The page's own handler
        /// (`attach: page`) waits instead, and leaves a quarter of this limit and of `bytes` free
        /// for other pushes. Default: 1,024.
        pub messages: usize,
        /// Bytes of these messages, plus 64 for each; one message of any size always fits. A
        /// message of the page's handler counts for at most half of this limit. The same number of
        /// bytes of the page's own messages, plus 64 for each, may wait for a slow handler; past
        /// this limit the socket is closed with 1013, and the page reconnects. Default: 1 MiB.
        pub bytes: usize,
        /// Bytes queued for all pages of the server together, plus 64 for each message of each
        /// page; the payload of a push to many pages counts once. Past this limit the largest
        /// queues are dropped, and their pages get a reset; messages that are in transit over a
        /// live connection are dropped last. The same number of bytes of messages may wait for the
        /// handlers of all pages; past this limit each page may have a sixteenth of `bytes`
        /// waiting. At least `bytes`. Default: 256 MiB.
        pub all_bytes: usize,
        /// Pages of one session at the same time; past this limit the oldest one without a socket
        /// ends, and if there is none the response is 429. Default: 128.
        pub per_session: usize,
        /// Pages that one address (IPv6: one /64) has opened, at the same time; past this limit the
        /// oldest one without a socket ends, and if there is none the response is 429. A private
        /// address is not counted if it may be a proxy that is missing in `trusted_proxies`.
        /// Default: 1,024.
        pub per_address: usize,
        /// Pages without a session at the same time (`attach: page` with `require_session: false`);
        /// past this limit an older one without a socket ends: one of a network (an address; IPv6:
        /// one /64) that has more than the new page's, or of the same; otherwise the response is 503.
        /// Default: 8,192.
        pub anonymous: usize,
        /// Ids of pages without a session that one address (IPv6: one /64) gets; past it 429. A page
        /// that returns with its id needs none. A private address is not counted, as for
        /// `per_address`. Default: 600 per minute.
        pub anonymous_rate: Option<Rate>,
        /// Pages without a socket at the same time, including those that had none at some time in
        /// the grace period; past this limit those that have waited longest end, pages without a
        /// session first.
        /// Default: 16,384.
        pub waiting: usize,
        /// Topics that one page is subscribed to at the same time. Default: 64.
        pub subscriptions: usize,
        /// Topics that all pages of one session are subscribed to by
        /// [`Session::subscribe`](crate::session::Session::subscribe) at the same time.
        /// Default: 64.
        pub session_subscriptions: usize,
        /// The longest time within which the pages of this server try to return after it has ended
        /// abruptly, each at a random moment: half a millisecond for each page of the server, so that
        /// 2,000 return per second. Less than a second is not announced, and zero turns it off. A
        /// [drain](crate::hub::Hub::drain) gives each page a time of its own. At most half of `grace`
        /// is used. Default: 10 s.
        pub spread: Duration,
    }
}

impl PageLimits {
    /// The defaults of the library.
    pub const DEFAULT: Self = Self {
        grace: Duration::from_secs(20),
        messages: KIB,
        bytes: MIB,
        all_bytes: 256 * MIB,
        per_session: 128,
        per_address: KIB,
        anonymous: 8 * KIB,
        anonymous_rate: Some(Rate::new(600, Duration::from_secs(60))),
        waiting: 16 * KIB,
        subscriptions: 64,
        session_subscriptions: 64,
        spread: Duration::from_secs(10),
    };

    /// These limits, with times that a clock can represent: `Duration::MAX` means "no limit".
    pub fn clamped(mut self) -> Self {
        self.grace = MAX_DURATION.min(self.grace);
        self
    }

    /// Checks that the values can work.
    ///
    /// # Errors
    ///
    /// [`LimitError`] with the name of the first limit that cannot work.
    pub fn check(&self) -> Result<(), LimitError> {
        check_nonzero(&[
            ("grace", self.grace.is_zero()),
            ("messages", self.messages == 0),
            ("bytes", self.bytes == 0),
            ("per_session", self.per_session == 0),
            ("per_address", self.per_address == 0),
            ("anonymous", self.anonymous == 0),
            ("waiting", self.waiting == 0),
        ])?;
        if self.all_bytes < self.bytes {
            return Err(LimitError::TooSmall {
                name: "all_bytes",
                value: self.all_bytes,
                minimum: self.bytes,
            });
        }
        Ok(())
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
        assert_eq!(limits.all_bytes, 268_435_456);
        assert_eq!((limits.per_session, limits.waiting), (128, 16_384));
        assert_eq!((limits.per_address, limits.anonymous), (1_024, 8_192));
        assert_eq!(limits.spread, Duration::from_secs(10));
        let rate = limits.anonymous_rate.unwrap();
        assert_eq!((rate.messages.get(), rate.per.as_secs()), (600, 60));
        assert_eq!(limits.check(), Ok(()));
        let none = PageLimits {
            messages: 0,
            ..PageLimits::DEFAULT
        };
        assert_eq!(none.check(), Err(LimitError::Zero { name: "messages" }));
        let too_small = PageLimits {
            all_bytes: 1_000,
            ..PageLimits::DEFAULT
        };
        let error = too_small.check().unwrap_err().to_string();
        assert_eq!(error, "`all_bytes` is 1000; it must be at least 1048576");
    }
}
