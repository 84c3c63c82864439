//! Random runs of pages that move between three servers over a faulty log.
//!
//! `CLUSTER_SEED=…` runs one seed again, `CLUSTER_RUNS=…` runs more of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use ws_server::CloseCode;
use ws_server::extract::NoState;
use ws_server::testkit::{Cluster, PageReceived, TestPage};

use crate::claims::{Routes, meter, open};
use crate::model::{Random, end_faults, from_environment};

const NODES: usize = 3;
const PAGES: usize = 3;
const STEPS: usize = 50;
const RUNS: u64 = 60;

/// More pushes at once than can wait for a page.
const FLOOD: usize = 1_100;

/// How long a page waits for a server that may be cut off.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a page has received since its last reset.
struct Wanderer {
    page: TestPage,
    is_connected: bool,
    /// Pushes before this number may be missing.
    since: usize,
    received: Vec<usize>,
}

/// A device that moves too, and whose id others know.
struct Device {
    page: TestPage,
    is_connected: bool,
}

/// Whether the log has taken each push.
type Accepted = Arc<Mutex<Vec<Option<bool>>>>;

struct World {
    random: Random,
    cluster: Cluster,
    wanderers: Vec<Wanderer>,
    device: Device,
    accepted: Accepted,
    is_alive: [bool; NODES],
    /// The log was never replaced: no page may get a reset.
    is_lossless: bool,
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let set_up =
            |kit: ws_server::testkit::TestKit| kit.with_table(Routes::table(), NoState).unwrap();
        let cluster = Cluster::with(NODES, set_up).await;
        let mut wanderers = Vec::new();
        for _ in 0..PAGES {
            let kit = cluster.node(random.below(NODES));
            let page = kit.page("/stream").connect().await.unwrap();
            wanderers.push(Wanderer {
                page,
                is_connected: true,
                since: 0,
                received: Vec::new(),
            });
        }
        let device = Device {
            page: meter(&cluster, 0).await,
            is_connected: true,
        };
        Self {
            is_lossless: !seed.is_multiple_of(3),
            random,
            cluster,
            wanderers,
            device,
            accepted: Accepted::default(),
            is_alive: [true; NODES],
        }
    }

    /// Pushes some numbers, one after the other: so their order is that of the log.
    async fn push(&mut self) {
        let node = self.random.below(NODES);
        if !self.is_alive[node] {
            return;
        }
        for _ in 0..=self.random.below(4) {
            let number = self.accepted.lock().unwrap().len();
            self.accepted.lock().unwrap().push(None);
            let push = self.cluster.node(node).hub().everyone().send("n", &number);
            let outcome = push.await;
            self.accepted.lock().unwrap()[number] = Some(outcome.is_ok());
        }
    }

    /// Pushes more than can wait for a page that is away: it gets a reset.
    async fn flood(&mut self) {
        let node = self.random.below(NODES);
        if !self.is_alive[node] {
            return;
        }
        let first = self.accepted.lock().unwrap().len();
        let numbers = first..first + FLOOD;
        let hub = self.cluster.node(node).hub();
        let send = |number| hub.everyone().send("n", &number);
        let pushes: Vec<_> = numbers.map(send).collect();
        for push in pushes {
            let is_accepted = push.await.is_ok();
            self.accepted.lock().unwrap().push(Some(is_accepted));
        }
    }

    async fn wander(&mut self) {
        self.read_all().await;
        let at = self.random.below(PAGES);
        let node = self.random.below(NODES);
        if !self.is_alive[node] {
            return;
        }
        let wanderer = &mut self.wanderers[at];
        wanderer.page.set_server(self.cluster.node(node));
        // A server without the log, or one that lags, answers late or with 503.
        let connected = timeout(PATIENCE, wanderer.page.reconnect()).await;
        wanderer.is_connected = matches!(connected, Ok(Ok(())));
    }

    /// The device connects to another server. If its own one is dead, a thief may have taken its page:
    /// then it begins another one.
    async fn move_device(&mut self) {
        let node = self.random.below(NODES);
        if !self.is_alive[node] {
            return;
        }
        self.read_device().await;
        self.device.page.set_server(self.cluster.node(node));
        let connected = timeout(PATIENCE, self.device.page.reconnect()).await;
        self.device.is_connected = matches!(connected, Ok(Ok(())));
        if let Ok(Err(refusal)) = connected
            && refusal.status() == 401
        {
            self.end_faults().await;
            self.device = Device {
                page: meter(&self.cluster, node).await,
                is_connected: true,
            };
        }
    }

    /// Someone else tries the id of the device.
    async fn steal(&mut self) {
        let node = self.random.below(NODES);
        if !self.is_alive[node] {
            return;
        }
        let id = self.device.page.page().id().to_owned();
        let token = ["wrong", "other"][self.random.below(2)];
        let thief = open(self.cluster.node(node), ("/meter", &id), token).connect();
        if let Ok(Ok(_)) = timeout(PATIENCE, thief).await {
            assert_eq!(token, "other", "`init` refuses it");
        }
    }

    /// Nobody without its credentials ends the connection of the device, nor makes its page another
    /// one.
    async fn read_device(&mut self) {
        let Device { page, is_connected } = &mut self.device;
        while let Ok(received) = timeout(Duration::ZERO, page.receive()).await {
            match received {
                PageReceived::Closed(code, reason) => {
                    assert_ne!(code, CloseCode::SUPERSEDED, "{reason}");
                    *is_connected = false;
                }
                PageReceived::Lost => *is_connected = false,
                _ => {}
            }
        }
    }

    async fn read_all(&mut self) {
        self.read_device().await;
        let sent = self.accepted.lock().unwrap().len();
        for wanderer in &mut self.wanderers {
            while let Ok(received) = timeout(Duration::ZERO, wanderer.page.receive()).await {
                match received {
                    PageReceived::Event(_, number) => {
                        let number = serde_json::from_value(number).unwrap();
                        wanderer.received.push(number);
                    }
                    PageReceived::Reset(why) => {
                        assert!(!self.is_lossless, "{why:?}, but nothing was lost");
                        wanderer.since = sent;
                        wanderer.received.clear();
                    }
                    PageReceived::Closed(code, reason) => {
                        // Nobody else has the page.
                        assert_ne!(code, CloseCode::SUPERSEDED, "{reason}");
                        wanderer.is_connected = false;
                    }
                    PageReceived::Lost => wanderer.is_connected = false,
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    async fn kill_or_restart(&mut self) {
        let node = self.random.below(NODES);
        if self.is_alive[node] {
            self.is_alive[node] = false;
            if self.random.below(2) == 0 {
                self.cluster.kill(node).await;
            } else {
                self.cluster.shut_down(node).await;
            }
        } else {
            self.end_faults().await;
            self.cluster.restart(node).await;
            self.is_alive[node] = true;
        }
    }

    async fn end_faults(&mut self) {
        end_faults(&self.cluster).await;
    }

    async fn step(&mut self) {
        match self.random.below(24) {
            0..8 => self.push().await,
            8..14 => self.wander().await,
            14 => {
                let percent = self.random.below(30);
                self.cluster.server().fail(percent as u64);
            }
            15 => self.kill_or_restart().await,
            16 => self.cluster.cut(self.random.below(NODES)),
            17 => self.cluster.heal(self.random.below(NODES)),
            18 if !self.is_lossless => {
                self.cluster.new_generation();
            }
            19 if !self.is_lossless => self.flood().await,
            20 => self.move_device().await,
            21..24 => self.steal().await,
            _ => self.end_faults().await,
        }
        let pause = self.random.below(100);
        sleep(Duration::from_millis(pause as u64)).await;
        self.read_all().await;
    }

    /// Ends all faults, and connects all pages.
    async fn finish(&mut self) {
        self.end_faults().await;
        for node in 0..NODES {
            if !self.is_alive[node] {
                self.cluster.restart(node).await;
                self.is_alive[node] = true;
            }
        }
        self.cluster.settle().await;
        for at in 0..PAGES {
            let node = self.random.below(NODES);
            let wanderer = &mut self.wanderers[at];
            wanderer.page.set_server(self.cluster.node(node));
            wanderer.page.reconnect().await.unwrap();
        }
        self.cluster.settle().await;
        self.read_all().await;
    }

    fn check(&self) -> Result<(), String> {
        let accepted = self.accepted.lock().unwrap();
        for (index, wanderer) in self.wanderers.iter().enumerate() {
            let received = &wanderer.received;
            if !received.is_sorted_by(|one, next| one < next) {
                return Err(format!(
                    "page {index}: not in order, or twice: {received:?}"
                ));
            }
            let numbers = (wanderer.since..accepted.len()).filter(|it| accepted[*it] == Some(true));
            let missing: Vec<_> = numbers.filter(|it| !received.contains(it)).collect();
            if !missing.is_empty() {
                return Err(format!("page {index} has missed {missing:?}: {received:?}"));
            }
        }
        Ok(())
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

#[test]
fn pages_that_move_miss_nothing_without_notice_and_get_nothing_twice() {
    let seeds = match from_environment("CLUSTER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..from_environment("CLUSTER_RUNS").unwrap_or(RUNS),
    };
    for seed in seeds {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("{error}; repeat with CLUSTER_SEED={seed}"),
            Err(panic) => {
                eprintln!("repeat with CLUSTER_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
}
