//! The log of several servers in Redis.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::redis::Cmd;
use bytes::Bytes;
use ws_core::log::shared::{
    Append, Engine, EngineError, HistoryMessage, Incarnation, LaneRead, MemberChange, Opened,
    RELAYED_ENTRIES, ReadFrom, RecordedMember, marker,
};
use ws_core::log::{EntryId, Generation, Lane, Lanes, TopicName};

use super::channel::{Live, Repeat};
use super::{Redis, RedisError, milliseconds};

mod history;
mod keys;
mod lanes;
mod reading;
mod scripts;

use keys::Keys;
use lanes::{LaneStates, OpenLane};

/// How long an entry can be read, unless the lane has too many bytes.
const WINDOW_AGE: Duration = Duration::from_secs(3 * 60);

/// Bytes of the entries of all lanes, as Redis counts its memory.
const WINDOW_BYTES: usize = 64 * 1024 * 1024;

/// How long keys outlive the last server.
const TTL: Duration = Duration::from_secs(60 * 60);

/// How long Redis remembers which entry of a server was the last in a history: longer than an entry
/// can arrive late.
const NUMBER_TTL: Duration = Duration::from_secs(10 * 60);

/// The log of several servers in Redis: an [`Engine`]. Clones share it.
///
/// Each lane is a stream. Keys, with the default prefix; `N` is the number of the lane:
///
/// | key | type | content |
/// |---|---|---|
/// | `ws:{N}:generation` | hash | the server that holds the lane, and its generation |
/// | `ws:{N}:log:GENERATION` | stream | entries of the last 3 minutes, at most 64 MiB in all lanes |
/// | `ws:{N}:relayed` | stream | the last 1,000 relayed entries |
/// | `ws:{N}:history:TOPIC` | list | the history of a topic |
/// | `ws:{N}:number:NODE` | string | the last entry of a node that is in histories |
/// | `ws:{members}:…` | set, hashes | the members of each node |
/// | `ws:{lanes}` | string | the number of lanes, which all servers must share |
///
/// All keys expire: histories after their `keep`, all others within an hour of the last use.
///
/// The generation of a lane changes when the server is restarted, replaced by a replica or flushed,
/// and when the key of the log is removed. A restart that lost nothing cannot be told apart.
///
/// ```
/// use ws_server::cluster::Lanes;
/// use ws_server::redis::{Redis, RedisEngine};
///
/// # fn main() -> Result<(), ws_server::redis::RedisError> {
/// let engine = RedisEngine::new(Redis::new("redis://10.0.0.5")?, Lanes::DEFAULT);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisEngine(Arc<Shared>);

struct Shared {
    redis: Redis,
    keys: Keys,
    lanes: Lanes,
    states: LaneStates,
}

impl RedisEngine {
    /// Creates an engine with this number of lanes.
    pub fn new(redis: Redis, lanes: Lanes) -> Self {
        let keys = Keys::new(&redis.prefix);
        Self(Arc::new(Shared {
            redis,
            keys,
            lanes,
            states: LaneStates::new(lanes),
        }))
    }
}

/// Shows the server and the number of lanes.
impl fmt::Debug for RedisEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisEngine")
            .field("redis", &self.0.redis)
            .field("lanes", &self.0.lanes)
            .finish()
    }
}

impl Engine for RedisEngine {
    async fn open(&self, lane: Lane) -> Result<Opened, EngineError> {
        self.0.open(lane).await
    }

    async fn append(&self, append: &Append) -> Result<EntryId, EngineError> {
        self.0.append(append).await
    }

    async fn relay(&self, lane: Lane, entry: Bytes) -> Result<(), EngineError> {
        let mut command = ::redis::cmd("XADD");
        command.arg(self.0.keys.relayed(lane));
        command.arg("MAXLEN").arg("~").arg(RELAYED_ENTRIES);
        command.arg("*").arg("e").arg(&entry[..]);
        let channel = &self.0.redis.links.append;
        channel.send(&command).await.map_err(EngineError::from)?;
        Ok(())
    }

    async fn read(&self, from: &[ReadFrom], most: usize) -> Result<Vec<LaneRead>, EngineError> {
        let read = self.0.read(from, most).await?;
        for lane in self.0.states.due_for_trimming() {
            let shared = self.0.clone();
            tokio::spawn(async move { shared.trim(lane).await });
        }
        Ok(read)
    }

    async fn history(
        &self,
        lane: Lane,
        topic: &TopicName,
        last: usize,
    ) -> Result<Vec<HistoryMessage>, EngineError> {
        if last == 0 {
            return Ok(Vec::new());
        }
        let arguments = |command: &mut Cmd| {
            let key = self.0.keys.history(lane, topic);
            command.arg(1).arg(key).arg(last);
        };
        let channel = &self.0.redis.links.commands;
        let (now, messages): (String, Vec<Bytes>) = scripts::HISTORY
            .run(channel, Repeat::Once, arguments)
            .await
            .map_err(EngineError::from)?;
        let now = now.parse().unwrap_or_default();
        let messages = messages.into_iter();
        Ok(messages
            .filter_map(|message| history::unpack(message, now))
            .collect())
    }

    async fn record_members(
        &self,
        node: Incarnation,
        changes: &[MemberChange],
    ) -> Result<(), EngineError> {
        let arguments = |command: &mut Cmd| {
            self.0.keys.add_members(command);
            command.arg(keys::node(node)).arg(milliseconds(TTL));
            for MemberChange { key, value, .. } in changes {
                let operation = if value.is_some() { "set" } else { "remove" };
                let value = value.as_deref().unwrap_or_default();
                command.arg(operation).arg(&key[..]).arg(value);
            }
        };
        self.0.states.add_node(node);
        self.0.run::<()>(&scripts::RECORD_MEMBERS, arguments).await
    }

    async fn remove_members(&self, node: Incarnation) -> Result<(), EngineError> {
        let arguments = |command: &mut Cmd| {
            self.0.keys.add_members(command);
            command.arg(keys::node(node));
        };
        self.0.states.remove_node(node);
        self.0.run::<()>(&scripts::REMOVE_MEMBERS, arguments).await
    }

    async fn all_members(&self) -> Result<Vec<RecordedMember>, EngineError> {
        let arguments = |command: &mut Cmd| self.0.keys.add_members(command);
        let all: Vec<(String, Vec<Bytes>)> = self.0.run(&scripts::ALL_MEMBERS, arguments).await?;
        let mut members = Vec::new();
        for (node, fields) in all {
            let Some(node) = keys::parse_node(&node) else {
                continue;
            };
            let mut fields = fields.into_iter();
            while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
                members.push(RecordedMember { node, key, value });
            }
        }
        Ok(members)
    }
}

impl Shared {
    /// Runs a script that may be repeated, on the connection for all commands.
    async fn run<T: ::redis::FromRedisValue>(
        &self,
        script: &super::script::Script,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, EngineError> {
        let channel = &self.redis.links.commands;
        let answer = script.run(channel, Repeat::Once, arguments).await;
        answer.map_err(EngineError::from)
    }

    async fn open(&self, lane: Lane) -> Result<Opened, EngineError> {
        let channel = &self.redis.links.commands;
        let live = channel.live().await.map_err(EngineError::from)?;
        self.check_lanes(&live).await?;
        let server = &live.connected.server;
        let proposed = Generation::random();
        let floor = self.states.highest(lane).time;
        let arguments = |command: &mut Cmd| {
            self.keys.add_opened(command, lane);
            command.arg(&server.run).arg(&server.replication);
            command.arg(keys::generation(proposed));
            command.arg(&marker(proposed)[..]);
            command.arg(floor).arg(milliseconds(TTL));
        };
        let answer = scripts::OPEN.run_on(channel, &live, arguments).await;
        let answer: Vec<String> = answer.map_err(EngineError::from)?;
        let (opened, end) = reading::opened(&answer).ok_or_else(|| self.unexpected("XINFO"))?;
        self.states.opened(
            lane,
            OpenLane {
                generation: opened.generation,
                server: server.clone(),
            },
            end,
        );
        Ok(opened)
    }

    /// Checks that all servers have the same number of lanes.
    async fn check_lanes(&self, live: &Live) -> Result<(), EngineError> {
        let own = self.lanes.count();
        let arguments = |command: &mut Cmd| {
            command.arg(1).arg(self.keys.lanes());
            command.arg(own).arg(milliseconds(TTL));
        };
        let channel = &self.redis.links.commands;
        let answer = scripts::LANES.run_on(channel, live, arguments).await;
        let found: usize = answer.map_err(EngineError::from)?;
        if found != own {
            let address = self.redis.address();
            return Err(EngineError::NotSent(
                format!(
                    "the log in Redis at {address} has {found} lanes, and this server {own}; \
                     configure all servers alike"
                )
                .into(),
            ));
        }
        Ok(())
    }

    /// Checks that the connection is to the server of the generation.
    fn check_generation(
        &self,
        lane: Lane,
        generation: Generation,
        live: &Live,
    ) -> Result<(), EngineError> {
        let Some(server) = self.states.server(lane, generation) else {
            return Err(EngineError::Generation);
        };
        if server != live.connected.server {
            return Err(EngineError::Generation);
        }
        Ok(())
    }

    async fn append(&self, append: &Append) -> Result<EntryId, EngineError> {
        let channel = &self.redis.links.append;
        let live = channel.live().await.map_err(EngineError::from)?;
        self.check_generation(append.lane, append.generation, &live)?;
        let log = self.keys.log(append.lane, append.generation);
        let answer = if append.kept.is_empty() {
            let mut command = ::redis::cmd("XADD");
            command.arg(log).arg("NOMKSTREAM").arg("*");
            command.arg("e").arg(&append.entry[..]);
            let answer = channel.send_on(&live, &command).await;
            answer.and_then(|answer| channel.convert(answer, "XADD"))
        } else {
            let arguments = |command: &mut Cmd| {
                command.arg(append.kept.len() + 2).arg(&log);
                command.arg(self.keys.number(append.lane, append.incarnation));
                for kept in &append.kept {
                    command.arg(self.keys.history(append.lane, &kept.topic));
                }
                command.arg(&append.entry[..]).arg(append.number);
                command.arg(milliseconds(NUMBER_TTL));
                for kept in &append.kept {
                    command.arg(history::pack(append.generation, kept));
                    command.arg(kept.limits.messages.get());
                    command.arg(milliseconds(kept.limits.keep));
                }
            };
            scripts::APPEND.run_on(channel, &live, arguments).await
        };
        let id: Option<String> = match answer {
            Err(error @ RedisError::OutOfMemory { .. }) => {
                self.states.set_full();
                return Err(error.into());
            }
            answer => answer.map_err(EngineError::from)?,
        };
        // Without an id, the log of this generation is gone.
        let id = id.ok_or(EngineError::Generation)?;
        let id = reading::entry_id(id.as_bytes()).ok_or_else(|| self.unexpected("XADD"))?;
        self.states.reached(append.lane, id);
        Ok(id)
    }

    /// Removes entries past the limits, and keeps the keys of a lane from expiring. If the memory of
    /// the server is full, removes half of the entries.
    async fn trim(&self, lane: Lane) {
        let is_full = self.states.take_full(lane);
        let Some(generation) = self.states.generation(lane) else {
            return;
        };
        let share = WINDOW_BYTES / self.lanes.count();
        let reason = if is_full { "full" } else { "" };
        let arguments = |command: &mut Cmd| {
            command.arg(3).arg(self.keys.log(lane, generation));
            command.arg(self.keys.generation(lane));
            command.arg(self.keys.relayed(lane));
            command.arg(milliseconds(WINDOW_AGE)).arg(share);
            command.arg(milliseconds(TTL)).arg(reason);
        };
        let mut trimmed = self.run::<()>(&scripts::TRIM, arguments).await;
        if lane == Lane(0) && trimmed.is_ok() {
            trimmed = self.keep_members().await;
        }
        if let Err(error) = trimmed {
            tracing::debug!(%error, lane = lane.0, "a lane could not be trimmed");
        }
    }

    /// Keeps the members of the nodes of this engine from expiring.
    async fn keep_members(&self) -> Result<(), EngineError> {
        for node in self.states.nodes() {
            let arguments = |command: &mut Cmd| {
                self.keys.add_members(command);
                command.arg(keys::node(node)).arg(milliseconds(TTL));
            };
            self.run::<()>(&scripts::RECORD_MEMBERS, arguments).await?;
        }
        let arguments = |command: &mut Cmd| {
            command.arg(1).arg(self.keys.lanes());
            command.arg(self.lanes.count()).arg(milliseconds(TTL));
        };
        self.run(&scripts::LANES, arguments).await
    }

    fn unexpected(&self, command: &'static str) -> EngineError {
        let address = self.redis.address().to_owned();
        EngineError::from(RedisError::Answer { address, command })
    }
}

/// A command without an answer, or with an unexpected one, may have been executed.
impl From<RedisError> for EngineError {
    fn from(error: RedisError) -> Self {
        let text = error.to_string().into();
        match error {
            RedisError::Unanswered { .. } | RedisError::Answer { .. } => Self::Unknown(text),
            _ => Self::NotSent(text),
        }
    }
}
