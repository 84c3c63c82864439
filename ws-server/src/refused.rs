//! Refusals of `init`, kept for a page that asks for the reason.
//!
//! Browsers do not show scripts the answer to a handshake. A page asks again with a plain GET of
//! the same URL, for which no `init` runs, so the refusal of `init` is kept for a short time.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::header::COOKIE;
use http::{HeaderMap, Uri};
use ws_core::error::Refusal;

/// How long a refusal is kept: a page asks at once.
const KEPT: Duration = Duration::from_secs(10);

/// The maximum number of refusals that are kept; the oldest is dropped first.
const MOST: usize = 1024;

/// Identifies a request by its client, its URL and its cookies. The key of the hash is secret, and
/// differs between processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked(u64);

/// The latest refusals, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    hasher: RandomState,
    latest: Mutex<VecDeque<(Instant, Asked, Refusal)>>,
}

impl Refused {
    /// Returns the identity of a request, for the two methods below.
    pub(crate) fn name(&self, from: Option<IpAddr>, uri: &Uri, headers: &HeaderMap) -> Asked {
        let mut hasher = self.hasher.build_hasher();
        from.hash(&mut hasher);
        (uri.path(), uri.query()).hash(&mut hasher);
        for cookies in headers.get_all(COOKIE) {
            cookies.as_bytes().hash(&mut hasher);
        }
        Asked(hasher.finish())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Asked, Refusal)>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the refusal of a handshake with this identity.
    pub(crate) fn keep(&self, asked: Asked, refusal: Refusal, now: Instant) {
        let mut latest = self.lock();
        while let Some((at, ..)) = latest.front()
            && (*at + KEPT <= now || latest.len() >= MOST)
        {
            latest.pop_front();
        }
        latest.retain(|(_, other, _)| *other != asked);
        latest.push_back((now, asked, refusal));
    }

    /// Takes the recent refusal of a handshake with this identity; it is returned only once.
    pub(crate) fn take(&self, asked: Asked, now: Instant) -> Option<Refusal> {
        let mut latest = self.lock();
        let at = latest.iter().position(|(_, other, _)| *other == asked)?;
        let (at, _, refusal) = latest.remove(at)?;
        (now < at + KEPT).then_some(refusal)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOT_YOU: Refusal = Refusal::FORBIDDEN;

    fn asked(refused: &Refused, from: u8, uri: &str, cookie: &'static str) -> Asked {
        let from = Some(IpAddr::from([10, 0, 0, from]));
        let cookie = HeaderValue::from_static(cookie);
        let headers = HeaderMap::from_iter([(COOKIE, cookie)]);
        refused.name(from, &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn a_refusal_is_told_once_to_who_was_refused() {
        let refused = Refused::default();
        let now = Instant::now();
        let own = asked(&refused, 1, "/a?b", "c=1");
        refused.keep(own, NOT_YOU, now);
        for other in [
            asked(&refused, 2, "/a?b", "c=1"),
            asked(&refused, 1, "/a?c", "c=1"),
            asked(&refused, 1, "/a", "c=1"),
            asked(&refused, 1, "/a?b", "c=2"),
        ] {
            assert_eq!(refused.take(other, now), None);
        }
        assert_eq!(refused.take(own, now), Some(NOT_YOU));
        assert_eq!(refused.take(own, now), None);
    }

    #[test]
    fn the_latest_refusal_counts_for_a_moment() {
        let refused = Refused::default();
        let now = Instant::now();
        let own = asked(&refused, 1, "/a", "");
        refused.keep(own, NOT_YOU, now);
        refused.keep(own, Refusal::CONFLICT, now);
        assert_eq!(refused.take(own, now), Some(Refusal::CONFLICT));
        assert_eq!(refused.take(own, now), None);
        refused.keep(own, NOT_YOU, now);
        assert_eq!(refused.take(own, now + KEPT), None);
    }

    #[test]
    fn only_the_latest_are_kept() {
        let refused = Refused::default();
        let now = Instant::now();
        for from in 0..=MOST {
            let from = format!("/{from}");
            refused.keep(asked(&refused, 1, &from, ""), NOT_YOU, now);
        }
        assert_eq!(refused.lock().len(), MOST);
        let first = asked(&refused, 1, "/0", "");
        assert_eq!(refused.take(first, now), None);
        refused.keep(first, NOT_YOU, now + KEPT);
        assert_eq!(refused.lock().len(), 1, "what is too old goes");
    }
}
