//! Log lines about requests. Any client can cause one, so they are throttled.

use std::net::SocketAddr;

use super::ForwardedError;
use crate::thinned::Thinned;

/// Counts what a server logs about requests: clones count together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notices {
    /// Refused origins.
    pub(super) origins: Thinned,
    malformed: Thinned,
    contradictions: Thinned,
}

impl Notices {
    /// A trusted proxy sent a `Forwarded` header that cannot be parsed.
    pub(super) fn malformed(&self, proxy: Option<SocketAddr>, error: ForwardedError) {
        let proxy = proxy.map(tracing::field::display);
        match self.malformed.count() {
            None => tracing::debug!(proxy, %error, "malformed `Forwarded`, refused with 400"),
            Some(refused) => tracing::warn!(
                proxy,
                %error,
                refused,
                "malformed `Forwarded` from a trusted proxy, refused with 400; let the proxy \
                 replace the header of its client, or check what it adds"
            ),
        }
    }

    /// Of a request, `Forwarded` and `X-Forwarded-For` name different clients.
    pub(super) fn contradiction(&self, proxy: Option<SocketAddr>) {
        let proxy = proxy.map(tracing::field::display);
        match self.contradictions.count() {
            None => tracing::debug!(proxy, "`Forwarded` and `X-Forwarded-For` do not agree"),
            Some(requests) => tracing::warn!(
                proxy,
                requests,
                "`Forwarded` and `X-Forwarded-For` from a trusted proxy name different clients, \
                 and neither counts; let the proxy set or remove both"
            ),
        }
    }
}
