//! A server that can be connected to: its address, and the checks of a new connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind,
};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::RedisError;
use super::info::{self, ServerId};

/// How long an attempt to connect may take, checks included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a command may take: longer than a read waits for entries, unlike the client's own
/// default of 500 ms, and shorter than any caller waits, so that a silent connection is replaced.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(2_500);

/// The server with one URL.
pub(super) struct Target {
    client: Client,
    address: String,
    /// The server to which the last connection was made. Another one may be older than a change: a
    /// server that was demoted and promoted again ends only connections that wait.
    server: Mutex<Option<ServerId>>,
}

/// A connection whose server was checked.
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    pub(super) server: ServerId,
    /// Notified when the connection ends.
    pub(super) ended: Arc<Notify>,
}

impl Target {
    /// Parses a URL.
    pub(super) fn new(url: &str) -> Result<Self, RedisError> {
        let is_tls = url.starts_with("rediss://");
        if is_tls && cfg!(not(feature = "redis-tls")) {
            return Err(RedisError::TlsDisabled);
        }
        if !is_tls && !url.starts_with("redis://") {
            return Err(RedisError::Url);
        }
        let info = url.into_connection_info().map_err(|_| RedisError::Url)?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                format!("{host}:{port}")
            }
            _ => return Err(RedisError::Url),
        };
        // The third version of the protocol reports the end of an idle connection at once.
        let settings = info.redis_settings().clone();
        let settings = settings
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("ws-server", env!("CARGO_PKG_VERSION"));
        let client = Client::open(info.set_redis_settings(settings));
        Ok(Self {
            client: client.map_err(|_| RedisError::Url)?,
            address,
            server: Mutex::default(),
        })
    }

    /// The host and the port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    fn server(&self) -> MutexGuard<'_, Option<ServerId>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no later connection was made to another server.
    pub(super) fn is_current(&self, server: &ServerId) -> bool {
        self.server().as_ref() == Some(server)
    }

    /// Connects, and checks the server.
    pub(super) async fn connect(&self) -> Result<Connected, RedisError> {
        let connected = timeout(CONNECT_TIMEOUT, self.connect_and_check()).await;
        connected.unwrap_or_else(|_| {
            Err(RedisError::Unreachable {
                address: self.address.clone(),
                reason: "timed out".to_owned(),
            })
        })
    }

    async fn connect_and_check(&self) -> Result<Connected, RedisError> {
        let failed = |error| RedisError::of_connecting(&error, &self.address);
        let ended = Arc::new(Notify::new());
        let notified = ended.clone();
        let on_push = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                notified.notify_one();
            }
            Ok::<(), ()>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT))
            .set_push_sender(on_push);
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = connection.await.map_err(failed)?;
        let mut pipeline = ::redis::pipe();
        for section in ["server", "replication", "memory", "cluster"] {
            pipeline.cmd("INFO").arg(section);
        }
        let info: Vec<String> = pipeline
            .query_async(&mut connection)
            .await
            .map_err(failed)?;
        let server = info::check(&info.concat(), &self.address)?;
        *self.server() = Some(server.clone());
        Ok(Connected {
            connection,
            server,
            ended,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_server_with_optional_port_user_and_database() {
        let address = |url| Target::new(url).map(|target| target.address);
        assert_eq!(address("redis://10.0.0.5").unwrap(), "10.0.0.5:6379");
        assert_eq!(
            address("redis://ada:secret@redis.example:7000/3").unwrap(),
            "redis.example:7000"
        );
        assert_eq!(address("redis://[::1]:7000").unwrap(), "::1:7000");
    }

    #[test]
    fn an_invalid_url_is_not_shown() {
        for url in [
            "",
            "10.0.0.5",
            "http://10.0.0.5",
            "redis://:secret@host:port",
            "redis://:secret@host/database",
            "redis+unix:///run/redis.sock",
            "unix:///run/redis.sock",
        ] {
            assert_eq!(Target::new(url).err(), Some(RedisError::Url), "{url}");
        }
        assert!(!RedisError::Url.to_string().contains("secret"));
    }

    #[test]
    fn tls_requires_its_feature() {
        let target = Target::new("rediss://10.0.0.5");
        if cfg!(feature = "redis-tls") {
            assert_eq!(target.ok().unwrap().address(), "10.0.0.5:6379");
        } else {
            assert_eq!(target.err(), Some(RedisError::TlsDisabled));
        }
    }
}
