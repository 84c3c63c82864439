//! Settings for several servers that share one log.

use std::fmt;

use ws_core::hub::{ClusterOptions, Hub};
use ws_core::limits::ServerLimits;
#[cfg(feature = "redis")]
use ws_core::log::Lanes;
use ws_core::log::shared::Engine;
use ws_core::session::{Secrets, SessionOptions, Sessions};

use super::{Server, Ws};
use crate::failure::Error;
#[cfg(feature = "redis")]
use crate::redis::{Redis, RedisEngine, RedisError, RedisStore};

/// Creates a hub over an engine.
type StartHub = dyn FnOnce(ServerLimits, Sessions, Secrets, &ClusterOptions) -> Hub + Send + Sync;

/// What holds the log of a server.
#[derive(Default)]
enum LogSource {
    /// The process itself, for this server alone.
    #[default]
    Process,
    Engine(Box<StartHub>),
    #[cfg(feature = "redis")]
    Redis(Vec<String>),
}

impl fmt::Debug for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "Process",
            Self::Engine(_) => "Engine(…)",
            // The URLs may contain passwords.
            #[cfg(feature = "redis")]
            Self::Redis(_) => "Redis(…)",
        })
    }
}

/// The log that a server shares with others, if it does.
#[derive(Debug, Default)]
pub(super) struct ClusterSettings {
    log: LogSource,
    options: ClusterOptions,
}

impl ClusterSettings {
    /// Creates the hub of a server.
    pub(super) fn hub(
        self,
        limits: &ServerLimits,
        sessions: SessionOptions,
        secrets: Option<Secrets>,
    ) -> Result<Hub, Error> {
        let options = self.options;
        match self.log {
            LogSource::Process => {
                let secrets = secrets.unwrap_or_default();
                Ok(Hub::with_secrets(*limits, Sessions::new(sessions), secrets))
            }
            LogSource::Engine(start) => {
                let secrets = shared_secrets(secrets)?;
                Ok(start(*limits, Sessions::new(sessions), secrets, &options))
            }
            #[cfg(feature = "redis")]
            LogSource::Redis(urls) => {
                let (engine, store) = redis(&urls, options.lanes).map_err(Error::Redis)?;
                let secrets = shared_secrets(secrets)?;
                let sessions = Sessions::new(sessions.default_store(store));
                Ok(Hub::with_engine(
                    *limits, sessions, secrets, engine, &options,
                ))
            }
        }
    }
}

/// Checks what a hub over an engine needs.
fn shared_secrets(secrets: Option<Secrets>) -> Result<Secrets, Error> {
    let secrets = secrets.ok_or(Error::NoSecrets)?;
    match tokio::runtime::Handle::try_current() {
        Ok(_) => Ok(secrets),
        Err(_) => Err(Error::NoRuntime),
    }
}

/// The log on all servers of Redis, and the sessions on the first one.
#[cfg(feature = "redis")]
fn redis(urls: &[String], lanes: Lanes) -> Result<(RedisEngine, RedisStore), RedisError> {
    let all = urls.iter().map(|url| Redis::new(url));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    let engine = RedisEngine::over(all, lanes)?;
    let store = RedisStore::new(engine.first_server().clone());
    Ok((engine, store))
}

impl<S, G> Server<S, G> {
    /// Shares the log of declared topics with other servers, through an engine: their clients get the
    /// same messages in the same order, and the members of topics are those of all servers.
    ///
    /// All servers need the same [`secrets`](Self::secrets) and the same lanes, and should share their
    /// [sessions](Self::session_store). The server starts to read the log at once, so
    /// [`build`](Self::build) must be called in a tokio runtime. Until the log was read,
    /// [`/readyz`](Ws::health_service) responds with 503, and so do WebSocket handshakes; see
    /// [`Ws::ready`].
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// use ws_server::cluster::{Generation, Lanes};
    /// use ws_server::session::Secrets;
    /// use ws_server::testkit::MemoryEngine;
    /// # struct Echo;
    /// # #[ws_handler]
    /// # impl Echo { fn init() -> Self { Echo } }
    /// # dispatch! { struct Routes; echo: "/echo" => Echo; }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let engine = MemoryEngine::new(Lanes::DEFAULT, Generation(1));
    /// let secrets = Secrets::new(["at least 32 random bytes, from a vault"]).unwrap();
    /// let ws = Server::new(Routes::table()).engine(engine).secrets(secrets).build().unwrap();
    /// assert!(!ws.hub().is_ready());
    /// ws.ready().await;
    /// assert!(ws.hub().is_ready());
    /// # });
    /// ```
    pub fn engine(mut self, engine: impl Engine) -> Self {
        let start = |limits, sessions, secrets, options: &_| {
            Hub::with_engine(limits, sessions, secrets, engine, options)
        };
        self.settings.cluster.log = LogSource::Engine(Box::new(start));
        self
    }

    /// Keeps sessions and the log in Redis or Valkey, and so shares them with all servers that have
    /// the same Redis and the same [`secrets`](Self::secrets): with a
    /// [`RedisStore`](crate::redis::RedisStore), unless there is another
    /// [`session_store`](Self::session_store), and a [`RedisEngine`](crate::redis::RedisEngine), as
    /// [`engine`](Self::engine) describes.
    ///
    /// The URLs are those of [`Redis::new`](crate::redis::Redis::new), as in
    /// `redis://user:password@host:port/database`. One is enough. With several, the log is spread
    /// over all of them, see [`RedisEngine::over`](crate::redis::RedisEngine::over), and the sessions
    /// are in the first one. The server starts while Redis is down, and is ready when it has reached
    /// it. For another prefix of the keys, use `engine` and `session_store`.
    ///
    /// ```no_run
    /// use ws_server::prelude::*;
    /// use ws_server::session::Secrets;
    /// # struct Echo;
    /// # #[ws_handler]
    /// # impl Echo { fn init() -> Self { Echo } }
    /// # dispatch! { struct Routes; echo: "/echo" => Echo; }
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let secrets = Secrets::new([std::env::var("WS_SECRET")?]).ok_or("WS_SECRET is too short")?;
    /// let server = Server::new(Routes::table()).redis(["redis://10.0.0.5"]).secrets(secrets);
    /// server.build()?.run("0.0.0.0:3030").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "redis")]
    pub fn redis<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        let urls = urls.into_iter().map(U::into).collect();
        self.settings.cluster.log = LogSource::Redis(urls);
        self
    }

    /// Sets the options of the shared log: its lanes, its queues and its window. They have no effect
    /// without [`engine`](Self::engine) or [`redis`](Self::redis).
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use ws_server::cluster::{ClusterOptions, Lanes};
    ///
    /// server.cluster_options(ClusterOptions::DEFAULT.lanes(Lanes::new(16).unwrap()))
    /// # }
    /// ```
    pub const fn cluster_options(mut self, options: ClusterOptions) -> Self {
        self.settings.cluster.options = options;
        self
    }
}

impl Ws {
    /// Waits until the server has read the log that it shares with others. A server that shares none
    /// is always ready.
    ///
    /// [`run`](Self::run) listens at once, so that health checks are answered: meanwhile `/readyz` and
    /// WebSocket handshakes get 503.
    pub async fn ready(&self) {
        self.hub().ready().await;
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use ws_core::log::shared::MemoryEngine;
    use ws_core::log::{Generation, Lanes};

    use super::*;

    fn over_memory() -> ClusterSettings {
        let engine = MemoryEngine::new(Lanes::DEFAULT, Generation(1));
        let start = |limits, sessions, secrets, options: &_| {
            Hub::with_engine(limits, sessions, secrets, engine, options)
        };
        ClusterSettings {
            log: LogSource::Engine(Box::new(start)),
            options: ClusterOptions::DEFAULT,
        }
    }

    fn build(settings: ClusterSettings, secrets: Option<Secrets>) -> Result<Hub, Error> {
        settings.hub(&ServerLimits::DEFAULT, SessionOptions::default(), secrets)
    }

    fn secrets() -> Option<Secrets> {
        Secrets::new([[7; 32]])
    }

    #[test]
    fn a_shared_log_needs_secrets_and_a_runtime() {
        let error = build(over_memory(), None).unwrap_err();
        assert!(matches!(error, Error::NoSecrets), "{error}");
        let error = build(over_memory(), secrets()).unwrap_err();
        assert!(matches!(error, Error::NoRuntime), "{error}");
        assert!(build(ClusterSettings::default(), None).unwrap().is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_over_an_engine_becomes_ready() {
        let hub = build(over_memory(), secrets()).unwrap();
        assert!(!hub.is_ready());
        hub.ready().await;
        assert!(hub.is_ready());
    }

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn the_urls_of_redis_are_checked() {
        let over = |urls: &[&str]| ClusterSettings {
            log: LogSource::Redis(urls.iter().map(|url| (*url).to_owned()).collect()),
            options: ClusterOptions::DEFAULT,
        };
        let error = |urls: &[&str]| build(over(urls), secrets()).unwrap_err();
        for urls in [&[][..], &["redis://a", "redis://a"]] {
            let error = error(urls);
            let is_list = matches!(error, Error::Redis(RedisError::Servers { .. }));
            assert!(is_list, "{error}");
        }
        assert!(matches!(error(&["http://a"]), Error::Redis(_)));
        let shown = format!("{:?}", over(&["redis://:secret@a"]));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
