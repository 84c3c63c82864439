//! Random runs of three servers over a faulty log, compared with a reference.
//!
//! Between random steps, scripts lead to what random steps hardly ever reach. After each, all faults
//! end and the clients are compared at once: a later reset would hide what is missing.
//!
//! `CLUSTER_SEED=…` runs one seed again, `CLUSTER_RUNS=…` runs more of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_server::testkit::Cluster;

use crate::rooms::{Command, Room, names};

mod clients;
mod faults;
mod reference;
mod scripts;

use clients::Client;
use reference::{Chain, Outcome, Published, Reference};

const NODES: usize = 3;
const CLIENTS: usize = 6;
const ROOMS: u64 = 3;
/// The parts of a run: random steps, then a script.
const PARTS: usize = 2;
const STEPS: usize = 10;
const RUNS: u64 = 100;

/// All nodes reach the log again, and it fails no more.
pub(crate) async fn end_faults(cluster: &Cluster) {
    cluster.server().fail(0);
    cluster.resume().await;
    for node in 0..cluster.node_count() {
        cluster.heal(node);
    }
}

/// `SplitMix64`.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
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

struct World {
    mode: Mode,
    random: Random,
    cluster: Cluster,
    /// The room of the last script.
    script_room: u64,
    clients: Vec<Client>,
    chains: Vec<Chain>,
    published: Arc<Mutex<Vec<Published>>>,
    is_alive: [bool; NODES],
    /// A node may be dead for the others.
    may_be_dead: bool,
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
            script_room: 100,
            clients: Vec::new(),
            chains: Vec::new(),
            published: Arc::default(),
            is_alive: [true; NODES],
            may_be_dead: false,
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
            self.publish_in(node, room);
        }
    }

    fn publish_in(&mut self, node: usize, room: u64) {
        let mut all = self.published.lock().unwrap();
        let id = all.len();
        let hub = self.cluster.node(node).hub();
        let outcome = hub.publish(Room(room), &id.to_string());
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

    fn cut(&mut self, node: usize) {
        self.disturbed[node] = Some(Instant::now());
        self.cluster.cut(node);
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
            self.enter(at, &key).await;
        }
    }

    async fn enter(&mut self, at: usize, key: &str) {
        let client = &mut self.clients[at];
        if let Some(connection) = &mut client.connection {
            let command = Command::Enter(7, key.into(), "here".into());
            connection.send_json(&command).await;
            client.member = Some(key.to_owned());
        }
    }

    async fn kill(&mut self, node: usize) {
        self.may_be_dead = true;
        self.is_alive[node] = false;
        self.disturbed[node] = Some(Instant::now());
        self.cluster.kill(node).await;
    }

    async fn kill_or_restart(&mut self) {
        let node = self.random.below(NODES);
        if self.is_alive[node] {
            self.kill(node).await;
        } else {
            // A node becomes ready only if it can reach the log.
            self.end_faults().await;
            self.cluster.restart(node).await;
            self.is_alive[node] = true;
        }
    }

    async fn end_faults(&mut self) {
        end_faults(&self.cluster).await;
    }

    async fn step(&mut self) {
        match self.random.below(26) {
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
                self.may_be_dead = true;
            }
            21 => self.cluster.heal(self.random.below(NODES)),
            22 => {
                self.cluster.pause();
                self.may_be_dead = true;
            }
            23 => self.cluster.resume().await,
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
    }

    /// Ends all faults, waits until everything is settled, and compares.
    async fn calm(&mut self) -> Result<(), String> {
        self.end_faults().await;
        for node in 0..NODES {
            if !self.is_alive[node] {
                self.cluster.restart(node).await;
                self.is_alive[node] = true;
            }
        }
        // The members of dead nodes leave, and heartbeats reveal what is lost.
        let patience = if std::mem::take(&mut self.may_be_dead) {
            25
        } else {
            7
        };
        sleep(Duration::from_secs(patience)).await;
        self.cluster.settle().await;
        self.read_all().await;
        self.check()
    }

    fn check(&self) -> Result<(), String> {
        let members = self.clients.iter().filter_map(|it| it.member.as_ref());
        let mut members: Vec<String> = members.map(|key| format!("{key}=here")).collect();
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
        let connected = self.clients.iter().filter(|it| it.connection.is_some());
        let published = self.published.lock().unwrap();
        Reference {
            published: &published,
            chains: (self.chains.iter())
                .chain(self.clients.iter().map(|client| &client.chain))
                .collect(),
            open: connected.map(|client| &client.chain).collect(),
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
        for _ in 0..PARTS {
            for _ in 0..STEPS {
                world.step().await;
            }
            world.run_script().await?;
        }
        Ok(())
    })
}

pub(crate) fn from_environment(name: &str) -> Option<u64> {
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
