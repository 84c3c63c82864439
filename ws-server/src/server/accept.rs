//! Accepts connections, and ends all of them at a shutdown.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use hyper::server::conn::http1;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use ws_core::admit;
use ws_core::stats::RefusalReason;

use super::http::{self, Application, Timeouts};
use super::permits::HttpPermits;
use crate::connection::{Unsent, refuse, send_at_once};
use crate::peer::canonical;
use crate::readiness::Readiness;
use crate::shared::ServerShared;

/// Time for the responses to handshakes that the hub aborts at its deadline.
const SLACK: Duration = Duration::from_millis(100);

/// Serves until `stop` is ready, then shuts down within the server's deadline.
pub(super) async fn serve(
    shared: &Arc<ServerShared>,
    application: impl Application,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) {
    if let Ok(address) = listener.local_addr() {
        let routes = shared.router.routes().count();
        tracing::info!(%address, routes, "listening");
    }
    if !shared.hub.is_ready() {
        tracing::info!("reading the log of the cluster; handshakes get 503 until then");
    }
    let unsent = Unsent::on_listener(&listener, shared.limits.unsent);
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
    accepting.abort();
    // The listener is closed when its task has ended.
    let _ = accepting.await;
    http.connections.close();
    http.draining.cancel();
    let over = shared.limits.drain_over;
    let deadline = Instant::now() + over + shared.limits.shutdown;
    let drained = tokio::time::timeout_at(deadline + SLACK, http.connections.wait());
    let ((), drained) = tokio::join!(shared.hub.drain(over, shared.limits.shutdown), drained);
    if drained.is_err() {
        tracing::warn!(left = http.connections.len(), "HTTP connections are cut");
        http.cut.cancel();
        http.connections.wait().await;
    }
    // A handshake in progress may have become a connection after the hub was empty.
    let left = deadline.saturating_duration_since(Instant::now());
    shared.hub.shutdown(left).await;
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
        listener: TcpListener,
        mut unsent: Unsent,
        application: impl Application,
    ) {
        let mut backoff = Backoff::default();
        let mut early_timer = EarlyTimer::default();
        loop {
            let accepted = accept_next(&listener, &mut backoff, &self.shared.readiness);
            let (stream, peer) = accepted.await;
            early_timer.rearm();
            let Ok(permit) = self.permits.acquire(self.counted_address(peer)).await else {
                admit::count_refusal(&self.shared.hub, RefusalReason::HttpPerAddress);
                refuse(&stream, TOO_MANY);
                continue;
            };
            send_at_once(&stream);
            unsent.on_accepted(&stream);
            let (http, application) = (self.clone(), application.clone());
            // Boxed, because a task is moved before it runs and after it has ended.
            self.connections.spawn(Box::pin(async move {
                // The permit is free again when HTTP is over, even after an upgrade.
                let mut permit = permit;
                let draining = pin!(http.draining.cancelled());
                let timeouts = Timeouts::new(&http.shared.limits, &mut permit, draining);
                let served = pin!(application.serve(&http.builder, stream, peer, timeouts));
                if let Some(Err(error)) = http.cut.run_until_cancelled(served).await {
                    tracing::debug!(%peer, %error, "the HTTP connection failed");
                }
            }));
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
async fn accept_next(
    listener: &TcpListener,
    backoff: &mut Backoff,
    readiness: &Readiness,
) -> (TcpStream, SocketAddr) {
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
