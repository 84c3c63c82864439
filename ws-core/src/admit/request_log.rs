//! Log lines about requests. They are throttled, because any client can cause one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::ForwardedError;
use crate::hub::Hub;
use crate::session::SessionError;
use crate::stats::{RefusalCounters, RefusalReason};
use crate::throttle::LogThrottle;

/// The throttles of a server's log lines about requests. Clones share them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequestLog {
    /// For refused origins.
    pub(super) origins: LogThrottle,
    malformed: LogThrottle,
    contradictions: LogThrottle,
    missing_upgrade_header: LogThrottle,
    begin_rate: LogThrottle,
    full_stores: LogThrottle,
    failures: LogThrottle,
    refusals: Arc<RefusalCounters>,
}

impl RequestLog {
    /// A log that also counts the refusals, for the measurements of this hub.
    pub fn of(hub: &Hub) -> Self {
        Self {
            refusals: hub.counters().refusals().clone(),
            ..Self::default()
        }
    }

    /// Counts a refused origin.
    pub(super) fn count_origin(&self) {
        self.refusals.count(RefusalReason::Origin);
    }

    /// Logs that a trusted proxy sent a `Forwarded` header that cannot be parsed.
    pub(super) fn malformed_forwarded(&self, proxy: Option<SocketAddr>, error: ForwardedError) {
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

    /// Logs that `Forwarded` and `X-Forwarded-For` of a request name different clients.
    pub(super) fn contradicting_forwarded(&self, proxy: Option<SocketAddr>) {
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

    /// Logs a handshake without a header that proxies remove unless they are configured to keep it.
    pub(super) fn missing_upgrade_header(&self, header: &'static str, peer: Option<SocketAddr>) {
        let peer = peer.map(tracing::field::display);
        match self.missing_upgrade_header.count() {
            None => tracing::debug!(header, peer, "a handshake without an upgrade header"),
            Some(requests) => tracing::warn!(
                header,
                peer,
                requests,
                "a handshake came without a header that a proxy may have removed; let the proxy \
                 send `Upgrade: websocket` and `Connection: upgrade` over HTTP/1.1"
            ),
        }
    }

    /// Logs that a visitor gets no session because of this error.
    pub fn no_session(&self, error: &SessionError, address: Option<IpAddr>) {
        let address = address.map(tracing::field::display);
        let status = error.status().as_u16();
        match error {
            SessionError::TooMany => {
                self.refusals.count(RefusalReason::BeginRate);
                if let Some(refused) = self.begin_rate.count() {
                    tracing::warn!(
                        address,
                        refused,
                        status,
                        "visitors get no session: more begin from one address than the limit \
                         `SessionLimits::begin_rate` allows"
                    );
                }
            }
            SessionError::Full => {
                self.refusals.count(RefusalReason::Sessions);
                if let Some(refused) = self.full_stores.count() {
                    tracing::warn!(
                        refused,
                        status,
                        "visitors get no session: the store is full of sessions that are in use; \
                         raise `SessionLimits::sessions` or `memory`, or the limit of your own \
                         store"
                    );
                }
            }
            SessionError::Ended => tracing::debug!(%error, "a visitor gets no session"),
            _ => {
                if let Some(refused) = self.failures.count() {
                    let error = format_args!("{error:#}");
                    tracing::error!(%error, refused, status, "sessions are not available");
                }
            }
        }
    }
}
