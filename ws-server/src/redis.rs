//! Redis or Valkey: sessions that survive a restart and that several servers share.
//!
//! [`Redis`] is a handle to one server. It connects when it is first used, and reconnects for as
//! long as it exists. [`RedisStore`] keeps sessions there, and [`RedisEngine`] the log that several
//! hubs share.
//!
//! ```no_run
//! use ws_server::prelude::*;
//! use ws_server::redis::{Redis, RedisStore};
//! # struct Echo;
//! # #[ws_handler]
//! # impl Echo { fn init() -> Self { Echo } }
//! # dispatch! { struct Routes; echo: "/echo" => Echo; }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::new("redis://:password@10.0.0.5")?;
//! // Optional: a wrong password or eviction policy ends the program here.
//! redis.connected().await?;
//! let server = Server::new(Routes::table()).session_store(RedisStore::new(redis));
//! server.build()?.run("127.0.0.1:3030").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Requirements
//!
//! Redis 7.0 or Valkey 7.2, or later: a primary, also one that sentinels choose, several of them, or
//! a Redis Cluster. `maxmemory-policy` must be `noeviction`, the default: any other policy
//! deletes sessions silently. A server that does not meet these requirements is not used.
//!
//! Every key begins with a prefix, `ws:` by default, and expires. A user for this library needs
//! these permissions:
//!
//! ```text
//! ACL SETUSER ws on >password ~ws:* +@read +@write +@connection +@scripting -@dangerous +info +time
//! ```
//!
//! In a Redis Cluster it also needs `+cluster|nodes`, on every node.
//!
//! # When Redis is down
//!
//! A call waits at most a second for a connection, and at most 2.5 seconds for an answer. A
//! handshake that needs a session then gets 503. Open connections continue.

mod address;
mod backoff;
mod channel;
mod cluster;
mod engine;
mod error;
mod info;
mod script;
mod sentinel;
mod sessions;
mod target;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use engine::RedisEngine;
pub use error::RedisError;
pub use sessions::RedisStore;

use channel::Channel;
use target::Target;

/// The prefix of all keys, unless configured.
const DEFAULT_PREFIX: &str = "ws:";

/// The longest time to live that Redis is asked for, some 100 years.
const LONGEST_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Bytes of the longest prefix.
const MAX_PREFIX: usize = 64;

/// A Redis or Valkey server, or a Redis Cluster. Clones share its connections.
///
/// ```
/// use ws_server::redis::Redis;
///
/// # fn main() -> Result<(), ws_server::redis::RedisError> {
/// let redis = Redis::new("redis://user:password@10.0.0.5:6379/0")?.prefix("shop:")?;
/// assert_eq!(redis.address(), "10.0.0.5:6379");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Redis {
    prefix: Arc<str>,
    links: Arc<Links>,
}

/// The connections to one server.
struct Links {
    target: Arc<Target>,
    /// For appends: their order is kept, and they wait for nothing else.
    append: Channel,
    /// For reads, which wait for entries.
    read: Channel,
    /// For commands that wait for entries of one of several servers.
    wait: Channel,
    /// For all other commands.
    commands: Channel,
}

impl Links {
    fn new(target: Target) -> Self {
        let target = Arc::new(target);
        Self {
            append: Channel::new(target.clone()),
            read: Channel::new(target.clone()),
            wait: Channel::new(target.clone()),
            commands: Channel::new(target.clone()),
            target,
        }
    }
}

impl Redis {
    /// Creates a handle to the server with this URL: `redis://user:password@host:port/database`,
    /// or `rediss://` for TLS (feature `redis-tls`). Only the host is required. It connects when it
    /// is first used.
    ///
    /// If sentinels choose the primary, the URL has up to 16 of them and the name of the primary:
    /// `redis-sentinel://user:password@host:port,host:port/name/database`, or `rediss-sentinel://`.
    /// User and password are those of the primary. Those of the sentinels, if any, follow as
    /// `?sentinel-user=ada&sentinel-password=secret`.
    ///
    /// ```
    /// use ws_server::redis::Redis;
    ///
    /// # fn main() -> Result<(), ws_server::redis::RedisError> {
    /// let redis = Redis::new("redis-sentinel://:password@10.0.0.5,10.0.0.6,10.0.0.7/main")?;
    /// assert_eq!(redis.address(), "10.0.0.5:26379,10.0.0.6:26379,10.0.0.7:26379/main");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// For a Redis Cluster, the URL has up to 16 nodes, which name the others:
    /// `redis-cluster://user:password@host:port,host:port`, or `rediss-cluster://`. User and
    /// password are those of all nodes. With TLS, the handle connects to nodes by the names that they
    /// announce (`cluster-announce-hostname`), if any.
    ///
    /// ```
    /// use ws_server::redis::Redis;
    ///
    /// # fn main() -> Result<(), ws_server::redis::RedisError> {
    /// let redis = Redis::new("redis-cluster://:password@10.0.0.5,10.0.0.6:7000")?;
    /// assert_eq!(redis.address(), "10.0.0.5:6379,10.0.0.6:7000");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RedisError::Url`] or [`RedisError::TlsDisabled`].
    pub fn new(url: &str) -> Result<Self, RedisError> {
        Ok(Self {
            prefix: DEFAULT_PREFIX.into(),
            links: Arc::new(Links::new(Target::new(url)?)),
        })
    }

    /// Trusts the certificates of this authority, in PEM form, in place of those that the system
    /// trusts. The URL must begin with `rediss://`, `rediss-sentinel://` or `rediss-cluster://`. Call
    /// it before the handle is cloned: earlier clones do not use it.
    ///
    /// ```no_run
    /// use ws_server::redis::Redis;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let authority = std::fs::read("/etc/redis/ca.crt")?;
    /// let redis = Redis::new("rediss://10.0.0.5")?.root_certificate(&authority)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RedisError::Certificate`].
    #[cfg(feature = "redis-tls")]
    pub fn root_certificate(mut self, pem: &[u8]) -> Result<Self, RedisError> {
        self.links = Arc::new(Links::new(self.links.target.trusting(pem)?));
        Ok(self)
    }

    /// Sets the prefix of all keys: 1 to 64 bytes without braces, control characters and spaces.
    /// Applications that share a server need different prefixes.
    ///
    /// # Errors
    ///
    /// [`RedisError::Prefix`].
    pub fn prefix(mut self, prefix: &str) -> Result<Self, RedisError> {
        let is_valid = |byte: u8| byte.is_ascii_graphic() && byte != b'{' && byte != b'}';
        if !(1..=MAX_PREFIX).contains(&prefix.len()) || !prefix.bytes().all(is_valid) {
            let value = prefix.to_owned();
            return Err(RedisError::Prefix { value });
        }
        self.prefix = prefix.into();
        Ok(self)
    }

    /// The host and the port, without user and password. For sentinels: all of them, and the name of
    /// the primary. For a Redis Cluster: the nodes of the URL.
    pub fn address(&self) -> &str {
        self.links.target.address()
    }

    /// Waits until the server is connected; in a Redis Cluster, the node with the sessions. Limit it
    /// with a timeout if Redis may start later than the application.
    ///
    /// # Errors
    ///
    /// A [`RedisError`] that only an operator can correct, such as a wrong password or policy. The
    /// handle continues to try.
    pub async fn connected(&self) -> Result<(), RedisError> {
        self.links.commands.first_connection().await
    }
}

impl Redis {
    /// A handle to the server that has the keys with this hash tag: of a Redis Cluster, another one
    /// for each tag.
    fn tagged(self, tag: &str) -> Self {
        let links = match self.links.target.tagged(tag) {
            Some(target) => Arc::new(Links::new(target)),
            None => self.links,
        };
        Self {
            prefix: self.prefix,
            links,
        }
    }

    fn is_cluster(&self) -> bool {
        self.links.target.is_in_cluster()
    }
}

/// Shows the address and the prefix, not the password.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("address", &self.address())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// A time to live that Redis accepts. It removes a key without one.
fn milliseconds(ttl: Duration) -> u64 {
    let milliseconds = ttl.min(LONGEST_TTL).as_millis().max(1);
    u64::try_from(milliseconds).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_cannot_break_the_hash_tags() {
        let redis = Redis::new("redis://localhost").unwrap();
        for value in ["", "a b", "{a}", "a}", "ü:", &"x".repeat(65)] {
            let error = redis.clone().prefix(value).unwrap_err();
            assert_eq!(
                error,
                RedisError::Prefix {
                    value: value.to_owned()
                }
            );
        }
        assert!(redis.prefix("shop-2:").is_ok());
    }

    #[test]
    fn debug_output_hides_the_password() {
        let redis = Redis::new("redis://ada:secret@10.0.0.5:7000/3").unwrap();
        let shown = format!("{redis:?}");
        let expected = "Redis { address: \"10.0.0.5:7000\", prefix: \"ws:\", .. }";
        assert_eq!(shown, expected);
    }
}
