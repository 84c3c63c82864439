//! The time within which pages return after an abrupt end of the server: so they do not overrun the
//! server that they connect to next.

use std::time::Duration;

use super::Pages;

/// Pages that return per second.
const RETURNS_PER_SECOND: usize = 2_000;

/// A shorter time is not announced: the first attempt of a page comes after half a second to a whole
/// one anyway.
const MIN_SPREAD: Duration = Duration::from_secs(1);

impl Pages {
    /// Milliseconds within which the pages of this server should return; `None` if there are few.
    pub(in crate::page) fn spread(&self) -> Option<u32> {
        // A page must return within its grace time.
        let longest = self.limits.spread.min(self.limits.grace / 2);
        spread(self.count(), longest)
    }
}

fn spread(pages: usize, longest: Duration) -> Option<u32> {
    let needed = pages.saturating_mul(1_000) / RETURNS_PER_SECOND;
    let needed = Duration::from_millis(u64::try_from(needed).unwrap_or(u64::MAX));
    let spread = Some(needed.min(longest)).filter(|spread| *spread >= MIN_SPREAD)?;
    Some(u32::try_from(spread.as_millis()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_needs_half_a_millisecond_within_the_limit() {
        let limit = Duration::from_secs(10);
        for (pages, expected) in [
            (0, None),
            (1_999, None),
            (2_000, Some(1_000)),
            (10_000, Some(5_000)),
            (20_001, Some(10_000)),
            (usize::MAX, Some(10_000)),
        ] {
            assert_eq!(spread(pages, limit), expected, "{pages}");
        }
        assert_eq!(spread(usize::MAX, Duration::MAX), Some(u32::MAX));
        assert_eq!(spread(usize::MAX, Duration::ZERO), None);
    }
}
