//! How fast the client sends messages.

use tokio::time::Instant;

use crate::limits::Rate;

/// When the client has used up what its rate allows so far. Without a rate it takes no memory.
#[derive(Default)]
pub(super) struct Meter(Option<Box<Instant>>);

impl Meter {
    /// Counts one message. Returns whether the rate allows it.
    #[inline]
    pub(super) fn allows(&mut self, rate: Option<Rate>, now: Instant) -> bool {
        rate.is_none_or(|rate| self.allows_by(rate, now))
    }

    fn allows_by(&mut self, rate: Rate, now: Instant) -> bool {
        let Some(used) = rate.count(self.0.as_deref().copied(), now) else {
            return false;
        };
        match &mut self.0 {
            Some(until) => **until = used,
            None => self.0 = Some(Box::new(used)),
        }
        true
    }
}
