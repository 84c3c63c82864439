//! The servers of Redis that hold the lanes of one log.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use ws_core::log::shared::{EngineHealth, EngineState};
use ws_core::log::{Lane, Lanes};

use super::super::channel::Channel;
use super::super::{Redis, RedisError};
use super::gauge::Gauge;

/// The name of the hash that chooses the lane of a topic, see [`Lanes::of`].
const HASH: &str = "fnv-1a";

/// At least one server. Lane `i` is on the server `i` modulo their number.
pub(super) struct Servers {
    all: Box<[Redis]>,
    waiters: Box<[Arc<Waiter>]>,
    gauges: Box<[Gauge]>,
    /// A server has new entries.
    pub(super) arrived: Arc<Notify>,
}

/// A command that waits for new entries of one server, so that one read can wait for several.
#[derive(Default)]
pub(super) struct Waiter {
    waits: AtomicBool,
    /// The last read has failed.
    pub(super) failed: AtomicBool,
}

impl Waiter {
    /// Returns whether a command is to be sent, because none waits.
    pub(super) fn begin(&self) -> bool {
        !self.waits.swap(true, Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }
}

impl Servers {
    pub(super) fn one(redis: Redis) -> Self {
        Self::of_all(vec![redis])
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

    pub(super) fn of_all(all: Vec<Redis>) -> Self {
        Self {
            waiters: all.iter().map(|_| Arc::default()).collect(),
            gauges: all.iter().map(|_| Gauge::default()).collect(),
            all: all.into(),
            arrived: Arc::default(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Redis> {
        self.all.iter()
    }

    /// The server with the members.
    pub(super) fn first(&self) -> &Redis {
        &self.all[0]
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

    /// What was noticed of the server with a lane.
    pub(super) fn gauge(&self, lane: Lane) -> &Gauge {
        &self.gauges[self.index(lane)]
    }

    /// The health of all servers, with the lag of each.
    pub(super) fn health(&self, lag: impl Fn(usize) -> Duration) -> Vec<EngineHealth> {
        let all = self.all.iter().zip(&self.gauges).enumerate();
        let health = all.map(|(index, (redis, gauge))| {
            let links = &redis.links;
            let outages = [&links.append, &links.read, &links.commands].map(Channel::outage);
            let state = match outages.into_iter().flatten().max() {
                Some((since, reason)) => EngineState::Down { since, reason },
                None => gauge.state(),
            };
            let mut health = EngineHealth::new(redis.address(), state);
            health.lag = lag(index);
            health.memory = gauge.memory();
            health
        });
        health.collect()
    }

    /// What all engines of a log must have in common. One server may have several names, of which
    /// each engine uses one.
    pub(super) fn layout(&self, lanes: Lanes) -> String {
        let lanes = match lanes.count() {
            1 => "1 lane".to_owned(),
            count => format!("{count} lanes"),
        };
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
        let layout = |urls: &[&str]| new(urls, 8).unwrap().layout(Lanes::DEFAULT);
        assert_eq!(layout(&["redis://a"]), "8 lanes by fnv-1a on 1 server");
        assert_eq!(
            layout(&["redis://:secret@a/2", "redis://b:7000"]),
            "8 lanes by fnv-1a on 2 servers (a:6379/2, b:7000)"
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
        let other = redis("redis://b").prefix("shop:").unwrap();
        let error = Servers::new(vec![redis("redis://a"), other], Lanes::DEFAULT).err();
        let expected = RedisError::Servers {
            reason: "their prefixes differ",
        };
        assert_eq!(error, Some(expected));
    }
}
