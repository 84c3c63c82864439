//! Measures what each server of a cluster costs: `cargo run --release -p ws-tests --example cluster_cost`.
//!
//! Real hubs share a log in memory, in one thread with paused time, so the processor's time is that
//! of the hubs alone. The program prints what a server spends on a message of the cluster that none
//! of its clients gets, and on each heartbeat, for clusters of up to 200 servers. From these it
//! computes clusters of 10, 50 and 200 servers with 20,000 connections each, beside a simulation
//! with 100 connections each.

use std::fs;
use std::time::Duration;

use ws_server::cluster::{ClusterOptions, Generation, Lanes};
use ws_server::extract::NoState;
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_server::session::{Secrets, Sessions};
use ws_server::testkit::{MemoryEngine, TestClient, TestKit};

/// Bytes of a message.
const SIZE: usize = 200;

/// Bytes of a message in the log: with its topic, and its part of the entry around it.
const LOGGED: f64 = 240.0;

/// Connections of each server, as computed and as simulated.
const CONNECTIONS: f64 = 20_000.0;
const SIMULATED: usize = 100;

/// Each client says something in this time, in a room of ten.
const PERIOD: Duration = Duration::from_secs(10);
const ROOM: usize = 10;

/// Each page is attached once in this time, which every server reads.
const VISIT: f64 = 300.0;

/// Bytes of the entry with which a page is attached.
const ATTACHED: f64 = 60.0;

/// The time between two heartbeats of a server.
const HEARTBEAT: f64 = 3.0;

/// What the network card of one Redis sends in a second, with its name.
const NETWORKS: [(&str, f64); 2] = [("1 Gbit/s", 1.25e8), ("10 Gbit/s", 1.25e9)];

topics! {
    /// A topic without subscribers.
    Quiet: "quiet/{id: u64}" => String;
    /// A room.
    Room: "room/{id: u64}" => String;
}

/// A member of a room.
struct Guest(Room);

#[ws_handler]
impl Guest {
    fn init(Path(id): Path<u64>, socket: &Socket<Self>) -> Self {
        socket.subscribe(Room(id));
        Guest(Room(id))
    }

    fn message(&mut self, text: String, hub: &Hub) {
        hub.publish(&self.0, &text);
    }
}

dispatch! {
    struct Routes;

    room: "/room/{id: u64}" => Guest { require_session: false };
}

/// The time that this process has spent on a processor.
fn spent() -> Duration {
    let text = fs::read_to_string("/proc/self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().and_then(|it| it.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

async fn cluster(nodes: usize) -> Vec<TestKit> {
    let engine = MemoryEngine::new(Lanes::DEFAULT, Generation(1));
    let mut kits = Vec::new();
    for _ in 0..nodes {
        let limits = ServerLimits::DEFAULT.per_address(None);
        let secrets = Secrets::new([[7; 32]]).expect("32 bytes");
        let options = ClusterOptions::DEFAULT;
        let engine = engine.clone();
        let hub = Hub::with_engine(limits, Sessions::default(), secrets, engine, &options);
        kits.push(TestKit::with_hub(hub));
    }
    for kit in &kits {
        kit.hub().ready().await;
    }
    kits
}

/// What publishing costs the whole cluster, for each message.
async fn publish(kits: &[TestKit], in_flight: usize) -> Duration {
    const ROUNDS: u64 = 400;
    let text = "x".repeat(SIZE);
    let before = spent();
    for round in 0..ROUNDS {
        let node = kits[usize::try_from(round).expect("small") % kits.len()].hub();
        let all = (0..in_flight).map(|_| node.publish(&Quiet(round), &text));
        for receipt in all.collect::<Vec<_>>() {
            receipt.await.expect("the log accepts messages");
        }
    }
    let messages = u32::try_from(ROUNDS).expect("small") * u32::try_from(in_flight).expect("small");
    spent().saturating_sub(before) / messages
}

/// The cost of one more server for each message: the slope between these numbers of servers.
async fn cost_of_reading(in_flight: usize) -> Duration {
    const FEW: u32 = 2;
    const MANY: u32 = 22;
    let few = publish(&cluster(FEW as usize).await, in_flight).await;
    let many = publish(&cluster(MANY as usize).await, in_flight).await;
    let cost = many.saturating_sub(few) / (MANY - FEW);
    println!("{in_flight:>3} in an entry   {cost:>10.1?} for each message");
    cost
}

/// What an idle server spends on each heartbeat of the cluster.
async fn cost_of_heartbeat(nodes: u32) -> Duration {
    let kits = cluster(nodes as usize).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let before = spent();
    let time = Duration::from_secs(60);
    tokio::time::sleep(time).await;
    let beats = f64::from(nodes) * time.as_secs_f64() / HEARTBEAT;
    let cost = spent()
        .saturating_sub(before)
        .div_f64(beats * f64::from(nodes));
    drop(kits);
    println!("{nodes:>3} servers       {cost:>10.1?} for each heartbeat");
    cost
}

/// What a server with [`SIMULATED`] members of rooms spends in a second, deliveries included.
async fn simulate(nodes: u32) -> Duration {
    let kits = cluster(nodes as usize).await.into_iter();
    let kits: Vec<TestKit> = kits
        .map(|kit| kit.with_table(Routes::table(), NoState).expect("a table"))
        .collect();
    let mut clients: Vec<TestClient> = Vec::new();
    for number in 0..kits.len() * SIMULATED {
        // The members of a room are on different servers.
        let (kit, room) = (&kits[number % kits.len()], number / ROOM);
        let client = kit.open(&format!("/room/{room}")).connect().await;
        clients.push(client.expect("the kit accepts every client"));
    }
    let before = spent();
    let text = "x".repeat(SIZE);
    let total = u32::try_from(clients.len()).expect("small");
    for client in &mut clients {
        client.send(text.clone()).await;
        tokio::time::sleep(PERIOD / total).await;
    }
    let cost = spent().saturating_sub(before).div_f64(PERIOD.as_secs_f64()) / nodes;
    for client in clients.iter_mut().step_by(997) {
        for _ in 0..ROOM {
            assert_eq!(client.text().await, text);
        }
    }
    cost
}

fn percent(cost: f64) -> String {
    format!("{:.0} %", cost * 100.0)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    println!("What a server spends on a message that none of its clients gets:");
    cost_of_reading(1).await;
    let reading = cost_of_reading(64).await;
    println!("\nAn idle cluster:");
    let mut beats = Vec::new();
    for nodes in [10, 50, 200] {
        beats.push((nodes, cost_of_heartbeat(nodes).await));
    }
    println!("\nRooms of {ROOM}, each client says {SIZE} bytes every {PERIOD:?}.");
    println!("servers  messages/s  a core of each server  Redis sends  with node lanes  simulated");
    for (nodes, beat) in beats {
        let count = f64::from(nodes);
        let messages = count * CONNECTIONS / PERIOD.as_secs_f64();
        let heartbeats = count / HEARTBEAT * beat.as_secs_f64();
        let core = messages * reading.as_secs_f64() + heartbeats;
        let sent = messages * LOGGED * count;
        // If all messages were for one page each.
        let attached = count * CONNECTIONS / VISIT * ATTACHED * count;
        let addressed = messages * LOGGED + attached;
        let simulated = simulate(nodes).await;
        println!(
            "{nodes:>7} {messages:>11.0} {:>22} {:>7.0} MB/s {:>11.0} MB/s {:>8.1?}/s",
            percent(core),
            sent / 1e6,
            addressed / 1e6,
            simulated
        );
    }
    let of_node = CONNECTIONS / PERIOD.as_secs_f64() * LOGGED;
    println!("\nServers whose traffic one Redis can send:");
    for (network, bytes) in NETWORKS {
        let all = largest(bytes, |count| count * count * of_node);
        let attaching = CONNECTIONS / VISIT * ATTACHED;
        let addressed = largest(bytes, |count| count * (of_node + count * attaching));
        println!("{network:>9}: {all}; with node lanes, for messages to single pages, {addressed}");
    }
}

/// The largest cluster for which Redis sends at most this in a second.
fn largest(most: f64, sent: impl Fn(f64) -> f64) -> f64 {
    let mut count = 1.0;
    while sent(count + 1.0) <= most {
        count += 1.0;
    }
    count
}
