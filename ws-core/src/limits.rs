//! Every limit of a connection and of a server, with its default.

use std::time::Duration;

use tokio::time::Instant;

/// Declares a struct of limits with a setter for each field, also for constants: a later version
/// may add fields.
macro_rules! limits_struct {
    (
        $(#[$attribute:meta])*
        pub struct $limits:ident { $( $(#[$doc:meta])* pub $name:ident: $type:ty, )* }
    ) => {
        $(#[$attribute])*
        #[non_exhaustive]
        pub struct $limits { $( $(#[$doc])* pub $name: $type, )* }

        impl $limits {
            $(
                #[doc = concat!("Sets the limit `", stringify!($name), "`.")]
                pub const fn $name(mut self, $name: $type) -> Self {
                    self.$name = $name;
                    self
                }
            )*
        }

        crate::limits::deserialize::deserialize_limits! {
            $limits, $limits::DEFAULT, value => value, $($name: $type,)*
        }
    };
}

mod deserialize;
mod http2;
mod page;
mod presence;
mod rate;
mod server;
mod session;

pub use http2::Http2Limits;
pub use page::PageLimits;
pub use presence::{MAX_MEMBER, MAX_MEMBER_KEY, PresenceLimits};
pub use rate::Rate;
pub use server::ServerLimits;
pub use session::SessionLimits;

/// The number of bytes in a kibibyte and in a mebibyte.
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The maximum length of all headers together that `init` adds to the response of its handshake,
/// names and values, in bytes: 8 KiB.
///
/// ```
/// use ws_server::extract::{Handshake, ResponseHeaderError};
/// use ws_server::limits::MAX_RESPONSE_HEADERS;
///
/// let long = "x".repeat(MAX_RESPONSE_HEADERS);
/// let refused = Handshake::default().respond_with("x-long", &long);
/// assert_eq!(refused, Err(ResponseHeaderError::TooLarge));
/// ```
pub const MAX_RESPONSE_HEADERS: usize = 8 * KIB;

/// The behavior of `Socket::send` when the outbox is full.
///
/// ```
/// use ws_server::limits::OnFull;
/// use ws_server::prelude::*;
///
/// struct Feed;
///
/// #[ws_handler]
/// impl Feed {
///     fn init() -> Self { Feed }
/// }
///
/// dispatch! {
///     struct Routes;
///
///     feed: "/feed" => Feed { on_full: refuse };
/// }
/// # assert_eq!(OnFull::default(), OnFull::Close);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// The connection is closed with 1013: the client is too slow.
    #[default]
    Close,
    /// The message is returned in `SendError::Full`; the connection stays open.
    Refuse,
}

/// Declares the limits once: the resolved values, their overrides, and the defaults.
macro_rules! limits {
    ($( $(#[$doc:meta])* $name:ident: $type:ty = $default:expr; )*) => {
        /// The limits of one route, resolved: the route's option, or else the server's, or else the
        /// default.
        ///
        /// ```
        /// use ws_server::limits::Limits;
        ///
        /// const LIMITS: Limits = Limits::DEFAULT.mailbox(16).ping(None);
        /// assert_eq!((LIMITS.mailbox, LIMITS.ping), (16, None));
        /// ```
        #[derive(Clone, Copy, PartialEq, Debug)]
        #[non_exhaustive]
        pub struct Limits { $( $(#[$doc])* pub $name: $type, )* }

        impl Limits {
            /// The defaults of the library.
            pub const DEFAULT: Self = Self { $( $name: $default, )* };

            $(
                #[doc = concat!("Sets the limit `", stringify!($name), "`.")]
                pub const fn $name(mut self, $name: $type) -> Self {
                    self.$name = $name;
                    self
                }
            )*

            /// These limits, with the values that `overrides` sets.
            ///
            /// ```
            /// use ws_server::limits::{LimitOptions, Limits};
            ///
            /// let limits = Limits::DEFAULT.overridden_by(&LimitOptions::NONE.timers(8));
            /// assert_eq!((limits.timers, limits.tasks), (8, 64));
            /// ```
            pub fn overridden_by(self, overrides: &LimitOptions) -> Self {
                Self { $( $name: overrides.$name.unwrap_or(self.$name), )* }
            }
        }

        /// Limits that may be set or unset: the options of a route or of a server.
        ///
        /// ```
        /// use ws_server::limits::LimitOptions;
        ///
        /// const OPTIONS: LimitOptions = LimitOptions::NONE.mailbox(16).ping(None);
        /// assert_eq!((OPTIONS.mailbox, OPTIONS.ping), (Some(16), Some(None)));
        /// assert_eq!(OPTIONS.timers, None);
        /// ```
        #[derive(Clone, Copy, PartialEq, Debug)]
        #[non_exhaustive]
        pub struct LimitOptions { $( $(#[$doc])* pub $name: Option<$type>, )* }

        impl LimitOptions {
            /// No limit is set.
            pub const NONE: Self = Self { $( $name: None, )* };

            $(
                #[doc = concat!("Sets the limit `", stringify!($name), "`.")]
                pub const fn $name(mut self, $name: $type) -> Self {
                    self.$name = Some($name);
                    self
                }
            )*

            /// The values that `self` sets, or else those that `outer` sets.
            ///
            /// ```
            /// use ws_server::limits::LimitOptions;
            ///
            /// let server = LimitOptions::NONE.mailbox(64).tasks(8);
            /// let options = LimitOptions::NONE.mailbox(16).or(server);
            /// assert_eq!((options.mailbox, options.tasks), (Some(16), Some(8)));
            /// ```
            pub const fn or(self, outer: Self) -> Self {
                Self { $( $name: match self.$name { Some(_) => self.$name, None => outer.$name }, )* }
            }
        }

        deserialize::deserialize_limits! {
            LimitOptions, LimitOptions::NONE, value => Some(value), $($name: $type,)*
        }
    };
}

limits! {
    /// Size of one message in bytes, all fragments together; past it 1009. Default: 64 KiB.
    max_message: usize = 64 * KIB;
    /// Bytes that may wait in the outbox of one connection. Default: 1 MiB.
    outbox: usize = MIB;
    /// Frames that may wait in the outbox of one connection. Default: 1,024.
    outbox_frames: usize = 1024;
    /// The behavior of `Socket::send` when the outbox is full. Default: `OnFull::Close`.
    on_full: OnFull = OnFull::Close;
    /// Notifications that may wait for one handler. Default: 256.
    mailbox: usize = 256;
    /// Timers that may be set at the same time on one connection. Default: 256.
    timers: usize = 256;
    /// Futures of `Socket::spawn` that may run on one connection at the same time. Default: 64.
    tasks: usize = 64;
    /// Topics that one connection may be subscribed to, watch or have entered, together; past it
    /// 1011. Default: 1,024.
    subscriptions: usize = 1024;
    /// Bytes of messages that are read ahead while a hook runs. Default: 64 KiB.
    read_ahead: usize = 64 * KIB;
    /// Messages from the client; past it 1008. Default: no limit.
    rate: Option<Rate> = None;
    /// A ping is sent if nothing was received for this long. Default: 25 s.
    ping: Option<Duration> = Some(Duration::from_secs(25));
    /// The connection is closed with 1001 if nothing was received for this long. While the client
    /// has a backlog that it does not read, `stall` applies instead: a ping would not reach it.
    /// Default: 60 s.
    idle: Option<Duration> = Some(Duration::from_secs(60));
    /// The connection is closed with 1013 if the client reads fewer than `stall_bytes` of its
    /// backlog in this time. Default: 30 s.
    stall: Duration = Duration::from_secs(30);
    /// Bytes that a client with a backlog must read in each `stall`; reading the whole backlog is
    /// always enough. Default: 4 KiB.
    stall_bytes: usize = 4 * KIB;
    /// How long `init` may take before 503. Default: 10 s.
    init_timeout: Duration = Duration::from_secs(10);
    /// How long an async hook may run before 1011. Default: 30 s.
    hook_timeout: Duration = Duration::from_secs(30);
    /// How long the server waits for the client's answer to its Close. Default: 5 s.
    close_timeout: Duration = Duration::from_secs(5);
    /// How long `terminate` may take. Default: 5 s.
    terminate_timeout: Duration = Duration::from_secs(5);
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self::NONE
    }
}

/// A limit whose value cannot work.
///
/// ```
/// use ws_server::limits::{LimitError, Limits};
///
/// let error = Limits::DEFAULT.mailbox(0).check().unwrap_err();
/// assert_eq!(error, LimitError::Zero { name: "mailbox" });
/// assert_eq!(error.to_string(), "`mailbox` is zero; it must be above zero");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// The limit must be above zero.
    #[error("`{name}` is zero; it must be above zero")]
    Zero {
        /// The name of the option.
        name: &'static str,
    },
    /// A ping that is sent after the idle limit could never keep a connection alive.
    #[error(
        "`ping` ({ping:?}) is not below `idle` ({idle:?}); choose a shorter `ping` or a longer `idle`"
    )]
    PingNotBelowIdle {
        /// The value of `ping`.
        ping: Duration,
        /// The value of `idle`.
        idle: Duration,
    },
    /// The limit is too small for the values that it bounds.
    #[error("`{name}` is {value}; it must be at least {minimum}")]
    TooSmall {
        /// The name of the option.
        name: &'static str,
        /// Its value.
        value: usize,
        /// The smallest value that works.
        minimum: usize,
    },
}

/// Longer than any real deadline; replaces durations that a clock cannot represent.
const MAX_DURATION: Duration = Duration::from_secs(24 * 365 * 30 * 60 * 60);

/// The time `after` later than `now`.
pub(crate) fn deadline_after(now: Instant, after: Duration) -> Instant {
    now.checked_add(after).unwrap_or_else(|| now + MAX_DURATION)
}

impl Limits {
    /// These limits, with times that a clock can represent: `Duration::MAX` means "no limit".
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::limits::Limits;
    ///
    /// let limits = Limits::DEFAULT.hook_timeout(Duration::MAX).clamped();
    /// assert!(limits.hook_timeout > Duration::from_secs(20 * 365 * 24 * 60 * 60));
    /// assert!(limits.hook_timeout < Duration::MAX);
    /// ```
    pub fn clamped(mut self) -> Self {
        let times = [
            &mut self.stall,
            &mut self.init_timeout,
            &mut self.hook_timeout,
            &mut self.close_timeout,
            &mut self.terminate_timeout,
        ];
        for time in times {
            *time = MAX_DURATION.min(*time);
        }
        self.ping = self.ping.map(|time| time.min(MAX_DURATION));
        self.idle = self.idle.map(|time| time.min(MAX_DURATION));
        self
    }

    /// Checks that the values can work, alone and together.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_server::limits::{LimitError, Limits};
    ///
    /// // A ping after the connection was closed as idle.
    /// let limits = Limits::DEFAULT.ping(Some(Duration::from_secs(90)));
    /// assert!(matches!(limits.check(), Err(LimitError::PingNotBelowIdle { .. })));
    /// assert_eq!(limits.idle(Some(Duration::from_secs(180))).check(), Ok(()));
    /// ```
    ///
    /// # Errors
    ///
    /// [`LimitError`] with the name and the value of the first limit that cannot work.
    pub fn check(&self) -> Result<(), LimitError> {
        let sizes = [
            ("max_message", self.max_message),
            ("outbox", self.outbox),
            ("outbox_frames", self.outbox_frames),
            ("mailbox", self.mailbox),
            ("subscriptions", self.subscriptions),
            ("read_ahead", self.read_ahead),
            ("stall_bytes", self.stall_bytes),
        ];
        let times = [
            ("ping", self.ping.unwrap_or(Duration::MAX)),
            ("idle", self.idle.unwrap_or(Duration::MAX)),
            ("stall", self.stall),
            ("init_timeout", self.init_timeout),
            ("hook_timeout", self.hook_timeout),
            ("close_timeout", self.close_timeout),
            ("terminate_timeout", self.terminate_timeout),
        ];
        let zero_size = sizes
            .iter()
            .find(|(_, size)| *size == 0)
            .map(|(name, _)| *name);
        let zero_time = times
            .iter()
            .find(|(_, time)| time.is_zero())
            .map(|(name, _)| *name);
        if let Some(name) = zero_size.or(zero_time) {
            return Err(LimitError::Zero { name });
        }
        match (self.ping, self.idle) {
            (Some(ping), Some(idle)) if ping >= idle => {
                Err(LimitError::PingNotBelowIdle { ping, idle })
            }
            _ => Ok(()),
        }
    }
}

/// Returns an error for the first of these limits that is zero.
fn check_nonzero(limits: &[(&'static str, bool)]) -> Result<(), LimitError> {
    match limits.iter().find(|(_, zero)| *zero) {
        Some((name, _)) => Err(LimitError::Zero { name }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_documented_table() {
        let limits = Limits::DEFAULT;
        assert_eq!(limits.max_message, 65_536);
        assert_eq!((limits.outbox, limits.outbox_frames), (1_048_576, 1_024));
        assert_eq!(
            (limits.mailbox, limits.timers, limits.tasks),
            (256, 256, 64)
        );
        assert_eq!((limits.read_ahead, limits.subscriptions), (65_536, 1_024));
        assert_eq!(limits.rate, None);
        assert_eq!(limits.on_full, OnFull::Close);
        assert_eq!(limits.ping, Some(Duration::from_secs(25)));
        assert_eq!(limits.idle, Some(Duration::from_secs(60)));
        assert_eq!(limits.stall, Duration::from_secs(30));
        assert_eq!(limits.stall_bytes, 4_096);
        assert_eq!(limits.init_timeout, Duration::from_secs(10));
        assert_eq!(limits.hook_timeout, Duration::from_secs(30));
        assert_eq!(limits.close_timeout, Duration::from_secs(5));
        assert_eq!(limits.terminate_timeout, Duration::from_secs(5));
    }

    #[test]
    fn a_route_overrides_the_server_and_the_server_the_default() {
        let route = LimitOptions {
            mailbox: Some(1),
            ..LimitOptions::NONE
        };
        let server = LimitOptions {
            mailbox: Some(2),
            timers: Some(3),
            ..LimitOptions::NONE
        };
        let limits = Limits::DEFAULT.overridden_by(&route.or(server));
        assert_eq!((limits.mailbox, limits.timers, limits.tasks), (1, 3, 64));
    }

    #[test]
    fn invalid_values_are_reported_by_name() {
        let zero = Limits {
            mailbox: 0,
            ..Limits::DEFAULT
        };
        assert_eq!(zero.check(), Err(LimitError::Zero { name: "mailbox" }));
        let ping = Duration::from_secs(60);
        let late_ping = Limits {
            ping: Some(ping),
            ..Limits::DEFAULT
        };
        assert_eq!(
            late_ping.check(),
            Err(LimitError::PingNotBelowIdle { ping, idle: ping })
        );
        assert_eq!(Limits::DEFAULT.check(), Ok(()));
    }
}
