//! What a server knows of its cluster.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::Hub;
use crate::log::Lane;
use crate::log::shared::Incarnation;

/// The servers that share a log, as one of them sees them: see [`Hub::cluster`].
///
/// ```
/// use ws_server::cluster::ClusterView;
///
/// /// The connections of all servers.
/// fn connections(view: &ClusterView) -> u64 {
///     view.nodes.iter().map(|node| node.connections).sum()
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClusterView {
    /// The servers that live, in the order of their ids. One that has ended is listed for at most 15
    /// seconds.
    pub nodes: Vec<ClusterNode>,
    /// Whether this server has read the whole log once.
    pub is_ready: bool,
    /// The time since the last answer of the log: up to a second, unless it is unavailable.
    pub silence: Duration,
    /// The version of the log that this server writes: the highest that all living servers read.
    pub version: u8,
    /// The lanes that this server has not read to their ends for three seconds, for example those of a
    /// server of Redis that is down. Members of topics there may be out of date.
    pub stale_lanes: Vec<Lane>,
    /// The lanes that have taken no entry of this server for three seconds, although it tried: Redis is
    /// out of memory, does not permit it, or is down. Heartbeats try lane 0; the others are tried when
    /// something is published.
    pub unwritable_lanes: Vec<Lane>,
    /// Entries and records that this server has skipped, because a later version or another program
    /// has written them.
    pub skipped: u64,
    /// The subscriptions of pages and sessions that all servers know: at most 262,144. Later ones
    /// are only on the server on which they were made, and are logged at ERROR.
    pub subscriptions: usize,
}

/// A server of a cluster, by its last heartbeat.
///
/// ```
/// use std::time::Duration;
/// use ws_server::cluster::ClusterNode;
///
/// /// Whether the clients of a server get messages late.
/// fn is_slow(node: &ClusterNode) -> bool {
///     node.lag > Duration::from_secs(1)
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClusterNode {
    /// Identifies the server until it ends. A server that was cut off for too long gets another one.
    pub id: Incarnation,
    /// Whether it is this one.
    pub is_this: bool,
    /// Its connections.
    pub connections: u64,
    /// The versions of entries that it reads.
    pub versions: RangeInclusive<u8>,
    /// How long an entry takes from its queue until it has read the entry.
    pub lag: Duration,
    /// How long ago this server has read the heartbeat: up to 3 seconds, unless one is late.
    pub age: Duration,
}

impl Hub {
    /// The servers that share the log with this one, and this one; `None` if it shares none. Each
    /// reports every 3 seconds.
    ///
    /// ```
    /// use ws_server::testkit::Cluster;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let cluster = Cluster::new(2).await;
    /// cluster.settle().await;
    /// let view = cluster.node(0).hub().cluster().unwrap();
    /// assert_eq!(view.nodes.len(), 2);
    /// assert_eq!(view.nodes.iter().filter(|node| node.is_this).count(), 1);
    /// # });
    /// ```
    pub fn cluster(&self) -> Option<ClusterView> {
        let node = self.topics().shared()?.node();
        let nodes = node
            .reports()
            .into_iter()
            .map(|(report, is_this)| ClusterNode {
                id: report.node,
                is_this,
                connections: report.connections,
                versions: report.versions.from..=report.versions.to,
                lag: report.lag,
                age: report.read.elapsed(),
            });
        Some(ClusterView {
            nodes: nodes.collect(),
            is_ready: node.is_ready(),
            silence: node.silence(),
            version: node.version(),
            stale_lanes: node.stale_lanes(),
            unwritable_lanes: node.unwritable_lanes(),
            skipped: node.skipped(),
            subscriptions: self.inner.pages.shared_subscriptions(),
        })
    }
}
