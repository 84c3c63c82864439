//! Measurements.

use std::collections::BTreeMap;

use super::Hub;
use crate::id::ConnectionKind;
use crate::stats::{HubCounters, RefusalReason, Stats};
use crate::throttle::LogThrottle;

impl Hub {
    /// Returns all measurements of this server: connections, messages, hooks, topics, pages and
    /// refusals. `Ws::metrics` serves them to Prometheus.
    ///
    /// It visits each connection and each topic once, which takes about a tenth of a microsecond for
    /// each: call it every few seconds, not for each request.
    ///
    /// ```
    /// use ws_server::Hub;
    ///
    /// fn report(hub: &Hub) {
    ///     for route in hub.stats().routes {
    ///         let received = route.received.text + route.received.binary;
    ///         tracing::info!(route.route, route.connections, received, "traffic");
    ///     }
    /// }
    /// # report(&Hub::default());
    /// ```
    pub fn stats(&self) -> Stats {
        let mut outbox_bytes = BTreeMap::new();
        for connection in self.open_connections(ConnectionKind::Socket) {
            let (route, queued) = connection.collect_outbox();
            *outbox_bytes.entry(route).or_default() += queued;
        }
        let mut stats = Stats {
            topics: self.topics().stats(),
            sessions: self.sessions().handle_count(),
            pages: self.inner.pages.stats(),
            logs_throttled: LogThrottle::suppressed(),
            ..Stats::default()
        };
        self.counters().snapshot(&outbox_bytes, &mut stats);
        stats
    }

    /// Counts a client that is refused.
    pub(crate) fn count_refusal(&self, reason: RefusalReason) {
        self.counters().refusals().count(reason);
    }

    /// The counters of this hub.
    pub(crate) fn counters(&self) -> &HubCounters {
        &self.inner.counters
    }
}
