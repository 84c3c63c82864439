//! Refuses connections for which no page can be opened.

use super::{OpenError, Pages, TooMany};
use crate::error::Refusal;
use crate::stats::RefusalReason;

impl Pages {
    /// The response to a connection for which no page could be opened. If a limit is reached, that
    /// is counted and logged.
    pub(crate) fn refuse(&self, error: OpenError) -> Refusal {
        match error {
            OpenError::TooMany(limit) => self.refuse_too_many(limit),
            OpenError::Refused(error) => error.into(),
            OpenError::Session(error) => error.into(),
        }
    }

    /// Counts and logs a connection that is refused because a limit of pages is reached. Returns the
    /// response.
    fn refuse_too_many(&self, reason: TooMany) -> Refusal {
        let (name, limit, counted) = match reason {
            TooMany::OfSession => (
                "PageLimits::per_session",
                self.limits.per_session,
                RefusalReason::PagesPerSession,
            ),
            TooMany::OfAddress => (
                "PageLimits::per_address",
                self.limits.per_address,
                RefusalReason::PagesPerAddress,
            ),
            TooMany::Anonymous => (
                "PageLimits::anonymous",
                self.limits.anonymous,
                RefusalReason::AnonymousPages,
            ),
            TooMany::OfRate => (
                "PageLimits::anonymous_rate",
                self.limits
                    .anonymous_rate
                    .map_or(usize::MAX, |rate| rate.messages.get() as usize),
                RefusalReason::AnonymousRate,
            ),
        };
        self.refusals.count(counted);
        match self.full.count() {
            None => tracing::debug!(limit, "refused a page: `{name}` is reached"),
            Some(refused) => tracing::warn!(
                limit,
                refused,
                "pages are refused with 429 or 503: there are more than `{name}` allows"
            ),
        }
        match reason {
            TooMany::OfSession => {
                Refusal::TOO_MANY_REQUESTS.body("this session has too many pages")
            }
            TooMany::OfAddress => {
                Refusal::TOO_MANY_REQUESTS.body("this address has too many pages")
            }
            TooMany::Anonymous => {
                Refusal::unavailable("the server has too many pages without a session")
            }
            TooMany::OfRate => Refusal::TOO_MANY_REQUESTS
                .body("this address begins too many pages without a session"),
        }
    }
}
