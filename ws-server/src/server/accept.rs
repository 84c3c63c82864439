//! Accepts connections, and ends all of them at a shutdown.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::maybe_done;
use hyper::server::conn::http1;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use ws_core::admit;
use ws_core::stats::RefusalReason;

use super::http::{self, Application, Timeouts};
#[cfg(feature = "http2")]
use super::http2::{self, Http2Context, Sniffed, sniff};
use super::permits::{HttpPermit, HttpPermits};
use crate::connection::{Unsent, refuse};
use crate::listener::{Accepted, Established, Listener, Stage, as_tcp};
use crate::peer::{Peer, canonical};
#[cfg(feature = "http2")]
use crate::prefixed::Prefixed;
use crate::readiness::Readiness;
use crate::shared::ServerShared;

/// Time for the responses to handshakes that the hub aborts at its deadline.
const SLACK: Duration = Duration::from_millis(100);

/// Serves until `stop` is ready, then shuts down within the server's deadline.
pub(super) async fn serve(
    shared: &Arc<ServerShared>,
    application: impl Application,
    mut listener: impl Listener,
    stop: impl Future<Output = ()> + Send,
) {
    let routes = shared.router.routes().count();
    tracing::info!(address = %listener.address(), routes, "listening");
    if shared.http2.is_on() {
        listener.offer_http2();
    }
    if !shared.hub.is_ready() {
        tracing::info!("reading the log of the cluster; handshakes get 503 until then");
    }
    let unsent = Unsent::on_listener(listener.tcp(), shared.limits.unsent);
    let http = Arc::new(HttpServer {
        shared: shared.clone(),
        builder: http::builder(&shared.limits),
        permits: HttpPermits::new(&shared.limits),
        connections: TaskTracker::new(),
        draining: CancellationToken::new(),
        cut: CancellationToken::new(),
    });
    // If this future is dropped, the HTTP connections end too.
    let _cut = http.cut.clone().drop_guard();
    // A separate task runs on a worker; the caller's task may run on the main thread.
    let accepting = AbortOnDropHandle::new(tokio::spawn(http.clone().accept(
        listener,
        unsent,
        application,
    )));
    stop.await;
    // Load balancers notice that the server is not ready, and send no new clients.
    shared.readiness.stop();
    sleep(shared.limits.drain_delay).await;
    let over = shared.limits.drain_over;
    let deadline = Instant::now() + over + shared.limits.shutdown;
    let mut closing = pin!(maybe_done(shared.hub.drain(over, shared.limits.shutdown)));
    tokio::select! {
        biased;
        () = needs_requests(shared, over) => {}
        () = closing.as_mut() => {}
    }
    accepting.abort();
    // The listener is closed when its task has ended.
    let _ = accepting.await;
    http.connections.close();
    http.draining.cancel();
    let drained = tokio::time::timeout_at(deadline + SLACK, http.connections.wait());
    let ((), drained) = tokio::join!(closing, drained);
    if drained.is_err() {
        tracing::warn!(left = http.connections.len(), "HTTP connections are cut");
        http.cut.cancel();
        http.connections.wait().await;
    }
    // A handshake in progress may have become a connection after the hub was empty.
    let left = deadline.saturating_duration_since(Instant::now());
    shared.hub.shutdown(left).await;
}

/// Waits while pages over HTTP are open, at most for the time over which they are closed: each of their
/// messages and acknowledgements is a request, and may need a new connection.
async fn needs_requests(shared: &ServerShared, over: Duration) {
    if let Some(pages) = &shared.over_http {
        // Either way, the others reconnect.
        let _ = timeout(over, pages.all_ended()).await;
    }
}

/// State that all HTTP connections of a server share.
struct HttpServer {
    shared: Arc<ServerShared>,
    builder: http1::Builder,
    permits: Arc<HttpPermits>,
    connections: TaskTracker,
    /// Cancelled when connections must take no further requests.
    draining: CancellationToken,
    /// Cancelled when connections must end at once.
    cut: CancellationToken,
}

impl HttpServer {
    async fn accept(
        self: Arc<Self>,
        mut listener: impl Listener,
        mut unsent: Unsent,
        application: impl Application,
    ) {
        let mut backoff = Backoff::default();
        let mut early_timer = EarlyTimer::default();
        loop {
            let accepted = accept_next(&mut listener, &mut backoff, &self.shared.readiness);
            let Accepted { peer, stage } = accepted.await;
            early_timer.rearm();
            let tcp = match &stage {
                Stage::Open(stream) => as_tcp(stream),
                Stage::Handshake(_) => None,
            };
            let address = peer.and_then(|peer| self.counted_address(peer));
            let Ok(permit) = self.permits.acquire(address).await else {
                admit::count_refusal(&self.shared.hub, RefusalReason::HttpPerAddress);
                if let Some(tcp) = tcp {
                    refuse(tcp, TOO_MANY);
                }
                continue;
            };
            if let Some(tcp) = tcp {
                unsent.on_accepted(tcp);
            }
            let (http, application) = (self.clone(), application.clone());
            // Boxed, because a task is moved before it runs and after it has ended.
            self.connections.spawn(Box::pin(async move {
                // The permit is free again when HTTP is over, even after an upgrade.
                let mut permit = permit;
                let served = pin!(http.serve(application, stage, peer, &mut permit));
                if let Some(Err(error)) = http.cut.run_until_cancelled(served).await {
                    let peer = peer.map(tracing::field::display);
                    tracing::debug!(peer, %error, "the HTTP connection failed");
                }
            }));
        }
    }

    /// Serves one connection, after its handshake if it has one.
    async fn serve<I>(
        &self,
        application: impl Application,
        stage: Stage<I>,
        address: Option<SocketAddr>,
        permit: &mut HttpPermit,
    ) -> Result<(), Box<dyn Error + Send + Sync>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let draining = pin!(self.draining.cancelled());
        let established = match stage {
            Stage::Open(io) => Established::new(io),
            Stage::Handshake(handshake) => {
                // Nothing is lost if a shutdown ends a handshake.
                match self.draining.run_until_cancelled(handshake).await {
                    Some(established) => established?,
                    None => return Ok(()),
                }
            }
        };
        let Established {
            io,
            over_tls,
            http2,
        } = established;
        let peer = Peer { address, over_tls };
        let limits = &self.shared.limits;
        #[cfg(feature = "http2")]
        if self.shared.http2.is_on() {
            let served = self.serve_any(application, io, peer, http2, permit, draining);
            return served.await;
        }
        if http2 {
            return Err("the client has chosen HTTP/2, which is not enabled".into());
        }
        let timeouts = Timeouts::new(limits, permit, draining);
        let served = application.serve(&self.builder, io, peer, timeouts);
        Ok(served.await?)
    }

    /// Serves HTTP/2 if the client has chosen it or begins with its preface, or else HTTP/1.1.
    #[cfg(feature = "http2")]
    async fn serve_any<I>(
        &self,
        application: impl Application,
        io: I,
        peer: Peer,
        chosen: bool,
        permit: &mut HttpPermit,
        draining: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<(), Box<dyn Error + Send + Sync>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = &self.shared.limits;
        let mut io = Prefixed::new(io);
        let is_http2 = chosen || {
            // ALPN has decided for HTTP/1.1, or there is none: both look at the first bytes.
            let sniffing = tokio::time::timeout(limits.head_timeout, sniff(&mut io));
            match self.draining.run_until_cancelled(sniffing).await {
                None => return Ok(()),
                Some(sniffed) => sniffed?? == Sniffed::Http2,
            }
        };
        if is_http2 {
            let context = Http2Context {
                limits,
                permit,
                draining,
            };
            let service = application.into_service();
            Ok(http2::serve(service, io, peer, context).await?)
        } else {
            let timeouts = Timeouts::new(limits, permit, draining);
            let served = application.serve(&self.builder, io, peer, timeouts);
            Ok(served.await?)
        }
    }

    /// The address that a connection counts for. A proxy carries the connections of all its
    /// clients, so its connections are not counted.
    fn counted_address(&self, peer: SocketAddr) -> Option<IpAddr> {
        let address = canonical(peer).ip();
        let is_proxy = self.shared.policy.trusted_proxies.contains(address);
        (!is_proxy).then_some(address)
    }
}

/// The response to a connection if its address has reached the limit. Its request is not read.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\n\
    retry-after: 5\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 37\r\n\r\n\
    too many HTTP connections from here\r\n";

/// Accepts the next connection. Errors do not end a server: if a connection was lost before it was
/// accepted, the error is skipped; if the system lacks a resource (files, memory), the server waits
/// before the next attempt.
async fn accept_next<L: Listener>(
    listener: &mut L,
    backoff: &mut Backoff,
    readiness: &Readiness,
) -> Accepted<L::Io> {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                backoff.reset();
                readiness.accept_fails(false);
                return accepted;
            }
            Err(error) if affects_one_connection(&error) => {
                tracing::debug!(%error, "a connection was lost before it was accepted");
            }
            Err(error) => {
                if backoff.is_first() {
                    tracing::error!(%error, "cannot accept connections; trying again");
                }
                readiness.accept_fails(true);
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }
}

/// A timer that is nearly always the first to fire while connections arrive.
///
/// A new timer that is earlier than all others makes tokio interrupt its own wait for events, which
/// costs a system call and a round without events. Every connection sets timers of a second or
/// more; with this timer before them, none of them is the earliest.
#[derive(Default)]
struct EarlyTimer(Option<Pin<Box<Sleep>>>);

impl EarlyTimer {
    /// The time until it fires: most timers of connections are later.
    const DELAY: Duration = Duration::from_secs(1);

    /// Sets the timer again if it has fired. It wakes no task.
    fn rearm(&mut self) {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep(Self::DELAY)));
        if timer.as_mut().now_or_never().is_some() {
            timer.as_mut().reset(Instant::now() + Self::DELAY);
            let _ = timer.as_mut().now_or_never();
        }
    }
}

/// Whether `accept` passed on an error of one connection (accept(2)), which does not affect the
/// next connection.
fn affects_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::TimedOut
            | Kind::Interrupted
    )
}

/// The waits between attempts to accept: from 5 ms, doubled up to 1 s.
#[derive(Debug, Default)]
struct Backoff {
    /// The last wait; zero before the first.
    last: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(1);

    /// Whether this is the first failure after a success.
    const fn is_first(&self) -> bool {
        self.last.is_zero()
    }

    fn next(&mut self) -> Duration {
        self.last = (self.last * 2).clamp(Self::FIRST, Self::LONGEST);
        self.last
    }

    const fn reset(&mut self) {
        self.last = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_second_and_start_again_after_a_success() {
        let mut backoff = Backoff::default();
        assert!(backoff.is_first());
        let waits: Vec<u128> = (0..10).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert!(!backoff.is_first());
        backoff.reset();
        assert_eq!(backoff.next().as_millis(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_timer_is_set_again_when_it_has_fired() {
        let mut early_timer = EarlyTimer::default();
        let mut deadline = || {
            early_timer.rearm();
            let timer = early_timer.0.as_ref().unwrap();
            timer.deadline()
        };
        let first = deadline();
        assert_eq!(first, Instant::now() + EarlyTimer::DELAY);
        tokio::time::advance(EarlyTimer::DELAY / 2).await;
        assert_eq!(deadline(), first);
        tokio::time::advance(EarlyTimer::DELAY).await;
        assert_eq!(deadline(), Instant::now() + EarlyTimer::DELAY);
    }

    #[test]
    #[cfg(unix)]
    fn only_errors_that_affect_one_connection_are_skipped() {
        // ECONNABORTED, ECONNRESET and EINTR; then EMFILE, ENFILE, ENOBUFS and ENOMEM (Linux).
        for code in [103, 104, 4] {
            assert!(
                affects_one_connection(&io::Error::from_raw_os_error(code)),
                "{code}"
            );
        }
        for code in [24, 23, 105, 12] {
            assert!(
                !affects_one_connection(&io::Error::from_raw_os_error(code)),
                "{code}"
            );
        }
    }
}
