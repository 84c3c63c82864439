//! Rates.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use super::MAX_DURATION;

/// The number of messages or other events that are allowed per unit of time: `20/s` in a table.
///
/// ```
/// use std::time::Duration;
/// use ws_server::limits::Rate;
///
/// const RATE: Rate = Rate::new(20, Duration::from_secs(1));
/// assert_eq!((RATE.messages.get(), RATE.per), (20, Duration::from_secs(1)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Rate {
    /// The number of messages that are allowed in each `per`; also the size of a burst.
    pub messages: NonZeroU32,
    /// The length of the interval.
    pub per: Duration,
}

impl Rate {
    /// Allows this number of messages in each interval `per`.
    ///
    /// # Panics
    ///
    /// Panics if `messages` or `per` is zero. In a constant that is a compile error.
    pub const fn new(messages: u32, per: Duration) -> Self {
        assert!(!per.is_zero(), "the interval of a rate must be above zero");
        match NonZeroU32::new(messages) {
            Some(messages) => Self { messages, per },
            None => panic!("a rate must allow at least one message"),
        }
    }

    /// Counts one more message. `used` is the time until which earlier messages have used up the
    /// rate. Returns the new such time, or `None` if the message exceeds the rate.
    pub(crate) fn count(self, used: Option<Instant>, now: Instant) -> Option<Instant> {
        let per = self.per.min(MAX_DURATION);
        let used = used.map_or(now, |until| until.max(now)) + per / self.messages.get();
        (used <= now + per).then_some(used)
    }
}
