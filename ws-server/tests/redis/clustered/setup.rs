//! A Redis Cluster of some primaries, perhaps with a replica each.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::redis::Redis;

use crate::server::{RedisServer, free_port};

/// The time between two looks at nodes.
const LOOK: Duration = Duration::from_millis(25);

/// The number of slots.
const SLOTS: usize = 16_384;

/// The nodes of a cluster: the primaries, and then their replicas in the same order.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<RedisServer>,
    /// The ports by which the primaries know each other.
    ports: Vec<u16>,
}

impl RedisCluster {
    /// Starts a cluster whose primaries have equal parts of the slots.
    pub(crate) async fn start(primaries: usize) -> Self {
        Self::with(primaries, &[]).await
    }

    /// Starts a cluster of nodes with these options.
    pub(crate) async fn with(primaries: usize, options: &[&str]) -> Self {
        let nodes: Vec<_> = (0..primaries).map(|_| start_node(options)).collect();
        let ports = nodes.iter().map(RedisServer::port).collect();
        Self::of_nodes(nodes, ports).await
    }

    /// Starts a cluster whose nodes have this certificate, its key, and the certificate of its authority,
    /// and announce this name. They use TLS among themselves, and each accepts it on a port of its own:
    /// returns these.
    #[cfg(feature = "redis-tls")]
    pub(crate) async fn with_tls(
        primaries: usize,
        name: &str,
        certificate: (&str, &str, &str),
    ) -> (Self, Vec<u16>) {
        let tls = ["--tls-cluster", "yes", "--tls-replication", "yes"];
        let options = [&tls[..], &["--cluster-announce-hostname", name]].concat();
        let nodes = (0..primaries).map(|_| {
            let bus = free_port().to_string();
            RedisServer::with_tls_beside(&node_options(&bus, &options), certificate)
        });
        let (nodes, ports): (Vec<_>, Vec<_>) = nodes.unzip();
        (Self::of_nodes(nodes, ports.clone()).await, ports)
    }

    /// Makes a cluster of nodes, which know each other by these ports.
    async fn of_nodes(nodes: Vec<RedisServer>, ports: Vec<u16>) -> Self {
        let primaries = nodes.len();
        let cluster = Self { nodes, ports };
        for index in 0..primaries {
            cluster.command(index, &format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1));
            let first = |index| SLOTS * index / primaries;
            let (first, last) = (first(index), first(index + 1) - 1);
            cluster.command(index, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            if index > 0 {
                cluster.meet(index).await;
            }
        }
        cluster.settled().await;
        cluster
    }

    /// Adds a replica for each primary.
    pub(crate) async fn add_replicas(&mut self) {
        let primaries = self.nodes.len();
        for primary in 0..primaries {
            self.nodes.push(start_node(&[]));
            self.meet(primaries + primary).await;
        }
        self.settled().await;
        for primary in 0..primaries {
            let command = format!("CLUSTER REPLICATE {}", self.id(primary));
            self.command(primaries + primary, &command);
        }
        for replica in primaries..2 * primaries {
            while !self.info(replica, "INFO replication", "master_link_status:up") {
                sleep(LOOK).await;
            }
            let (id, primary) = (self.id(replica), self.id(replica - primaries));
            let is_known = |index| {
                let nodes = self.ask(index, "CLUSTER NODES");
                let mut lines = nodes.lines().filter(|line| line.starts_with(&id));
                lines.any(|line| line.contains(&format!("slave {primary}")))
            };
            while !(0..self.nodes.len()).all(is_known) {
                sleep(LOOK).await;
            }
        }
    }

    async fn meet(&self, index: usize) {
        let port = self.ports[0];
        let bus = self.ask(0, "CONFIG GET cluster-port");
        let bus = bus.lines().last().unwrap().to_owned();
        let command = format!("CLUSTER MEET 127.0.0.1 {port} {bus}");
        self.command(index, &command);
        let id = self.id(index);
        while !self.info(0, "CLUSTER NODES", &id) {
            sleep(LOOK).await;
        }
    }

    /// Waits until each node knows all others, and that all slots are served.
    pub(crate) async fn settled(&self) {
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        for index in 0..self.nodes.len() {
            while !(self.info(index, "CLUSTER INFO", &known)
                && self.info(index, "CLUSTER INFO", "cluster_state:ok"))
            {
                sleep(LOOK).await;
            }
        }
    }

    fn ask(&self, index: usize, command: &str) -> String {
        self.nodes[index].command(command)
    }

    fn info(&self, index: usize, command: &str, expected: &str) -> bool {
        self.ask(index, command).contains(expected)
    }

    /// Sends a command that must succeed.
    fn command(&self, index: usize, command: &str) {
        let answer = self.ask(index, command);
        assert!(answer.starts_with('+'), "{command}: {answer}");
    }

    fn id(&self, index: usize) -> String {
        let answer = self.ask(index, "CLUSTER MYID");
        answer.lines().nth(1).unwrap().to_owned()
    }

    /// The URL, with a user and a password such as `"ada:secret@"`, or without. It names the first
    /// node only.
    pub(crate) fn url(&self, user: &str) -> String {
        let url = self.nodes[0].url(user);
        url.replace("redis://", "redis-cluster://")
    }

    /// A new handle to the cluster.
    pub(crate) fn redis(&self) -> Redis {
        Redis::new(&self.url("")).unwrap()
    }

    /// The slot of a key.
    pub(crate) fn slot(&self, key: &str) -> u16 {
        let answer = self.ask(0, &format!("CLUSTER KEYSLOT {key}"));
        answer.trim().trim_start_matches(':').parse().unwrap()
    }

    /// The node that serves a slot.
    pub(crate) fn owner(&self, slot: u16) -> usize {
        let serves = |index: &usize| self.serves(*index, slot);
        (0..self.nodes.len())
            .find(serves)
            .expect("a node has the slot")
    }

    /// Whether a node believes that it serves a slot.
    fn serves(&self, index: usize, slot: u16) -> bool {
        let nodes = self.ask(index, "CLUSTER NODES");
        let own = nodes.lines().find(|line| line.contains("myself")).unwrap();
        let slots = own.split(' ').skip(8).filter(|it| !it.starts_with('['));
        let mut slots = slots.map(|slots| slots.split_once('-').unwrap_or((slots, slots)));
        own.contains("master")
            && slots.any(|(first, last)| {
                let number = |text: &str| text.trim().parse::<u16>().unwrap();
                (number(first)..=number(last)).contains(&slot)
            })
    }

    /// A slot that a node serves.
    pub(crate) fn any_slot_of(&self, index: usize) -> u16 {
        let serves = |slot: &u16| self.owner(*slot) == index;
        (0..16_384)
            .step_by(1_000)
            .find(serves)
            .expect("it has slots")
    }

    /// A replica of this primary takes its place, and loses nothing.
    pub(crate) async fn fail_over(&mut self, primary: usize) {
        let id = self.id(primary);
        let is_replica =
            |index: &usize| self.info(*index, "CLUSTER NODES", &format!("myself,slave {id}"));
        let replica = (0..self.nodes.len()).find(is_replica).unwrap();
        let is_primary = || self.info(replica, "INFO replication", "role:master");
        // The others do not vote for it before they know it.
        while !is_primary() {
            self.ask(replica, "CLUSTER FAILOVER");
            for _ in 0..40 {
                if is_primary() {
                    break;
                }
                sleep(LOOK).await;
            }
        }
    }

    /// Waits until another node than this one serves a slot.
    pub(crate) async fn replaced(&self, slot: u16, dead: usize) {
        let others = || (0..self.nodes.len()).filter(|index| *index != dead);
        while !others().any(|index| self.serves(index, slot)) {
            sleep(LOOK).await;
        }
    }

    /// The slot is being migrated to another node from now on.
    pub(crate) fn begin_migration(&self, slot: u16, to: usize) {
        let from = self.owner(slot);
        let importing = format!("CLUSTER SETSLOT {slot} IMPORTING {}", self.id(from));
        self.command(to, &importing);
        let migrating = format!("CLUSTER SETSLOT {slot} MIGRATING {}", self.id(to));
        self.command(from, &migrating);
    }

    /// Moves the keys of a slot that is being migrated.
    pub(crate) fn migrate_keys(&self, slot: u16, to: usize) {
        let (from, port) = (self.owner(slot), self.nodes[to].port());
        loop {
            let keys = self.keys_in(slot);
            if keys.is_empty() {
                return;
            }
            let command = format!("MIGRATE 127.0.0.1 {port} \"\" 0 5000 KEYS {keys}");
            self.command(from, &command);
        }
    }

    /// The first keys of a slot, separated by spaces.
    pub(crate) fn keys_in(&self, slot: u16) -> String {
        let from = self.owner(slot);
        let keys = self.ask(from, &format!("CLUSTER GETKEYSINSLOT {slot} 10"));
        let keys = keys.lines().filter(|line| line.contains(':'));
        keys.collect::<Vec<_>>().join(" ")
    }

    /// Completes a migration.
    pub(crate) fn end_migration(&self, slot: u16, to: usize) {
        let from = self.owner(slot);
        let command = format!("CLUSTER SETSLOT {slot} NODE {}", self.id(to));
        for index in [to, from] {
            self.command(index, &command);
        }
    }
}

fn start_node(options: &[&str]) -> RedisServer {
    let bus = free_port().to_string();
    RedisServer::with(&node_options(&bus, options))
}

fn node_options<'o>(bus: &'o str, options: &[&'o str]) -> Vec<&'o str> {
    let mut all = vec!["--cluster-enabled", "yes", "--cluster-port", bus];
    all.extend([
        "--cluster-node-timeout",
        "1000",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    all.extend(options);
    all
}
