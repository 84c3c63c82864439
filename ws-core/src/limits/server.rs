//! The limits of a whole server.

use std::time::Duration;

use super::{
    Http2Limits, KIB, LimitError, MAX_DURATION, PageLimits, PresenceLimits, check_nonzero,
};

limits_struct! {
    /// Limits of a whole server, before and around its connections.
    ///
    /// ```
    /// use ws_server::limits::ServerLimits;
    ///
    /// let limits = ServerLimits::DEFAULT.max_connections(Some(10_000));
    /// assert_eq!(limits.max_connections, Some(10_000));
    /// ```
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct ServerLimits {
        /// Size of a request's head in bytes; past it 431. Default: 16 KiB.
        pub head: usize,
        /// How long a request's head may take to arrive, from the start of the connection or, for a
        /// later request, from its first byte. Default: 10 s.
        pub head_timeout: Duration,
        /// How long an HTTP connection stays open after a response if the client sends nothing.
        /// Default: 75 s.
        pub keep_alive: Duration,
        /// Requests on one HTTP connection; the last response closes it, so that no client keeps a
        /// connection and its memory forever. Default: 1,000.
        pub requests_per_connection: u64,
        /// How long a client may stall while the server reads a request's body or writes a
        /// response. Default: 30 s.
        pub body_timeout: Duration,
        /// Bytes per second that a client must send or read in the meantime; with `None`, any
        /// progress is enough. Default: 256.
        pub body_rate: Option<usize>,
        /// WebSocket connections from one address (IPv6: one /64); past it 429. Default: 256.
        pub per_address: Option<usize>,
        /// WebSocket connections in total; past it 503. Default: no limit.
        pub max_connections: Option<usize>,
        /// WebSocket handshakes per second, so that clients who all connect again do not overrun the
        /// server; past it 503 with a `Retry-After` of 1 to 5 seconds, which differs between them.
        /// Default: no limit, but 2,000 on a server that shares its log with others; there,
        /// `usize::MAX` admits any number.
        pub handshakes: Option<usize>,
        /// How many sockets one push to pages, the end of one burst of publishes, or one publish
        /// outside of the server's tasks writes to by itself; a task does the rest. Default: 1,024.
        pub publish_inline: usize,
        /// Bytes of the histories of all topics together, including 128 for each message and topic.
        /// Past it the topics that were published to least recently lose theirs. Default: 64 MiB.
        pub history: usize,
        /// HTTP connections at the same time that are not, or not yet, WebSocket connections; past
        /// this limit the connection that has been silent longest is closed, or new ones wait.
        /// Default: 16,384.
        pub http_connections: usize,
        /// HTTP connections from one address (IPv6: one /64) at the same time; past it 429.
        /// Default: 1,024.
        pub http_per_address: Option<usize>,
        /// Bytes of one connection that the system buffers before it sends them (Linux:
        /// `TCP_NOTSENT_LOWAT`). Further bytes stay in the outbox, so that a ping can overtake them
        /// and the client's progress is visible. A client that reads fast gets 32 times as much.
        /// Default: 64 KiB.
        pub unsent: usize,
        /// How long a graceful shutdown may take, after `drain_delay` and `drain_over`. Default:
        /// 10 s.
        pub shutdown: Duration,
        /// How long the server still accepts connections after the first signal, while it reports
        /// that it is not ready. Default: 0.
        pub drain_delay: Duration,
        /// The time over which a shutdown closes connections one by one; with 0, all at once.
        /// Default: 0.
        pub drain_over: Duration,
        /// Limits of pages and of the state that is kept for them.
        pub pages: PageLimits,
        /// Limits of the members of topics.
        pub presence: PresenceLimits,
        /// Limits of each HTTP/2 connection.
        pub http2: Http2Limits,
    }
}

/// The minimum of `head`: no browser's request fits a smaller one.
const MIN_HEAD: usize = KIB;

impl ServerLimits {
    /// The defaults of the library.
    pub const DEFAULT: Self = Self {
        head: 16 * KIB,
        head_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(75),
        requests_per_connection: 1000,
        body_timeout: Duration::from_secs(30),
        body_rate: Some(256),
        per_address: Some(256),
        max_connections: None,
        handshakes: None,
        publish_inline: 1024,
        history: 64 * KIB * KIB,
        http_connections: 16 * KIB,
        http_per_address: Some(KIB),
        unsent: 64 * KIB,
        shutdown: Duration::from_secs(10),
        drain_delay: Duration::ZERO,
        drain_over: Duration::ZERO,
        pages: PageLimits::DEFAULT,
        presence: PresenceLimits::DEFAULT,
        http2: Http2Limits::DEFAULT,
    };

    /// These limits, with times that a clock can represent: `Duration::MAX` means "no limit".
    pub fn clamped(mut self) -> Self {
        self.head_timeout = self.head_timeout.min(MAX_DURATION);
        self.keep_alive = self.keep_alive.min(MAX_DURATION);
        self.body_timeout = self.body_timeout.min(MAX_DURATION);
        self.shutdown = self.shutdown.min(MAX_DURATION);
        self.drain_delay = self.drain_delay.min(MAX_DURATION);
        self.drain_over = self.drain_over.min(MAX_DURATION);
        self.pages = self.pages.clamped();
        self.presence = self.presence.clamped();
        self
    }

    /// Checks that the values can work.
    ///
    /// # Errors
    ///
    /// [`LimitError`] with the name of the first limit that cannot work.
    pub fn check(&self) -> Result<(), LimitError> {
        if self.head < MIN_HEAD {
            return Err(LimitError::TooSmall {
                name: "head",
                value: self.head,
                minimum: MIN_HEAD,
            });
        }
        let zeros = [
            ("head_timeout", self.head_timeout.is_zero()),
            ("keep_alive", self.keep_alive.is_zero()),
            ("requests_per_connection", self.requests_per_connection == 0),
            ("body_timeout", self.body_timeout.is_zero()),
            ("body_rate", self.body_rate == Some(0)),
            ("per_address", self.per_address == Some(0)),
            ("max_connections", self.max_connections == Some(0)),
            ("handshakes", self.handshakes == Some(0)),
            ("http_connections", self.http_connections == 0),
            ("http_per_address", self.http_per_address == Some(0)),
            ("unsent", self.unsent == 0),
        ];
        check_nonzero(&zeros)?;
        self.pages.check()?;
        self.presence.check()?;
        self.http2.check()
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_a_server_are_those_of_the_documented_table() {
        let server = ServerLimits::DEFAULT;
        assert_eq!(
            (server.head, server.head_timeout),
            (16_384, Duration::from_secs(10))
        );
        assert_eq!(
            (server.per_address, server.max_connections),
            (Some(256), None)
        );
        assert_eq!(server.unsent, 65_536);
        assert_eq!(
            (server.http_connections, server.http_per_address),
            (16_384, Some(1_024))
        );
        assert_eq!(server.keep_alive, Duration::from_secs(75));
        assert_eq!(server.requests_per_connection, 1_000);
        assert_eq!(
            (server.body_timeout, server.body_rate),
            (Duration::from_secs(30), Some(256))
        );
        assert_eq!(server.shutdown, Duration::from_secs(10));
    }

    #[test]
    fn invalid_limits_of_a_server_are_reported_by_name() {
        let head = ServerLimits {
            head: 100,
            ..ServerLimits::DEFAULT
        };
        let too_small = LimitError::TooSmall {
            name: "head",
            value: 100,
            minimum: 1024,
        };
        assert_eq!(head.check(), Err(too_small));
        let without_capacity = ServerLimits {
            max_connections: Some(0),
            ..ServerLimits::DEFAULT
        };
        assert_eq!(
            without_capacity.check(),
            Err(LimitError::Zero {
                name: "max_connections"
            })
        );
        assert_eq!(ServerLimits::DEFAULT.check(), Ok(()));
    }
}
