//! Random faults of one server under load, on three nodes: no accepted message may be lost without
//! notice, doubled or reordered.
//!
//! `REDIS_FAULT_SECONDS` sets how long faults happen (25, and each at least once), and
//! `REDIS_FAULT_SEED` which ones (1).

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_server::cluster::Lane;

use crate::nodes::{impatient_node, lane_of};
use crate::proxy::Proxy;
use crate::server::{RedisServer, send};

mod judge;
mod load;
mod quiet;

pub(crate) use judge::Verdict;
pub(crate) use load::{Load, TOPICS};

const NODES: usize = 3;

/// How long faults happen.
const SECONDS: u64 = 25;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fault {
    Stop,
    DebugSleep,
    KillConnections,
    Flush,
    DeleteLog,
    RestartEmpty,
    RestartFromSnapshot,
    Save,
    HoldAnswers,
    CutAnswers,
    Trim,
    FillMemory,
    DemoteAndPromote,
}

const FAULTS: [Fault; 13] = [
    Fault::Stop,
    Fault::DebugSleep,
    Fault::KillConnections,
    Fault::Flush,
    Fault::DeleteLog,
    Fault::RestartEmpty,
    Fault::RestartFromSnapshot,
    Fault::Save,
    Fault::HoldAnswers,
    Fault::CutAnswers,
    Fault::Trim,
    Fault::FillMemory,
    Fault::DemoteAndPromote,
];

/// A generator of random numbers: the same for each seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// Makes a server and the connections to it fail.
struct Faults {
    server: RedisServer,
    proxies: Vec<Proxy>,
    random: Random,
    counts: BTreeMap<Fault, u32>,
    load: Load,
}

impl Faults {
    /// Each fault once in each round, in a random order. The first round is whole.
    async fn run(&mut self, until: Instant) {
        let is_incomplete = |counts: &BTreeMap<_, _>| counts.len() < FAULTS.len();
        while is_incomplete(&self.counts) || Instant::now() < until {
            let mut round = FAULTS.to_vec();
            while !round.is_empty() && (is_incomplete(&self.counts) || Instant::now() < until) {
                let fault = round.swap_remove(self.random.index(round.len()));
                *self.counts.entry(fault).or_default() += 1;
                self.happen(fault).await;
                sleep(self.random.milliseconds(50, 900)).await;
            }
        }
    }

    async fn happen(&mut self, fault: Fault) {
        match fault {
            Fault::Stop => {
                self.server.pause();
                sleep(self.random.milliseconds(50, 4_000)).await;
                self.server.resume();
            }
            Fault::DebugSleep => {
                let seconds = self.random.milliseconds(100, 1_500).as_secs_f64();
                self.command(&format!("DEBUG SLEEP {seconds}"));
            }
            Fault::KillConnections => {
                self.command("CLIENT KILL TYPE normal SKIPME yes");
            }
            Fault::Flush => {
                self.command("FLUSHALL");
            }
            Fault::DeleteLog => {
                let log = self.random_log();
                self.command(&format!("DEL {log}"));
            }
            Fault::RestartEmpty => {
                self.server.remove_snapshot();
                self.restart();
            }
            Fault::RestartFromSnapshot => self.restart_from_snapshot().await,
            Fault::Save => {
                self.command("SAVE");
            }
            Fault::HoldAnswers => {
                let index = self.random.index(NODES);
                self.proxies[index].hold_answers();
                sleep(self.random.milliseconds(50, 3_000)).await;
                self.proxies[index].pass_answers();
            }
            Fault::CutAnswers => {
                let index = self.random.index(NODES);
                self.proxies[index].hold_answers();
                sleep(self.random.milliseconds(5, 300)).await;
                self.proxies[index].cut();
            }
            Fault::Trim => {
                let (log, keep) = (self.random_log(), self.random.below(20));
                self.command(&format!("XTRIM {log} MAXLEN {keep}"));
            }
            Fault::FillMemory => {
                self.command("CONFIG SET maxmemory 1");
                sleep(self.random.milliseconds(50, 1_500)).await;
                self.command("CONFIG SET maxmemory 0");
            }
            Fault::DemoteAndPromote => {
                self.command("REPLICAOF 127.0.0.1 1");
                self.command("REPLICAOF NO ONE");
            }
        }
    }

    /// Clients return with positions from before and after the snapshot, also to a lane whose only
    /// author is gone.
    async fn restart_from_snapshot(&mut self) {
        let author = impatient_node(self.server.redis()).await;
        let count = self.counts[&Fault::RestartFromSnapshot];
        let save = || {
            self.command("SAVE");
        };
        let legacy = self.load.leave_messages(author, count as usize, save).await;
        sleep(self.random.milliseconds(50, 300)).await;
        let positions = self.load.positions();
        sleep(self.random.milliseconds(50, 300)).await;
        self.restart();
        let node = impatient_node(self.server.redis()).await;
        self.load.inherit(&node, legacy).await;
        self.load.come_back(&node, positions).await;
    }

    fn command(&self, command: &str) -> String {
        send(self.server.port(), command)
    }

    fn restart(&mut self) {
        self.server.kill();
        // Its port may still be in use for a moment.
        while !self.server.run() {}
    }

    /// The log of the lane of a topic, or any text if it has none at the moment.
    fn random_log(&mut self) -> String {
        let Lane(lane) = lane_of(&format!("room/{}", self.random.below(TOPICS)));
        let mut logs = self.server.keys(&format!("ws:{{{lane}}}:log:*"));
        logs.pop().unwrap_or_else(|| "ws:none".to_owned())
    }
}

fn setting(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {value:?}")),
        Err(_) => default,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_faults_lose_no_message_silently_and_double_and_reorder_none() {
    let seed = setting("REDIS_FAULT_SEED", 1);
    let seconds = Duration::from_secs(setting("REDIS_FAULT_SECONDS", SECONDS));
    let server = RedisServer::with(&["--enable-debug-command", "yes"]);
    let (mut proxies, mut nodes) = (Vec::new(), Vec::new());
    for _ in 0..NODES {
        let proxy = Proxy::start(server.port()).await;
        nodes.push(impatient_node(proxy.redis()).await);
        proxies.push(proxy);
    }
    let load = Load::new(nodes);
    let _clients = load.connect().await;
    let publishers = load.publish();
    let mut faults = Faults {
        server,
        proxies,
        random: Random(seed),
        counts: BTreeMap::new(),
        load: load.clone(),
    };
    faults.run(Instant::now() + seconds).await;
    load.finish(publishers).await;
    let verdict = load.record().verdict();
    let (count, counts) = (faults.counts.values().sum::<u32>(), &faults.counts);
    println!("seed {seed}, {count} faults: {counts:?}\n{verdict:?}");
    let expected = Verdict {
        lost_silently: 0,
        doubled: 0,
        reordered: 0,
        refused_but_delivered: 0,
        closed: 0,
        ..verdict.clone()
    };
    assert_eq!(verdict, expected, "seed {seed}, {counts:?}");
    assert!(verdict.accepted > 0 && verdict.delivered > 0 && verdict.resets > 0);
}
