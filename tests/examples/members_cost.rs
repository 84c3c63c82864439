//! Measures members on several servers: `cargo run --release -p ws-tests --example members_cost`.
//!
//! A server in a process of its own enters 10,000 members of a topic, one for each connection; this
//! process is another one. Both share a `redis-server` that the program starts. The program prints
//! the time until this server lists all members, and what Redis spends on them, beside one pipelined
//! `HSET` each; the time from the start of a third server until it lists them, beside one `HGETALL`;
//! and the time until the members have left after their server was killed with SIGKILL, with the
//! number of frames that a watcher gets. The server is killed just after a heartbeat, because then
//! its death takes longest. Needs Debian's `redis-server`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, stdin};
use tokio::time::sleep;
use ws_server::cluster::{ClusterOptions, Lanes};
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_server::redis::{Redis, RedisEngine};
use ws_server::session::{Secrets, Sessions};
use ws_server::testkit::{TestClient, TestKit};
use ws_tests::{Part, RedisServer};

const MEMBERS: usize = 10_000;

/// How often members enter and servers start; the medians are shown.
const ROUNDS: usize = 5;

/// The pause between two looks at the members.
const LOOK: Duration = Duration::from_millis(1);

/// Redis is idle if it spends less than this in a pause.
const PAUSE: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_millis(1);

/// A heartbeat of this age is a new one.
const NEW: Duration = Duration::from_millis(20);

/// The time after the death in which the watcher gets no further frame.
const QUIET: Duration = Duration::from_secs(4);

/// Within what time the members of a dead server have left, and a late server lists all.
const DEATH: Duration = Duration::from_secs(15);
const LATE: Duration = Duration::from_millis(100);

#[derive(Serialize, Deserialize)]
struct Member {
    name: String,
    is_typing: bool,
}

topics! {
    /// A room of the chat.
    Room: "room/{id: u64}" => String { presence: Member };
}

const ROOM: Room = Room(7);

/// Does nothing.
struct Guest;

#[ws_handler]
impl Guest {
    fn init() -> Self {
        Guest
    }
}

/// Gets the changes of the members.
struct Watcher;

#[ws_handler]
impl Watcher {
    fn init(socket: &Socket<Self>) -> Self {
        socket.watch(&ROOM);
        Watcher
    }
}

fn member(number: usize) -> (String, Member) {
    let key = format!("user-{number:06}");
    let name = format!("Visitor {number}");
    let is_typing = false;
    (key, Member { name, is_typing })
}

/// Starts a server, without waiting for it.
fn start(url: &str) -> TestKit {
    let engine = RedisEngine::new(Redis::new(url).expect("a URL"), Lanes::DEFAULT);
    let secrets = Secrets::new([[7; 32]]).expect("32 bytes");
    let limits = ServerLimits::DEFAULT.per_address(None);
    let options = ClusterOptions::DEFAULT;
    let hub = Hub::with_engine(limits, Sessions::default(), secrets, engine, &options);
    TestKit::with_hub(hub)
}

/// The server with the members: they enter and leave when a line says so.
async fn serve(url: &str) {
    let kit = start(url);
    kit.hub().ready().await;
    let mut clients: Vec<TestClient> = Vec::new();
    for _ in 0..MEMBERS {
        let client = kit.handler::<Guest>().connect().await;
        clients.push(client.expect("the kit accepts every client"));
    }
    println!("ready");
    let mut lines = BufReader::new(stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        for (number, client) in clients.iter().enumerate() {
            let socket = client.socket::<Guest>();
            if line == "enter" {
                let (key, member) = member(number);
                socket.enter(&ROOM, &key, member);
            } else {
                socket.leave(&ROOM);
            }
        }
    }
}

/// Waits until a server has this number of members, and lists them.
async fn wait_for(hub: &Hub, count: usize) {
    while hub.member_count(&ROOM) != count {
        sleep(LOOK).await;
    }
    assert_eq!(hub.members(&ROOM).len(), count);
}

/// What something took: the time, and that of Redis.
struct Cost {
    time: Duration,
    spent: Duration,
}

/// The members enter on the other server, and this one lists them.
async fn enter(redis: &RedisServer, server: &mut Part, hub: &Hub) -> Cost {
    let before = redis.spent().await;
    let start = Instant::now();
    server.send("enter").await;
    wait_for(hub, MEMBERS).await;
    let time = start.elapsed();
    // They are also recorded for later servers.
    let mut spent = redis.spent().await;
    loop {
        sleep(PAUSE).await;
        let later = redis.spent().await;
        if later.saturating_sub(spent) < IDLE {
            break;
        }
        spent = later;
    }
    let spent = spent.saturating_sub(before);
    Cost { time, spent }
}

async fn leave(server: &mut Part, hub: &Hub) {
    server.send("leave").await;
    wait_for(hub, 0).await;
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// One `HSET` for each member, in one pipeline.
async fn hset(redis: &RedisServer, round: usize) -> Cost {
    let mut commands = String::new();
    for (key, member) in (0..MEMBERS).map(member) {
        let member = serde_json::to_string(&member).expect("JSON");
        let parts = ["HSET", &format!("floor{round}"), &key, &member];
        commands += "*4\r\n";
        commands.extend(parts.map(bulk));
    }
    let stream = redis.connect().await;
    let before = redis.spent().await;
    let start = Instant::now();
    let (mut reader, mut writer) = stream.into_split();
    let mut answers = vec![0; MEMBERS * ":1\r\n".len()];
    let (written, read) = tokio::join!(
        writer.write_all(commands.as_bytes()),
        reader.read_exact(&mut answers)
    );
    written.expect("the server reads");
    read.expect("an answer to each");
    let time = start.elapsed();
    assert!(answers.chunks(4).all(|answer| answer == b":1\r\n"));
    let spent = redis.spent().await.saturating_sub(before);
    Cost { time, spent }
}

/// All members by one `HGETALL`.
async fn hgetall(redis: &RedisServer) -> Duration {
    let stream = redis.connect().await;
    let start = Instant::now();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"HGETALL floor0\r\n").await.expect("sent");
    let mut line = String::new();
    // The number of texts, and two lines for each.
    for _ in 0..=4 * MEMBERS {
        line.clear();
        stream.read_line(&mut line).await.expect("an answer");
    }
    start.elapsed()
}

/// A third server starts, until it lists all members.
async fn late(redis: &RedisServer) -> Duration {
    let start_time = Instant::now();
    let kit = start(&redis.url());
    kit.hub().ready().await;
    assert_eq!(kit.hub().members(&ROOM).len(), MEMBERS);
    start_time.elapsed()
}

/// Waits until this server has read a heartbeat of the one with the members.
async fn wait_for_heartbeat(hub: &Hub) {
    let is_heard = || {
        let view = hub.cluster().expect("the servers share a log");
        let mut nodes = view.nodes.iter();
        nodes.any(|node| node.connections == MEMBERS as u64 && node.age < NEW)
    };
    while !is_heard() {
        sleep(LOOK).await;
    }
}

/// Counts the frames of a watcher.
async fn watch(kit: &TestKit) -> Arc<AtomicUsize> {
    let client = kit.handler::<Watcher>().connect().await;
    let mut client = client.expect("the kit accepts every client");
    let frames = Arc::new(AtomicUsize::new(0));
    let counted = frames.clone();
    tokio::spawn(async move {
        loop {
            client.text().await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    frames
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn show(name: &str, ours: Duration, floor: Duration) {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let ratio = ours.div_duration_f64(floor);
    println!(
        "{name:<44} {:>10.1} {:>10.1} ms {ratio:>8.2}",
        millis(ours),
        millis(floor)
    );
}

async fn run() {
    let redis = RedisServer::start().await;
    let mut server = Part::start(&["server", &redis.url()]);
    let kit = start(&redis.url());
    kit.hub().ready().await;
    assert_eq!(server.line().await, "ready");
    let (mut floors, mut reads) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        floors.push(hset(&redis, round).await);
        reads.push(hgetall(&redis).await);
    }
    let mut entered = vec![enter(&redis, &mut server, kit.hub()).await];
    // Now the log has nothing but these members.
    let mut late_servers = Vec::new();
    for _ in 0..ROUNDS {
        late_servers.push(late(&redis).await);
    }
    for _ in 1..ROUNDS {
        leave(&mut server, kit.hub()).await;
        entered.push(enter(&redis, &mut server, kit.hub()).await);
    }
    let times = |costs: &[Cost]| median(costs.iter().map(|cost| cost.time).collect());
    let spent = |costs: &[Cost]| median(costs.iter().map(|cost| cost.spent).collect());
    println!(
        "{:<44} {:>10} {:>10}    {:>8}",
        "", "servers", "Redis", "ratio"
    );
    let name = format!("{MEMBERS} members listed, beside HSET");
    show(&name, times(&entered), times(&floors));
    show("  time of Redis", spent(&entered), spent(&floors));
    let late = median(late_servers);
    show(
        "listed by a late server, beside HGETALL",
        late,
        median(reads),
    );
    println!("  {:.2} of {LATE:?}", late.div_duration_f64(LATE));

    let frames = watch(&kit).await;
    wait_for_heartbeat(kit.hub()).await;
    let before = frames.load(Ordering::Relaxed);
    let killed = Instant::now();
    server.kill().await;
    wait_for(kit.hub(), 0).await;
    let dead = killed.elapsed();
    sleep(QUIET).await;
    let frames = frames.load(Ordering::Relaxed) - before;
    let ratio = dead.div_duration_f64(DEATH);
    println!("members gone after the death of their server {dead:>10.1?}, {ratio:.2} of {DEATH:?}");
    println!("  frames to a watcher                        {frames:>10}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("server") {
        return serve(&arguments.next().expect("the URL of Redis")).await;
    }
    run().await;
}
