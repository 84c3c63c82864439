//! A server that can be connected to: its address, and the checks of a new connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, ConnectionInfo, PushInfo, PushKind};
use tokio::sync::Notify;
use tokio::time::timeout;
use ws_core::log::shared::EngineMemory;

use super::address::Place;
use super::cluster::{self, Cluster, slot_of};
use super::info::{self, Mode, ServerId};
use super::{RedisError, sentinel};

/// How long an attempt to connect may take, checks included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a command may take: longer than a read waits for entries, unlike the client's own
/// default of 500 ms, and shorter than any caller waits, so that a silent connection is replaced.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(2_500);

/// The server with one URL, the primary that the sentinels of one name, or the node of a cluster
/// that has a slot.
pub(super) struct Target {
    place: Place,
    address: String,
    slot: Option<Slot>,
    /// The server to which the last connection was made, and its address. Another one may be older
    /// than a change: a server that was demoted and promoted again ends only connections that wait.
    server: Mutex<Option<(ServerId, String)>>,
}

/// A slot of a Redis Cluster.
struct Slot {
    cluster: Arc<Cluster>,
    number: u16,
}

/// The hash tag of sessions. Of a cluster, a target has its slot unless another one is set.
pub(super) const SESSIONS_TAG: &str = "sessions";

/// A connection whose server was checked.
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    pub(super) server: ServerId,
    /// How to connect to it again.
    pub(super) node: ConnectionInfo,
    /// When it was connected.
    pub(super) memory: EngineMemory,
    /// Notified when the connection ends.
    pub(super) ended: Arc<Notify>,
}

impl Target {
    /// Parses a URL.
    pub(super) fn new(url: &str) -> Result<Self, RedisError> {
        Place::parse(url).map(Self::at)
    }

    fn at(place: Place) -> Self {
        let slot = match &place {
            Place::Server(_) | Place::Primary(_) => None,
            Place::Cluster(nodes) => Some(Slot {
                cluster: Arc::new(Cluster::new(nodes.clone())),
                number: slot_of(SESSIONS_TAG),
            }),
        };
        Self {
            address: place.address(),
            place,
            slot,
            server: Mutex::default(),
        }
    }

    /// Whether it is a node of a Redis Cluster.
    pub(super) const fn is_in_cluster(&self) -> bool {
        self.slot.is_some()
    }

    /// The target for the keys with this hash tag; `None` if it is this one.
    pub(super) fn tagged(&self, tag: &str) -> Option<Self> {
        let slot = self.slot.as_ref()?;
        let number = slot_of(tag);
        (number != slot.number).then(|| Self {
            place: self.place.clone(),
            address: self.address.clone(),
            slot: Some(Slot {
                cluster: slot.cluster.clone(),
                number,
            }),
            server: Mutex::default(),
        })
    }

    /// The same target, which trusts this certificate of an authority.
    #[cfg(feature = "redis-tls")]
    pub(super) fn trusting(&self, pem: &[u8]) -> Result<Self, RedisError> {
        let mut place = self.place.clone();
        place.trust(pem)?;
        Ok(Self::at(place))
    }

    /// The host and the port, or those of the sentinels and the name of the primary, or of the nodes
    /// in the URL.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Of a cluster, the host and the port of the last connection; else the [`address`](Self::address).
    pub(super) fn node_address(&self) -> String {
        let server = self.server();
        let of_node = server.as_ref().filter(|_| self.is_in_cluster());
        of_node.map_or_else(|| self.address.clone(), |(_, address)| address.clone())
    }

    /// The database.
    pub(super) fn database(&self) -> i64 {
        self.place.database()
    }

    fn server(&self) -> MutexGuard<'_, Option<(ServerId, String)>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no later connection was made to another server.
    pub(super) fn is_current(&self, server: &ServerId) -> bool {
        self.server()
            .as_ref()
            .is_some_and(|(last, _)| last == server)
    }

    /// Connects, and checks the server.
    pub(super) async fn connect(&self) -> Result<Connected, RedisError> {
        let (node, reason) = match (&self.place, &self.slot) {
            (Place::Server(server), _) => return self.connect_to(server).await,
            (Place::Primary(sentinels), _) => (
                sentinel::primary(sentinels).await?,
                "the primary that the sentinels name is a replica",
            ),
            (Place::Cluster(_), Some(slot)) => (
                slot.cluster.owner(slot.number).await?,
                "the node that the cluster names is a replica",
            ),
            // Every target in a cluster has a slot.
            (Place::Cluster(_), None) => return Err(RedisError::Url),
        };
        self.connect_to(&node).await.map_err(|error| match error {
            // The others have not noticed yet, or this failover is not complete.
            RedisError::Replica { address } => RedisError::Unreachable {
                reason: reason.to_owned(),
                address,
            },
            error => error,
        })
    }

    /// Whether a node of the cluster has handed over the slot: it still has its memory, is a primary,
    /// and knows that it does not serve the slot. Then its successor has got all keys. After a failover,
    /// or while a node does not answer, that is not certain.
    pub(super) async fn was_handed_over(&self, node: &ConnectionInfo, server: &ServerId) -> bool {
        match &self.slot {
            Some(slot) => cluster::has_handed_over(node, server, slot.number).await,
            None => false,
        }
    }

    async fn connect_to(&self, server: &ConnectionInfo) -> Result<Connected, RedisError> {
        let connected = timeout(CONNECT_TIMEOUT, self.connect_and_check(server)).await;
        connected.unwrap_or_else(|_| Err(RedisError::timed_out(&server.addr().to_string())))
    }

    async fn connect_and_check(&self, node: &ConnectionInfo) -> Result<Connected, RedisError> {
        let address = node.addr().to_string();
        let failed = |error| RedisError::of_connecting(&error, &address);
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
        let client = Client::open(node.clone()).map_err(failed)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connection.await.map_err(failed)?;
        let mut pipeline = ::redis::pipe();
        for section in ["server", "replication", "memory", "cluster"] {
            pipeline.cmd("INFO").arg(section);
        }
        let info: Vec<String> = pipeline
            .query_async(&mut connection)
            .await
            .map_err(failed)?;
        let mode = match self.slot {
            Some(_) => Mode::Cluster,
            None => Mode::Alone,
        };
        let (server, memory) = info::check(&info.concat(), &address, mode)?;
        *self.server() = Some((server.clone(), address));
        Ok(Connected {
            connection,
            server,
            node: node.clone(),
            memory,
            ended,
        })
    }
}
