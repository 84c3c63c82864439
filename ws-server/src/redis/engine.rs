//! The log of several servers in Redis.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::redis::Cmd;
use bytes::Bytes;
use ws_core::log::shared::{
    Append, Engine, EngineError, EngineHealth, HistoryMessage, Incarnation, LaneRead, MemberChange,
    Opened, RELAYED_ENTRIES, ReadFrom, RecordedMember,
};
use ws_core::log::{EntryId, EntrySeals, Generation, Lane, Lanes, Secrets, TopicName};

use super::channel::{Live, Repeat};
use super::script::Script;
use super::{Redis, RedisError, milliseconds};

mod answers;
mod gauge;
mod history;
mod keys;
mod lanes;
mod members;
mod opening;
mod portion;
mod reading;
mod scripts;
mod seals;
mod servers;
mod trimming;
mod waiter;

use keys::Keys;
use lanes::LaneStates;
use seals::{LANE, Place, Seals};
use servers::Servers;

/// How long an entry can be read, unless the lane has too many bytes.
const WINDOW_AGE: Duration = Duration::from_secs(3 * 60);

/// How long a relayed entry can be read: much longer than a reader that does not lag needs.
const RELAYED_AGE: Duration = Duration::from_secs(30);

/// Bytes of the entries of all lanes, as Redis counts its memory. With more than 14 lanes, each has
/// room for a few of the largest entries, so all of them have more.
const WINDOW_BYTES: usize = 64 * 1024 * 1024;

/// How long keys outlive the last server.
const TTL: Duration = Duration::from_secs(60 * 60);

/// How long Redis remembers which entry of a server was the last in a history: longer than an entry
/// can arrive late.
const NUMBER_TTL: Duration = Duration::from_secs(10 * 60);

/// The log of several servers in Redis: an [`Engine`]. Clones share it.
///
/// Each lane is a stream. With [several servers](Self::over) of Redis, lane `N` is on the server
/// `N` modulo their number, counted from 0; the members are on the first one. In a Redis Cluster, each
/// lane is on the node that has its slot. Keys, with the default prefix; `N` is the number of the
/// lane:
///
/// | key | type | content |
/// |---|---|---|
/// | `ws:{N}:generation` | hash | the server that holds the lane, and its generation |
/// | `ws:{N}:log:GENERATION` | stream | entries of the last 3 minutes, at most 64 MiB in all lanes; with more than 14 lanes, 4.5 MiB in each |
/// | `ws:{N}:relayed` | stream | relayed entries of the last 30 seconds, at most 1,000 for each lane of the server whose first lane this is |
/// | `ws:{N}:history:TOPIC` | list | the history of a topic |
/// | `ws:{N}:number:NODE` | string | the last entry of a node that is in histories |
/// | `ws:{members}:…` | set, hashes | the members of each node; of node 0, the subscriptions of pages and sessions |
/// | `ws:{lanes}` | string | the number of lanes, the hash and the servers of Redis, the same for all |
///
/// All keys expire: histories after their `keep`, all others within an hour of the last use.
///
/// The generation of a lane changes when the server is restarted, replaced by a replica or flushed,
/// and when the key of the log is removed. A restart that lost nothing cannot be told apart. In a Redis
/// Cluster, a lane whose slot was migrated keeps its generation, if the former node confirms that.
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
    servers: Servers,
    keys: Keys,
    lanes: Lanes,
    /// What all engines of the log must have in common, as text.
    layout: String,
    /// The key of the relayed entries of each server.
    relayed: Box<[Arc<str>]>,
    states: LaneStates,
    seals: Seals,
}

impl RedisEngine {
    /// Creates an engine with this number of lanes. In a Redis Cluster, it has four connections for
    /// each lane, and follows its slot.
    ///
    /// While a slot is migrated, nothing of its lane can be published or read: publishes wait. Then
    /// the lane continues, unless its former node is gone. Lanes on other slots continue meanwhile.
    pub fn new(redis: Redis, lanes: Lanes) -> Self {
        Self::with_servers(Servers::one(redis, lanes), lanes, Seals::default())
    }

    /// Creates an engine whose lanes are on several servers of Redis, which share the load: at most
    /// one for each lane, with the same prefix. All servers of the log must list them in the same
    /// order and by the same names.
    ///
    /// Order holds within a lane, so topics on different servers of Redis have no common order. If
    /// one of them is down, the lanes on the others continue. But a server that starts then is not
    /// [ready](ws_core::hub::Hub::ready) before all can be reached.
    ///
    /// ```
    /// use ws_server::cluster::Lanes;
    /// use ws_server::redis::{Redis, RedisEngine};
    ///
    /// # fn main() -> Result<(), ws_server::redis::RedisError> {
    /// let servers = [Redis::new("redis://10.0.0.5")?, Redis::new("redis://10.0.0.6")?];
    /// let engine = RedisEngine::over(servers, Lanes::DEFAULT)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RedisError::Servers`] if the list is empty, longer than the number of lanes, names a server
    /// twice, or has a Redis Cluster beside other servers, and if the prefixes differ.
    pub fn over(
        servers: impl IntoIterator<Item = Redis>,
        lanes: Lanes,
    ) -> Result<Self, RedisError> {
        let servers = Servers::new(servers.into_iter().collect(), lanes)?;
        Ok(Self::with_servers(servers, lanes, Seals::default()))
    }

    /// The first server, or the cluster.
    pub(crate) fn first_server(&self) -> &Redis {
        self.0.servers.first()
    }

    /// Seals entries with a key that is derived from these secrets, and skips those without a valid
    /// seal: then a program that can write to Redis, but has no secret, cannot publish, close
    /// connections or enter members. All servers of the log must do so; one that differs does not
    /// start. Sessions, histories and the records of members have no seals. Call it before the engine
    /// is cloned: earlier clones make no seals.
    ///
    /// Skipped entries are counted ([`Hub::skipped_entries`](ws_core::hub::Hub::skipped_entries)),
    /// and logged at most once in ten seconds.
    ///
    /// ```
    /// use ws_server::cluster::Lanes;
    /// use ws_server::redis::{Redis, RedisEngine};
    /// use ws_server::session::Secrets;
    ///
    /// # fn main() -> Result<(), ws_server::redis::RedisError> {
    /// let secrets = Secrets::new(["at least 32 random bytes, from a vault"]).unwrap();
    /// let redis = Redis::new("redis://10.0.0.5")?;
    /// let engine = RedisEngine::new(redis, Lanes::DEFAULT).sealed(&secrets);
    /// # Ok(())
    /// # }
    /// ```
    pub fn sealed(self, secrets: &Secrets) -> Self {
        let seals = Seals::new(EntrySeals::new(secrets));
        Self::with_servers(self.0.servers.again(), self.0.lanes, seals)
    }

    fn with_servers(servers: Servers, lanes: Lanes, seals: Seals) -> Self {
        let sealed = if seals.are_used() { ", with seals" } else { "" };
        let keys = Keys::new(&servers.first().prefix);
        let first_lanes = lanes.iter().take(servers.count());
        Self(Arc::new(Shared {
            relayed: first_lanes.map(|lane| keys.relayed(lane).into()).collect(),
            keys,
            layout: format!("{}{sealed}", servers.layout_text(lanes)),
            seals,
            servers,
            lanes,
            states: LaneStates::new(lanes),
        }))
    }

    /// Waits until all servers of Redis are connected, and checks that the log has the same lanes
    /// and servers as this engine. Limit it with a timeout if Redis may start later than the
    /// application.
    ///
    /// # Errors
    ///
    /// [`RedisError::Layout`] if the log has others, or a [`RedisError`] that only an operator can
    /// correct, such as a wrong password or policy.
    pub async fn connected(&self) -> Result<(), RedisError> {
        let servers = &self.0.servers;
        let lanes: Vec<Lane> = self.0.lanes.iter().take(servers.count()).collect();
        for lane in &lanes {
            servers.of(*lane).connected().await?;
            servers.layout_of(*lane).connected().await?;
        }
        servers.members().connected().await?;
        for lane in lanes {
            self.0.check_layout(lane).await?;
        }
        Ok(())
    }
}

/// Shows the servers and the number of lanes.
impl fmt::Debug for RedisEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisEngine")
            .field("servers", &self.0.servers)
            .field("lanes", &self.0.lanes)
            .finish()
    }
}

impl Engine for RedisEngine {
    fn lanes(&self) -> Lanes {
        self.0.lanes
    }

    async fn open(&self, lane: Lane) -> Result<Opened, EngineError> {
        self.0.open(lane).await
    }

    async fn append(&self, append: &Append) -> Result<EntryId, EngineError> {
        self.0.append(append).await
    }

    async fn relay(&self, lane: Lane, entry: Bytes) -> Result<(), EngineError> {
        let mut command = ::redis::cmd("XADD");
        command.arg(&*self.0.relayed(lane));
        let lanes = self.0.lanes.count().div_ceil(self.0.servers.count());
        command.arg("MAXLEN").arg("~").arg(lanes * RELAYED_ENTRIES);
        command.arg("*").arg(LANE).arg(lane.0);
        self.0.seals.add(&mut command, Place::Relayed(lane), &entry);
        let channel = &self.0.servers.of(lane).links.append;
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
        let channel = &self.0.servers.of(lane).links.commands;
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
            members::add_changes(command, changes);
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

    fn health(&self) -> Vec<EngineHealth> {
        let Shared {
            servers,
            lanes,
            states,
            ..
        } = &*self.0;
        servers.health(*lanes, |lane| states.lag(lane))
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
    /// Runs a script that may be repeated, on the server with the members.
    async fn run<T: ::redis::FromRedisValue>(
        &self,
        script: &Script,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, EngineError> {
        let channel = &self.servers.members().links.commands;
        let answer = script.run(channel, Repeat::Once, arguments).await;
        answer.map_err(EngineError::from)
    }

    /// The key of the relayed entries of a lane: that of the first lane on its server.
    fn relayed(&self, lane: Lane) -> Arc<str> {
        self.relayed[self.servers.index(lane)].clone()
    }

    /// The key of a lane's log, if the connection is to the server of its generation.
    fn log(
        &self,
        lane: Lane,
        generation: Generation,
        live: &Live,
    ) -> Result<Arc<str>, EngineError> {
        let log = self.states.log(lane, generation, &live.connected.server);
        log.ok_or(EngineError::Generation)
    }

    async fn append(&self, append: &Append) -> Result<EntryId, EngineError> {
        let redis = self.servers.of(append.lane);
        let channel = &redis.links.append;
        let live = channel.live().await.map_err(EngineError::from)?;
        let log = self.log(append.lane, append.generation, &live)?;
        let place = Place::Log(append.lane, append.generation);
        let gauge = self.servers.gauge(append.lane);
        let waiting = gauge.wait();
        let answer = if append.kept.is_empty() && !append.is_withdrawn {
            let mut command = ::redis::cmd("XADD");
            command.arg(&*log).arg("NOMKSTREAM").arg("*");
            self.seals.add(&mut command, place, &append.entry);
            let answer = channel.send_on(&live, &command).await;
            answer.and_then(|answer| channel.convert(answer, "XADD"))
        } else {
            let histories = history::by_topic(&append.kept);
            let arguments = |command: &mut Cmd| {
                command.arg(histories.len() + 2).arg(&*log);
                command.arg(self.keys.number(append.lane, append.incarnation));
                for kept in &histories {
                    command.arg(self.keys.history(append.lane, &kept[0].topic));
                }
                command.arg(&append.entry[..]);
                command.arg(self.seals.of(place, &append.entry));
                command.arg(append.number);
                command.arg(milliseconds(NUMBER_TTL));
                for kept in &histories {
                    history::add(command, append.generation, kept);
                }
            };
            scripts::APPEND.run_on(channel, &live, arguments).await
        };
        drop(waiting);
        let id: Option<String> = match answer {
            Err(error @ RedisError::OutOfMemory { .. }) => {
                self.states.set_full();
                gauge.set_full(true);
                return Err(error.into());
            }
            answer => answer.map_err(EngineError::from)?,
        };
        // Without an id, the log of this generation is gone.
        let id = id.ok_or(EngineError::Generation)?;
        let id = answers::entry_id(id.as_bytes()).ok_or_else(|| unexpected(redis, "XADD"))?;
        self.states.reached(append.lane, id);
        gauge.set_full(false);
        Ok(id)
    }
}

fn unexpected(redis: &Redis, command: &'static str) -> EngineError {
    let address = redis.address().to_owned();
    EngineError::from(RedisError::Answer { address, command })
}

/// A command without an answer, or with an unexpected one, may have been executed, and one that was
/// refused in part was.
impl From<RedisError> for EngineError {
    fn from(error: RedisError) -> Self {
        let text = error.to_string().into();
        match error {
            error if error.is_misconfigured() => Self::Misconfigured(text),
            RedisError::Unanswered { .. }
            | RedisError::Answer { .. }
            | RedisError::Partial { .. } => Self::Unknown(text),
            _ => Self::NotSent(text),
        }
    }
}
