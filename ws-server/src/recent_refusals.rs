//! Refusals of `init`, kept for a page that asks for the reason.
//!
//! Browsers do not show scripts the response to a handshake. A page asks again with a plain GET of
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
const LIFETIME: Duration = Duration::from_secs(10);

/// The maximum number of refusals that are kept; the oldest is dropped first.
const CAPACITY: usize = 1024;

/// Identifies a request by its client, its URL and its cookies. The key of the hash is secret, and
/// differs between processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RequestKey(u64);

/// The latest refusals, oldest first.
#[derive(Debug, Default)]
pub(crate) struct RecentRefusals {
    hasher: RandomState,
    latest: Mutex<VecDeque<(Instant, RequestKey, Refusal)>>,
}

impl RecentRefusals {
    /// Returns the identity of a request, for the two methods below.
    pub(crate) fn key(&self, from: Option<IpAddr>, uri: &Uri, headers: &HeaderMap) -> RequestKey {
        let mut hasher = self.hasher.build_hasher();
        from.hash(&mut hasher);
        (uri.path(), uri.query()).hash(&mut hasher);
        for cookies in headers.get_all(COOKIE) {
            cookies.as_bytes().hash(&mut hasher);
        }
        RequestKey(hasher.finish())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, RequestKey, Refusal)>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the refusal of a handshake with this identity.
    pub(crate) fn insert(&self, key: RequestKey, refusal: Refusal, now: Instant) {
        let mut latest = self.lock();
        while let Some((at, ..)) = latest.front()
            && (*at + LIFETIME <= now || latest.len() >= CAPACITY)
        {
            latest.pop_front();
        }
        latest.retain(|(_, other, _)| *other != key);
        latest.push_back((now, key, refusal));
    }

    /// Takes the recent refusal of a handshake with this identity; it is returned only once.
    pub(crate) fn take(&self, key: RequestKey, now: Instant) -> Option<Refusal> {
        let mut latest = self.lock();
        let at = latest.iter().position(|(_, other, _)| *other == key)?;
        let (at, _, refusal) = latest.remove(at)?;
        (now < at + LIFETIME).then_some(refusal)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const FORBIDDEN: Refusal = Refusal::FORBIDDEN;

    fn key_of(refusals: &RecentRefusals, from: u8, uri: &str, cookie: &'static str) -> RequestKey {
        let from = Some(IpAddr::from([10, 0, 0, from]));
        let cookie = HeaderValue::from_static(cookie);
        let headers = HeaderMap::from_iter([(COOKIE, cookie)]);
        refusals.key(from, &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn a_refusal_is_returned_once_and_only_for_the_same_request() {
        let refusals = RecentRefusals::default();
        let now = Instant::now();
        let own = key_of(&refusals, 1, "/a?b", "c=1");
        refusals.insert(own, FORBIDDEN, now);
        for other in [
            key_of(&refusals, 2, "/a?b", "c=1"),
            key_of(&refusals, 1, "/a?c", "c=1"),
            key_of(&refusals, 1, "/a", "c=1"),
            key_of(&refusals, 1, "/a?b", "c=2"),
        ] {
            assert_eq!(refusals.take(other, now), None);
        }
        assert_eq!(refusals.take(own, now), Some(FORBIDDEN));
        assert_eq!(refusals.take(own, now), None);
    }

    #[test]
    fn the_latest_refusal_is_kept_for_its_lifetime() {
        let refusals = RecentRefusals::default();
        let now = Instant::now();
        let own = key_of(&refusals, 1, "/a", "");
        refusals.insert(own, FORBIDDEN, now);
        refusals.insert(own, Refusal::CONFLICT, now);
        assert_eq!(refusals.take(own, now), Some(Refusal::CONFLICT));
        assert_eq!(refusals.take(own, now), None);
        refusals.insert(own, FORBIDDEN, now);
        assert_eq!(refusals.take(own, now + LIFETIME), None);
    }

    #[test]
    fn only_the_latest_are_kept() {
        let refusals = RecentRefusals::default();
        let now = Instant::now();
        for from in 0..=CAPACITY {
            let from = format!("/{from}");
            refusals.insert(key_of(&refusals, 1, &from, ""), FORBIDDEN, now);
        }
        assert_eq!(refusals.lock().len(), CAPACITY);
        let first = key_of(&refusals, 1, "/0", "");
        assert_eq!(refusals.take(first, now), None);
        refusals.insert(first, FORBIDDEN, now + LIFETIME);
        assert_eq!(refusals.lock().len(), 1, "expired refusals are removed");
    }
}
