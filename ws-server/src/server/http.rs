//! HTTP/1.1 on one connection: hyper with the application of a server.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use hyper::server::conn::http1;
use tokio::io::{AsyncRead, AsyncWrite};
use ws_core::limits::ServerLimits;

use crate::peer::Peer;

mod activity;
mod allowance;
mod bodies;
mod service_application;
#[cfg(all(test, feature = "warp"))]
mod tests;
mod timeouts;

pub(super) use activity::Activity;
#[cfg(feature = "http2")]
pub(super) use activity::Phase;
#[cfg(feature = "http2")]
pub(super) use allowance::TransferLimits;
pub use bodies::RequestBody;
pub(super) use bodies::ResponseBody;
#[cfg(feature = "http2")]
pub(super) use service_application::PeerService;
pub(super) use service_application::ServiceApplication;
#[cfg(feature = "http2")]
pub(super) use timeouts::EVICTION_TIMEOUT;
pub(super) use timeouts::{HttpConnection, HttpEnd, Timeouts};

/// The future of a response, as hyper polls it.
pub(super) type ResponseFuture<B> =
    Pin<Box<dyn Future<Output = Result<http::Response<ResponseBody<B>>, Infallible>> + Send>>;

/// The minimum number of bytes that hyper may read ahead of the application. It is larger than the
/// limit of the head, so that a body is not read in small pieces.
const READ_BUFFER: usize = 64 * 1024;

/// hyper's settings for the connections of a server.
pub(super) fn builder(limits: &ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // The timeouts in `timeouts` replace it: hyper would also count the silence before a head.
        .header_read_timeout(None)
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(READ_BUFFER))
        // A client that closes its write half counts as gone: its futures, such as `init`, are
        // dropped.
        .half_close(false);
    builder
}

/// The service that a server provides on its connections.
pub(super) trait Application: Clone + Send + 'static {
    /// The type of [`into_service`](Self::into_service).
    #[cfg(feature = "http2")]
    type Service: tower_service::Service<
            http::Request<RequestBody>,
            Response = http::Response<Self::Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static;

    /// The bodies of its responses.
    #[cfg(feature = "http2")]
    type Body: hyper::body::Body<
            Data = bytes::Bytes,
            Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        > + Unpin
        + Send
        + 'static;

    /// Serves HTTP on one connection until it closes, is upgraded, or is ended by a timeout.
    fn serve<I>(
        self,
        builder: &http1::Builder,
        stream: I,
        peer: Peer,
        timeouts: Timeouts<'_, impl Future<Output = ()> + Send>,
    ) -> impl Future<Output = hyper::Result<()>> + Send
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The service for the streams of HTTP/2.
    #[cfg(feature = "http2")]
    fn into_service(self) -> Self::Service;
}
