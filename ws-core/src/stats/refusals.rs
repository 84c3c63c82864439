//! Refusals because of a limit or an origin.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why clients are refused.
///
/// ```
/// use ws_server::stats::RefusalReason;
///
/// assert_eq!(RefusalReason::PerAddress.as_str(), "per_address");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The server has as many connections as `max_connections` allows.
    MaxConnections,
    /// An address has as many connections as `per_address` allows.
    PerAddress,
    /// An address has as many HTTP connections as `http_per_address` allows.
    HttpPerAddress,
    /// The origin of the page is not allowed.
    Origin,
    /// More sessions begin from one address than `begin_rate` allows.
    BeginRate,
    /// The session store is full.
    Sessions,
    /// A session has as many pages as `per_session` allows.
    PagesPerSession,
    /// An address has as many pages as `per_address` of the limits of pages allows.
    PagesPerAddress,
    /// The server has as many pages without a session as `anonymous` of the limits of pages allows.
    AnonymousPages,
    /// More pages without a session begin from one address than `anonymous_rate` allows.
    AnonymousRate,
    /// More handshakes arrive per second than [`ServerLimits::handshakes`](crate::limits::ServerLimits::handshakes).
    Handshakes,
}

impl RefusalReason {
    /// All reasons.
    pub(crate) const ALL: [Self; 11] = [
        Self::MaxConnections,
        Self::PerAddress,
        Self::HttpPerAddress,
        Self::Origin,
        Self::BeginRate,
        Self::Sessions,
        Self::PagesPerSession,
        Self::PagesPerAddress,
        Self::AnonymousPages,
        Self::AnonymousRate,
        Self::Handshakes,
    ];

    /// The reason in metrics, such as `per_address`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxConnections => "max_connections",
            Self::PerAddress => "per_address",
            Self::HttpPerAddress => "http_per_address",
            Self::Origin => "origin",
            Self::BeginRate => "begin_rate",
            Self::Sessions => "sessions",
            Self::PagesPerSession => "pages_per_session",
            Self::PagesPerAddress => "pages_per_address",
            Self::AnonymousPages => "anonymous_pages",
            Self::AnonymousRate => "anonymous_rate",
            Self::Handshakes => "handshakes",
        }
    }
}

/// The number of refusals for each reason.
#[derive(Debug, Default)]
pub(crate) struct RefusalCounters([AtomicU64; RefusalReason::ALL.len()]);

impl RefusalCounters {
    /// Counts one refusal.
    pub(crate) fn count(&self, reason: RefusalReason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Vec<(RefusalReason, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        RefusalReason::ALL.into_iter().zip(counts).collect()
    }
}

/// The counts do not affect the equality of their owner.
impl PartialEq for RefusalCounters {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for RefusalCounters {}
