//! State that the filter, the accept loop and every clone of a server share.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Extensions, HeaderMap};
use ws_core::admit::{AdmissionPolicy, Client};
use ws_core::hub::Hub;
use ws_core::limits::ServerLimits;
use ws_core::over_http::Attachments;
use ws_core::route::Router;
use ws_core::throttle::LogThrottle;

use crate::base::BasePath;
use crate::peer::PeerSource;
use crate::readiness::Readiness;
use crate::recent_refusals::RecentRefusals;

/// A server's checked configuration, and its hub.
pub(crate) struct ServerShared {
    pub(crate) router: Arc<Router>,
    pub(crate) hub: Hub,
    pub(crate) policy: AdmissionPolicy,
    pub(crate) limits: ServerLimits,
    pub(crate) hints: OperatorHints,
    pub(crate) recent_refusals: RecentRefusals,
    /// The path below which browsers find the browser client, without the base.
    pub(crate) client_path: String,
    /// The path below which browsers find all URLs of the server.
    pub(crate) base: BasePath,
    pub(crate) plain_gets: PlainGets,
    /// The page streams over HTTP, if the server offers them.
    pub(crate) over_http: Option<Arc<Attachments>>,
    pub(crate) http2: Http2,
    pub(crate) readiness: Readiness,
    /// Finds the client's address under a server other than this one.
    pub(crate) peer: PeerSource,
}

impl ServerShared {
    /// Returns the address of the client of a request under a server other than this one.
    pub(crate) fn peer(&self, extensions: &Extensions) -> Option<SocketAddr> {
        let peer = self.peer.read(extensions);
        if peer.is_none() && self.peer.is_unset() {
            self.hints.unknown_peer();
        }
        peer
    }
}

/// The handling of a GET on a route's path that requests no upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum PlainGets {
    /// It gets 426, or the refusal that a handshake would get.
    #[default]
    Refuse,
    /// It is left to the application.
    FallThrough,
}

/// Whether the server speaks HTTP/2 besides HTTP/1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Http2 {
    #[default]
    Off,
    #[cfg(feature = "http2")]
    On,
}

impl Http2 {
    /// Whether it does.
    pub(crate) const fn is_on(self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// Logs hints for the server's operator, once or at most every few seconds, because any client can
/// cause them.
#[derive(Debug, Default)]
pub(crate) struct OperatorHints {
    tls: AtomicBool,
    peer: AtomicBool,
    /// Visits that were dropped without a response.
    pub(crate) dropped_visits: LogThrottle,
    /// Pages to which a proxy delivers nothing.
    buffering: LogThrottle,
}

impl OperatorHints {
    /// Logs a hint that nothing reports the addresses of clients.
    fn unknown_peer(&self) {
        let first = !self.peer.swap(true, Ordering::Relaxed);
        if first {
            tracing::warn!(
                "the addresses of clients are unknown, so the limits per address have no effect; \
                 set `Server::peer_addr`, or the extension `PeerAddr` of each request"
            );
        }
    }

    /// Logs that a page has received nothing of an earlier response.
    pub(crate) fn buffering_proxy(&self) {
        if let Some(pages) = self.buffering.count() {
            tracing::warn!(
                pages,
                "a proxy keeps the responses of page streams over HTTP until their end, so pages \
                 receive nothing; disable its buffering, as by nginx's `proxy_buffering off`"
            );
        }
    }

    /// Logs a hint if a proxy terminates TLS for this server but is not trusted: cookies are then
    /// less safe than they could be.
    pub(crate) fn check_proxy(&self, client: &Client, headers: &HeaderMap) {
        let scheme = headers.get("x-forwarded-proto");
        let over_tls = scheme.is_some_and(|scheme| scheme == "https");
        if over_tls && client.scheme.is_none() && client.may_be_proxy() {
            let first = !self.tls.swap(true, Ordering::Relaxed);
            if first {
                tracing::warn!(
                    "requests come from a private address with `X-Forwarded-Proto: https`, and \
                     cookies are set without `Secure`; if that is a proxy, add it to \
                     `Server::trusted_proxies`, or set `Server::public_url`"
                );
            }
        }
    }
}

impl fmt::Debug for ServerShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerShared")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
