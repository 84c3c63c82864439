//! The session store in Redis.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ::redis::{Cmd, FromRedisValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use ws_core::session::{
    SessionGeneration, SessionId, SessionKey, SessionRecord, SessionStore, StoreError,
};

use super::channel::{Channel, Repeat};
use super::script::Script;
use super::target::SESSIONS_TAG;
use super::{Redis, RedisError, milliseconds};

mod scripts;

/// Keeps sessions in Redis: they outlive the process, and all servers with the same prefix share
/// them.
///
/// Redis removes a session when its time is over. There is no limit but the server's `maxmemory`:
/// when it is reached, new sessions and values are refused with [`StoreError::Full`], and existing
/// sessions are still found, renewed for their users and ended.
///
/// Keys and their content, with the default prefix:
///
/// | key | type | content |
/// |---|---|---|
/// | `ws:{sessions}:session:KEY` | hash | the record; `KEY` is the hash of the cookie's token |
/// | `ws:{sessions}:user:HASH` | set | the keys of a user's sessions, under the SHA-1 of the name |
/// | `ws:{sessions}:all` | sorted set | the key and the expiry of each session, to count them |
///
/// An expired key may remain in an index for some time, and is ignored there.
///
/// While Redis is down, calls fail with a [`RedisError`] as the source, and
/// handshakes that need a session get 503. A call that was not answered may be executed later: then
/// a logon, for example, has moved the session to a key that no visitor has.
///
/// ```no_run
/// use ws_server::redis::{Redis, RedisStore};
/// use ws_server::session::SessionOptions;
///
/// # fn main() -> Result<(), ws_server::redis::RedisError> {
/// let store = RedisStore::new(Redis::new("redis://10.0.0.5")?.prefix("shop:")?);
/// let options = SessionOptions::default().store(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    redis: Redis,
    /// The beginning of all keys of sessions.
    base: String,
}

impl RedisStore {
    /// Creates a store on this server. In a Redis Cluster, all sessions are on the node that has the
    /// slot of `{sessions}`. While that slot is migrated, calls fail.
    pub fn new(redis: Redis) -> Self {
        let redis = redis.tagged(SESSIONS_TAG);
        let base = format!("{}{{{SESSIONS_TAG}}}:", redis.prefix);
        Self { redis, base }
    }

    fn channel(&self) -> &Channel {
        &self.redis.links.commands
    }

    /// Runs a script with these arguments.
    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        repeat: Repeat,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, StoreError> {
        let arguments = |command: &mut Cmd| arguments(command.arg(1).arg(&self.base));
        let answer = script.run(self.channel(), repeat, arguments).await;
        answer.map_err(store_error)
    }

    /// Converts the fields that a script returned.
    fn record(&self, fields: Vec<Bytes>) -> Result<SessionRecord, StoreError> {
        record(fields).ok_or_else(|| {
            store_error(RedisError::Answer {
                address: self.redis.address().to_owned(),
                command: "HGETALL",
            })
        })
    }
}

impl SessionStore for RedisStore {
    async fn create(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let arguments = |command: &mut Cmd| {
            command.arg(text(key)).arg(milliseconds(ttl));
            command.arg(record.id.as_bytes()).arg(record.renewals);
            command.arg(record.version).arg(&record.page_secret);
            command.arg(if record.user.is_some() { "user" } else { "" });
            command.arg(record.user.as_deref().unwrap_or_default());
            for (name, value) in &record.values {
                command.arg(name).arg(value);
            }
        };
        self.run(&scripts::CREATE, Repeat::Never, arguments).await
    }

    async fn load(
        &self,
        key: SessionKey,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let arguments = |command: &mut Cmd| {
            command.arg(text(key)).arg(milliseconds(ttl));
        };
        let fields: Option<Vec<Bytes>> = self.run(&scripts::LOAD, Repeat::Once, arguments).await?;
        fields.map(|fields| self.record(fields)).transpose()
    }

    async fn touch(
        &self,
        key: SessionKey,
        id: SessionId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let arguments = |command: &mut Cmd| {
            command.arg(text(key)).arg(milliseconds(ttl));
            command.arg(id.as_bytes());
        };
        self.run(&scripts::TOUCH, Repeat::Once, arguments).await
    }

    async fn contains(&self, key: SessionKey, id: SessionId) -> Result<bool, StoreError> {
        let mut command = ::redis::cmd("HGET");
        command.arg(format!("{}session:{}", self.base, text(key)));
        command.arg("id");
        let found = self.channel().query(&command, "HGET", Repeat::Once);
        let found: Option<Bytes> = found.await.map_err(store_error)?;
        Ok(found.is_some_and(|found| found == id.as_bytes()[..]))
    }

    async fn set(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
        name: &str,
        value: Option<String>,
    ) -> Result<Option<u64>, StoreError> {
        let arguments = |command: &mut Cmd| {
            name_session(command, key, generation).arg(name);
            if let Some(value) = &value {
                command.arg(value);
            }
        };
        self.run(&scripts::SET, Repeat::Never, arguments).await
    }

    async fn renew(
        &self,
        old: SessionKey,
        generation: SessionGeneration,
        new: SessionKey,
        user: Option<String>,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let arguments = |command: &mut Cmd| {
            let command = name_session(command, old, generation);
            command.arg(text(new)).arg(milliseconds(ttl));
            if let Some(user) = &user {
                command.arg(user);
            }
        };
        let fields: Option<Vec<Bytes>> =
            self.run(&scripts::RENEW, Repeat::Never, arguments).await?;
        fields.map(|fields| self.record(fields)).transpose()
    }

    async fn remove_generation(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
    ) -> Result<bool, StoreError> {
        let arguments = |command: &mut Cmd| {
            name_session(command, key, generation);
        };
        self.run(&scripts::REMOVE_GENERATION, Repeat::Never, arguments)
            .await
    }

    async fn remove(&self, key: SessionKey) -> Result<Option<SessionId>, StoreError> {
        let arguments = |command: &mut Cmd| {
            command.arg(text(key));
        };
        let id: Option<Bytes> = self.run(&scripts::REMOVE, Repeat::Never, arguments).await?;
        Ok(id.as_deref().and_then(session_id))
    }

    async fn remove_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        let arguments = |command: &mut Cmd| {
            command.arg(user);
        };
        let ids: Vec<Bytes> = self
            .run(&scripts::REMOVE_USER, Repeat::Never, arguments)
            .await?;
        Ok(ids.iter().filter_map(|id| session_id(id)).collect())
    }

    async fn count(&self) -> Result<usize, StoreError> {
        self.run(&scripts::COUNT, Repeat::Once, |_| {}).await
    }
}

/// Shows the server and the prefix.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisStore").field(&self.redis).finish()
    }
}

/// Adds the key and the generation that the session must have.
fn name_session(command: &mut Cmd, key: SessionKey, generation: SessionGeneration) -> &mut Cmd {
    let id = generation.id;
    command
        .arg(text(key))
        .arg(id.as_bytes())
        .arg(generation.renewals)
}

fn text(key: SessionKey) -> String {
    BASE64.encode(key.as_bytes())
}

fn store_error(error: RedisError) -> StoreError {
    match error {
        RedisError::OutOfMemory { .. } => StoreError::Full,
        error => StoreError::failed(error),
    }
}

fn session_id(bytes: &[u8]) -> Option<SessionId> {
    bytes.try_into().ok().map(SessionId::from_bytes)
}

/// Reads the names and values of a record. Returns `None` if they are malformed.
fn record(fields: Vec<Bytes>) -> Option<SessionRecord> {
    let mut record = SessionRecord::new(None).ok()?;
    let (mut born, mut now) = (None, None);
    let mut values = BTreeMap::new();
    let mut has = [false; 3];
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match &*name {
            b"id" => (record.id, has[0]) = (session_id(&value)?, true),
            b"renewals" => (record.renewals, has[1]) = (number(&value)?, true),
            b"secret" => (record.page_secret, has[2]) = ((&*value).try_into().ok()?, true),
            b"version" => record.version = number(&value)?,
            b"user" => record.user = Some(string(&value)?),
            b"born" => born = number::<u64>(&value),
            b"now" => now = number::<u64>(&value),
            name => {
                let name = name.strip_prefix(b"v:")?;
                values.insert(string(name)?, string(&value)?);
            }
        }
    }
    record.values = values;
    record.age = Duration::from_millis(now?.saturating_sub(born?));
    has.iter().all(|has| *has).then_some(record)
}

fn string(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn number<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
