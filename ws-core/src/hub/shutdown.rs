//! The end of all connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Hub;
use crate::close::{Close, CloseCode};
use crate::id::ConnectionKind;
use crate::limits::{Limits, deadline_after};
use crate::socket::{ConnectionShared, ShutdownTimes, going_away};
use crate::topic::Recipient as _;

/// The minimum time between two waves of a [drain](Hub::drain).
const WAVE: Duration = Duration::from_millis(50);

/// Clients of a drain reconnect within this time, in milliseconds.
const MAX_RETRY: u64 = 1_000;

impl Hub {
    /// Whether [`shutdown`](Self::shutdown) was called: no new connections are accepted.
    pub fn is_shutting_down(&self) -> bool {
        self.lock_shutdown().is_some()
    }

    /// Closes every connection with 1001 and waits until each has run its `terminate`. If several
    /// servers share a log, waits until it has everything that this one has published, and leaves
    /// them: the members of this server leave at once.
    ///
    /// No new connections are accepted and no hooks are called any more. A running hook may end and
    /// reply in the first part of that time; then its client has the next part to answer the Close,
    /// and the last part is reserved for `terminate`. A second call waits too, with the deadline of
    /// the first.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// use std::time::Duration;
    ///
    /// # let hub = ws_server::Hub::default();
    /// hub.shutdown(Duration::from_secs(10)).await;
    /// assert!(hub.is_shutting_down());
    /// assert_eq!(hub.connection_count(), 0);
    /// # });
    /// ```
    pub async fn shutdown(&self, deadline: Duration) {
        self.drain(Duration::ZERO, deadline).await;
    }

    /// Same as [`shutdown`](Self::shutdown), but closes the connections one by one, evenly over
    /// this time before the deadline begins: so the servers that their clients connect to next are
    /// not overrun. Meanwhile the others work as usual, but no new ones are accepted.
    ///
    /// The close code is 1012, and the text is `retry=` with the number of milliseconds after which
    /// the client should connect again, which differs between clients. If `over` is zero, it is a
    /// plain shutdown.
    ///
    /// ```no_run
    /// # async fn example(hub: ws_server::Hub) {
    /// use std::time::Duration;
    ///
    /// hub.drain(Duration::from_secs(30), Duration::from_secs(10)).await;
    /// # }
    /// ```
    pub async fn drain(&self, over: Duration, deadline: Duration) {
        let now = Instant::now();
        let last = deadline_after(now, over);
        let reserved = (deadline / 4).min(Limits::DEFAULT.terminate_timeout);
        let cutoff = deadline.saturating_sub(reserved);
        let times = {
            let mut shutdown = self.lock_shutdown();
            *shutdown.get_or_insert(ShutdownTimes {
                close: deadline_after(last, cutoff / 2),
                cutoff: deadline_after(last, cutoff),
                end: deadline_after(last, deadline),
            })
        };
        #[cfg(feature = "cluster")]
        self.inner.pages.begin_leaving();
        self.close_in_waves(now, over, times).await;
        // A page's handler first: its replies are queued for the page's socket, which its Close
        // closes.
        for kind in [ConnectionKind::PageHandler, ConnectionKind::Socket] {
            for connection in self.all(kind) {
                connection.shut_down(times, going_away());
            }
        }
        self.inner.tracker.close();
        // Every connection ends in time by itself. The shutdown does not wait for connections that
        // a blocking hook holds up.
        let grace = Duration::from_millis(100);
        if tokio::time::timeout_at(times.end + grace, self.inner.tracker.wait())
            .await
            .is_err()
        {
            tracing::error!("the shutdown is overdue: a hook does not yield");
        }
        #[cfg(feature = "cluster")]
        if let Some(shared) = self.topics().shared() {
            let pages = &self.inner.pages;
            pages.hand_over_all();
            if tokio::time::timeout_at(times.end, pages.all_logged())
                .await
                .is_err()
            {
                tracing::warn!("the server ends before all of its pages are handed over");
            }
            shared.node().leave(times.end).await;
        }
    }

    /// Closes the connections of clients, evenly over this time.
    async fn close_in_waves(&self, begin: Instant, over: Duration, times: ShutdownTimes) {
        if over.is_zero() {
            return;
        }
        let connections = self.all(ConnectionKind::Socket);
        let waves = over.as_millis().div_ceil(WAVE.as_millis()).max(1);
        let waves = usize::try_from(waves).unwrap_or(usize::MAX);
        let of_wave = connections.len().div_ceil(waves).max(1);
        let waves = u32::try_from(connections.len().div_ceil(of_wave)).unwrap_or(u32::MAX);
        let since_last = times.close.saturating_duration_since(begin + over);
        for (wave, connections) in (0..waves).zip(connections.chunks(of_wave)) {
            let at = begin + over * wave / waves;
            sleep_until(at).await;
            for connection in connections {
                let close = deadline_after(at, since_last);
                connection.shut_down(ShutdownTimes { close, ..times }, restart(connection));
                // The page's handler stays until its page is gone from all sockets.
                if connection.belongs_to_page_handler() {
                    connection.close_for_shutdown();
                }
            }
        }
        sleep_until(begin + over).await;
    }

    /// The connections of this kind, the oldest first.
    fn all(&self, kind: ConnectionKind) -> Vec<Arc<ConnectionShared>> {
        let mut all = self.open_connections(kind);
        all.sort_unstable_by_key(|connection| connection.id().get());
        all
    }
}

/// The Close of a drain. The times differ even between clients that are closed together.
fn restart(connection: &ConnectionShared) -> Close {
    // Neighbours in the order of ids get distant times.
    let retry = connection.id().get().wrapping_mul(617) % MAX_RETRY;
    Close::new(CloseCode::SERVICE_RESTART, format!("retry={retry}"))
}
