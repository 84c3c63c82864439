//! The servers of Redis that hold the lanes of one log.

use std::collections::HashSet;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use ws_core::log::shared::{EngineHealth, EngineState};
use ws_core::log::{Lane, Lanes};

use super::super::channel::Channel;
use super::super::{Redis, RedisError};
use super::gauge::Gauge;
use super::keys::{LAYOUT_TAG, MEMBERS_TAG};
use super::waiter::Waiter;

/// The name of the hash that chooses the lane of a topic, see [`Lanes::of`].
const HASH: &str = "fnv-1a";

/// At least one server. Lane `i` is on the server `i` modulo their number.
///
/// In a Redis Cluster each lane has a handle of its own, which follows the slot of the lane: one read
/// cannot span slots, and each slot can move. So for this list, each lane has a server.
pub(super) struct Servers {
    all: Box<[Redis]>,
    members: Redis,
    layout: Layout,
    waiters: Box<[Arc<Waiter>]>,
    gauges: Box<[Gauge]>,
    /// A server has new entries.
    pub(super) arrived: Arc<Notify>,
}

/// Where the layout is kept.
#[derive(Clone)]
enum Layout {
    /// On each server.
    Each,
    /// On the server of a cluster that has its key.
    Cluster(Redis),
}

impl Servers {
    pub(super) fn one(redis: Redis, lanes: Lanes) -> Self {
        if !redis.is_cluster() {
            return Self::of_all(vec![redis]);
        }
        let of_lane = |lane: Lane| redis.clone().tagged(&lane.0.to_string());
        let all = lanes.iter().map(of_lane).collect();
        let layout = Layout::Cluster(redis.clone().tagged(LAYOUT_TAG));
        Self::with(all, redis.tagged(MEMBERS_TAG), layout)
    }

    /// # Errors
    ///
    /// [`RedisError::Servers`].
    pub(super) fn new(all: Vec<Redis>, lanes: Lanes) -> Result<Self, RedisError> {
        let mut names = HashSet::new();
        let invalid = |reason| Err(RedisError::Servers { reason });
        let Some(first) = all.first() else {
            return invalid("the list is empty");
        };
        if let [one] = &all[..] {
            return Ok(Self::one(one.clone(), lanes));
        }
        if all.iter().any(Redis::is_cluster) {
            return invalid("a Redis Cluster has one URL with several of its nodes");
        }
        if all.len() > lanes.count() {
            return invalid("there are more servers than lanes");
        }
        if all.iter().any(|redis| redis.prefix != first.prefix) {
            return invalid("their prefixes differ");
        }
        if !all.iter().all(|redis| names.insert(name(redis))) {
            return invalid("one of them is listed twice");
        }
        Ok(Self::of_all(all))
    }

    fn of_all(all: Vec<Redis>) -> Self {
        let members = all[0].clone();
        Self::with(all, members, Layout::Each)
    }

    fn with(all: Vec<Redis>, members: Redis, layout: Layout) -> Self {
        Self {
            waiters: all.iter().map(|_| Arc::default()).collect(),
            gauges: all.iter().map(|_| Gauge::default()).collect(),
            all: all.into(),
            members,
            layout,
            arrived: Arc::default(),
        }
    }

    /// The same servers, without what was noticed of them.
    pub(super) fn again(&self) -> Self {
        let (members, layout) = (self.members.clone(), self.layout.clone());
        Self::with(self.all.to_vec(), members, layout)
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// The server with the first lane; of a list, the first one.
    pub(super) fn first(&self) -> &Redis {
        &self.all[0]
    }

    /// The server with the members.
    pub(super) const fn members(&self) -> &Redis {
        &self.members
    }

    /// The server with the layout for a lane.
    pub(super) fn layout_of(&self, lane: Lane) -> &Redis {
        match &self.layout {
            Layout::Each => self.of(lane),
            Layout::Cluster(redis) => redis,
        }
    }

    /// The index of the server with a lane.
    pub(super) fn index(&self, lane: Lane) -> usize {
        lane.index() % self.all.len()
    }

    /// The server with a lane.
    pub(super) fn of(&self, lane: Lane) -> &Redis {
        &self.all[self.index(lane)]
    }

    pub(super) fn waiter(&self, index: usize) -> &Arc<Waiter> {
        &self.waiters[index]
    }

    /// Waits until a server that was late has answered.
    pub(super) async fn late_answer(&self) {
        poll_fn(|cx| {
            let mut waiters = self.waiters.iter();
            if waiters.any(|waiter| waiter.poll_answered(cx).is_ready()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// What was noticed of the server with a lane.
    pub(super) fn gauge(&self, lane: Lane) -> &Gauge {
        &self.gauges[self.index(lane)]
    }

    /// The health of all servers, by the lag of each lane. In a cluster, the lanes of one node are
    /// taken together.
    pub(super) fn health(&self, lanes: Lanes, lag: impl Fn(Lane) -> Duration) -> Vec<EngineHealth> {
        let mut all = Vec::<EngineHealth>::new();
        for (index, (redis, gauge)) in self.all.iter().zip(&self.gauges).enumerate() {
            let links = &redis.links;
            let outages = [&links.append, &links.read, &links.commands].map(Channel::outage);
            let state = match outages.into_iter().flatten().max() {
                Some((since, reason)) => EngineState::Down { since, reason },
                None => gauge.state(),
            };
            let mut health = EngineHealth::new(&links.target.node_address(), state);
            let is_here = |lane: &Lane| self.index(*lane) == index;
            health.lanes = lanes.iter().filter(is_here).collect();
            health.lag = health
                .lanes
                .iter()
                .copied()
                .map(&lag)
                .max()
                .unwrap_or_default();
            health.memory = gauge.memory();
            let is_same_node = |other: &&mut EngineHealth| other.address == health.address;
            match all.iter_mut().find(is_same_node) {
                Some(other) if redis.is_cluster() => merge(other, health),
                _ => all.push(health),
            }
        }
        all
    }

    /// What all engines of a log must have in common. One server may have several names, of which
    /// each engine uses one.
    pub(super) fn layout_text(&self, lanes: Lanes) -> String {
        let lanes = match lanes.count() {
            1 => "1 lane".to_owned(),
            count => format!("{count} lanes"),
        };
        if matches!(self.layout, Layout::Cluster(_)) {
            return format!("{lanes} by {HASH} on a Redis Cluster");
        }
        if self.all.len() == 1 {
            return format!("{lanes} by {HASH} on 1 server");
        }
        let names: Vec<_> = self.all.iter().map(name).collect();
        let count = names.len();
        format!(
            "{lanes} by {HASH} on {count} servers ({})",
            names.join(", ")
        )
    }
}

/// Adds the health of other lanes of the same node: the worse state counts.
fn merge(health: &mut EngineHealth, other: EngineHealth) {
    let rank = |state: &EngineState| match state {
        EngineState::Down { .. } => 3,
        EngineState::Full => 2,
        EngineState::Slow { .. } => 1,
        _ => 0,
    };
    if rank(&other.state) > rank(&health.state) {
        health.state = other.state;
    }
    health.lag = health.lag.max(other.lag);
    health.memory = health.memory.or(other.memory);
    health.lanes.extend(other.lanes);
}

/// The address, and the database unless it is the first one.
fn name(redis: &Redis) -> String {
    let address = redis.address();
    match redis.links.target.database() {
        0 => address.to_owned(),
        database => format!("{address}/{database}"),
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redis(url: &str) -> Redis {
        Redis::new(url).unwrap()
    }

    fn new(urls: &[&str], lanes: u16) -> Result<Servers, RedisError> {
        let lanes = Lanes::new(lanes).unwrap();
        Servers::new(urls.iter().map(|url| redis(url)).collect(), lanes)
    }

    #[test]
    fn lanes_are_dealt_out_in_turn() {
        let servers = new(&["redis://a", "redis://b", "redis://c"], 8).unwrap();
        let address = |lane| servers.of(Lane(lane)).address();
        assert_eq!(
            [0, 1, 2, 3, 7].map(address),
            ["a:6379", "b:6379", "c:6379", "a:6379", "b:6379"]
        );
    }

    #[test]
    fn the_layout_names_the_servers_if_there_are_several() {
        let layout = |urls: &[&str]| new(urls, 8).unwrap().layout_text(Lanes::DEFAULT);
        assert_eq!(layout(&["redis://a"]), "8 lanes by fnv-1a on 1 server");
        assert_eq!(
            layout(&["redis://:secret@a/2", "redis://b:7000"]),
            "8 lanes by fnv-1a on 2 servers (a:6379/2, b:7000)"
        );
        assert_eq!(
            layout(&["redis-cluster://a,b"]),
            "8 lanes by fnv-1a on a Redis Cluster"
        );
    }

    #[test]
    fn an_invalid_list_is_refused_with_the_reason() {
        let error = |urls: &[&str], lanes| new(urls, lanes).err().unwrap().to_string();
        let begin = "the servers of the log are invalid: ";
        assert_eq!(error(&[], 8), format!("{begin}the list is empty"));
        let two = ["redis://a", "redis://b"];
        assert_eq!(
            error(&two, 1),
            format!("{begin}there are more servers than lanes")
        );
        let same = ["redis://a", "redis://:password@a:6379/0"];
        assert_eq!(
            error(&same, 8),
            format!("{begin}one of them is listed twice")
        );
        assert!(new(&["redis://a", "redis://a/1"], 8).is_ok());
        let cluster = ["redis://a", "redis-cluster://b"];
        let reason = "a Redis Cluster has one URL with several of its nodes";
        assert_eq!(error(&cluster, 8), format!("{begin}{reason}"));
        let other = redis("redis://b").prefix("shop:").unwrap();
        let error = Servers::new(vec![redis("redis://a"), other], Lanes::DEFAULT).err();
        let expected = RedisError::Servers {
            reason: "their prefixes differ",
        };
        assert_eq!(error, Some(expected));
    }
}
