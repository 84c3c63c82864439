//! The snapshot of all measurements.

use std::collections::BTreeMap;

use super::{Histogram, RefusalReason};

/// All measurements of a server at one moment, returned by [`Hub::stats`](crate::hub::Hub::stats).
///
/// Counters start at zero with the server and only grow.
///
/// ```
/// use ws_server::Hub;
///
/// let stats = Hub::default().stats();
/// assert_eq!((stats.routes.len(), stats.pages.connected), (0, 0));
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// The routes, in the order in which they were added.
    pub routes: Vec<RouteStats>,
    /// The responses to requests that belong to no route because their path is invalid, by status.
    pub unrouted: BTreeMap<u16, u64>,
    /// Publishes and topics.
    pub topics: TopicStats,
    /// The sessions that this process uses at this moment.
    pub sessions: usize,
    /// Pages.
    pub pages: PageStats,
    /// The number of clients that were refused because of a limit or an origin.
    pub refused: Vec<(RefusalReason, u64)>,
    /// The log lines of the whole process that were suppressed because clients could flood the log
    /// with them.
    pub logs_throttled: u64,
}

/// The measurements of one route.
///
/// ```
/// use ws_server::stats::RouteStats;
///
/// /// The part of the handshakes that were refused.
/// fn refused(route: &RouteStats) -> f64 {
///     let opened = route.handshakes.get(&101).copied().unwrap_or(0);
///     let all: u64 = route.handshakes.values().sum();
///     1.0 - opened as f64 / all.max(1) as f64
/// }
/// # assert_eq!(refused(&RouteStats::default()), 1.0);
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct RouteStats {
    /// The pattern of the route.
    pub route: String,
    /// The number of connections, including those whose `init` still runs.
    pub connections: usize,
    /// The responses to handshakes, by status; 101 opens a connection.
    pub handshakes: BTreeMap<u16, u64>,
    /// The connections that have ended.
    pub closed: Vec<ClosedStats>,
    /// The messages of clients.
    pub received: MessageStats,
    /// The messages to clients, those of topics included.
    pub sent: MessageStats,
    /// The bytes that were read from clients, after their handshakes.
    pub bytes_received: u64,
    /// The bytes that were written to clients, after their handshakes.
    pub bytes_sent: u64,
    /// The calls of hooks.
    pub hooks: Vec<HookStats>,
    /// The bytes that wait for clients at this moment.
    pub outbox_bytes: usize,
    /// The messages of topics that slow clients did not get.
    pub outbox_dropped: OutboxDrops,
    /// The notifications and messages of topics that found the mailbox of a handler full.
    pub mailbox_full: u64,
}

/// The number of messages of each kind.
///
/// ```
/// use ws_server::stats::{MessageStats, RouteStats};
///
/// fn received(route: &RouteStats) -> u64 {
///     let MessageStats { text, binary, .. } = route.received;
///     text + binary
/// }
/// # assert_eq!(received(&RouteStats::default()), 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct MessageStats {
    /// Text messages.
    pub text: u64,
    /// Binary messages.
    pub binary: u64,
}

/// The connections of a route that ended for one reason.
///
/// ```
/// use ws_server::stats::{ClosedStats, RouteStats};
///
/// /// The connections that ended because their clients were too slow.
/// fn stalled(route: &RouteStats) -> u64 {
///     let stalled = |closed: &&ClosedStats| closed.cause == "stalled";
///     route.closed.iter().filter(stalled).map(|closed| closed.duration.count).sum()
/// }
/// # assert_eq!(stalled(&RouteStats::default()), 0);
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct ClosedStats {
    /// The [`CloseCause`](crate::close::CloseCause), such as `client_closed`.
    pub cause: &'static str,
    /// The close code. `None` combines all codes that are not counted one by one: those above
    /// 2999 of clients, and all codes of a route past the first 64.
    pub code: Option<u16>,
    /// How long the connections were open.
    pub duration: Histogram,
}

/// The calls of one hook with the same outcome.
///
/// ```
/// use ws_server::stats::{HookStats, RouteStats};
///
/// fn panics(route: &RouteStats) -> u64 {
///     let panics = |hook: &&HookStats| hook.outcome == "panic";
///     route.hooks.iter().filter(panics).map(|hook| hook.duration.count).sum()
/// }
/// # assert_eq!(panics(&RouteStats::default()), 0);
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct HookStats {
    /// The hook, such as `message`.
    pub hook: &'static str,
    /// `ok`, `error` (it returned an error or a refusal), `panic` or `timeout`.
    pub outcome: &'static str,
    /// The time from the call to the end. The calls of hooks that do not wait are estimated: one in
    /// 64 is measured, and counts 64 times.
    pub duration: Histogram,
}

/// The messages of topics that were dropped because a client does not keep up.
///
/// ```
/// use ws_server::stats::{OutboxDrops, RouteStats};
///
/// /// The messages that clients miss for good.
/// fn lost(route: &RouteStats) -> u64 {
///     let OutboxDrops { drop_oldest, drop_newest, .. } = route.outbox_dropped;
///     drop_oldest + drop_newest
/// }
/// # assert_eq!(lost(&RouteStats::default()), 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct OutboxDrops {
    /// Under `Policy::DropOldest`.
    pub drop_oldest: u64,
    /// Under `Policy::DropNewest`.
    pub drop_newest: u64,
    /// Under `Policy::Latest`: replaced by a later message.
    pub latest: u64,
    /// Published by `publish_volatile`.
    pub volatile: u64,
}

/// Publishes and topics.
///
/// ```
/// use ws_server::prelude::*;
///
/// let hub = Hub::default();
/// hub.publish(Topic::<String>::local("news"), &"nobody listens".to_owned());
/// let topics = hub.stats().topics;
/// assert_eq!((topics.published, topics.deliveries, topics.topics), (1, 0, 0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TopicStats {
    /// The topics with subscribers.
    pub topics: usize,
    /// The messages that were published to topics.
    pub published: u64,
    /// The subscribers that accepted them.
    pub deliveries: u64,
}

/// Pages.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// # let hub = ws_server::Hub::default();
/// let (session, _cookie) = hub.sessions().begin().await.unwrap();
/// let _page = hub.open_page(&session).unwrap();
/// let pages = hub.stats().pages;
/// assert_eq!((pages.connected, pages.waiting), (0, 1));
/// # });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct PageStats {
    /// The pages with a connection.
    pub connected: usize,
    /// The pages without a connection, in their grace period.
    pub waiting: usize,
    /// The resets because the page knew another epoch.
    pub resets_restart: u64,
    /// The resets because messages were no longer kept.
    pub resets_history: u64,
    /// The resets because a queue was full.
    pub resets_overflow: u64,
    /// The messages of handlers and replies that were dropped, because their page has connected to
    /// another server.
    pub superseded_pushes: u64,
}

/// What outboxes have counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct OutboxTotals {
    /// The messages that other tasks pushed: text and binary.
    pub(crate) pushed: [u64; 2],
    /// The bytes that were written.
    pub(crate) written: u64,
    pub(crate) dropped: OutboxDrops,
}

impl OutboxTotals {
    pub(super) fn add(&mut self, other: &Self) {
        for (total, more) in self.pushed.iter_mut().zip(other.pushed) {
            *total += more;
        }
        self.written += other.written;
        self.dropped.drop_oldest += other.dropped.drop_oldest;
        self.dropped.drop_newest += other.dropped.drop_newest;
        self.dropped.latest += other.dropped.latest;
        self.dropped.volatile += other.dropped.volatile;
    }
}
