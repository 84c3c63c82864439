//! Random runs of three servers over a faulty log, compared with a reference.
//!
//! `CLUSTER_SEED=…` runs one seed again, `CLUSTER_RUNS=…` runs more of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use ws_server::CloseCode;
use ws_server::testkit::{Cluster, Received, TestClient};
use ws_server::topic::Position;

use crate::rooms::{Command, Event, Room, connect, names};

mod faults;
mod reference;

use reference::{Chain, Outcome, Published, Reference};

const NODES: usize = 3;
const CLIENTS: usize = 6;
const ROOMS: u64 = 3;
const STEPS: usize = 60;
const RUNS: u64 = 100;

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % end as u64).unwrap()
    }
}

/// Which faults a run has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// Nothing that was accepted is lost, so no connection may be closed because of a gap.
    Lossless,
    /// The log restarts, with and without its last entries.
    Restarting,
    /// Entries are removed that a node may not have read.
    Trimming,
    /// The log loses last entries without a trace. Together with trimming, no census could be right.
    Losing,
}

/// A client of one room, and what it has received on all its connections.
struct Client {
    room: u64,
    /// `None` between two connections.
    connection: Option<TestClient>,
    last: Option<Position>,
    /// The key under which it has entered.
    member: Option<String>,
    chain: Chain,
}

struct World {
    mode: Mode,
    random: Random,
    cluster: Cluster,
    clients: Vec<Client>,
    chains: Vec<Chain>,
    published: Arc<Mutex<Vec<Published>>>,
    is_alive: [bool; NODES],
    /// When each node was killed or cut off last: what it has published before may be forgotten.
    disturbed: [Option<Instant>; NODES],
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mode = match random.below(4) {
            0 => Mode::Lossless,
            1 => Mode::Restarting,
            2 => Mode::Trimming,
            _ => Mode::Losing,
        };
        Self {
            mode,
            random,
            cluster: Cluster::seeded(NODES, seed).await,
            clients: Vec::new(),
            chains: Vec::new(),
            published: Arc::default(),
            is_alive: [true; NODES],
            disturbed: [None; NODES],
        }
    }

    fn publish(&mut self) {
        let node = self.random.below(NODES);
        self.publish_on(node);
    }

    fn publish_on(&mut self, node: usize) {
        for _ in 0..=self.random.below(5) {
            let room = self.random.below(3) as u64 % ROOMS;
            let mut all = self.published.lock().unwrap();
            let id = all.len();
            let outcome = self
                .cluster
                .node(node)
                .hub()
                .publish(Room(room), &id.to_string());
            all.push(Published {
                room,
                node,
                at: Instant::now(),
                outcome: Outcome::Unknown,
                lost: None,
            });
            drop(all);
            let published = self.published.clone();
            tokio::spawn(async move {
                let outcome = Outcome::of(&outcome.await);
                published.lock().unwrap()[id].outcome = outcome;
            });
        }
    }

    async fn join(&mut self) {
        let node = self.random.below(NODES);
        let room = self.random.below(3) as u64 % ROOMS;
        let command = match self.random.below(2) {
            0 => Command::Subscribe(room),
            _ => Command::Replay(room, self.random.below(6)),
        };
        self.join_with(node, room, command).await;
    }

    async fn join_with(&mut self, node: usize, room: u64, command: Command) {
        if self.clients.len() == CLIENTS || !self.is_alive[node] {
            return;
        }
        let mut connection = connect(&self.cluster, node).await;
        connection.send_json(&command).await;
        sleep(Duration::from_millis(1)).await;
        self.clients.push(Client {
            room,
            connection: Some(connection),
            last: None,
            member: None,
            chain: Chain::new(room, Instant::now()),
        });
    }

    fn cut(&mut self, node: usize) {
        self.disturbed[node] = Some(Instant::now());
        self.cluster.cut(node);
    }

    /// Disconnects a client and connects it to any node, behind its last message.
    async fn resume(&mut self) {
        let node = self.random.below(NODES);
        let at = self.random.below(CLIENTS);
        self.read_all().await;
        let Some(client) = self.clients.get_mut(at).filter(|_| self.is_alive[node]) else {
            return;
        };
        if let Some(mut connection) = client.connection.take() {
            connection.reset().await;
        }
        client.member = None;
        let mut connection = connect(&self.cluster, node).await;
        let command = if let Some(position) = &client.last {
            Command::Since(client.room, position.clone())
        } else {
            let chain = Chain::new(client.room, Instant::now());
            self.chains
                .push(std::mem::replace(&mut client.chain, chain));
            Command::Subscribe(client.room)
        };
        connection.send_json(&command).await;
        sleep(Duration::from_millis(1)).await;
        if client.last.is_none() {
            client.chain = Chain::new(client.room, Instant::now());
        }
        client.chain.attached = Instant::now();
        client.connection = Some(connection);
    }

    async fn enter_or_leave(&mut self) {
        let at = self.random.below(CLIENTS);
        let key = match self.random.below(3) {
            0 => "shared".to_owned(),
            _ => format!("client {at}"),
        };
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        let Some(connection) = &mut client.connection else {
            return;
        };
        if client.member.take().is_some() {
            connection.send_json(&Command::Leave(7)).await;
        } else {
            let command = Command::Enter(7, key.clone(), "here".into());
            connection.send_json(&command).await;
            client.member = Some(key);
        }
    }

    /// Reads what has arrived at all clients.
    async fn read_all(&mut self) {
        for client in &mut self.clients {
            while let Some(connection) = &mut client.connection {
                let Ok(received) = timeout(Duration::ZERO, connection.receive()).await else {
                    break;
                };
                match received {
                    Received::Message(message) => {
                        let event = serde_json::from_str(message.as_text().unwrap()).unwrap();
                        let Event::Said { text, position } = event else {
                            panic!("not a message of a room: {event:?}");
                        };
                        client.chain.received.push(text.parse().unwrap());
                        client.last = Some(position);
                    }
                    Received::Ping(_) | Received::Pong(_) => {}
                    Received::Close(code, reason) => {
                        let is_gap = matches!(code, CloseCode::SERVICE_RESTART | CloseCode::POLICY);
                        assert!(
                            !is_gap || self.mode != Mode::Lossless,
                            "{code:?} {reason}, but nothing was lost"
                        );
                        connection.reset().await;
                        client.connection = None;
                        client.member = None;
                        if code != CloseCode::GOING_AWAY {
                            // It was notified that messages may be missing: it begins again.
                            client.last = None;
                        }
                    }
                    Received::End => client.connection = None,
                }
            }
        }
    }

    async fn kill_or_restart(&mut self) {
        let node = self.random.below(NODES);
        if self.is_alive[node] {
            self.is_alive[node] = false;
            self.disturbed[node] = Some(Instant::now());
            self.cluster.kill(node).await;
        } else {
            // A node becomes ready only if it can reach the log.
            self.end_faults().await;
            self.cluster.restart(node).await;
            self.is_alive[node] = true;
        }
    }

    async fn end_faults(&mut self) {
        self.cluster.server().fail(0);
        self.cluster.resume().await;
        for node in 0..NODES {
            self.cluster.heal(node);
        }
    }

    async fn step(&mut self) {
        match self.random.below(27) {
            0..10 => self.publish(),
            10 | 11 => self.join().await,
            12..15 => self.resume().await,
            15 | 16 => self.enter_or_leave().await,
            17 => {
                let percent = self.random.below(50);
                self.cluster.server().fail(percent as u64);
            }
            18 => self.cluster.server().fail(0),
            19 => self.kill_or_restart().await,
            20 => {
                let node = self.random.below(NODES);
                self.cut(node);
            }
            21 => self.cluster.heal(self.random.below(NODES)),
            22 => self.cluster.pause(),
            23 => self.cluster.resume().await,
            24 => self.wait_with_a_replay().await,
            _ => self.lose_something().await,
        }
        let most = if self.random.below(10) == 0 {
            8_000
        } else {
            200
        };
        let pause = self.random.below(most);
        sleep(Duration::from_millis(pause as u64)).await;
        self.read_all().await;
        for client in &mut self.clients {
            if client.connection.is_none() && client.last.is_none() {
                // What follows is another chain.
                client.chain.is_broken = true;
            }
        }
    }

    /// Ends all faults, and waits until everything is settled.
    async fn finish(&mut self) {
        self.end_faults().await;
        for node in 0..NODES {
            if !self.is_alive[node] {
                self.cluster.restart(node).await;
            }
        }
        self.cluster.settle().await;
        // The members of dead nodes leave.
        sleep(Duration::from_secs(25)).await;
        self.cluster.settle().await;
        self.read_all().await;
    }

    fn check(&mut self) -> Result<(), String> {
        let mut members: Vec<String> = self
            .clients
            .iter()
            .filter_map(|client| client.member.clone())
            .map(|key| format!("{key}=here"))
            .collect();
        members.sort_unstable();
        members.dedup();
        for node in 0..NODES {
            let shown = names(&self.cluster, node);
            if shown != members {
                return Err(format!(
                    "node {node} shows {shown:?} instead of {members:?}"
                ));
            }
        }
        for mut client in self.clients.drain(..) {
            client.chain.is_open = client.connection.is_some();
            self.chains.push(client.chain);
        }
        let published = self.published.lock().unwrap();
        Reference {
            published: &published,
            chains: &self.chains,
            disturbed: &self.disturbed,
        }
        .check()
    }
}

fn run(seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed).await;
        for _ in 0..STEPS {
            world.step().await;
        }
        world.finish().await;
        world.check()
    })
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn hubs_lose_nothing_without_notice_and_agree() {
    let seeds = match from_environment("CLUSTER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..from_environment("CLUSTER_RUNS").unwrap_or(RUNS),
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("{error}; repeat with CLUSTER_SEED={seed}"),
            Err(panic) => {
                eprintln!("repeat with CLUSTER_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
}
