//! The counters of a route and of a hub.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::cause;
use super::histogram::HistogramCounters;
use super::shard::{self, Shard, ShardTotals};
use super::snapshot::{ClosedStats, HookStats, MessageStats, OutboxTotals, RouteStats};
use super::{RefusalCounters, Stats};
use crate::close::{CloseCause, CloseCode, CloseReason};
use crate::hook::Hook;

/// How a hook ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HookOutcome {
    Ok,
    /// It returned an error, or a refusal.
    Error,
    Panic,
    Timeout,
}

impl HookOutcome {
    const ALL: [Self; 4] = [Self::Ok, Self::Error, Self::Panic, Self::Timeout];

    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
        }
    }
}

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// The bounds of the durations of hooks: 10 µs to 30 s.
const HOOK_BOUNDS: &[Duration] = &[
    micros(10),
    micros(50),
    micros(100),
    micros(500),
    micros(1_000),
    micros(5_000),
    micros(10_000),
    micros(50_000),
    micros(100_000),
    micros(500_000),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// The bounds of the durations of connections: 1 s to 24 h.
const CONNECTION_BOUNDS: &[Duration] = &[
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(12 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// The durations of the hooks of one route, and the notifications that its handlers missed.
#[derive(Debug, Default)]
pub(crate) struct HookCounters {
    durations: [[OnceLock<HistogramCounters>; HookOutcome::ALL.len()]; Hook::ALL.len()],
    mailbox_full: AtomicU64,
}

impl HookCounters {
    /// Adds the duration of a sampled call, which counts as `weight` calls.
    pub(crate) fn add(&self, hook: Hook, outcome: HookOutcome, duration: Duration, weight: u32) {
        self.durations[hook as usize][outcome as usize]
            .get_or_init(|| HistogramCounters::new(HOOK_BOUNDS))
            .add(duration, weight);
    }

    /// Counts a notification that found the mailbox full.
    pub(crate) fn count_full_mailbox(&self) {
        self.mailbox_full.fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(&self) -> Vec<HookStats> {
        let mut hooks = Vec::new();
        for hook in Hook::ALL {
            for outcome in HookOutcome::ALL {
                if let Some(duration) = self.durations[hook as usize][outcome as usize].get() {
                    hooks.push(HookStats {
                        hook: hook.name(),
                        outcome: outcome.name(),
                        duration: duration.snapshot(),
                    });
                }
            }
        }
        hooks
    }
}

/// The cause of a connection's end and its close code; `None` if the code is not reported.
type End = (&'static str, Option<u16>);

/// The maximum number of causes and codes of one route that are reported one by one.
const MAX_ENDS: usize = 64;

/// The counters of one route.
#[derive(Debug)]
pub(crate) struct RouteCounters {
    id: u64,
    path: String,
    epoch: Instant,
    connections: AtomicUsize,
    handshakes: Mutex<BTreeMap<u16, u64>>,
    closed: Mutex<BTreeMap<End, HistogramCounters>>,
    hooks: Arc<HookCounters>,
    shards: Mutex<Vec<Arc<Shard>>>,
    /// The totals that were taken out of the outboxes.
    outboxes: Mutex<OutboxTotals>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RouteCounters {
    /// The counters of the route with this pattern.
    pub(crate) fn new(path: String) -> Self {
        static LAST_ID: AtomicU64 = AtomicU64::new(0);
        Self {
            id: LAST_ID.fetch_add(1, Ordering::Relaxed) + 1,
            path,
            epoch: Instant::now(),
            connections: AtomicUsize::new(0),
            handshakes: Mutex::default(),
            closed: Mutex::default(),
            hooks: Arc::default(),
            shards: Mutex::default(),
            outboxes: Mutex::default(),
        }
    }

    /// Identifies the route in the process; never 0.
    #[inline]
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// The time since the counters were created.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    pub(crate) const fn hooks(&self) -> &Arc<HookCounters> {
        &self.hooks
    }

    /// Counts a connection from the start of its `init`.
    pub(crate) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one connection less.
    pub(crate) fn release_connection(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a response to a handshake.
    pub(crate) fn count_handshake(&self, status: u16) {
        *lock(&self.handshakes).entry(status).or_default() += 1;
    }

    /// Counts the end of a connection that was open for this time.
    pub(crate) fn count_end(&self, reason: &CloseReason, duration: Duration) {
        let mut closed = lock(&self.closed);
        let cause = cause::label(reason.cause);
        let mut end = (cause, reported_code(reason));
        if closed.len() >= MAX_ENDS && !closed.contains_key(&end) {
            end = (cause, None);
        }
        closed
            .entry(end)
            .or_insert_with(|| HistogramCounters::new(CONNECTION_BOUNDS))
            .add(duration, 1);
    }

    /// Adds what was taken out of an outbox.
    pub(crate) fn add_outbox(&self, totals: &OutboxTotals) {
        lock(&self.outboxes).add(totals);
    }

    pub(super) fn take_shard(&self) -> Arc<Shard> {
        shard::take(&mut lock(&self.shards))
    }

    pub(super) fn shard_totals(&self) -> ShardTotals {
        let mut totals = ShardTotals::default();
        for shard in &*lock(&self.shards) {
            shard.add_to(&mut totals);
        }
        totals
    }

    #[cfg(test)]
    pub(super) fn shard_count(&self) -> usize {
        lock(&self.shards).len()
    }

    /// The snapshot of everything but the queued bytes, which the outboxes know.
    fn snapshot(&self, outbox_bytes: usize) -> RouteStats {
        let totals = self.shard_totals();
        let outboxes = *lock(&self.outboxes);
        let closed = lock(&self.closed);
        let closed = closed.iter().map(|((cause, code), duration)| ClosedStats {
            cause,
            code: *code,
            duration: duration.snapshot(),
        });
        let messages = |[text, binary]: [u64; 2]| MessageStats { text, binary };
        let [sent_text, sent_binary] = totals.sent;
        let [pushed_text, pushed_binary] = outboxes.pushed;
        RouteStats {
            route: self.path.clone(),
            connections: self.connections.load(Ordering::Relaxed),
            handshakes: lock(&self.handshakes).clone(),
            closed: closed.collect(),
            received: messages(totals.received),
            sent: messages([sent_text + pushed_text, sent_binary + pushed_binary]),
            bytes_received: totals.bytes_received,
            bytes_sent: outboxes.written,
            hooks: self.hooks.snapshot(),
            outbox_bytes,
            outbox_dropped: outboxes.dropped,
            mailbox_full: self.hooks.mailbox_full.load(Ordering::Relaxed),
        }
    }
}

/// The code of a connection's end, if there are only a few of its kind: clients may send any code.
fn reported_code(reason: &CloseReason) -> Option<u16> {
    let code = reason.code.get();
    let is_standard = code < 3000 || reason.code == CloseCode::UNAUTHORIZED;
    (is_standard || reason.cause != CloseCause::ClientClosed).then_some(code)
}

/// The counters of a hub.
#[derive(Debug, Default)]
pub(crate) struct HubCounters {
    routes: Mutex<Vec<Arc<RouteCounters>>>,
    /// Responses to requests whose path is invalid, so that they belong to no route.
    unrouted: Mutex<BTreeMap<u16, u64>>,
    refusals: Arc<RefusalCounters>,
}

impl HubCounters {
    /// Returns the counters of the route with this pattern.
    pub(crate) fn route(&self, path: &str) -> Arc<RouteCounters> {
        let mut routes = lock(&self.routes);
        if let Some(known) = routes.iter().find(|route| route.path == path) {
            return known.clone();
        }
        let route = Arc::new(RouteCounters::new(path.to_owned()));
        routes.push(route.clone());
        route
    }

    /// Counts a response to a request that belongs to no route.
    pub(crate) fn count_unrouted(&self, status: u16) {
        *lock(&self.unrouted).entry(status).or_default() += 1;
    }

    pub(crate) const fn refusals(&self) -> &Arc<RefusalCounters> {
        &self.refusals
    }

    /// Adds the snapshots of all routes, given the bytes that are queued on each.
    pub(crate) fn snapshot(&self, outbox_bytes: &BTreeMap<u64, usize>, stats: &mut Stats) {
        let routes = lock(&self.routes).clone();
        let queued = |route: &RouteCounters| outbox_bytes.get(&route.id).copied().unwrap_or(0);
        let routes = routes.iter().map(|route| route.snapshot(queued(route)));
        stats.routes = routes.collect();
        stats.unrouted = lock(&self.unrouted).clone();
        stats.refused = self.refusals.snapshot();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_cannot_add_series_by_their_close_codes() {
        let route = RouteCounters::new("/".to_owned());
        let end = |cause, code| {
            let code = CloseCode::new(code).unwrap();
            route.count_end(&CloseReason::new(cause, code, ""), Duration::ZERO);
        };
        for code in 3000..=4999 {
            end(CloseCause::ClientClosed, code);
        }
        end(CloseCause::ClientClosed, 1000);
        for code in 4000..=4999 {
            end(CloseCause::ServerClosed, code);
        }
        let closed = route.snapshot(0).closed;
        assert!(closed.len() <= MAX_ENDS + 1, "{}", closed.len());
        let count = |cause, code| {
            let found = closed
                .iter()
                .find(|end| (end.cause, end.code) == (cause, code));
            found.map(|end| end.duration.count)
        };
        // 4401 has a meaning of its own.
        assert_eq!(count("client_closed", None), Some(1_999));
        assert_eq!(count("client_closed", Some(4401)), Some(1));
        assert_eq!(count("client_closed", Some(1000)), Some(1));
        assert_eq!(count("server_closed", Some(4000)), Some(1));
        assert!(count("server_closed", None).unwrap() > 900);
    }
}
