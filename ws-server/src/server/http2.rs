//! HTTP/2 on one connection: hyper with the application of a server.
//!
//! A connection has many streams. Each stream has its own task, with the timeouts of its bodies; this
//! task ends a connection without streams.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Body;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};
use ws_core::limits::ServerLimits;

use super::Server;
use super::http::{EVICTION_TIMEOUT, RequestBody, TransferLimits};
use super::permits::{Evicted, HttpPermit, WakeFlag};
use crate::peer::Peer;
use crate::shared::Http2;

mod service;
mod sniff;
mod streams;

use service::StreamService;
pub(super) use sniff::{Sniffed, sniff};
use streams::{StreamExecutor, Streams};

impl<S, G> Server<S, G> {
    /// Serves HTTP/2 besides HTTP/1.1, with WebSocket connections over it (RFC 8441).
    ///
    /// Over TLS, clients choose it by ALPN; over other streams, they begin with its preface ("prior
    /// knowledge"). Tables and handlers are the same. The limits are
    /// [`Http2Limits`](crate::limits::Http2Limits).
    ///
    /// A WebSocket connection over HTTP/2 copies each write once more, and its connection keeps
    /// counting for [`http_connections`](Self::http_connections). So it is worth it for pages with
    /// many requests, not for a load of sockets.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use ws_server::limits::{Http2Limits, ServerLimits};
    ///
    /// let limits = ServerLimits::DEFAULT.http2(Http2Limits::DEFAULT.streams(32));
    /// server.server_limits(limits).http2()
    /// # }
    /// ```
    pub const fn http2(mut self) -> Self {
        self.settings.http2 = Http2::On;
        self
    }
}

/// The limits, permit and end of one connection.
pub(super) struct Http2Context<'p, D> {
    pub(super) limits: &'p ServerLimits,
    pub(super) permit: &'p mut HttpPermit,
    /// Ready when the server accepts no further requests.
    pub(super) draining: Pin<&'p mut D>,
}

/// The largest window (RFC 9113, section 6.9.1).
const MAX_WINDOW: u32 = 0x7fff_ffff;

fn builder(limits: &ServerLimits, streams: &Arc<Streams>) -> http2::Builder<StreamExecutor> {
    let window =
        |bytes: usize| u32::try_from(bytes).map_or(MAX_WINDOW, |bytes| bytes.min(MAX_WINDOW));
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let http2 = &limits.http2;
    let mut builder = http2::Builder::new(StreamExecutor::new(streams));
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(number(http2.streams))
        .initial_stream_window_size(window(http2.stream_window))
        .initial_connection_window_size(window(http2.connection_window))
        .max_send_buf_size(http2.send_buffer)
        .max_pending_accept_reset_streams(http2.pending_resets)
        .max_local_error_reset_streams(http2.error_resets)
        .max_header_list_size(number(limits.head));
    builder
}

/// Serves HTTP/2 on one connection until it closes or is ended by a timeout.
pub(super) async fn serve<S, B, I, D>(
    service: S,
    stream: I,
    peer: Peer,
    context: Http2Context<'_, D>,
) -> hyper::Result<()>
where
    S: tower_service::Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    D: Future<Output = ()>,
{
    let limits = context.limits;
    let transfers = TransferLimits::of(limits);
    let streams = Streams::new(limits.body_timeout);
    let service = StreamService::new(service, peer, transfers, streams.clone());
    let builder = builder(limits, &streams);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut timed = TimedConnection {
        context,
        streams,
        silence: None,
        timer: None,
        ending: limits.body_timeout,
        finishing: false,
    };
    let poll = |connection: &mut http2::Connection<_, _, _>, cx: &mut Context<'_>| {
        Future::poll(Pin::new(connection), cx)
    };
    poll_fn(|cx| {
        loop {
            timed.streams.register(cx.waker());
            if let Poll::Ready(ended) = poll(&mut connection, cx) {
                return Poll::Ready(ended);
            }
            match ready!(timed.poll(cx)) {
                NextStep::Finish => Pin::new(&mut connection).graceful_shutdown(),
                NextStep::Cut => return Poll::Ready(Ok(())),
            }
        }
    })
    .await
}

/// The action that follows a step.
enum NextStep {
    /// Accept no further stream, and poll the connection again.
    Finish,
    /// The connection is over.
    Cut,
}

/// The time without any stream.
struct Silence {
    until: Instant,
    /// Set if the permit is needed for another connection.
    wake_flag: Arc<WakeFlag>,
}

struct TimedConnection<'p, D> {
    context: Http2Context<'p, D>,
    streams: Arc<Streams>,
    silence: Option<Silence>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The time for the end of the connection.
    ending: Duration,
    /// Whether the connection accepts no further stream.
    finishing: bool,
}

impl<D: Future<Output = ()>> TimedConnection<'_, D> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<NextStep> {
        if !self.finishing && self.must_finish(cx) {
            return self.finish();
        }
        if self.streams.open() > 0 {
            if self.silence.take().is_some() && self.context.permit.end_silence().is_err() {
                return self.evict();
            }
            return Poll::Pending;
        }
        let until = match &self.silence {
            Some(silence) if silence.wake_flag.is_set() && !self.finishing => {
                return self.evict();
            }
            Some(silence) => silence.until,
            None => {
                let Ok(until) = self.begin_silence(cx) else {
                    return self.evict();
                };
                until
            }
        };
        ready!(self.poll_timer(until, cx));
        if self.finishing {
            tracing::debug!("the client did not close a connection without streams");
            return Poll::Ready(NextStep::Cut);
        }
        self.finish()
    }

    fn must_finish(&mut self, cx: &mut Context<'_>) -> bool {
        let limit = self.context.limits.requests_per_connection;
        self.streams.requests() >= limit || self.context.draining.as_mut().poll(cx).is_ready()
    }

    fn finish(&mut self) -> Poll<NextStep> {
        // The connection ends, even if it was evicted.
        let _ = self.context.permit.end_silence();
        self.silence = None;
        if std::mem::replace(&mut self.finishing, true) {
            return Poll::Pending;
        }
        Poll::Ready(NextStep::Finish)
    }

    /// Ends the connection soon, because its permit is needed.
    fn evict(&mut self) -> Poll<NextStep> {
        self.ending = self.ending.min(EVICTION_TIMEOUT);
        self.finish()
    }

    /// Begins the time without streams. Returns its end.
    fn begin_silence(&mut self, cx: &Context<'_>) -> Result<Instant, Evicted> {
        let limits = self.context.limits;
        let wake_flag = WakeFlag::new(cx.waker());
        let time = if self.finishing {
            self.ending
        } else if self.streams.requests() == 0 {
            limits.head_timeout
        } else {
            self.context.permit.begin_silence(&wake_flag)?;
            limits.keep_alive
        };
        let until = Instant::now() + time;
        self.silence = Some(Silence { until, wake_flag });
        Ok(until)
    }

    fn poll_timer(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }
}
